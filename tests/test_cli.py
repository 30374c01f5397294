#!/usr/bin/env python3
"""nad_run on bad input: one clear line and the documented exit code, whatever is wrong; and its plain options."""
import json
import os
import shutil
import subprocess
import unittest

import h5py
import numpy as np

from cli_tools import CLASSES, IDS, NETWORK, Case, command, make_images, make_weights, run, stored_tensors

# (arguments, part of the message, exit code); --weights and --data are given where a case does not begin with "bare".
FLAGS = [
    (["bare"], "--weights is missing", 2),
    (["bare", "--weights"], "--weights", 2),
    (["--bogus"], "--bogus", 2),
    (["--bogus=3"], "--bogus", 2),
    (["stray"], "stray", 2),
    (["--lr", "abc"], "--lr 'abc'; expected a number above 0", 2),
    (["--lr", "0"], "a number above 0", 2),
    (["--lr", "-0.1"], "a number above 0", 2),
    (["--lr", "nan"], "a number above 0", 2),
    (["--lr", "inf"], "a number above 0", 2),
    (["--lr", "0.1x"], "a number above 0", 2),
    (["--lr", ""], "--lr", 2),
    (["--beta", "Auto"], "--beta 'Auto'; expected auto or a number", 2),
    (["--beta", "auto", "--beta-grid", "0.1,0.2"], "at least three different numbers", 2),
    (["--beta-grid", "0.1,0.2,0.3"], "--beta-grid needs --beta auto", 2),
    (["--val-list", "val.txt"], "the list of val images val.txt cannot be read", 3),
    (["--val-list", ""], "--val-list", 2),
    (["--beta", "-1"], "that is not negative", 2),
    (["--beta", "1e300"], "--beta '1e300'; expected auto or a number that is not negative and at most 1e9", 2),
    (["--lr", "1e300"], "a number above 0 and at most 1e9", 2),
    (["--beta", "auto", "--beta-grid", "0.1,0.2,1e300"], "three different numbers from 0 to 1e9", 2),
    (["--epochs", "0"], "a whole number from 1", 2),
    (["--epochs", "1.5"], "a whole number from 1", 2),
    (["--steps", "0"], "a whole number from 1", 2),
    (["--steps", "-5"], "a whole number from 1", 2),
    (["--steps", "99999999999999999999999"], "a whole number from 1", 2),
    (["--steps", "Auto"], "--steps 'Auto'; expected auto or a whole number from 1", 2),
    (["--epochs", "3", "--steps", "3"], "exclude each other", 2),
    (["--batch", "0"], "--batch '0'", 2),
    (["--batch", "1e2"], "a whole number", 2),
    (["--batch", "70000"], "to 65536", 2),
    (["--seed", "-1"], "--seed '-1'", 2),
    (["--seed", "18446744073709551616"], "to 18446744073709551615", 2),
    (["--seed", "1", "--seed", "2"], "--seed", 2),
    (["--classes-per-step", "0"], "auto or a whole number", 2),
    (["--classes-per-step", "many"], "auto or a whole number", 2),
    (["--threads", "-1"], "--threads '-1'", 2),
    (["--threads", "two"], "--threads 'two'", 2),
    (["--log-every", "0"], "--log-every '0'", 2),
    (["--checkpoint-every", "-1"], "--checkpoint-every '-1'", 2),
    (["--objective", "best"], "released, paper, variational or specific", 2),
    (["--precision", "fp16"], "fp32, tf32 or bf16", 2),
    (["--conv", "best"], "expected handwritten, cudnn or auto", 2),
    (["--device", "cpu", "--conv", "cudnn"], "cuDNN needs a CUDA device", 4),
    (["--device", "gpu"], "device 'gpu' is unknown; expected auto, cpu", 2),
    (["--device", "reference", "--precision", "bf16"], "not available on reference", 4),
    (["--precision", "tf32", "--device", "cpu"], "not available on cpu", 4),
    (["--arch", "alexnet"], "one of: vgg16, resnet50, densenet121, darts", 2),
    (["--arch", "vgg16"], "holds resnet50", 2),
    (["--profile", "--json"], "exclude each other", 2),
    (["--profile", "--dry-run"], "exclude each other", 2),
    (["--classes", ""], "--classes", 2),
    (["--classes", "10"], "the network has 10 classes, 0-9", 2),
    (["--classes", "0-99"], "out of range", 2),
    (["--classes", "3-1"], "ends before it begins", 2),
    (["--classes", "n777"], "neither an index, a range nor a class id", 2),
    (["--classes", "0,,1"], "neither an index", 2),
    (["--classes", "-3"], "--classes", 2),
    (["--out", "."], "is a folder", 2),
    (["--out", ""], "--out ''", 2),
    (["bare", "--weights", "w.h5", "--data", ""], "--data ''", 2),
    (["--out", "no/such/folder/r.h5"], "folder that does not exist", 2),
]


class BadFlags(Case):
    def check(self, args, fragment, code, **options):
        """Runs where nothing else is, so that a file left behind is seen."""
        place = self.dir / "place"
        place.mkdir()
        try:
            result = run(*args, cwd=place, **options)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assert_plain(result.stderr)
            last = result.stderr.rstrip("\n").split("\n")[-1]
            self.assertTrue(last.startswith("nad_run: "), last)
            self.assertIn(fragment, last)
            self.assertEqual(result.stdout, "")
            self.assertEqual(os.listdir(place), [])
        finally:
            shutil.rmtree(place)

    def test_flags(self):
        self.assertGreaterEqual(len(FLAGS), 40)
        for args, fragment, code in FLAGS:
            with self.subTest(args=args):
                given = args[1:] if args[:1] == ["bare"] else ["--weights", self.weights, "--data", self.data, *args]
                self.check(given, fragment, code)

    def test_an_unknown_instruction_set(self):
        for device in ("cpu", "reference"):
            self.check(["--weights", self.weights, "--data", self.data, "--device", device],
                       "NAD_ISA 'avx' in the environment; expected base, avx2, avx512 or amx", 2,
                       env={**os.environ, "NAD_ISA": "avx"})

    def test_cuda_is_refused_where_the_build_lacks_it(self):
        result = run("--weights", self.weights, "--data", self.data, "--device", "cuda", "--dry-run")
        if result.returncode == 0:
            self.skipTest("this build and machine have CUDA")
        self.assertEqual(result.returncode, 4)
        self.assertIn("cuda", result.stderr)

    def test_the_results_are_never_overwritten(self):
        out = self.dir / "there.h5"
        out.write_bytes(b"mine")
        result = run("--weights", self.weights, "--data", self.data, "--out", out)
        self.assertEqual(result.returncode, 2)
        self.assertIn("exists already", result.stderr)
        self.assertEqual(out.read_bytes(), b"mine")

    def test_out_of_memory_names_the_largest_batch(self):
        def widen(file):
            file.attrs["input_size"] = 2048
        weights = make_weights(self.dir / "wide.h5", change=widen)
        result = run("--weights", weights, "--data", self.data, "--batch", 65536, "--dry-run", "--out",
                     self.dir / "unused.h5")
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assertRegex(result.stderr, "the largest batch that fits is about [0-9]+")

    # ---- folders and images ----
    def test_folders(self):
        def folder(name):
            path = self.dir / name
            (path / "train").mkdir(parents=True)
            return path
        empty = self.dir / "empty"
        empty.mkdir()
        plain = self.dir / "plain.txt"
        plain.write_text("text")
        strange = folder("strange")
        make_images(strange, ["cat", "dog"])
        only_val = self.dir / "only_val"
        shutil.copytree(self.data / "val", only_val / "val")
        no_ids = make_weights(self.dir / "noids.h5", ids=None)
        cases = [
            (["--data", self.dir / "absent"], "no image folder", 3),
            (["--data", plain], "no image folder", 3),
            (["--data", empty], "neither train nor val", 3),
            (["--data", folder("no_classes")], "class folders", 3),
            (["--data", strange], "none of the 2 class folders", 3),
            (["--data", only_val], "no image folder", 3),
            ([], "no packed images", 3),
        ]
        for args, fragment, code in cases:
            with self.subTest(args=args):
                self.check(["--weights", self.weights, *args], fragment, code)
        self.check(["--weights", no_ids, "--data", strange], "no class ids", 3)
        self.check(["--weights", no_ids, "--data", self.data, "--classes", "cat"], "neither an index", 2)

    def test_a_class_without_images_fails_alone(self):
        data = self.dir / "holes"
        make_images(data, IDS[:2])
        for split in ("train", "val"):
            (data / split / IDS[3]).mkdir()
        (data / "train" / IDS[4]).mkdir()
        for name, content in (("a.png", b""), ("b.jpg", b"\xff\xd8\xff no image"), ("c.png", b"\x89PNG\r\n\x1a\n cut")):
            (data / "train" / IDS[4] / name).write_bytes(content)
        (data / "train" / IDS[0] / "zz.png").write_bytes(b"broken")
        out = self.dir / "holes.h5"
        result = run("--weights", self.weights, "--data", data, "--classes", "0,3,4,1,7", "--steps", 3, "--batch", 4,
                     "--out", out, "--json")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assert_plain(result.stderr)
        for fragment in ("class 3 failed", "class 4 failed", "class 7 failed", "(3 broken)", "3 classes failed"):
            self.assertIn(fragment, result.stderr)
        classes = {c["index"]: c for c in json.loads(result.stdout)["classes"]}
        self.assertEqual({i: c["finished"] for i, c in classes.items()}, {0: True, 1: True, 3: False, 4: False, 7: False})
        self.assertEqual(classes[0]["broken_images"], 1)
        self.assertIn("no image to use", classes[4]["error"])
        with h5py.File(out, "r") as file:
            self.assertEqual(file["classes/0"].attrs["finished"], 1)
            self.assertEqual(file["classes/4"].attrs["error_code"], 3)
            self.assertNotIn("logits", file["classes/4"])

    def test_a_folder_that_cannot_be_read_costs_its_class_alone(self):
        data = self.dir / "unreadable"
        make_images(data, IDS[:3])
        shutil.rmtree(data / "val" / IDS[1])
        (data / "val" / IDS[1]).write_text("no folder")
        shutil.rmtree(data / "train" / IDS[2])
        (data / "train" / IDS[2]).symlink_to(IDS[2])  # in a circle: no class at all
        (data / "val" / IDS[0] / "zz.png").write_bytes(b"broken")
        result = run("--weights", self.weights, "--data", data, "--classes", "0,1,2", "--steps", 2, "--batch", 4,
                     "--out", self.dir / "unreadable.h5", "--json")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("cannot read the folder", result.stderr)
        self.assertIn("\n1 class failed, ", result.stderr)
        classes = {c["index"]: c for c in json.loads(result.stdout)["classes"]}
        self.assertEqual({i: c["finished"] for i, c in classes.items()}, {0: True, 1: True, 2: False})
        self.assertIsNone(classes[1]["top1_before"])
        self.assertEqual(classes[0]["broken_images"], 1)

    # ---- weights files ----
    def test_weights_files(self):
        whole = self.weights.read_bytes()
        cut = self.dir / "cut.h5"
        cut.write_bytes(whole[:len(whole) // 2])
        text = self.dir / "text.h5"
        text.write_text("this is text\n")
        nothing = self.dir / "nothing.h5"
        nothing.write_bytes(b"")

        def attribute(name, value):
            def change(file):
                if value is None:
                    del file.attrs[name]
                else:
                    file.attrs[name] = value
            return make_weights(self.dir / "changed.h5", change=change)

        def tensor(change):
            return stored_tensors(self.dir / "changed.h5", change)

        def infinite(group):
            group["fc.bias"][3] = np.inf

        def double(group):
            del group["fc.bias"]
            group["fc.bias"] = np.zeros(CLASSES, np.float64)

        def wrong_shape(group):
            del group["fc.bias"]
            group["fc.bias"] = np.zeros(CLASSES + 1, np.float32)

        def missing(group):
            del group["layer1.0.bn2.weight"]

        def unexpected(group):
            group["layer9.weight"] = np.zeros(3, np.float32)
        cases = [
            (lambda: self.dir / "absent.h5", "does not exist"),
            (lambda: self.dir, "directory"),
            (lambda: nothing, "is empty"),
            (lambda: text, "not an HDF5 file"),
            (lambda: cut, "cut short"),
            (lambda: attribute("arch", None), "no attribute 'arch'"),
            (lambda: attribute("arch", "alexnet"), "alexnet"),
            (lambda: attribute("arch", 3), "arch"),
            (lambda: attribute("num_classes", None), "num_classes"),
            (lambda: attribute("num_classes", -3), "num_classes"),
            (lambda: attribute("num_classes", 11), "class_ids"),
            (lambda: attribute("class_ids", ["a"] * CLASSES), "twice"),
            (lambda: attribute("std", [0.0, 1.0, 1.0]), "std"),
            (lambda: attribute("input_size", "big"), "input_size"),
            (lambda: attribute("widths", "wide"), "changed.h5: weights file: attribute 'widths' has an unexpected type; "
                                                  "expected a list of integers"),
            (lambda: attribute("stage_depths", [2]), "widths"),
            (lambda: attribute("stem_width", 10), "bn1.weight"),
            (lambda: tensor(missing), "layer1.0.bn2.weight"),
            (lambda: tensor(unexpected), "layer9.weight"),
            (lambda: tensor(wrong_shape), "fc.bias"),
            (lambda: tensor(double), "fc.bias"),
            (lambda: tensor(infinite), "fc.bias"),
        ]
        for make, fragment in cases:
            with self.subTest(fragment=fragment):
                self.check(["--weights", make(), "--data", self.data, "--dry-run"], fragment, 3)

    def test_numbers_that_overflow(self):
        def huge(group):
            group["fc.weight"][...] = 3e38
        weights = stored_tensors(self.dir / "huge.h5", huge)
        for objective in ("paper", "released"):
            with self.subTest(objective=objective):
                result = run("--weights", weights, "--data", self.data, "--classes", "0,1", "--steps", 3, "--batch", 4,
                             "--objective", objective, "--no-eval", "--out", self.dir / ("huge_%s.h5" % objective))
                self.assertEqual(result.returncode, 5, result.stderr)
                for c in (0, 1):
                    self.assertIn("class %d failed: step 0: the original network's logits are not finite" % c, result.stderr)


class PlainOptions(Case):
    def test_version_and_help(self):
        self.assertRegex(run("--version").stdout, r"^nad_run \d+\.\d+\.\d+\n$")
        text = run("--help").stdout
        for flag in ("--weights", "--classes-per-step", "--checkpoint-every", "--resume"):
            self.assertIn(flag, text)

    def test_dry_run_writes_nothing(self):
        out = self.dir / "dry.h5"
        result = self.learn(out, "--dry-run")
        for fragment in ("beta 0.02 (default)", "4 with 60 channels", "largest batch", "seed", "threads",
                         "train 10 classes, val 10 classes; 60 and 40 images", "20 epochs, at least 400 steps per class (auto), batch 4"):
            self.assertIn(fragment, result.stderr)
        self.assertFalse(out.exists())
        self.assertEqual(result.stdout, "")

    def test_few_steps_are_warned_of(self):
        def told(*args):
            return self.learn(self.dir / "few.h5", "--dry-run", *args).stderr
        self.assertNotIn("warning", told())
        self.assertNotIn("warning", told("--steps", 400))
        self.assertIn("warning: 10 classes get fewer than 400 steps (down to 40): too few for most gates to settle; "
                      "--steps auto takes at least 400\n", told("--epochs", 20))
        self.assertIn("warning: 1 class gets fewer than 400 steps (399)", told("--steps", 399, "--classes", "3"))

    def test_the_default_beta_of_365_classes_is_told(self):
        def widen(file):
            file.attrs["num_classes"] = 365
            bound, rng = file["weights/bound"], np.random.default_rng(3)
            width = int(bound["fc.weight"].attrs["shape"][1])
            del bound["fc.weight"], file["weights/small/fc.bias"]
            file["weights/small/fc.weight"] = rng.standard_normal((365, width)).astype(np.float32)
            file["weights/small/fc.bias"] = np.zeros(365, np.float32)
        weights = make_weights(self.dir / "places.h5", [*IDS, *("p%d" % c for c in range(365 - CLASSES))], widen)
        result = run("--weights", weights, "--data", self.data, "--classes", "0", "--dry-run")
        self.assertIn("beta 0.02 (Places365's default: 365 classes)", result.stderr)

    def test_dry_run_notes_what_would_stop_a_run(self):
        out = self.dir / "dry_there.h5"
        out.write_bytes(b"mine")
        self.assertIn("exists already: a run would stop here", self.learn(out, "--dry-run").stderr)
        self.assertIn("does not exist: a run would stop here", self.learn(self.dir / "no" / "r.h5", "--dry-run").stderr)
        self.assertEqual(out.read_bytes(), b"mine")

    def test_ids_that_look_like_indices(self):
        weights = make_weights(self.dir / "digits.h5", ids=[str(9 - c) for c in range(CLASSES)])
        data = self.dir / "digits"
        make_images(data, [str(c) for c in range(CLASSES)], train=2, val=1)
        result = run("--weights", weights, "--data", data, "--classes", "0-1, 3", "--dry-run")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("classes       3 of 10", result.stderr)
        self.assertIn("note: --classes: '3' is the id of class 6; write 3-3", result.stderr)

    def test_columns_of_names_in_any_script(self):
        def name(file):
            file.attrs["class_names"] = ["日本語の名前"] + ["plain"] * (CLASSES - 1)
        weights = make_weights(self.dir / "names.h5", change=name)
        result = run("--weights", weights, "--data", self.data, "--classes", "0,1", "--steps", 1, "--batch", 4, "--out",
                     self.dir / "names_r.h5", "--no-eval")
        wide, plain = result.stdout.split("\n")[1:3]
        self.assertEqual(plain.index("1", 40), wide.index("1", 30) + 6)  # six characters of two columns

    def test_profile(self):
        out = self.dir / "profile.h5"
        result = self.learn(out, "--profile", "--classes-per-step", 2)
        for fragment in ("conv2d backward", "gate_update", "softmax_loss", "step  "):
            self.assertIn(fragment, result.stdout)
        self.assertFalse(out.exists())

    def test_quiet_table_and_default_name(self):
        place = self.dir / "default"
        place.mkdir()
        result = run("--weights", self.weights, "--data", self.data, "--classes", "%s,2-3,2" % IDS[5], "--steps", 2,
                     "--batch", 4, "--quiet", "--no-eval", cwd=place)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(place), ["resnet50_results.h5"])
        rows = result.stdout.strip().split("\n")
        self.assertEqual([row.split()[0] for row in rows], ["class", "5", "2", "3", "mean"])
        self.assertNotIn("step 1/2", result.stderr)
        self.assert_plain(result.stdout)

    def test_log_lines(self):
        result = self.learn(self.dir / "log.h5", "--classes", "0", "--steps", 10, "--log-every", 4, "--no-eval")
        steps = [line for line in result.stderr.split("\n") if ": step " in line]
        self.assertEqual([s.split("step ")[1].split(",")[0] for s in steps], ["4/10", "8/10", "10/10"])
        self.assert_plain(result.stderr)

    def test_a_full_standard_output_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run(command("--weights", self.weights, "--data", self.data, "--classes", "0", "--steps", 1,
                                            "--batch", 4, "--out", self.dir / "full.h5"), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(result.returncode, 3)
        self.assertIn("standard output", result.stderr)
        with h5py.File(self.dir / "full.h5", "r") as file:
            self.assertEqual(file["classes/0"].attrs["finished"], 1)

    def test_no_val_split(self):
        data = self.dir / "no_val"
        shutil.copytree(self.data / "train", data / "train")
        result = run("--weights", self.weights, "--data", data, "--classes", "0", "--steps", 2, "--batch", 4, "--json",
                     "--out", self.dir / "no_val.h5")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("no val images", result.stderr)
        self.assertIsNone(json.loads(result.stdout)["classes"][0]["top1_before"])
        with h5py.File(self.dir / "no_val.h5", "r") as file:
            self.assertTrue(np.isnan(file["classes/0"].attrs["top1_after"]))


if __name__ == "__main__":
    if not NETWORK.exists():
        raise SystemExit("%s is missing" % NETWORK)
    unittest.main()
