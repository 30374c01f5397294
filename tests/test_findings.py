#!/usr/bin/env python3
"""scripts/findings on a small network: it learns, analyses, goes on where it was, and its tables say what the files say."""
import contextlib
import io
import sys
import time
import types
import unittest
from dataclasses import replace

import h5py

from cli_tools import PROGRAM, SOURCE, Case

sys.path.insert(0, str(SOURCE / "bench"))
from findings import catalogue  # noqa: E402
from findings.cli import work_off  # noqa: E402
from findings.document import document  # noqa: E402
from findings.work import OutOfTime, Worker  # noqa: E402

SERIES = ("released", "released-shuffled", "released-random", "specific-even", "beta")


SERIES_TITLES = {name: series.title for name, series in catalogue.SERIES.items()}


def short(name, *flags):
    return replace(catalogue.SERIES[name], flags=(*flags, "--steps", "6", "--batch", "4"))


class Findings(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work = cls.dir / "work"
        (cls.work / "weights").mkdir(parents=True)
        cls.weights.rename(cls.work / "weights" / "tiny.h5")
        cls.data.rename(cls.dir / "imagenette128")
        tiny = catalogue.Network("tiny", "resnet50", "small", "imagenette128", "", 32, "0,1,2,3,4,5", seeds=2)
        cls.networks = [tiny, replace(tiny, name="other", arch="vgg16")]
        series = {"released": short("released", "--objective", "released"),
                  "specific-even": short("specific-even", "--objective", "specific", "--negative-classes", "even"),
                  "released-shuffled": short("released-shuffled", "--objective", "released", "--shuffle-labels", "233"),
                  "released-random": short("released-random", "--objective", "released"),
                  "beta": short("beta", "--objective", "released", "--beta", "auto", "--beta-grid", "0.01,0.1,1")}
        cls.tasks = [replace(t, series=series[t.series.name]) for t in catalogue.learnings(cls.networks, SERIES)]

    def worker(self, deadline=None):
        worker = Worker(self.work, PROGRAM.parent, self.dir, 1, deadline)
        worker.analysis_flags = ["--draws", "5", "--composites", "6"]
        return worker

    def test_everything_of_a_small_network(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.everything([t for t in self.tasks if t.network.name == "tiny"], types.SimpleNamespace(learn_only=False))

    def everything(self, tasks, args):
        with self.assertRaises(OutOfTime):
            work_off(args, self.worker(time.time()), tasks)
        self.assertIn("0 of 2, about", document(self.tasks, self.worker()))
        self.assertEqual(work_off(args, self.worker(), tasks), [])
        text = document(self.tasks, self.worker())
        self.check_numbers(text)
        # What is not there is said, and why; what is there is not made again.
        self.assertIn("No numbers, not learnt yet (the time that it takes: [Networks](#networks)): released, β searched of `other`.", text)
        log = (self.work / "log.txt").read_text()
        self.assertEqual(work_off(args, self.worker(), tasks), [])
        again = (self.work / "log.txt").read_text()[len(log):]
        self.assertEqual(again, "")
        self.assertEqual(document(self.tasks, self.worker()).split("## What it cost")[0], text.split("## What it cost")[0])

    def check_numbers(self, text):
        def row(title, learnt="released |"):
            section = text[text.index("### " + title):].split("\n### ")[0]
            rows = [r for r in section.splitlines() if r.startswith("| ResNet50, Imagenette, 96 pixels | " + learnt)]
            self.assertEqual(len(rows), 1, section)
            return rows[0]
        with h5py.File(self.work / "tiny" / "analysis.h5", "r") as file:
            network = file["networks/resnet50_released"]
            self.assertEqual(network.attrs["runs"], 2)
            self.assertEqual([n["claims"].attrs["controls"] for n in file["networks"].values()],
                             [n.attrs["objective"] == "released" for n in file["networks"].values()])
            facts = network["fig2_accuracy"].attrs
            self.assertIn("| %.1f [%.1f, %.1f] |" % tuple(facts["mean_after" + e] for e in ("", "_low", "_high")), row("5.1"))
            facts = network["transfer"].attrs
            self.assertIn("| %.1f [%.1f, %.1f] |" % tuple(100 * facts["mean_false_alarms" + e] for e in ("", "_low", "_high")),
                          row("5a.1 Are they"))
            facts = network["stability"].attrs
            self.assertIn("| 2, 2 | %.1f [" % (100 * facts["mean_within"]), row("5a.5"))
            for name in ("mean_hit_rate", "mean_swap", "mean_random"):
                self.assertIn("| %.1f [" % (100 * network["fig4_hit_rate"].attrs[name]), row("5.3, 5a.7"))
            mistakes = network["table1_mistakes"]
            self.assertIn("| %.1f [" % (100 * mistakes.attrs["mean_oth"]), row("5.5"))
            shown = sum(network["claims/table/shown"][()])
            self.assertIn("| %d of " % shown, [r for r in text.splitlines() if r.startswith("| ResNet50, Imagenette, 96 pixels | %d of" % shown)][0])
        with h5py.File(self.work / "tiny" / "specific-even-s233.h5", "r") as file:
            unshown = [c.attrs["false_alarms_unshown"] for c in file["classes"].values()]
            self.assertIn("| %.1f [" % (sum(unshown) / len(unshown)), row("5a.1 False alarms", "specific, shown"))
        self.assertIn("0.01: ", row("5.6", "released, β"))
        for control in ("shuffled", "random"):
            with h5py.File(self.work / "tiny" / ("analysis-released-%s.h5" % control), "r") as file:
                label, = file["networks"]
                self.assertIn(control, label)
                facts = file["networks"][label]["fig2_accuracy"].attrs
                self.assertIn("| %.1f [" % facts["mean_after"], row("5.1", SERIES_TITLES["released-" + control]))

    def test_what_is_worth_most_comes_first(self):
        names = [(t.network.kind, t.series.name, t.seed) for t in catalogue.learnings(catalogue.networks(None), list(catalogue.SERIES))]
        self.assertEqual(names[:4], [("demo", "released", 233)] * 4)
        self.assertEqual(len(names), len(catalogue.FORMS) * (5 + 5))


if __name__ == "__main__":
    unittest.main()
