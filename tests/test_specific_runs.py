#!/usr/bin/env python3
"""Runs of nad_run with --objective specific: what the file holds, which images are shown, the same bytes in every
arrangement and after every kill."""
import json
import math
import re
import shutil
import subprocess
import unittest
from pathlib import Path

import h5py
import numpy as np

import cli_tools
from cli_tools import IDS, Case, Interrupted, contents, knowing_weights, run, start

SPECIFIC = ["--objective", "specific"]


class Specific(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for image in sorted((cls.data / "train" / IDS[1]).iterdir())[2:]:
            image.unlink()
        knowing_weights(cls.weights, cls.data)

    def test_what_the_file_holds(self):
        out = self.dir / "r.h5"
        result = self.learn(out, *SPECIFIC, "--classes", "0,3", "--steps", 12, "--json", "--log-every", 4)
        printed = json.loads(result.stdout)
        self.assertIn("objective     specific, target class, false alarms to stay within 5 % of the original's, beta 8 (default), lr 0.01", result.stderr)
        self.assertIn("others: 56 images of 10 classes", result.stderr)
        self.assertRegex(result.stderr, r"class 3 .*: step 8/12, loss .*, correct ./[24], false alarms ./4, ")
        with h5py.File(out, "r") as file:
            self.assertEqual([file.attrs[k] for k in ("lr", "beta", "lambda", "max_false_alarms")], [0.01, 8, 1, 0.05])
            self.assertEqual([file.attrs[k] for k in ("specific_target", "negatives", "negative_classes")], ["class", 0, "all"])
            self.assertRegex(file.attrs["negatives_hash"], "^[0-9a-f]{16}$")
            for c in "03":
                group = file["classes"][c]
                losses, specificity = group["losses"][()], group["specificity"][()]
                answered, skipped = group["others_answered"][()], group["skipped"][()].astype(bool)
                self.assertEqual((specificity.dtype, specificity.shape), (np.float64, (12,)))
                self.assertEqual((answered.dtype, answered.shape), (np.int32, (12,)))
                np.testing.assert_array_equal(np.isnan(specificity), skipped)
                self.assertTrue(((0 <= answered) & (answered <= 4)).all())
                self.assertLess(skipped.sum(), 4)
                self.assertGreater(group.attrs["top1_before"], 70)
                total, first, regular, cross_entropy = losses[~skipped].T
                weights = [group[k][()][~skipped] for k in ("beta", "lambda")]
                np.testing.assert_allclose(total, first + weights[0] * regular)
                self.assertTrue((first >= cross_entropy + weights[1] * specificity[~skipped] - 1e-12).all())
                self.follow_weights(group)
                self.assertNotIn("adam_mean", group)  # what only a class in progress needs
                self.assertNotIn("false_alarms_unshown", group.attrs)
        self.assertEqual(printed["settings"]["specific_target"], "class")
        self.assertNotIn("false_alarms_unshown", printed["classes"][0])

    def follow_weights(self, group):
        """From the counts of the steps to their weights, as docs/METHOD.md has it; the images are those that the original
        network gets right, so that it answers c to none of the others."""
        steps, beta, lam, alarms, surplus = len(group["beta"]), 0, 1, 0, 0
        for t in range(steps):
            np.testing.assert_allclose((group["beta"][t], group["lambda"][t]), (beta, lam), rtol=1e-5)
            if group["skipped"][t]:
                continue
            alarms = 0.9 * alarms + 0.1 * group["others_answered"][t] / 4
            valid = group["correct"][t]  # nothing is demanded beyond them
            surplus = 0.9 * surplus + 0.1 * (group["own_answered"][t] - valid) / valid
            lam = min(max(lam * math.exp(0.5 * (alarms - 0.05)), 1), 16)
            full = 8 if (steps - t) / steps > 0.3 else 0
            beta = full * min(max(1 + surplus / 0.05, 0), 1)

    def test_gates_start_open(self):
        out = self.dir / "open.h5"
        self.learn(out, *SPECIFIC, "--classes", "0,3", "--steps", 1, "--lr", 1e-30)
        with h5py.File(out, "r") as file:
            for c in "03":
                group = file["classes"][c]
                logits = np.concatenate([gate[()] for gate in group["logits"].values()])
                self.assertLess(abs(logits.mean() - 0.5), 0.05)
                self.assertLess(abs(logits.std() - 0.1), 0.03)
                self.assertEqual(group.attrs["top1_before"], group.attrs["top1_after"])

    def test_same_bytes_in_every_arrangement(self):
        for target in ("class", "all"):
            with self.subTest(target=target):
                args = [*SPECIFIC, "--specific-target", target, "--epochs", 8, "--lr", 0.15]  # gates close in time
                one = self.dir / ("one_%s.h5" % target)
                self.learn(one, "--classes", "0-4", *args)
                # Class 1 has fewer images and steps: its slot is refilled while the others go on.
                for i, arrangement in enumerate([["--classes-per-step", 2], ["--classes-per-step", 5], ["--threads", 2]]):
                    out = self.dir / ("other_%s_%d.h5" % (target, i))
                    self.learn(out, "--classes", "0-4", *args, *arrangement)
                    self.assert_same(one, out)
                alone = self.dir / ("alone_%s.h5" % target)
                self.learn(alone, "--classes", "3", *args)
                self.learn(alone, "--classes", "0-4", *args, "--resume")
                self.assert_same(one, alone)
        with h5py.File(self.dir / "one_all.h5", "r") as file:
            closed = [1 - np.concatenate([gate[()] for gate in c["mask"].values()]).mean() for c in file["classes"].values()]
        self.assertTrue(any(0.1 < share < 0.9 for share in closed), closed)
        first, second = (contents(self.dir / ("one_%s.h5" % target)) for target in ("class", "all"))
        self.assertNotEqual(first["classes/0/logits/00"], second["classes/0/logits/00"])

    def test_false_alarms_on_classes_never_shown(self):
        for which, ranks in (("even", range(0, 10, 2)), ("odd", range(1, 10, 2))):
            with self.subTest(which=which):
                out = self.dir / ("%s.h5" % which)
                result = self.learn(out, *SPECIFIC, "--classes", "0,3", "--steps", 6, "--negative-classes", which, "--json")
                self.assertIn("of 5 classes (%s ones)" % which, result.stderr)
                told = {c["index"]: c for c in json.loads(result.stdout)["classes"]}
                with h5py.File(out, "r") as file:
                    self.assertEqual(file.attrs["negative_classes"], which)
                    for c in (0, 3):
                        attrs = file["classes/%d" % c].attrs
                        shown, unshown = attrs["false_alarms_shown"], attrs["false_alarms_unshown"]
                        n = len(set(ranks) - {c})  # the shown ones, of nine others
                        self.assertAlmostEqual(attrs["false_alarms"], (n * shown + (9 - n) * unshown) / 9)
                        self.assertEqual((told[c]["false_alarms_shown"], told[c]["false_alarms_unshown"]), (shown, unshown))
                table = self.learn(out, *SPECIFIC, "--classes", "0,3", "--steps", 6, "--negative-classes", which, "--resume")
                self.assertIn("shown never shown", table.stdout.splitlines()[0])
        self.assertNotEqual(*(contents(self.dir / name)["@negatives_hash"] for name in ("even.h5", "odd.h5")))

    def test_what_a_resume_compares(self):
        out = self.dir / "compared.h5"
        args = [*SPECIFIC, "--classes", "0", "--steps", 3, "--no-eval"]
        self.learn(out, *args)
        before = out.read_bytes()
        for change, fragment in ((["--lambda", 2, "--beta", 8, "--lr", 0.01], "lambda is 1 there and 2 here"),
                                 (["--max-false-alarms", 2], "the limit of false alarms is 0.05 there and 0.02 here"),
                                 (["--negatives", 30], "negatives is 0 there and 30 here"),
                                 (["--specific-target", "all"], "the specific target is class there and all here"),
                                 (["--negative-classes", "odd"], "the classes of negatives is all there and odd here")):
            self.assertIn(fragment, self.learn(out, *args, *change, "--resume", code=2).stderr)
        image = self.data / "train" / IDS[7] / "00.png"  # of a class that is not learnt
        kept = image.read_bytes()
        image.unlink()
        try:
            result = self.learn(out, *args[:2], "--classes", "0,2", *args[4:], "--resume", code=3)
            self.assertIn("the images of other classes are not those", result.stderr)
        finally:
            image.write_bytes(kept)
        with h5py.File(out, "r") as file:
            self.assertEqual(list(file["classes"]), ["0"])
        self.learn(out, *args, "--resume")
        self.assertEqual(len(out.read_bytes()), len(before))

    def test_negatives_are_bounded(self):
        result = self.learn(self.dir / "few.h5", *SPECIFIC, "--classes", "0", "--steps", 2, "--negatives", 13)
        self.assertIn("at most 13 images are kept", result.stderr)
        self.assertIn("others: 13 images of 10 classes", result.stderr)

    def test_without_other_classes(self):
        alone = self.dir / "alone"
        for split in ("train", "val"):
            shutil.copytree(self.data / split / IDS[3], alone / split / IDS[3])
        result = run("--weights", self.weights, "--data", alone, "--out", self.dir / "lonely.h5", *SPECIFIC, "--steps", 3)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("there is no image of another class to show", result.stderr)
        result = run("--weights", self.weights, "--data", alone, "--out", self.dir / "none.h5", *SPECIFIC, "--steps", 3,
                     "--negative-classes", "odd")
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertIn("see --data and --negative-classes", result.stderr)

    def test_memory_counts_the_others(self):
        def planned(*args):
            text = run("--weights", self.weights, "--data", self.data, "--out", self.dir / "dry.h5", "--classes", "0",
                       "--dry-run", *args).stderr
            return (re.search("activations ([0-9.]+) MiB", text).group(1),
                    int(re.search("largest batch that fits is about ([0-9]+)", text).group(1)))
        activations, fits = planned(*SPECIFIC, "--batch", 16)
        as_many, fits_alone = planned("--batch", 32)
        self.assertEqual(activations, as_many)
        self.assertLess(abs(fits / fits_alone - 0.5), 0.05)

    def test_profile_shows_others_too(self):
        result = run("--weights", self.weights, "--data", self.data, "--classes", "0", "--profile", *SPECIFIC)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("specific_loss", result.stdout)


class Kills(Interrupted):
    ARGS = ["--classes", "0-2", "--steps", 60, "--classes-per-step", 2, *SPECIFIC, "--lr", 0.1]

    @classmethod
    def prepare(cls):
        knowing_weights(cls.weights, cls.data)

    def test_sigkill_at_any_moment(self):
        self.kill_at_any_moment()

    def test_the_state_of_a_class_in_progress(self):
        out = self.dir / "begun.h5"
        child = start(*self.command(out))
        self.wait_for(out, child, 5)
        child.kill()
        child.communicate()
        with h5py.File(out, "r") as file:
            group = file["classes/0"]
            skipped = group["skipped"][()]
            self.assertEqual(group.attrs["adam_steps"], (skipped == 0).sum())
            self.assertGreater(group.attrs["adam_steps"], 3)
            for name in ("next_beta", "next_lambda", "mean_false_alarms", "mean_surplus"):
                self.assertIn(name, group.attrs)
            for name, logits in group["logits"].items():
                for moment in ("adam_mean", "adam_square"):
                    self.assertEqual(group[moment][name].shape, logits.shape)
        self.finish(out)
        with h5py.File(out, "r") as file:
            self.assertNotIn("adam_mean", file["classes/0"])
            self.assertNotIn("adam_steps", file["classes/0"].attrs)
            self.assertNotIn("next_lambda", file["classes/0"].attrs)


if __name__ == "__main__":
    unittest.main()
