#!/usr/bin/env python3
"""A planted truth for gates (docs/METHOD.md, section 2a): eight classes, four gates of 32 channels, and for every class the two or
three channels that it needs; the other half of the channels is no class's. `specific` at its defaults finds them from every
start, `released` does not, and with shuffled labels nothing is found or claimed. With --table it prints what came out."""
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

from cli_tools import PROGRAM
from planted import OWNED, owned_weights, planted_images

SEEDS = (1, 2, 3, 4, 5)
CLAIMS = "fig4_similarity,table1_mistakes,random_masks,stability,fig4_hit_rate,claims"


def jaccard(a, b):
    return len(a & b) / len(a | b)


class Planted:
    def __init__(self, folder):
        self.folder = folder
        self.weights = owned_weights(folder / "planted.h5")
        planted_images(folder / "images", 20, 10, mixed=False, jitter=4)

    def call(self, program, *args):
        done = subprocess.run([str(program), *map(str, args), "--weights", str(self.weights), "--data", str(self.folder / "images"),
                               "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    def learn(self, objective, seed, *flags):
        """(mean Jaccard of the masks with the truth over classes and gates, mean false alarms, mean own accuracy, results)."""
        out = self.folder / ("%s%d%s.h5" % (objective, seed, "".join(flags)))
        rows = json.loads(self.call(PROGRAM, "--objective", objective, "--seed", seed, "--out", out, "--batch", 8, "--json",
                                    *flags))["classes"]
        with h5py.File(out, "r") as file:
            found = [jaccard(OWNED[row["index"]], set(np.flatnonzero(gate[()] > 0).tolist()))
                     for row in rows for gate in file["classes/%d/logits" % row["index"]].values()]
        assert (len(rows), len(found)) == (8, 32), (len(rows), len(found))
        return (np.mean(found), np.mean([r["false_alarms"] for r in rows]), np.mean([r["top1_after"] for r in rows]), out)

    def claims(self, results):
        out = self.folder / "analysis.h5"
        self.call(PROGRAM.with_name("nad_analyse"), *results, "--out", out, "--only", CLAIMS, "--composites", 100, "--quiet")
        with h5py.File(out, "r") as file:
            table = list(file["networks"].values())[0]["claims/table"]
            return {c.decode(): s.decode() for c, s, shown in zip(table["claim"], table["sentence"], table["shown"]) if shown}


class PlantedGates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="nad_planted_"))
        cls.planted = Planted(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def test_specific_finds_them_from_every_start(self):
        results = []
        for seed in SEEDS:
            found, alarms, own, out = self.planted.learn("specific", seed)
            self.assertGreater(found, 0.9, seed)
            self.assertLess(alarms, 5, seed)
            self.assertGreater(own, 95, seed)
            results.append(out)
        self.assertIn("specific", self.planted.claims(results[:2]))

    def test_released_does_not(self):
        for seed in SEEDS:
            self.assertLess(self.planted.learn("released", seed)[0], 0.5, seed)

    def test_shuffled_labels_show_nothing(self):
        learnt = [self.planted.learn("specific", seed, "--shuffle-labels", "1") for seed in SEEDS[:2]]
        for found, _, _, _ in learnt:
            self.assertLess(found, 0.5)
        self.assertEqual(self.planted.claims([out for _, _, _, out in learnt]), {})


def print_table():
    print("| objective | Jaccard with the truth, worst seed | false alarms, %, worst | own, %, worst |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="nad_planted_") as place:
        planted = Planted(Path(place))
        for name, flags in (("specific", ()), ("released", ()), ("specific", ("--shuffle-labels", "1"))):
            rows = [planted.learn(name, seed, *flags)[:3] for seed in SEEDS]
            print("| %s | %.3f | %.1f | %.1f |" % (" ".join([name, *flags]), min(r[0] for r in rows), max(r[1] for r in rows),
                                                  min(r[2] for r in rows)))


if __name__ == "__main__":
    print_table() if "--table" in sys.argv else unittest.main()
