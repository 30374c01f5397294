#!/usr/bin/env python3
"""scripts/demo in a short form: two classes, a few steps, two networks. What it shows is what the programs' files hold; a second
call makes nothing again; a killed one is gone on with; what stands in its way is one line."""
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from unittest import mock

from cli_tools import OTHER_SOURCE, PROGRAM, SOURCE, contents, default_signals

DEMO = SOURCE / "weights" / "demo" / "demo.py"
sys.path.insert(0, str(DEMO.parent))
import demo  # noqa: E402
import jobs  # noqa: E402
import screen  # noqa: E402

NAMES = ["vgg16_released", "vgg16_specific", "darts_released", "darts_specific"]


def command(out, *args):
    return [sys.executable, str(DEMO), "--out", str(out), "--programs", str(PROGRAM.parent), "--networks", "vgg16,darts", "--classes",
            "car,lorry", "--steps", "4", "--images", "16", "--jobs", "2", *args]


def run(out, *args):
    return subprocess.run(command(out, *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=500)


def files_of(folder):
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.iterdir() if p.suffix == ".h5"}


class Demonstration(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not PROGRAM.exists():
            raise RuntimeError("%s does not exist: build it and set NAD_RUN" % PROGRAM)
        cls.dir = Path(tempfile.mkdtemp(prefix="nad_demo_"))
        cls.out = cls.dir / "out"
        cls.first = run(cls.out)
        assert cls.first.returncode == 0, cls.first.stdout + cls.first.stderr

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def test_what_it_says_is_what_the_files_hold(self):
        lines = self.first.stdout.splitlines()
        self.assertIn("8 learnings of 4 (released) and 4 (specific) steps", lines[0])
        for name in NAMES:
            form, objective = name.split("_")
            average = json.loads((self.out / (name + ".json")).read_text())["average"]
            row = next(line for line in lines if line.startswith("%-11s %-9s " % (form, objective)))
            for fact in ("kept_percent", "top1_before", "top1_after", "false_alarms"):
                self.assertIn("%.0f %%" % average[fact], row)
            self.assertEqual("!" in row, average["constant_answers"] > 0)
            (analyses,) = json.loads((self.out / (name + "_analysis.json")).read_text())["networks"].values()
            masks = analyses["analyses"]["object_masks"]
            self.assertEqual(masks["images"], 16)
            self.assertTrue(row.endswith("%.0f %%" % (100 * masks["mask_share"])), row)
        self.assertRegex(self.first.stdout, r"darts +specific .* 1\*")
        self.assertTrue(any(line.startswith("Left out") for line in lines))
        page = self.out / "report.html"
        self.assertIn(str(page), lines[-1])
        self.assertIn("Car and lorry share parts", page.read_text())
        self.assertIn("Left out", page.read_text())
        self.assertLess(max(map(len, lines[lines.index(""):-2])), 81)

    def test_full_adds_starts_and_networks_that_know_nothing(self):
        done = run(self.out, "--full", "--networks", "darts")
        self.assertEqual(done.returncode, 0, done.stderr)
        # 2 objectives of 2 classes: 3 starts, and 2 with random weights
        self.assertIn("20 learnings of 4 (released) and 4 (specific) steps", done.stdout)
        self.assertNotIn("Left out", done.stdout)
        said = " ".join(done.stdout.split())
        self.assertIn("The same of networks with random weights: ", said)
        self.assertRegex(said, "not only the start that it is learnt from: shown for [^.]*; tested: released, darts")
        self.assertRegex(said, "random weights, which know nothing, the same rules claim: [a-z]")
        for name, runs in (("darts_released", 3), ("darts_random_released", 2)):
            (network,) = json.loads((self.out / "full" / (name + "_analysis.json")).read_text())["networks"].values()
            self.assertEqual(network["runs"], runs)
            self.assertEqual(network["analyses"]["claims"]["controls"], 3 == runs)
        again = run(self.out, "--full", "--networks", "darts")
        self.assertIn("all results were there", again.stdout)

    def test_a_second_call_takes_everything_over(self):
        before = files_of(self.out)
        again = run(self.out)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("all results were there", again.stdout)
        self.assertEqual(again.stdout.count("taken over\n") + again.stdout.count("taken over   left"), 8, again.stdout)
        self.assertNotIn("taken over   left", self.first.stdout)
        self.assertEqual(set(before), set(files_of(self.out)))
        for name in NAMES:
            self.assertEqual(before[name + ".h5"], files_of(self.out)[name + ".h5"])

    def test_a_killed_call_is_gone_on_with(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            with self.subTest(number.name):
                out = self.dir / number.name
                child = subprocess.Popen(command(out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                         preexec_fn=default_signals)
                limit = time.monotonic() + 200
                while not (out / "vgg16_released.h5").exists() and time.monotonic() < limit:
                    time.sleep(0.02)
                child.send_signal(number)
                _, said = child.communicate(timeout=60)
                if number == signal.SIGTERM:
                    self.assertEqual(child.returncode, 143)
                    self.assertEqual(said, "demo: interrupted by SIGTERM; the same command goes on\n")
                    self.assertEqual(list(out.glob("*.part")), [])
                self.assertFalse((out / "report.html").exists())
                done = run(out)  # at once: no program of the killed call is left to be in the way
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                for name in NAMES:
                    found = [contents(folder / (name + ".h5"), OTHER_SOURCE) for folder in (self.out, out)]
                    self.assertEqual(found[0].keys(), found[1].keys())
                    self.assertEqual([key for key in found[0] if found[0][key] != found[1][key]], [])
                self.assertEqual([p for p in out.iterdir() if p.name.endswith(".part")], [])

    def test_what_stands_in_its_way_is_one_line(self):
        for args, code, words in ((["--networks", "vgg19"], 2, "none of vgg16"), (["--steps", "0"], 2, "not between"),
                                  (["--steps", "5"], 2, "made with other settings"), (["--images", "17"], 2, "other images"),
                                  (["--programs", str(self.dir)], 3, "nad_run")):
            done = run(self.out, *args)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr.splitlines()[0])
            self.assertNotIn("Traceback", done.stderr)
        room = mock.Mock(free=2 << 20)
        with mock.patch.object(demo.shutil, "disk_usage", return_value=room), contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(demo.main(["--out", str(self.dir / "full")]), 3)
        self.assertRegex(said.getvalue(), r"^demo: the disk is full: 2 MB are free in [^\n]*\n$")


class Command(unittest.TestCase):
    """scripts/demo, as far as it goes without installing or building."""

    def run_with(self, path, *args):
        return subprocess.run([str(SOURCE / "scripts" / "demo"), *args], env={"PATH": str(path), "HOME": "/"}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60)

    def test_flags(self):
        self.assertEqual(self.run_with(os.environ["PATH"], "--help").returncode, 0)
        for args in (["--bogus"], ["--out"], ["--jobs", ""]):
            done = self.run_with(os.environ["PATH"], *args)
            self.assertEqual(done.returncode, 2)
            self.assertIn("scripts/demo --full", done.stderr)

    def test_without_a_package_manager(self):
        with tempfile.TemporaryDirectory(prefix="nad_demo_") as folder:
            for tool in ("bash", "dirname", "grep", "id", "env"):
                os.symlink(shutil.which(tool), os.path.join(folder, tool))
            done = self.run_with(folder)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, r"^scripts/deps: no apt-get here: install [^\n]*numpy[^\n]*\n$")


class Words(unittest.TestCase):
    def test_progress_of_nothing(self):
        """Random networks that are there are jobs without a step."""
        progress = jobs.Progress([jobs.Job("vgg16 random", [])], True)
        with mock.patch("sys.stderr") as terminal, mock.patch("os.get_terminal_size", return_value=os.terminal_size((80, 24))):
            progress.draw([], 2)
        self.assertIn("left 0:00", terminal.write.call_args.args[0])

    def test_places_of_pairs(self):
        names = ["car", "cup", "lorry", "teapot"]
        matrix = [[0, .1, .9, .2], [.1, 0, .3, .3], [.9, .3, 0, .2], [.2, .3, .2, 0]]
        places, total = screen.ranks(names, [value for row in matrix for value in row])
        self.assertEqual(total, 6)
        self.assertEqual([places[p][0] for p in screen.PLANTED], [1, 3])  # of equal ones each has the last place

    def test_claims_are_the_rules(self):
        table = {"claim": ["falls_with_depth", "specific"], "shown": [1, 0]}
        outcome = screen.Outcome("darts", "released", {}, {"claims": {"table": table}})
        self.assertTrue(screen.shown(outcome, "falls_with_depth"))
        self.assertFalse(screen.shown(outcome, "specific"))
        self.assertFalse(screen.shown(outcome, "similar_mistakes"))
        self.assertTrue(screen.lacks_control(outcome, "falls_with_depth"))


if __name__ == "__main__":
    unittest.main()
