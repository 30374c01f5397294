#!/usr/bin/env python3
"""Claims are not made from nothing (docs/METHOD.md, 5a.8): gates learnt by nad_run on ten small networks that know nothing, and
on one whose classes have channels of their own, judged by the same rules. With --table it prints what came out."""
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py

from cli_tools import PROGRAM, SOURCE
from planted import planted_images, planted_weights

RANDOM, ANALYSE = PROGRAM.with_name("nad_random"), PROGRAM.with_name("nad_analyse")
ONLY = "fig4_similarity,table1_mistakes,random_masks,stability,fig4_hit_rate,claims"
CLAIMS = ("falls_with_depth", "similar_mistakes", "specific", "stable", "looks_at_its_class")


class Learnt:
    """A folder with networks, learnt twice each from different starts, and their analyses."""

    def __init__(self, folder, data, steps, *flags):
        self.folder, self.data, self.flags, self.results, self.weights = folder, data, ["--steps", steps, *flags], [], []

    def call(self, program, *args):
        done = subprocess.run([str(program), *map(str, args), "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)

    def random(self, like, seed):
        out = self.folder / ("%s_random%d.h5" % (like.stem, seed))
        self.call(RANDOM, "--weights", like, "--data", self.data, "--out", out, "--seed", seed)
        return out

    def learn(self, weights, *flags):
        self.weights += [weights] if weights not in self.weights else []
        for start in (1, 2):
            out = self.folder / ("r%d.h5" % len(self.results))
            self.call(PROGRAM, "--weights", weights, "--data", self.data, "--out", out, "--seed", start, "--batch", 4, "--no-eval",
                      "--quiet", *self.flags, *flags)
            self.results.append(out)

    def analyse(self, *flags):
        """(label, claims shown, p of every claim) of every network."""
        out = self.folder / "analysis.h5"
        weights = [flag for w in self.weights for flag in ("--weights", w)]
        self.call(ANALYSE, *self.results, *weights, "--data", self.data, "--out", out, "--only", ONLY, "--composites", 100, "--quiet",
                  *flags)
        found = []
        with h5py.File(out, "r") as file:
            for label, network in file["networks"].items():
                table = {c: network["claims/table"][c][()] for c in ("claim", "p", "shown", "sentence")}
                names = [c.decode() for c in table["claim"]]
                assert tuple(names) == CLAIMS, names
                shown = [n for n, s in zip(names, table["shown"]) if s]
                found.append((label, shown, list(table["p"]), [s.decode() for s in table["sentence"]]))
        return found


def drawn_images(folder, train, val):
    """Objects whose colours say nothing of their class: of plain colours random weights would make something."""
    subprocess.run([sys.executable, str(SOURCE / "weights/demo/draw.py"), str(folder), "--train", str(train), "--val", str(val)],
                   stdout=subprocess.DEVNULL, check=True)
    for split in ("train", "val"):
        for name in ("lorry", "teapot"):  # the networks have ten classes
            shutil.rmtree(folder / split / name)


def nothing(folder):
    """Six networks with random weights, and four of them learnt again with shuffled labels."""
    data = folder / "images"
    drawn_images(data, 8, 6)
    learnt = Learnt(folder, data, 60)
    for name, labels in (("resnet50_narrow", 1), ("vgg16_pooled", 1), ("darts_cifar", 0)):
        for seed in (1, 2):
            weights = learnt.random(SOURCE / "tests" / "golden" / (name + ".h5"), seed)
            learnt.learn(weights)
            if labels:
                learnt.learn(weights, "--shuffle-labels", seed)
    return learnt.analyse()


def planted(folder):
    """The planted network, beside a random one of its form and its own with shuffled labels."""
    data = folder / "images"
    planted_images(data, 10, 10)
    learnt = Learnt(folder, data, 200, "--beta", 0.1, "--lr", 0.2)
    weights = planted_weights(folder / "planted.h5")
    learnt.learn(weights)
    learnt.learn(learnt.random(weights, 1))
    learnt.learn(weights, "--shuffle-labels", 1)
    return learnt.analyse()


def print_table(found):
    print("| network | " + " | ".join("p " + c for c in CLAIMS) + " | shown |")
    for label, shown, p, _ in found:
        print("| %s | %s | %s |" % (label, " | ".join("%.4f" % v for v in p), ", ".join(shown) or "none"))


class Claims(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="nad_claims_"))

    def tearDown(self):
        shutil.rmtree(self.folder)

    def test_ten_networks_that_know_nothing(self):
        found = nothing(self.folder)
        self.assertEqual(len(found), 10)
        self.assertLessEqual(sum(bool(shown) for _, shown, _, _ in found), 1, found)
        for label, _, p, _ in found:  # silence would mean nothing without the tests
            self.assertTrue(all(v == v for v in p), (label, p))

    def test_a_planted_network(self):
        """All claims but that the class decides its sub-architecture: with random weights the label does so too."""
        found = {label: (shown, sentences) for label, shown, _, sentences in planted(self.folder)}
        self.assertEqual(len(found), 3)
        shown, sentences = found["resnet50_released"]
        self.assertEqual(set(shown), set(CLAIMS) - {"stable"}, sentences)
        self.assertIn("resnet50_released_random_weights reaches it too", sentences[CLAIMS.index("stable")])
        self.assertEqual(found["resnet50_released_random_weights"][0], [])
        # With shuffled labels the network still knows its classes, and the label brings that out: tested, and not shown.
        shown, sentences = found["resnet50_released_shuffled_labels"]
        self.assertEqual(shown, [])
        self.assertIn("its labels are shuffled", sentences[CLAIMS.index("specific")])


if __name__ == "__main__":
    if "--table" in sys.argv:
        for make in (nothing, planted):
            with tempfile.TemporaryDirectory(prefix="nad_claims_") as place:
                print_table(make(Path(place)))
    else:
        unittest.main()
