#!/usr/bin/env python3
"""nad_replay on bad flags and bad cases: one clear line and the documented exit code; what it must never destroy."""
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

import h5py
import numpy as np

from cli_tools import NETWORK, PROGRAM, contents

REPLAY = PROGRAM.with_name("nad_replay")
CASE_PARTS = ("images_u8", "labels", "batches", "gates_init", "sigma_init", "noise")

# (arguments, part of the message)
FLAGS = [
    (["--beta", "-1"], "--beta '-1'; expected a number that is not negative"),
    (["--beta", "nan"], "--beta 'nan'; expected a number that is not negative"),
    (["--beta", "inf"], "--beta 'inf'; expected"),
    (["--beta", "0.1x"], "--beta '0.1x'; expected"),
    (["--beta", ""], "--beta ''; expected"),
    (["--beta", "1e999"], "--beta '1e999'; expected"),
    (["--beta", "1e300"], "--beta '1e300'; expected a number that is not negative and at most 1e9"),
    (["--lr", "-0.1"], "--lr '-0.1'; expected a number that is not negative"),
    (["--lr", "nan"], "--lr 'nan'; expected"),
    (["--lr", "-inf"], "--lr '-inf'; expected"),
    (["--threads", "-1"], "--threads"),
    (["--objective", "best"], "use released, paper, variational or specific"),
    (["--objective", "specific"], "does not run the objective specific; use released, paper or variational"),
    (["--bogus"], "--bogus"),
]


def replaced(name, value):
    """A change of a case: the dataset or root attribute with another value, None for none."""
    def change(file):
        place = file.attrs if name in file.attrs else file
        if name in place:
            del place[name]
        if value is not None:
            place[name] = value
    return change


def spoilt(name, at, value):
    def change(file):
        file[name][at] = value
    return change


def pixels(**attributes):
    """A change of the attributes of images_u8."""
    def change(file):
        for key, value in attributes.items():
            del file["images_u8"].attrs[key]
            if value is not None:
                file["images_u8"].attrs[key] = value
    return change


def moved(group, old, new):
    return lambda file: file[group].move(old, new)


def raw_images(value):
    """A case that asks for the logits of raw images alone."""
    def change(file):
        for name in list(file):
            del file[name]
        file["raw_images"] = value
    return change


# (change of a sound case, part of the message)
CASES = [
    (replaced("raw_images", np.zeros((2, 40, 40, 3), np.uint8)), "'raw_images' stand alone, 'images_u8' is there too"),
    (raw_images(np.zeros((2, 3, 40, 40), np.uint8)), "raw_images must be [N, height, width, 3]"),
    (raw_images(np.zeros((0, 40, 40, 3), np.uint8)), "raw_images must be [N, height, width, 3]"),
    (raw_images(np.zeros((2, 40, 40, 3), np.float32)), "'raw_images' has another type, expected uint8"),
    (replaced("beta", -1.0), "attribute 'beta' must be a single float from 0 to 1e9"),
    (replaced("beta", 1e300), "attribute 'beta'"),
    (replaced("beta", np.nan), "attribute 'beta'"),
    (replaced("beta", "0.02"), "attribute 'beta'"),
    (replaced("beta", [0.02, 0.02]), "attribute 'beta'"),
    (replaced("lr", -0.1), "attribute 'lr'"),
    (replaced("lr", np.inf), "attribute 'lr'"),
    (replaced("lr", 1), "attribute 'lr'"),
    (replaced("objective", 3), "attribute 'objective' must be a string"),
    (replaced("objective", "best"), "use released, paper, variational or specific"),
    (replaced("objective", "specific"), "does not run the objective specific"),
    (replaced("labels", np.array([2**32, 1, 2, 3])), "label 4294967296 is no index of a class"),
    (replaced("labels", np.array([0, 1, 2, -1])), "label -1 is no index"),
    (replaced("labels", np.array([2**64 - 1, 1, 2, 3], np.uint64)), "is no index"),
    (replaced("labels", np.array([0, 1, 2, 10])), "label 10 of 10 classes"),
    (replaced("labels", np.zeros(4)), "dataset 'labels' has another type, expected integers"),
    (replaced("labels", np.zeros(3, np.int64)), "one entry per image"),
    (replaced("labels", None), "dataset 'labels' is missing"),
    (replaced("batches", np.zeros((2, 2), np.float32)), "dataset 'batches' has another type, expected integers"),
    (replaced("batches", np.array([[0, 4]])), "names image 4 of 4"),
    (replaced("batches", np.array([[0, -1]])), "names image -1"),
    (replaced("batches", np.array([[0, 2**64 - 1]], np.uint64)), "names image"),
    (replaced("batches", np.zeros((0, 2), np.int64)), "at least one step"),
    (replaced("images_u8", np.full((4, 3, 32, 32), 300, np.uint16)), "'images_u8' has another type, expected uint8"),
    (replaced("images_u8", np.zeros((4, 3, 32, 32), np.int8)), "expected uint8"),
    (replaced("images_u8", np.zeros((4, 3, 0, 0), np.uint8)), "images must be [N, 3, S, S]"),
    (replaced("images_u8", np.zeros((4, 32, 32, 3), np.uint8)), "images must be [N, 3, S, S]"),
    (replaced("images_u8", None), "neither dataset"),
    (replaced("images", np.full((4, 3, 32, 32), np.nan)), "dataset 'images' holds a value that is not finite"),
    (replaced("images", np.full((4, 3, 32, 32), 1e300)), "dataset 'images' holds a value that is not finite"),
    (replaced("images", np.zeros((4, 3, 32, 32), np.uint8)), "dataset 'images' has another type, expected floats"),
    (pixels(scale=None), "both attributes 'scale' and 'shift', or neither"),
    (pixels(shift=None), "both attributes 'scale' and 'shift', or neither"),
    (pixels(scale=[1.0]), "attribute 'scale' of 'images_u8' must be three finite floats"),
    (pixels(scale=np.ones(4), shift=np.ones(4)), "attribute 'scale'"),
    (pixels(shift=[0.0, np.nan, 0.0]), "attribute 'shift'"),
    (pixels(shift=[0.0, 1e300, 0.0]), "attribute 'shift'"),
    (pixels(shift=0.5), "attribute 'shift'"),
    (pixels(shift=[0, 0, 0]), "attribute 'shift'"),
    (replaced("gates_init", None), "group 'gates_init' is missing"),
    (replaced("gates_init", np.zeros(9)), "'gates_init' must be a group"),
    (spoilt("gates_init/02", 3, np.inf), "dataset 'gates_init/02' holds a value that is not finite"),
    (spoilt("gates_init/00", 0, np.nan), "dataset 'gates_init/00' holds"),
    (moved("gates_init", "02", "2"), "group 'gates_init' has 4 members but no dataset '02'"),
    (moved("gates_init", "03", "04"), "no dataset '03', expected 00, 01, 02"),
    (moved("gates_init", "03", "003"), "no dataset '03'"),
    (lambda file: file["gates_init"].move("03", "/elsewhere"), "sigma_init has 4 gates, gates_init 3"),
    (moved("sigma_init", "01", "1"), "group 'sigma_init' has 4 members but no dataset '01'"),
    (spoilt("sigma_init/01", 0, np.nan), "dataset 'sigma_init/01'"),
    (moved("noise", "00", "4"), "group 'noise' has 4 members but no dataset '00'"),
    (lambda file: file.move("noise/03", "/elsewhere"), "noise has 3 gates, gates_init 4"),
    (replaced("noise", np.zeros(9)), "'noise' must be a group"),
]

# Other ways to write down the same case.
SAME = [
    lambda file: replaced("labels", file["labels"][()].astype(np.uint8))(file),
    lambda file: replaced("batches", file["batches"][()].astype(">u8"))(file),
    lambda file: replaced("batches", file["batches"][()].astype(np.int16))(file),
    lambda file: replaced("gates_init/03", file["gates_init/03"][()].astype(np.float64))(file),
]


class ReplayCase(unittest.TestCase):
    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="nad_replay_"))
        self.case = self.make_case("case.h5")

    def tearDown(self):
        shutil.rmtree(self.dir)

    def make_case(self, name, change=None):
        """A case with its network, changed."""
        with h5py.File(NETWORK, "r") as network, h5py.File(self.dir / name, "w") as file:
            for key, value in network.attrs.items():
                file.attrs[key] = value
            for part in ("weights", *CASE_PARTS):
                network.copy(part, file)
            if change:
                change(file)
        return self.dir / name

    def replay(self, *args, **options):
        return subprocess.run([str(REPLAY), *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=120, **options)

    def succeed(self, *args):
        result = self.replay(*args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def refuse(self, args, fragments, code, **options):
        """One line with all fragments; no file comes, goes or changes."""
        before = {path: path.read_bytes() for path in self.dir.rglob("*") if path.is_file()}
        result = self.replay(*args, cwd=self.dir, **options)
        self.assertEqual(result.returncode, code, result.stderr)
        lines = result.stderr.rstrip("\n").split("\n")
        self.assertTrue(lines[-1].startswith("nad_replay: "), lines)
        self.assertLess(len(lines[-1]), 400)
        for fragment in fragments:
            self.assertIn(fragment, lines[-1])
        self.assertEqual({path: path.read_bytes() for path in self.dir.rglob("*") if path.is_file()}, before)
        return lines


class Flags(ReplayCase):
    def test_flags(self):
        for args, fragment in FLAGS:
            with self.subTest(args=args):
                lines = self.refuse([self.case, "--out", "r.h5", *args], [fragment], 2)
                self.assertEqual(len(lines), 1)

    def test_version_and_help(self):
        self.assertRegex(self.succeed("--version").stdout, r"^nad_replay \d+\.\d+\.\d+\n$")
        self.assertIn("--objective", self.succeed("--help").stdout)

    def test_flags_go_before_the_case(self):
        self.succeed(self.case, "--out", self.dir / "a.h5")
        self.succeed(self.make_case("other.h5", replaced("lr", 0.5)), "--out", self.dir / "b.h5", "--lr", "1e-1")
        self.assertEqual(contents(self.dir / "a.h5"), contents(self.dir / "b.h5"))


class Out(ReplayCase):
    def test_what_is_read_is_not_replaced(self):
        weights = self.make_case("weights.h5")
        os.symlink("case.h5", self.dir / "link.h5")
        os.link(weights, self.dir / "hard.h5")
        os.link(self.case, self.dir / "r.h5.part")
        for out in ("case.h5", self.case, "./case.h5", "link.h5", "weights.h5", "hard.h5", "r.h5"):
            with self.subTest(out=out):
                lines = self.refuse([self.case, "--weights", weights, "--out", out], ["--out", "which is read"], 2)
                self.assertEqual(len(lines), 1)

    def test_a_bad_place_is_found_first(self):
        os.mkdir(self.dir / "folder")
        os.mkfifo(self.dir / "pipe")
        cases = [("", "is empty"), ("folder", "is a folder"), ("folder/", "is a folder"),
                 ("no/r.h5", "lies in a folder that does not exist"),
                 ("case.h5/r.h5", "lies in a folder that does not exist"), ("pipe", "is not a regular file"),
                 ("/proc/r.h5", "cannot be written"), ("x" * 253, "cannot be written: File name too long")]
        for out, fragment in cases:
            with self.subTest(out=out):
                lines = self.refuse([self.case, "--out", out], ["--out '" + out, fragment], 2)
                self.assertEqual(len(lines), 1)

    def test_a_folder_without_permission(self):
        if os.geteuid() == 0:
            self.skipTest("root may write everywhere")
        os.mkdir(self.dir / "folder", 0o500)
        self.refuse([self.case, "--out", "folder/r.h5"], ["cannot be written: Permission denied"], 2)

    def test_an_earlier_result_is_replaced(self):
        out = self.dir / "r.h5"
        out.write_bytes(b"earlier")
        self.succeed(self.case, "--out", out)
        with h5py.File(out, "r") as file:
            self.assertEqual(file["losses"].shape, (10, 4))
        self.assertEqual(sorted(os.listdir(self.dir)), ["case.h5", "r.h5"])

    def test_a_full_disk_leaves_nothing(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        (self.dir / "r.h5").write_bytes(b"earlier")
        self.refuse([self.case, "--out", "r.h5"], ["replay result r.h5 cannot be written: File too large"], 3, preexec_fn=limit)


class Cases(ReplayCase):
    def test_a_case_that_is_no_file_or_holds_no_weights(self):
        (self.dir / "text.h5").write_text("no HDF5")
        with h5py.File(self.dir / "bare.h5", "w") as file:
            file.attrs["beta"] = 0.1
        for name in ("none.h5", "text.h5", "bare.h5"):
            with self.subTest(name=name):
                lines = self.refuse([name, "--out", "r.h5"], ["nad_replay: replay case '%s'" % name], 3)
                self.assertNotIn("weights file", lines[-1])
                self.assertEqual(len(lines), 1)
        self.refuse([self.case, "--weights", "none.h5", "--out", "r.h5"], ["weights file 'none.h5'"], 3)

    def test_bad_cases(self):
        for i, (change, fragment) in enumerate(CASES):
            with self.subTest(number=i, fragment=fragment):
                bad = self.make_case("bad.h5", change)
                self.refuse([bad, "--weights", self.case, "--out", "r.h5"], ["replay case", fragment], 3)

    def test_the_case_is_named(self):
        bad = self.make_case("bad.h5", replaced("beta", "high"))
        lines = self.refuse([bad, "--out", "r.h5"], ["replay case '%s': attribute 'beta'" % bad], 3)
        self.assertEqual(len(lines), 1)

    def test_other_ways_to_store_the_same(self):
        self.succeed(self.case, "--out", self.dir / "a.h5")
        for i, change in enumerate(SAME):
            with self.subTest(number=i):
                self.succeed(self.make_case("same.h5", change), "--out", self.dir / "b.h5")
                self.assertEqual(contents(self.dir / "a.h5"), contents(self.dir / "b.h5"))

    def test_images_of_another_size_than_the_network(self):
        def larger(file):
            replaced("images_u8", np.zeros((4, 3, 48, 48), np.uint8))(file)
        self.succeed(self.make_case("larger.h5", larger), "--out", self.dir / "r.h5")

    def test_a_batch_that_does_not_fit(self):
        def huge(file):
            replaced("images_u8", np.zeros((4, 3, 1024, 1024), np.uint8))(file)
            replaced("batches", np.zeros((1, 1 << 18), np.int8))(file)
            del file["noise"]
        case = self.make_case("huge.h5", huge)
        lines = self.refuse([case, "--out", "r.h5"], ["out of memory", "(make a case with smaller batches)"], 6)
        self.assertNotIn("--batch", lines[-1])

    def test_more_than_a_hundred_gates(self):
        depths, width = [35, 35, 35], 2
        gates = sum(depths)
        with h5py.File(self.dir / "deep.h5", "w") as file:
            rng = np.random.default_rng(1)
            file.attrs.update(arch="vgg16", num_classes=3, input_size=16, stage_depths=depths, widths=[width] * gates,
                              pool_size=2, hidden=[4])
            place, inputs = 0, 3
            for depth in depths:
                for _ in range(depth):
                    file["weights/features.%d.weight" % place] = rng.normal(0, 0.4, (width, inputs, 3, 3)).astype("f4")
                    file["weights/features.%d.bias" % place] = np.full(width, 0.1, np.float32)
                    place, inputs = place + 2, width
                place += 1
            for name, shape in (("classifier.0", (4, 4 * width)), ("classifier.3", (3, 4))):
                file["weights/%s.weight" % name] = rng.normal(0, 1, shape).astype(np.float32)
                file["weights/%s.bias" % name] = np.zeros(shape[0], np.float32)
            file["images"] = rng.normal(0, 1, (2, 3, 16, 16)).astype(np.float32)
            file["labels"], file["batches"] = np.array([0, 1]), np.array([[0, 1]])
            for i in range(gates):
                file["gates_init/%02d" % i] = np.full(width, i - 50.25, np.float32)
        self.succeed(self.dir / "deep.h5", "--out", self.dir / "r.h5", "--lr", 0)
        with h5py.File(self.dir / "r.h5", "r") as file:
            self.assertEqual(len(file["gates_final"]), gates)
            for i in range(gates):
                self.assertEqual(list(file["gates_final/%02d" % i]), [i - 50.25] * width)
                self.assertEqual(list(file["hard/%02d" % i]), [i > 50] * width)


if __name__ == "__main__":
    if not REPLAY.exists():
        raise SystemExit("%s does not exist: build it and set NAD_RUN" % REPLAY)
    unittest.main()
