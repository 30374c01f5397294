#!/usr/bin/env python3
"""nad_explain as a user runs it: labels from folders, feature maps, the composite, mistakes, and what it says of bad input."""
import json
import os
import shutil
import struct
import subprocess
import unittest
import zlib
from pathlib import Path

import h5py
import numpy as np

from cli_tools import Case, IDS, PROGRAM, make_weights

EXPLAIN = PROGRAM.with_name("nad_explain")
CLASSES_LEARNT = 5


def explain(*args, **options):
    return subprocess.run([str(EXPLAIN), "--threads", "1", *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, **options)


def png_size(path):
    data = Path(path).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    return struct.unpack(">II", data[16:24])


def described(path):
    data = Path(path).read_bytes()
    length, kind = struct.unpack(">I4s", data[33:41])
    assert kind == b"iTXt" and zlib.crc32(data[37:41 + length]) == struct.unpack(">I", data[41 + length:45 + length])[0], path
    keyword, text = data[41:41 + length].split(b"\0\0\0\0\0")
    assert keyword == b"Description"
    return text.decode()


class Explain(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.results = cls.dir / "r.h5"
        subprocess.run([str(PROGRAM), "--threads", "1", "--quiet", "--weights", str(cls.weights), "--data",
                        str(cls.data), "--out", str(cls.results), "--batch", "4", "--steps", "3", "--classes",
                        "0-%d" % (CLASSES_LEARNT - 1)], check=True, stdout=subprocess.DEVNULL)

    def files(self):
        return ["--weights", self.weights, "--results", self.results]

    def image(self, c, i=0):
        return sorted((self.data / "val" / IDS[c]).iterdir())[i]

    def test_labels_come_from_folders_and_the_pictures_from_every_gate(self):
        out = self.dir / "pictures"
        result = explain(*[self.image(c) for c in range(4)], *self.files(), "--out", out, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        found = json.loads(result.stdout)
        self.assertEqual([i["label"] for i in found["images"]], [0, 1, 2, 3])
        for image in found["images"]:
            self.assertEqual(len(image["predictions"]), 3)
            self.assertEqual(len(image["similar_to_label"]), 3)
            self.assertLess(sum(p["probability"] for p in image["predictions"]), 1 + 1e-9)
        # all of them were called 00.png
        self.assertEqual(sorted(os.listdir(out)),
                         ["00_maps.png", "00_maps_2.png", "00_maps_3.png", "00_maps_4.png", "composite.png"])
        width, height = png_size(out / "00_maps.png")
        self.assertGreater(png_size(out / "composite.png")[1], height)  # five rows of maps, not two
        self.assertGreater(width, 4 * 32)
        # A picture says itself what it shows.
        lines = described(out / "00_maps.png").split("\n")
        self.assertEqual(lines[0], found["images"][0]["image"])
        self.assertEqual(lines[1], found["images"][0]["in_words"])
        self.assertRegex(lines[-1], "^rows: name of %s, original; columns: .*, .*, .*, " % IDS[0])
        self.assertIn("composite of four images", described(out / "composite.png"))

    def test_similarities_are_those_of_the_masks(self):
        result = explain(self.image(2), *self.files(), "--no-pictures", "--json")
        found = json.loads(result.stdout)["images"][0]["similar_to_label"]
        with h5py.File(self.results, "r") as file:
            masks = [[np.asarray(file["classes/%d/logits" % c][gate]) > 0 for gate in file["classes/%d/logits" % c]]
                     for c in range(CLASSES_LEARNT)]
        def similarity(a, b):
            return np.mean([(x & y).sum() / (x | y).sum() if (x | y).any() else 1 for x, y in zip(a, b)])
        expected = sorted(((similarity(masks[2], masks[c]), -c) for c in range(CLASSES_LEARNT) if c != 2), reverse=True)
        self.assertEqual([s["class"] for s in found], [-c for _, c in expected[:3]])
        for s, (value, _) in zip(found, expected):
            self.assertAlmostEqual(s["similarity"], value, places=12)

    def test_label_flag_words_and_no_pictures(self):
        where = self.dir / "nowhere"
        for label in ("1", IDS[1], "name of " + IDS[1]):
            result = explain(self.image(0), *self.files(), "--label", label, "--no-pictures", "--out", where)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("shows 1 " + IDS[1], result.stdout)
        self.assertFalse(where.exists())

    def test_mistakes_are_misjudged_val_images(self):
        out = self.dir / "mistakes"
        result = explain(*self.files(), "--data", self.data, "--mistakes", 3, "--out", out, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        images = json.loads(result.stdout)["images"]
        self.assertEqual(len(images), 3)
        for image in images:
            self.assertNotEqual(image["predictions"][0]["class"], image["label"])
            self.assertLess(image["label"], CLASSES_LEARNT)
        self.assertEqual(len({image["label"] for image in images}), 3)  # in turn
        self.assertIn("val images are misjudged; 3 are shown", result.stderr)
        self.assertEqual(described(out / "gallery.png").count("\nshows "), 3)

    def test_no_picture_replaces_an_input(self):
        place = self.dir / "beside"
        place.mkdir()
        for name in ("dog.png", "dog_maps.png", "gallery.png"):
            shutil.copy(self.image(0), place / name)
        before = {path.name: path.read_bytes() for path in place.iterdir()}
        for args, name in (([place / "dog.png", place / "dog_maps.png"], "dog_maps.png"),
                           ([place / "gallery.png", "--data", self.data, "--mistakes", 1], "gallery.png")):
            result = explain(*args, *self.files(), "--out", ".", cwd=str(place))
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("'./%s' would replace %s, which is read" % (name, place / name), result.stderr)
            for path, content in before.items():
                self.assertEqual((place / path).read_bytes(), content, path)
        result = explain(place / "dog.png", *self.files(), "--out", place)  # a picture of before is replaced
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual((place / "dog.png").read_bytes(), before["dog.png"])
        self.assertNotEqual((place / "dog_maps.png").read_bytes(), before["dog_maps.png"])

    def test_without_ids_the_folders_of_train_are_the_classes(self):
        weights, data, results = make_weights(self.dir / "plain.h5", ids=None), self.dir / "less", self.dir / "plain_r.h5"
        data.mkdir()
        (data / "train").symlink_to(self.data / "train")
        shutil.copytree(self.data / "val", data / "val", ignore=shutil.ignore_patterns(IDS[0]))  # class 0 has none
        subprocess.run([str(PROGRAM), "--threads", "1", "--quiet", "--weights", str(weights), "--data", str(data),
                        "--out", str(results), "--batch", "4", "--steps", "1", "--classes", "0-1"], check=True,
                       stdout=subprocess.DEVNULL)
        result = explain("--weights", weights, "--results", results, "--data", data, "--mistakes", 8, "--no-pictures",
                         "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(" of 4 val images", result.stderr)  # class 1's alone
        self.assertEqual({image["label"] for image in json.loads(result.stdout)["images"]}, {1})

    def test_a_broken_image_costs_only_itself(self):
        broken = self.dir / "broken.png"
        broken.write_bytes(b"no image")
        folder = self.image(0).parent
        result = explain(broken, self.image(0), self.dir / "missing.png", folder, *self.files(), "--no-pictures")
        self.assertEqual(result.returncode, 3)
        self.assertEqual(len(result.stderr.strip().split("\n")), 3, result.stderr)
        self.assertIn("broken.png", result.stderr)
        self.assertIn("missing.png", result.stderr)
        self.assertIn(str(self.image(0)), result.stdout)

    def test_bad_input_is_one_line(self):
        other = make_weights(self.dir / "other.h5", ids=["x%d" % c for c in range(len(IDS))])
        image = self.image(0)
        cases = [
            (["--weights", other, "--results", self.results, image], 2, "was made with other weights"),
            ([image, "--weights", self.weights], 2, "--results"),
            (self.files(), 2, "nothing to explain"),
            ([image, *self.files(), "--label", "plum"], 2, "--label 'plum' is no class"),
            ([image, *self.files(), "--data", self.data], 2, "--data needs --mistakes"),
            ([*self.files(), "--mistakes", "0"], 2, "--mistakes '0'"),
            ([image, "--weights", self.weights, "--results", self.weights], 3, "w.h5"),
            ([image, "--weights", self.weights, "--results", self.dir / "none.h5"], 3, "none.h5"),
            ([*self.files(), "--mistakes", 2], 3, "no packed images"),
            ([image, *self.files(), "--out", self.weights], 2, "--out"),
        ]
        for args, code, text in cases:
            result = explain(*args)
            self.assertEqual(result.returncode, code, (args, result.stderr))
            self.assertEqual(len(result.stderr.strip().split("\n")), 1, result.stderr)
            self.assertIn(text, result.stderr)
            self.assertTrue(result.stderr.startswith("nad_explain: "), result.stderr)


if __name__ == "__main__":
    unittest.main()
