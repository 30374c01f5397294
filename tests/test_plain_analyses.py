#!/usr/bin/env python3
"""The transfer matrix, the hit rate and the share on objects of nad_analyse against the second implementation, tests/peer/plain_analyses.py, on the
demonstration's ResNet-50; and that the comparison finds what is wrong. Needs PyTorch, Pillow, numpy and h5py."""
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import torch

from cli_tools import PROGRAM, SOURCE, run

sys.path[:0] = [str(SOURCE / "weights" / "demo"), str(SOURCE / "tests" / "peer")]
import draw  # noqa: E402
import plain_analyses  # noqa: E402

ANALYSE = Path(os.environ.get("NAD_ANALYSE", PROGRAM.parent / "nad_analyse"))
WEIGHTS = SOURCE / "weights" / "demo" / "resnet50.h5"
NETWORK = "networks/resnet50_specific/"


class Plain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.set_num_threads(1)
        cls._place = TemporaryDirectory(prefix="nad_plain_")
        cls.dir = Path(cls._place.name)
        cls.images, cls.results, cls.analysis = cls.dir / "images", cls.dir / "results.h5", cls.dir / "analysis.h5"
        cls.masks = cls.images / "masks" / "val"
        assert draw.main([str(cls.images), "--train", "8", "--val", "5", "--quiet"]) == 0
        done = run("--weights", WEIGHTS, "--data", cls.images, "--classes", "0-5", "--objective", "specific",
                   "--steps", 40, "--batch", 4, "--no-eval",
                   "--out", cls.results)
        assert done.returncode == 0, done.stderr
        done = subprocess.run([str(ANALYSE), cls.results, "--weights", WEIGHTS, "--data", cls.images, "--out", cls.analysis,
                               "--only", "transfer,fig4_hit_rate,object_masks", "--masks", cls.masks, "--images-per-class", "4", "--composites", "5", "--threads", "1"],
                              stderr=subprocess.PIPE, text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    @classmethod
    def tearDownClass(cls):
        cls._place.cleanup()

    def compare(self, analysis, *more):
        """(exit code, what was printed)"""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            code = plain_analyses.main(["compare", str(analysis), str(self.results), "--weights", str(WEIGHTS), "--data",
                                        str(self.images), "--masks", str(self.masks), *more])
        return code, printed.getvalue()

    def test_both_find_the_same(self):
        code, text = self.compare(self.analysis)
        self.assertEqual(code, 0, text)
        rates = 5 * 17 * 8 + 6 * 4 * 17 * 4
        self.assertIn("%d numbers compared" % (rates + 3 * 6 * 12 + 3 * 6 + 6 * 4 + 17 * 4), text)
        # Small maps give resized ones full of equal values, which PyTorch's versions round apart differently (5 in a hundred with
        # Debian 13's); but by units in the last place, so that nothing else passes as rounding.
        self.assertLess(text.count("flip: "), rates / 10, text)
        self.assertLess(max(map(float, re.findall("pixels within (.*) of the mark", text)), default=0), 5e-7, text)

    def test_what_is_wrong_is_found(self):
        def spoilt(change):
            copy = self.dir / "spoilt.h5"
            shutil.copy(self.analysis, copy)
            with h5py.File(copy, "r+") as file:
                change(file[NETWORK])
            return self.compare(copy, "--composites", "1")

        def one_image(group):
            cell = group["transfer/transfer"][2, 7]
            group["transfer/transfer"][2, 7] = cell + (0.25 if cell < 0.5 else -0.25)

        def one_rate(group):
            group["fig4_hit_rate/rates"][0, 3, 1] += 0.1

        def one_object(group):
            group["object_masks/shares"][7, 5, 3] += 0.1

        def another_swap(group):
            group["object_masks/image_swap"][9] = 5 - group["object_masks/image_swap"][9]

        def another_image(group):
            group["fig4_hit_rate/composite_images"][0, 2] += 1
        for change, words in ((one_image, "DIFFERENT: transfer[2, 7]"), (one_rate, "DIFFERENT: hit rate, composite 0, gate 3"),
                              (one_object, "DIFFERENT: object of image 7, gate 5, other_mask"),
                              (another_swap, "DIFFERENT: object 9"), (another_image, "DIFFERENT: composite 0")):
            with self.subTest(change=change.__name__):
                code, text = spoilt(change)
                self.assertEqual(code, 1, text)
                self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
