#!/usr/bin/env python3
"""nad_run --beta auto: the same losses as runs with each beta, the elbow as numpy finds it, and every kind of end."""
import json
import signal
import time
import unittest

import h5py
import numpy as np

from cli_tools import CLASSES, IDS, Case, contents, make_images, make_weights, run, start

GRID = [0.0005, 0.02, 0.3, 1.0, 20.0]
AUTO = ["--beta", "auto", "--beta-grid", ",".join(map(str, GRID))]
# Not `released`: the small network classifies little correctly, so that most steps would be skipped.
ARGS = ["--objective", "paper", "--steps", 40, "--no-eval"]


def elbow(first, regular):
    """The place of the point farthest from the chord towards smaller losses, and all distances."""
    x, y = ((v - v.min()) / (v.max() - v.min()) for v in (first, regular))
    chord = np.array([x[-1] - x[0], y[-1] - y[0]])
    normal = np.array([chord[1], -chord[0]]) / np.linalg.norm(chord)  # the ends fall from left to right
    distance = np.stack([x - x[0], y - y[0]], axis=1) @ normal
    return int(distance.argmax()), distance


def tail(values):
    return np.nanmean(values[-max(1, len(values) // 10):], axis=0)


class BetaAuto(Case):
    def search_of(self, out):
        with h5py.File(out, "r") as file:
            return dict(file.attrs), {name: item[()] for name, item in file["beta_search"].items()}

    def test_the_grid_is_learnt_as_runs_would_and_its_elbow_taken(self):
        out = self.dir / "auto.h5"
        result = self.learn(out, *ARGS, *AUTO, "--classes", "3,0,1", "--json")
        attributes, search = self.search_of(out)
        np.testing.assert_array_equal(search["beta"], GRID)
        np.testing.assert_array_equal(search["classes"], [3])
        for i, beta in enumerate(GRID):
            single = self.dir / ("beta%d.h5" % i)
            self.learn(single, *ARGS, "--classes", "3", "--beta", beta)
            with h5py.File(single, "r") as file:
                first, regular = tail(file["classes/3/losses"][()])[1:3]
            np.testing.assert_allclose([search["first"][i, 0], search["regular"][i, 0]], [first, regular], rtol=1e-13)
        point, distance = elbow(search["first"][:, 0], search["regular"][:, 0])
        np.testing.assert_allclose(search["distance"], distance, atol=1e-12)
        self.assertEqual((attributes["beta"], attributes["beta_auto"]), (GRID[point], 1))
        self.assertNotIn(point, (0, len(GRID) - 1))
        self.assertIn("beta %g is the elbow of the curve\n" % GRID[point], result.stderr)
        self.assertRegex(result.stderr, r"\n +beta +reconstruction +regularisation +distance\n +0\.0005 ")
        self.assert_plain(result.stderr)
        printed = json.loads(result.stdout)
        self.assertEqual((printed["settings"]["beta"], printed["settings"]["beta_auto"]), (GRID[point], True))
        self.assertEqual(printed["beta_search"]["first"], list(search["mean_first"]))

        given = self.dir / "given.h5"  # what is learnt afterwards is what that beta, when given, learns
        self.learn(given, *ARGS, "--classes", "3,0,1", "--beta", GRID[point])
        auto, plain = contents(out), contents(given)
        self.assertEqual(auto.pop("@beta_auto"), "1")
        self.assertEqual(plain.pop("@beta_auto"), "0")
        self.assertEqual({k: v for k, v in auto.items() if not k.startswith("beta_search")}, plain)

        before = contents(out)  # a run that goes on does not search again
        result = self.learn(out, *ARGS, *AUTO, "--classes", "0-3", "--resume")
        self.assertNotIn("search for beta", result.stderr)
        self.assertIn("(auto, found before)", result.stderr)
        after = contents(out)
        self.assertEqual({name: after[name] for name in before}, before)
        for wrong, message in ((["--beta", "auto"], "the grid of --beta auto is 0.0005,"),
                               ([], "made with other settings: beta is")):
            result = self.learn(out, *ARGS, *wrong, "--classes", "0-3", "--resume", code=2)
            self.assertIn(message, result.stderr)
        result = self.learn(given, *ARGS, *AUTO, "--classes", "0-3", "--resume", code=2)
        self.assertIn("there and auto here", result.stderr)

    def test_a_twentieth_of_the_classes_side_by_side(self):
        ids = IDS + ["n9%07d" % c for c in range(40 - CLASSES)]

        def widen(file):
            file.attrs["num_classes"] = 40
            rng = np.random.default_rng(3)
            bound = file["weights/bound"]
            width = int(bound["fc.weight"].attrs["shape"][1])
            del bound["fc.weight"], file["weights/small/fc.bias"]
            file["weights/small/fc.weight"] = rng.standard_normal((40, width)).astype(np.float32)
            file["weights/small/fc.bias"] = np.zeros(40, np.float32)
        weights, data = make_weights(self.dir / "w40.h5", ids, widen), self.dir / "images40"
        make_images(data, ids[:40], train=5, val=1)
        files = []
        for slots in (1, 2):
            out = self.dir / ("forty%d.h5" % slots)
            result = run("--weights", weights, "--data", data, "--out", out, "--batch", 4, "--objective", "paper",
                         "--no-eval", "--steps", 10, *AUTO, "--classes-per-step", slots)
            self.assertEqual(result.returncode, 0, result.stderr)
            files.append(out)
        self.assert_same(*files)
        _, search = self.search_of(files[0])
        np.testing.assert_array_equal(search["classes"], [0, 1])
        np.testing.assert_allclose(search["mean_first"], search["first"].mean(axis=1), rtol=1e-14)
        np.testing.assert_allclose(search["mean_regular"], search["regular"].mean(axis=1), rtol=1e-14)

    def test_a_curve_without_an_elbow_leaves_the_default(self):
        out = self.dir / "flat.h5"
        result = self.learn(out, "--objective", "paper", "--steps", 1, "--no-eval", "--classes", "0", "--quiet",
                            "--beta", "auto")
        self.assertRegex(result.stderr, r"(?m)^--beta auto: the curve has no elbow, it is flat.*; "
                                        r"the default beta 0\.02 is taken\n$")
        attributes, search = self.search_of(out)
        self.assertEqual((attributes["beta"], attributes["beta_auto"]), (0.02, 1))
        np.testing.assert_allclose(search["beta"], 0.02 * 2.0 ** np.arange(-4, 5))
        self.assertTrue(np.isnan(search["distance"]).all())

    def test_signals_in_the_search(self):
        args = ["--weights", self.weights, "--data", self.data, "--batch", 4, "--objective", "variational",
                "--no-eval", "--steps", 150, "--classes", "0-1", *AUTO, "--resume"]
        whole = self.dir / "whole.h5"
        self.assertEqual(run(*args, "--out", whole).returncode, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal=number.name):
                out = self.dir / ("%s.h5" % number.name)
                child = start(*args, "--out", out)
                self.wait_for_trials(out, child, 2)
                child.send_signal(number)
                stdout, stderr = child.communicate(timeout=60)
                if number != signal.SIGKILL:
                    self.assertEqual(child.returncode, 130, stderr)
                    self.assertRegex(stderr, "nad_run: interrupted by %s in the search for beta: [2-5] of 5 trials"
                                             ".*--resume\n$" % number.name)
                attributes, search = self.search_of(out)
                self.assertTrue(np.isnan(attributes["beta"]))
                kept = np.isfinite(search["first"])
                self.assertGreaterEqual(kept.sum(), 2)
                result = run(*args, "--out", out)
                self.assertEqual(result.returncode, 0, result.stderr)
                first = GRID[int(kept.sum())]
                self.assertEqual(result.stderr.count("with beta %g: step 150/150" % GRID[0]), 0)
                self.assertEqual(result.stderr.count("with beta %g: step 150/150" % first), 1)
                self.assert_same(whole, out)

    def wait_for_trials(self, out, child, count):
        for _ in range(6000):
            try:
                with h5py.File(out, "r") as file:
                    if np.isfinite(file["beta_search/first"][()]).sum() >= count:
                        return
            except (OSError, KeyError):
                pass
            if child.poll() is not None:
                self.fail("ended early: " + child.stderr.read())
            time.sleep(0.002)
        self.fail("no progress")

    def test_classes_that_cannot_be_learnt_are_left_out(self):
        data = self.dir / "broken"
        make_images(data, IDS[:2])
        for image in (data / "train" / IDS[0]).iterdir():
            image.write_bytes(b"no image")
        out = self.dir / "broken.h5"
        result = run("--weights", self.weights, "--data", data, "--out", out, "--batch", 4, *ARGS, *AUTO)
        self.assertEqual(result.returncode, 3, result.stderr)  # for class 0, in the run
        self.assertIn("is left out of the search for beta", result.stderr)
        self.assertIn("not every point", result.stderr)
        attributes, search = self.search_of(out)
        self.assertEqual(attributes["beta"], 0.02)
        self.assertTrue(np.isnan(search["first"]).all())
        with h5py.File(out, "r") as file:
            self.assertEqual(file["classes/1"].attrs["finished"], 1)

    def test_dry_run_says_the_grid(self):
        result = self.learn(self.dir / "dry.h5", "--beta", "auto", "--dry-run")
        self.assertIn("beta auto (9 values from 0.00125 to 0.32)", result.stderr)
        self.assertFalse((self.dir / "dry.h5").exists())


if __name__ == "__main__":
    unittest.main()
