#!/usr/bin/env python3
"""The controls of docs/METHOD.md, 5a.6: nad_random's weights files, shuffled labels, and what carries their mark on."""
import json
import shutil
import subprocess
import unittest

import h5py
import numpy as np

from cli_tools import IDS, PROGRAM, SOURCE, Case, contents, knowing_weights, run

RANDOM, ANALYSE, REPORT = (PROGRAM.with_name(n) for n in ("nad_random", "nad_analyse", "nad_report"))
CONTROL = ("random_weights", "shuffled_labels", "whole_batch")


def call(program, *args):
    return subprocess.run([str(program), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)


class Controls(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        knowing_weights(cls.weights, cls.data)
        cls.random = cls.dir / "random.h5"
        cls.made = cls.make(cls.random)

    @classmethod
    def make(cls, out, *args, weights=None):
        data = [] if "--data" in args else ["--data", cls.data]
        return call(RANDOM, "--weights", weights or cls.weights, *data, "--out", out, "--threads", 1, *args)

    def learn_random(self, out, *args, weights=None):
        result = run("--weights", weights or self.random, "--data", self.data, "--out", out, "--batch", 4, *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_the_weights_file(self):
        self.assertEqual(self.made.returncode, 0, self.made.stderr)
        self.assertIn("resnet50 with random weights (seed 233), BatchNorm measured on 60 training images", self.made.stderr)
        like, random = contents(self.weights), contents(self.random)
        for name in set(like) | set(random):
            if name in ("@random_seed", "@measured_images"):
                self.assertNotIn(name, like)
            elif name.startswith("@"):
                self.assertEqual(like[name], random[name])
            else:
                self.assertEqual(like[name][:2], random[name][:2])
        with h5py.File(self.random, "r") as file:
            self.assertEqual((file.attrs["random_seed"], file.attrs["measured_images"]), (233, 60))
            weights = file["weights"]
            self.assertAlmostEqual(weights["layer1.0.conv2.weight"][()].std(), np.sqrt(2 / 45), delta=0.03)
            self.assertTrue((weights["fc.bias"][()] == 0).all() and (weights["bn1.weight"][()] == 1).all())
            self.assertGreater(np.abs(weights["bn1.running_mean"][()]).min(), 0)
            self.assertFalse(np.allclose(weights["layer2.0.bn3.running_var"][()], 1))

    def test_seeds(self):
        again, other = self.dir / "again.h5", self.dir / "other.h5"
        self.make(again)
        self.make(other, "--seed", 2 ** 64 - 1)
        self.assertEqual(again.read_bytes(), self.random.read_bytes())
        with h5py.File(other, "r") as file, h5py.File(self.random, "r") as first:
            self.assertEqual(file.attrs["random_seed"], 2 ** 64 - 1)
            for name in ("conv1.weight", "bn1.running_var"):
                self.assertFalse((file["weights"][name][()] == first["weights"][name][()]).all())

    def test_packed_images_come_along_and_are_measured(self):
        packed, out = self.dir / "packed.h5", self.dir / "of_packed.h5"
        shutil.copy(self.weights, packed)
        with h5py.File(packed, "a") as file:
            for image in sorted(self.data.glob("*/*/*")):
                file["images/%s/%s/%s" % image.parts[-3:]] = np.frombuffer(image.read_bytes(), np.uint8)
        result = call(RANDOM, "--weights", packed, "--out", out, "--threads", 1)
        self.assertEqual(result.returncode, 0, result.stderr)
        with h5py.File(self.random, "r") as first, h5py.File(out, "r") as file:
            for name, value in first["weights"].items():
                self.assertTrue((value[()] == file["weights"][name][()]).all(), name)
            self.assertEqual(sum(len(c) for c in file["images/val"].values()), 40)
        result = run("--weights", out, "--out", self.dir / "packed_r.h5", "--classes", 1, "--steps", 2, "--batch", 4)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_without_batchnorm_no_image_is_needed(self):
        vgg = SOURCE / "tests" / "golden" / "vgg16_pooled.h5"
        out = self.dir / "vgg.h5"
        result = call(RANDOM, "--weights", vgg, "--out", out, "--threads", 1)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("no BatchNorm to measure", result.stderr)
        with h5py.File(out, "r") as file:
            self.assertEqual(file.attrs["measured_images"], 0)

    def test_what_is_refused(self):
        out = self.dir / "refused.h5"
        empty = self.dir / "empty"
        for i in IDS:
            (empty / "train" / i).mkdir(parents=True, exist_ok=True)
        for code, fragment, args in ((2, "expected", ["--seed", "-1"]), (3, "neither train nor val", ["--data", self.dir]),
                                     (3, "no training image", ["--data", empty]), (4, "", ["--device", "cuda:99"])):
            result = self.make(out, *args)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(fragment, result.stderr)
            self.assertEqual(len(result.stderr.splitlines()), 1)
            self.assertFalse(out.exists())
        before = self.weights.read_bytes()
        self.assertEqual(self.make(self.weights).returncode, 2)
        self.assertEqual(before, self.weights.read_bytes())
        broken = self.dir / "broken.h5"
        shutil.copy(self.random, broken)
        with h5py.File(broken, "a") as file:
            file.attrs["random_seed"] = "seven"
        self.assertIn("'random_seed' is not a single integer", call(PROGRAM, "--weights", broken).stderr)

    def test_a_run_on_random_weights(self):
        for objective in ("released", "specific"):
            out = self.dir / ("run_%s.h5" % objective)
            args = ["--classes", "0-3", "--steps", 5, "--objective", objective]
            result = self.learn_random(out, *args, "--json")
            self.assertIn("control       random weights (seed 233); K is the whole batch", result.stderr)
            self.assertNotIn("every step was skipped", result.stderr)
            settings = json.loads(result.stdout)["settings"]
            self.assertEqual([settings.get(k) for k in CONTROL], [233, None, True])
            with h5py.File(out, "r") as file:
                self.assertEqual((file.attrs["random_weights"], file.attrs["whole_batch"]), (233, 1))
                self.assertEqual(sum(c["skipped"][()].sum() for c in file["classes"].values()), 0)
                self.assertLess(sum(c["correct"][()].sum() for c in file["classes"].values()), 60)
            again = self.learn_random(out, *args, "--resume")
            self.assertTrue(again.stdout.startswith("Control: random weights (seed 233); K is the whole batch\n"), again.stdout)

    def test_shuffled_labels(self):
        plain, shuffled = self.dir / "plain.h5", self.dir / "shuffled.h5"
        args = ["--classes", "0-4", "--steps", 6]
        self.assertNotIn("control", self.learn(plain, *args).stderr)
        result = self.learn(shuffled, *args, "--shuffle-labels", 7)
        self.assertIn("control       shuffled labels (seed 7); K is the whole batch", result.stderr)
        with h5py.File(plain, "r") as a, h5py.File(shuffled, "r") as b:
            self.assertFalse(set(CONTROL) & set(a.attrs))
            self.assertEqual(b.attrs["shuffled_labels"], 7)
            for c in a["classes"]:
                true, mixed = a["classes"][c], b["classes"][c]
                for name in ("train_images", "val_images", "top1_before"):  # those of val are as they were
                    self.assertEqual(true.attrs[name], mixed.attrs[name])
                self.assertNotEqual(true.attrs["images_hash"], mixed.attrs["images_hash"])
                self.assertLess(mixed["correct"][()].sum(), true["correct"][()].sum())
                self.assertEqual(mixed["skipped"][()].sum(), 0)
        before = shuffled.read_bytes()
        for change, fragment in (([], "shuffled labels is 7 there and none here"),
                                 (["--shuffle-labels", 8], "shuffled labels is 7 there and 8 here")):
            self.assertIn(fragment, self.learn(shuffled, *args, *change, "--resume", code=2).stderr)
        self.assertEqual(before, shuffled.read_bytes())
        table = self.learn(shuffled, *args, "--shuffle-labels", 7, "--resume").stdout
        self.assertTrue(table.startswith("Control: shuffled labels (seed 7); K is the whole batch\n"), table)
        whole = self.dir / "whole_batch.h5"
        self.learn(whole, *args, "--whole-batch")
        self.assertIn("whole batch is 1 there and 0 here", self.learn(whole, *args, "--resume", code=2).stderr)

    def test_analyses_and_report_name_the_controls(self):
        files = [self.dir / ("a_%s.h5" % n) for n in ("plain", "random", "shuffled")]
        args = ["--classes", "0-4", "--steps", 6, "--no-eval"]
        self.learn(files[0], *args)
        self.learn_random(files[1], *args)
        self.learn(files[2], *args, "--shuffle-labels", 7)
        out, page = self.dir / "analysis.h5", self.dir / "page.html"
        result = call(ANALYSE, *files, "--only", "fig4_similarity,claims", "--out", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        labels = {"resnet50_released": None, "resnet50_released_random_weights": "random weights",
                  "resnet50_released_shuffled_labels": "shuffled labels"}
        with h5py.File(out, "r") as file:
            self.assertEqual({n: g.attrs.get("control") for n, g in file["networks"].items()}, labels)
            for label, network in file["networks"].items():
                self.assertEqual(len(network["claims/table/sentence"]), 5)
                self.assertEqual(network["claims"].attrs["controls"], 0 if label.endswith("random_weights") else 1)
        # The control in another file; without it the claims are made again.
        alone = self.dir / "alone.h5"
        for flags, controls in (([], 0), (["--control", out], 1), ([], 0)):
            result = call(ANALYSE, files[0], "--only", "fig4_similarity,claims", "--out", alone, *flags)
            self.assertEqual(result.returncode, 0, result.stderr)
            with h5py.File(alone, "r") as file:
                (network,) = file["networks"].values()
                self.assertEqual(network["claims"].attrs["controls"], controls)
        self.assertEqual(call(ANALYSE, files[0], "--out", alone, "--control", files[1]).returncode, 3)
        if REPORT.exists():
            result = call(REPORT, *files, out, "-o", page)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("3 networks", result.stderr)
            text = page.read_text()
            for control in ("random weights", "shuffled labels"):
                self.assertIn('"control":"%s"' % control, text)


if __name__ == "__main__":
    unittest.main()
