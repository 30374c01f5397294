#!/usr/bin/env python3
"""Tests of weights/convert.py: the four families in every container, options, packed images, the real ResNet-50.

The files are written by PyTorch, which the converter itself does not use.
"""
import contextlib
import io
import json
import os
import subprocess
import sys
import unittest

import h5py
import numpy as np
import torch

from convert_cases import (CONTAINERS, DATA, FAMILIES, GENOTYPE, PEER, Case, bmp, darts, genotypes_file, random_state,
                           resnet50)


class Converting(Case):
    def convert(self, *args):
        out, self.said, self.complaints = self.dir / "out.h5", io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(self.said), contextlib.redirect_stderr(self.complaints):
            self.assertEqual(self.main([str(args[0]), str(out), *map(str, args[1:])]), 0)
        self.assertEqual([p.name for p in self.dir.glob("*.part")], [])
        return h5py.File(out, "r")

    def check_tensors(self, file, state, rounded=None):
        want = {n: v for n, v in state.items() if not n.endswith("num_batches_tracked")}
        self.assertEqual(set(file["weights"]), set(want))
        for name, value in want.items():
            got = file["weights"][name]
            self.assertEqual(got.dtype, np.float32)
            np.testing.assert_array_equal(got[()], value.to(rounded or value.dtype).float().numpy(), name)

    def test_every_family_in_every_container(self):
        for arch, family in FAMILIES.items():
            shapes, attributes, classes = family()
            state = random_state(shapes)
            for name, (save, dtype) in CONTAINERS.items():
                with self.subTest(arch=arch, container=name):
                    save(state, self.dir / name)
                    with self.convert(self.dir / name, "--genotype", repr(GENOTYPE)) as f:
                        self.check_tensors(f, state, dtype)
                        for key, value in attributes.items():
                            got = f.attrs[key]
                            self.assertEqual(list(got) if isinstance(value, list) else got, value, key)
                        self.assertEqual((f.attrs["arch"], f.attrs["num_classes"], f.attrs["format_version"]),
                                         (arch, classes, 1))
                        self.assertEqual(f.attrs["converted_from"], name)
                        self.assertEqual(f.attrs["input_size"], 32 if arch == "darts" else 224)
                        self.assertNotIn("class_ids", f.attrs)

    def test_options_are_stored(self):
        shapes, _, _ = resnet50()
        state = random_state(shapes)
        names = self.dir / "classes.txt"
        names.write_text("n1 tench, Tinca\nn2\n\nn3 great white shark\nn4 Käfer\nn5 x\n", "utf-8-sig")
        with self.convert(self.save(state), "--classes", names, "--input-size", 64, "--mean", 0.5, 0.4, 0.3,
                          "--std", 1, 2, 3, "--half", "--batchnorm-eps", 1e-3) as f:
            self.assertEqual(list(f.attrs["class_ids"]), ["n1", "n2", "n3", "n4", "n5"])
            self.assertEqual(list(f.attrs["class_names"])[:4], ["tench, Tinca", "n2", "great white shark", "Käfer"])
            self.assertEqual(f.attrs["input_size"], 64)
            self.assertEqual(f.attrs["batchnorm_eps"], 1e-3)
            np.testing.assert_array_equal(f.attrs["mean"], np.float32([0.5, 0.4, 0.3]))
            np.testing.assert_array_equal(f.attrs["std"], np.float32([1, 2, 3]))
            for name in shapes:
                self.assertEqual(f["weights"][name].dtype, np.float16)
                np.testing.assert_array_equal(f["weights"][name][()], state[name].numpy().astype(np.float16))

    def test_the_ids_of_very_many_classes_fit(self):
        shapes, _, _ = resnet50()
        shapes.update({"fc.weight": (20000, 8), "fc.bias": (20000,)})
        names = self.dir / "classes.txt"
        names.write_text("".join("n%08d a longer name of class %d\n" % (i, i) for i in range(20000)))
        with self.convert(self.save(random_state(shapes)), "--classes", names) as f:
            self.assertEqual(f.attrs["class_ids"][19999], "n00019999")

    def test_images_are_packed_as_they_are(self):
        shapes, _, _ = resnet50()
        ids = ["n%d" % i for i in range(1, 6)]
        (self.dir / "classes.txt").write_text("".join("%s name\n" % i for i in ids))
        for split, count in (("train", 4), ("val", 3)):
            for name in ("n2", "n5", "other"):
                folder = self.dir / "images" / split / name
                folder.mkdir(parents=True)
                for i in range(count):
                    (folder / ("%d.JPEG" % i)).write_bytes(b"\xff\xd8\xff" + bytes([i, 0, 10]) * (i + 1))
                (folder / "notes.txt").write_text("no image")
        source = self.save(random_state(shapes))
        with self.convert(source, "--classes", self.dir / "classes.txt", "--images", self.dir / "images",
                          "--per-class", 3, "--val-per-class", 2) as f:
            self.assertEqual({s: sorted(f["images"][s]) for s in f["images"]},
                             dict(train=["n2", "n5"], val=["n2", "n5"]))
            self.assertEqual(list(f["images/train/n5"]), ["0.JPEG", "1.JPEG", "2.JPEG"])
            self.assertEqual(list(f["images/val/n2"]), ["0.JPEG", "1.JPEG"])
            self.assertEqual(f["images/train/n5/2.JPEG"].dtype, np.uint8)
            self.assertEqual(f["images/train/n5/2.JPEG"][()].tobytes(), b"\xff\xd8\xff" + bytes([2, 0, 10]) * 3)
        self.assertIn("convert.py: in the class folders 4 files are not read: 4 .txt\n", self.complaints.getvalue())
        # without a class list the folders are the classes where their number is right
        for name in ("a", "b"):
            (self.dir / "images" / "train" / name).mkdir()
        with self.convert(source, "--images", self.dir / "images") as f:
            self.assertEqual(list(f.attrs["class_ids"]), ["a", "b", "n2", "n5", "other"])
            self.assertEqual(len(f["images/train/other"]), 4)

    def test_what_is_no_image_takes_no_place(self):
        """Folders and hidden files are passed over as nad_run does, broken files are counted and left out."""
        folder = self.dir / "images" / "train" / "n2"
        (folder / "a.jpg").mkdir(parents=True)
        os.mkfifo(str(folder / "b.jpg"))
        (folder / "c.jpg").symlink_to("nowhere")
        (folder / "d.jpg").write_bytes(b"")
        (folder / "e.jpg").write_text("<html>404</html>")
        (folder / "._f.bmp").write_bytes(b"\0\5\26\7Mac OS X")
        for name, kind in (("f", b"BM"), ("g", b"\xff\xd8\xff"), ("h", b"\x89PNG\r\n\x1a\n"), ("i", b"BM")):
            (folder / (name + ".bmp")).write_bytes(kind)
        for name in ("n1", "n3", "n4", "n5", ".ipynb_checkpoints"):  # five are classes
            (self.dir / "images" / "train" / name).mkdir()
        with self.convert(self.save(random_state(resnet50()[0])), "--images", self.dir / "images",
                          "--per-class", 3) as f:
            self.assertEqual(list(f.attrs["class_ids"]), ["n1", "n2", "n3", "n4", "n5"])
            self.assertEqual(list(f["images/train/n2"]), ["f.bmp", "g.bmp", "h.bmp"])
        self.assertIn("train 3 of 1 classes, val 0 of 0 classes; left out: 3\n", self.said.getvalue())
        reasons = ("cannot be read and was left out: No such file", "of no format that is read", "of no format that is read")
        lines = self.complaints.getvalue().splitlines()
        self.assertEqual(len(lines), 3, lines)
        for name, reason, line in zip("cde", reasons, lines):
            self.assertTrue(line.startswith("convert.py: image %s/%s.jpg " % (folder, name)), line)
            self.assertIn(reason, line)

    def test_classes_of_places(self):
        paths = ("a/airfield", "a/apartment_building/outdoor", "b/baseball_field", "f/field/wild", "l/living_room")
        ids = ["airfield", "apartment_building-outdoor", "baseball_field", "field-wild", "living_room"]
        names = self.dir / "categories_places365.txt"
        names.write_text("".join("/%s %d\n" % (path, i) for i, path in enumerate(paths)))
        for name in ids:
            (self.dir / "images" / "train" / name).mkdir(parents=True)
            (self.dir / "images" / "train" / name / "0.bmp").write_bytes(bmp(4, 9))
        source = self.save(random_state(resnet50()[0]))
        with self.convert(source, "--classes", names, "--images", self.dir / "images") as f:
            self.assertEqual(list(f.attrs["class_ids"]), ids)
            self.assertEqual(list(f.attrs["class_names"]), ["airfield", "apartment building, outdoor",
                                                            "baseball field", "field, wild", "living room"])
            self.assertEqual(list(f["images/train"]), ids)
        # without the indices it is a list like any other
        names.write_text("".join("/%s name\n" % path for path in paths))
        with self.convert(source, "--classes", names) as f:
            self.assertEqual([f.attrs["class_ids"][1], f.attrs["class_names"][1]], ["/" + paths[1], "name"])

    def test_folders_of_places20(self):
        if not (DATA / "places20").is_dir():
            self.skipTest("SKIPPED: %s is absent (set NAD_TEST_DATA)" % DATA)
        scenes = sorted(p.name for p in (DATA / "places20" / "train").iterdir())
        names = self.dir / "categories_places365.txt"
        names.write_text("".join("/%s/%s %d\n" % (scene[0], scene, i) for i, scene in enumerate(scenes)))
        shapes = dict(resnet50()[0], **{"fc.weight": (len(scenes), 8), "fc.bias": (len(scenes),)})
        with self.convert(self.save(random_state(shapes)), "--classes", names, "--images", DATA / "places20",
                          "--per-class", 1) as f:
            self.assertEqual(sorted(f["images/train"]), scenes)
        self.assertEqual(self.complaints.getvalue(), "")

    def test_a_link_stays(self):
        """Where OUT is a symbolic link, the file it points to is written, there or not yet."""
        source, there = self.save(random_state(resnet50()[0])), self.dir / "there"
        there.mkdir()
        (self.dir / "out.h5").symlink_to("there/real.h5")
        for _ in range(2):
            self.convert(source).close()
            self.assertTrue((self.dir / "out.h5").is_symlink())
            self.assertEqual([p.name for p in there.iterdir()], ["real.h5"])

    def test_standard_networks_of_torchvision(self):
        try:
            import torchvision.models as models
        except ImportError:
            self.skipTest("torchvision is not installed")
        want = {
            "resnet50": dict(stem_width=64, stage_depths=[3, 4, 6, 3], widths=[64, 128, 256, 512], expansion=4),
            "densenet121": dict(stem_width=64, stage_depths=[6, 12, 24, 16], growth=32, bottleneck=4),
            "vgg16": dict(stage_depths=[2, 2, 3, 3, 3], pool_size=7, hidden=[4096, 4096],
                          widths=[64, 64, 128, 128] + 3 * [256] + 6 * [512])}
        for arch, attributes in want.items():
            with self.subTest(arch=arch):
                state = getattr(models, arch)(num_classes=365).state_dict()
                with self.convert(self.save(state)) as f:
                    for key, value in attributes.items():
                        self.assertEqual(np.array(f.attrs[key]).tolist(), value)
                    self.assertEqual(f.attrs["num_classes"], 365)
                    self.check_tensors(f, state)

    def test_networks_of_the_peer(self):
        sys.path.insert(0, str(PEER))
        self.addCleanup(sys.path.remove, str(PEER))
        import nad_torch
        for arch in ("resnet50", "densenet121", "darts"):
            with self.subTest(arch=arch):
                state = nad_torch.build(arch).state_dict()
                with self.convert(self.save(state)) as f:
                    self.assertEqual((f.attrs["arch"], f.attrs["num_classes"]), (arch, 1000))
                    self.check_tensors(f, state)
                    if arch == "darts":
                        self.assertEqual([f.attrs[k] for k in ("channels", "layers", "form")], [48, 14, "imagenet"])
                        for kind, edges in (("normal", nad_torch.NORMAL), ("reduce", nad_torch.REDUCE)):
                            self.assertEqual(list(f.attrs["genotype_" + kind]), ["%s:%d" % e for e in edges])

    def test_genotype_in_every_notation(self):
        shapes, attributes, _ = darts()
        source = self.save(random_state(shapes))
        printed = "Genotype(normal=%r, normal_concat=range(2, 3), reduce=%r, reduce_concat=range(2, 4))" % (
            GENOTYPE["normal"], GENOTYPE["reduce"])
        (self.dir / "g.json").write_text(json.dumps(GENOTYPE))
        for text in (json.dumps(GENOTYPE), repr(GENOTYPE), printed, self.dir / "g.json"):
            with self.convert(source, "--genotype", text) as f:
                self.assertEqual(list(f.attrs["genotype_reduce"]), attributes["genotype_reduce"])
                self.assertEqual(list(f.attrs["genotype_reduce_concat"]), [2, 3])

    def test_genotype_of_a_python_file(self):
        """A line of a genotypes.py by its name, which may be omitted where it is the only one. Nothing is run."""
        shapes, attributes, _ = darts()
        source, path = self.save(random_state(shapes)), self.dir / "genotypes.py"
        other = dict(GENOTYPE, normal=[("none", 0), ("none", 1)])
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(str(self.dir))
        for text, choice in ((genotypes_file(dict(MINE=GENOTYPE)), ""),
                             (genotypes_file(dict(MINE=GENOTYPE)), ":MINE"),
                             (genotypes_file(dict(OTHER=other, MINE=GENOTYPE)), ":MINE"),
                             (genotypes_file(dict(MINE=GENOTYPE, OTHER=other)) + "BEST = MINE\n", ":BEST")):
            path.write_text(text)
            with self.convert(source, "--genotype", str(path) + choice) as f:
                self.assertEqual(list(f.attrs["genotype_normal"]), attributes["genotype_normal"])
                self.assertEqual(list(f.attrs["genotype_reduce"]), attributes["genotype_reduce"])
            self.assertFalse((self.dir / "mark").exists())

    def test_the_engine_runs_what_is_converted(self):
        """Names, attributes and packed images as the C++ side understands them: two steps of every family."""
        program = os.environ.get("NAD_RUN")
        if not program:
            self.skipTest("SKIPPED: NAD_RUN does not name the program nad_run")
        for arch, family in FAMILIES.items():
            with self.subTest(arch=arch):
                shapes, _, classes = family()
                for split in ("train", "val"):
                    for i in range(classes):
                        folder = self.dir / arch / split / ("c%d" % i)
                        folder.mkdir(parents=True)
                        (folder / "a.bmp").write_bytes(bmp(48, 20 * i))
                with self.convert(self.save(random_state(shapes)), "--genotype", repr(GENOTYPE), "--images",
                                  self.dir / arch, "--input-size", 64, "--batchnorm-eps", 1e-3) as f:
                    self.assertEqual(len(f["images/val"]), classes)
                out = self.dir / (arch + "_results.h5")
                flags = ["--classes", "0,1", "--steps", "2", "--batch", "2", "--out", out]
                done = subprocess.run([program, "--arch", arch, "--weights", self.dir / "out.h5", *flags],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
                self.assertEqual(done.returncode, 0, done.stdout)

    def test_real_resnet50(self):
        if not (DATA / "weights" / "expand_resnet50.py").is_file():
            self.skipTest("SKIPPED: %s is absent (set NAD_TEST_DATA)" % DATA)
        source = self.dir / "resnet50.pth"
        subprocess.check_call([sys.executable, str(DATA / "weights" / "expand_resnet50.py"), str(source)])
        with self.convert(source, "--classes", DATA / "imagenet1k" / "synset_words.txt", "--images",
                          DATA / "imagenette224", "--per-class", 2) as f:
            self.assertEqual((f.attrs["arch"], f.attrs["num_classes"]), ("resnet50", 1000))
            self.assertEqual(f.attrs["class_ids"][0], "n01440764")
            self.assertEqual(f.attrs["class_names"][0], "tench, Tinca tinca")
            self.assertEqual(len(f["images/train"]), 10)
            self.assertEqual(len(f["images/val/n01440764"]), 2)
            self.assertEqual(bytes(f["images/val/n01440764"][list(f["images/val/n01440764"])[0]][:2]), b"\xff\xd8")
            self.check_tensors(f, torch.load(source))


if __name__ == "__main__":
    unittest.main()
