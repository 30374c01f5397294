#!/usr/bin/env python3
"""Tests of the demonstration's four networks (weights/demo/*.h5) and of weights/demo/train.py, which made them: they are
small, and nad_run finds with them the accuracy that PyTorch finds. Needs PyTorch, Pillow, numpy and h5py."""
import contextlib
import io
import json
import sys
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import torch

from cli_tools import run

DEMO = Path(__file__).resolve().parent.parent / "weights" / "demo"
sys.path.insert(0, str(DEMO))
import draw  # noqa: E402
import train  # noqa: E402
from forms import FORMS  # noqa: E402
from objects import CLASSES  # noqa: E402

VAL = 20  # images of a class


class Networks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls._place = TemporaryDirectory(prefix="nad_demo_")
        cls.dir = Path(cls._place.name)
        cls.data = cls.dir / "images"
        assert draw.main([str(cls.data), "--train", "4", "--val", str(VAL), "--quiet"]) == 0
        cls.images, cls.labels = train.read_images(str(cls.data / "val"), list(CLASSES), 64)

    @classmethod
    def tearDownClass(cls):
        cls._place.cleanup()

    def top1_by_class(self, form, weights):
        """By PyTorch, from the stored weights, in percent."""
        with h5py.File(weights, "r") as file:
            tensors = {name: torch.from_numpy(value[()].astype(np.float32)) for name, value in file["weights"].items()}
            depth = [int(n) for n in np.atleast_1d(file.attrs["layers" if form == "darts" else "stage_depths"])]
            width = {"vgg16": lambda a: a["widths"][0], "resnet50": lambda a: a["widths"][0],
                     "densenet121": lambda a: a["growth"], "darts": lambda a: a["channels"]}[form](file.attrs)
        network = FORMS[form](len(CLASSES), 64, int(width), depth)
        network.take(tensors)
        right = [train.accuracy(network, self.images[self.labels == c], self.labels[self.labels == c], 64)
                 for c in range(len(CLASSES))]
        return np.array(right)

    def before(self, weights, *more):
        """What nad_run says before it learns, in percent for each class."""
        done = run("--weights", weights, "--data", self.data, "--steps", 1, "--batch", 2, "--json", "--quiet",
                   "--out", self.dir / "out.h5", *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.dir / "out.h5").unlink()
        return np.array([c["top1_before"] for c in json.loads(done.stdout)["classes"]])

    def test_the_four_networks_are_small_and_nearly_always_right(self):
        for form in FORMS:
            with self.subTest(form):
                weights = DEMO / (form + ".h5")
                self.assertLess(weights.stat().st_size, 1e6)
                with h5py.File(weights, "r") as file:
                    self.assertEqual([c for c in file.attrs["class_ids"]], list(CLASSES))
                    self.assertEqual((file.attrs["arch"], file.attrs["input_size"]), (form, 64))
                    self.assertLessEqual(sum(value.size for value in file["weights"].values()), 400000)
                    self.assertEqual({value.dtype for value in file["weights"].values()}, {np.dtype(np.float16)})
                before = self.before(weights)
                self.assertEqual(len(before), len(CLASSES))
                self.assertGreaterEqual(before.mean(), 88)
                self.assertLess(before.mean(), 100)
                # A tie between two classes may fall otherwise: one image.
                self.assertLessEqual(np.abs(before - self.top1_by_class(form, weights)).sum(), 100 / VAL)

    def test_training_ends_in_a_weights_file_of_what_was_trained(self):
        for form, width, depth in (("vgg16", 4, "1,2,1"), ("resnet50", 4, "1,2"), ("densenet121", 4, "2,1"), ("darts", 4, "3")):
            with self.subTest(form):
                weights, said = self.dir / (form + ".h5"), io.StringIO()
                with contextlib.redirect_stdout(said):
                    code = train.main(["--data", str(self.data), "--form", form, "--width", str(width), "--depth", depth, "--out",
                                       str(weights), "--epochs", "3", "--batch", "16", "--threads", "1"])
                self.assertEqual(code, 0)
                lines = (self.dir / (form + ".log")).read_text().splitlines()
                printed = said.getvalue().splitlines()
                self.assertEqual(lines, printed[:len(lines)])
                self.assertIn("%s, 12 classes" % form, printed[len(lines)])  # from here on the converter speaks
                before = self.before(weights)
                self.assertLessEqual(np.abs(before - self.top1_by_class(form, weights)).sum(), 100 / VAL)
                self.assertIn("in half precision: val Top-1 %.2f" % self.top1_by_class(form, weights).mean(), lines[-1])
                with h5py.File(weights, "r") as file:
                    self.assertGreater(max(np.abs(value[()]).max() for value in file["weights"].values()), 0)

    def test_wrong_input_is_one_line(self):
        empty = self.dir / "empty"
        (empty / "train").mkdir(parents=True)
        broken = self.dir / "broken"
        for split in ("train", "val"):
            for name in ("a", "b"):
                (broken / split / name).mkdir(parents=True)
                (broken / split / name / "x.png").write_bytes(b"no image")
        for folder, words in ((empty, "0 class folders"), (broken, "cannot be read"), (self.dir / "none", "does not exist")):
            complaint = io.StringIO()
            with contextlib.redirect_stderr(complaint):
                self.assertEqual(train.main(["--data", str(folder), "--form", "darts", "--out", str(self.dir / "x.h5")]), 3)
            self.assertRegex(complaint.getvalue(), r"^train.py: [^\n]*%s[^\n]*\n$" % words)
        for flags in (["--form", "darts", "--depth", "2,2"], ["--form", "darts", "--width", "5"], ["--form", "vgg19"],
                      ["--form", "vgg16", "--size", "8"], ["--form", "vgg16", "--lr", "0"]):
            with contextlib.redirect_stderr(io.StringIO()) as complaint, self.assertRaises(SystemExit) as end:
                train.main(["--data", str(self.data), *flags])
            self.assertEqual(end.exception.code, 2)
            self.assertEqual(complaint.getvalue().count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
