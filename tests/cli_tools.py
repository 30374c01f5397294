"""What the tests of nad_run share: the program, a small network, images, and comparing results files.

NAD_RUN is the program, build/nad_run beside the sources by default. Needs numpy and h5py.
"""
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import zlib
from pathlib import Path

import h5py
import numpy as np

SOURCE = Path(__file__).resolve().parent.parent
PROGRAM = Path(os.environ.get("NAD_RUN", SOURCE / "build" / "nad_run"))
NETWORK = SOURCE / "tests" / "golden" / "resnet50_narrow.h5"  # 32x32, 10 classes, 4 gates
CLASSES = 10
IDS = ["n%08d" % (1000 + 7 * c) for c in range(CLASSES)]


def png(path, width, height, rng, base):
    """A noisy image around a base colour."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(min(255, max(0, base[i % 3] + rng.randrange(-90, 90))) for i in range(3 * width))
                    for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
                     + chunk(b"IEND", b""))


def make_images(folder, names, train=6, val=4):
    rng = random.Random(5)
    for name in names:
        base = [rng.randrange(256) for _ in range(3)]
        for split, count in (("train", train), ("val", val)):
            place = folder / split / name
            place.mkdir(parents=True)
            for i in range(count):
                png(place / ("%02d.png" % i), rng.randrange(30, 50), rng.randrange(30, 50), rng, base)


def make_weights(path, ids=IDS, change=None):
    """A copy of the small network with class ids; change(file) may spoil it."""
    with h5py.File(NETWORK, "r") as network, h5py.File(path, "w") as file:
        for name in ("arch", "num_classes", "input_size", "stage_depths", "stem_width", "widths", "expansion"):
            file.attrs[name] = network.attrs[name]
        if ids:
            file.attrs["class_ids"] = ids
            file.attrs["class_names"] = ["name of " + i for i in ids]
        network.copy("weights", file)
        if change:
            change(file)
    return path


def stored_tensors(path, change):
    """Like make_weights, but with the values of every tensor stored, so that change(group) can spoil them."""
    shapes = {}
    with h5py.File(NETWORK, "r") as network:
        for name, value in network["weights/bound"].items():
            shapes[name] = [int(n) for n in value.attrs["shape"]]
        small = {name: value[()] for name, value in network["weights/small"].items()}

    def store(file):
        del file["weights"]
        rng = np.random.default_rng(3)
        group = file.create_group("weights")
        for name, shape in shapes.items():
            group[name] = (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        for name, value in small.items():
            group[name] = value
        change(group)
    return make_weights(path, change=store)


def mean_colour(path):
    """Of an image that png() wrote, [3] from 0 to 1."""
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    begin = data.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompress(data[begin:-16]), np.uint8).reshape(height, 1 + 3 * width)
    return rows[:, 1:].reshape(-1, 3).mean(axis=0) / 255


def knowing_weights(path, data, ids=IDS):
    """The small network, but one that knows the classes: it averages the colour, hands it on through the shortcuts, each
    sign of each colour in several channels, and answers the class whose mean colour is nearest."""
    def channels(colour):  # [..., 3] to [..., 6]
        colour = (colour - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        return np.maximum(np.concatenate([colour, -colour], axis=-1), 0)

    def change(group):
        for name, value in group.items():
            if "bn" in name or "downsample.1" in name:
                value[...] = 1 if name.endswith(("weight", "running_var")) else 0
            if name.endswith("bn3.weight"):
                value[...] = 0  # nothing but the shortcut
        colours = np.concatenate([np.eye(3), -np.eye(3), np.zeros((3, 3))]) / 49
        group["conv1.weight"][...] = np.broadcast_to(colours[:, :, None, None], (9, 3, 7, 7))
        for name, outputs, inputs in (("layer1.0", 15, 9), ("layer2.0", 21, 15)):
            copies = np.zeros((outputs, inputs, 1, 1), np.float32)
            copies[np.arange(outputs), np.arange(outputs) % 6] = 1
            group[name + ".downsample.0.weight"][...] = copies
        means = np.array([np.mean([channels(mean_colour(p)) for p in (data / "train" / i).iterdir()], axis=0) for i in ids])
        means = means[:, np.arange(21) % 6]
        group["fc.weight"][...] = 0.2 * means  # unsure of itself: there is something to learn
        group["fc.bias"][...] = -0.1 * (means ** 2).sum(axis=1)
    return stored_tensors(path, change)


def command(*args):
    """On one thread unless a test says otherwise: on a busy machine threads that wait for each other are slow."""
    threads = [] if "--threads" in args else ["--threads", "1"]
    return [str(PROGRAM), *threads, *map(str, args)]


def run(*args, **options):
    """Runs nad_run to its end."""
    return subprocess.run(command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=120, **options)


def default_signals():
    """For a child: a test that runs in the background of a shell would hand down an ignored SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*args):
    return subprocess.Popen(command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=default_signals)


# Attributes that tell where and how long a run took, not what it found out.
RECORD = ("seconds", "command_line", "threads", "classes_per_step", "device_description")
OTHER_SOURCE = RECORD + ("weights_file", "weights_hash", "data")


def contents(path, ignored=RECORD):
    """Everything in a results file as bytes, by name."""
    found = {}
    with h5py.File(path, "r") as file:
        def add(name, item):
            for key, value in item.attrs.items():
                if key not in ignored:
                    found[name + "@" + key] = repr(value.tolist() if hasattr(value, "tolist") else value)
            if isinstance(item, h5py.Dataset):
                found[name] = (item.dtype.str, item.shape, item[()].tobytes())
        add("", file)
        file.visititems(add)
    return found


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not PROGRAM.exists():
            raise RuntimeError("%s does not exist: build it and set NAD_RUN" % PROGRAM)
        cls.dir = Path(tempfile.mkdtemp(prefix="nad_cli_"))
        cls.data = cls.dir / "images"
        make_images(cls.data, IDS)
        cls.weights = make_weights(cls.dir / "w.h5")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def assert_plain(self, text):
        self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), repr(text))

    def assert_same(self, a, b, ignored=RECORD):
        left, right = contents(a, ignored), contents(b, ignored)
        self.assertEqual(set(left), set(right))
        different = [name for name in left if left[name] != right[name]]
        self.assertEqual(different, [])

    def learn(self, out, *args, code=0, **options):
        result = run("--weights", self.weights, "--data", self.data, "--out", out, "--batch", 4, *args, **options)
        self.assertEqual(result.returncode, code, result.stderr)
        return result


class Interrupted(Case):
    """A run that is ended and goes on: ARGS learns three classes, two at a time, and is saved after every step."""
    ARGS = []

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.prepare()
        cls.whole = cls.dir / "whole.h5"
        begin = time.monotonic()
        result = run("--weights", cls.weights, "--data", cls.data, "--out", cls.whole, "--batch", 4, *cls.ARGS,
                     "--checkpoint-every", 0)
        cls.seconds = time.monotonic() - begin
        assert result.returncode == 0, result.stderr

    @classmethod
    def prepare(cls):
        """For what a kind of run needs beside the images and the network."""

    def command(self, out):
        return ["--weights", self.weights, "--data", self.data, "--out", out, "--batch", 4, *self.ARGS,
                "--checkpoint-every", 0, "--resume"]

    def finish(self, out):
        result = run(*self.command(out))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assert_same(self.whole, out)

    def wait_for(self, out, child, steps):
        """Until the file shows so many steps of class 0."""
        for _ in range(6000):
            try:
                with h5py.File(out, "r") as file:
                    if len(file["classes/0/losses"]) >= steps:
                        return
            except (OSError, KeyError):
                pass
            if child.poll() is not None:
                self.fail("ended early: " + child.stderr.read())
            time.sleep(0.005)
        self.fail("no progress")

    def kill_at_any_moment(self):
        """Kills and resumes several times over, then finishes: the bytes are those of a run without an end."""
        rng = random.Random(int(os.environ.get("NAD_TEST_SEED", "1")))
        trials, kills = int(os.environ.get("NAD_TEST_TRIALS", "4")), 0
        for trial in range(trials):
            with self.subTest(trial=trial):
                out = self.dir / ("kill%d.h5" % trial)
                for _ in range(3):
                    child = start(*self.command(out))
                    try:
                        child.wait(rng.uniform(0.05, 0.8) * self.seconds)
                    except subprocess.TimeoutExpired:
                        child.kill()
                        kills += 1
                    child.communicate()
                    if out.exists():
                        h5py.File(out, "r").close()  # whole at any time
                self.finish(out)
                self.assertFalse(out.with_name(out.name + ".part").exists())
        self.assertGreaterEqual(kills, trials)  # on a machine whose load changes some runs end before they are killed
