#!/usr/bin/env python3
"""Tests of weights/demo/draw.py: the same pixels from the same seed, masks that hold the object, and nothing but the shape
that gives the class away. Needs numpy."""
import contextlib
import io
import json
import struct
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "weights" / "demo"))
import draw  # noqa: E402
from drawing import SIZE, draw as drawn, pixels  # noqa: E402
from objects import CLASSES, SHARED  # noqa: E402

PIXELS = 0x82979562  # crc32 of the first two training images and masks of each class, seed 1


def read_png(path):
    data, at, rows, header = path.read_bytes(), 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body, at = data[at + 8:at + 8 + length], at + 12 + length
        header = struct.unpack(">IIBBBBB", body) if kind == b"IHDR" else header
        rows += body if kind == b"IDAT" else b""
    width, height, depth, colours = header[:4]
    channels = {0: 1, 2: 3}[colours]
    lines = np.frombuffer(zlib.decompress(rows), np.uint8).reshape(height, 1 + width * channels)
    assert depth == 8 and not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, channels)


class Images(unittest.TestCase):
    """200 images of each class, drawn once."""

    @classmethod
    def setUpClass(cls):
        cls.pictures, cls.masks = {}, {}
        for name in CLASSES:
            cls.pictures[name], cls.masks[name] = drawn(name, range(200), 3)

    def test_the_same_pixels_from_the_same_seed(self):
        crc = 0
        for name in CLASSES:
            image, mask = drawn(name, range(2), 1)
            crc = zlib.crc32(mask.tobytes(), zlib.crc32(image.tobytes(), crc))
        self.assertEqual(crc, PIXELS, "the drawings changed (0x%08X): raise VERSION in draw.py and train the networks again" % crc)

    def test_an_image_is_the_same_alone_and_among_others(self):
        image, mask = drawn("lorry", [7], 3)
        np.testing.assert_array_equal(image[0], self.pictures["lorry"][7])
        np.testing.assert_array_equal(mask[0], self.masks["lorry"][7])

    def test_seed_split_number_and_class_make_another_image(self):
        image = self.pictures["lorry"][7]
        for other in (drawn("lorry", [7], 4), drawn("lorry", [7], 3, "val"), drawn("lorry", [8], 3), drawn("car", [7], 3)):
            self.assertGreater(np.mean(other[0][0] != image), 0.9)

    def test_what_the_object_changes_lies_in_the_mask(self):
        for name in CLASSES:
            empty, nothing = drawn(name, range(40), 3, with_object=False)
            self.assertFalse(nothing.any())
            changed = (empty != self.pictures[name][:40]).any(3)
            mask = self.masks[name][:40]
            self.assertFalse((changed & ~mask).any(), name)
            self.assertGreater((changed & mask).sum() / mask.sum(), 0.8, name)

    def test_every_object_is_seen_inside_the_middle_crop(self):
        for name, masks in self.masks.items():
            self.assertGreater(masks.mean((1, 2)).min(), 0.01, name)
            border = masks.copy()
            border[:, 4:68, 4:68] = False
            self.assertFalse(border.any(), name)

    def test_place_and_size_say_nothing_about_the_class(self):
        plane, area, middle = pixels(1), {}, {}
        for name, masks in self.masks.items():
            area[name] = masks.sum((1, 2))
            middle[name] = [(masks * axis).sum((1, 2)) / area[name] for axis in (plane.x, plane.y)]
        overall = np.mean([a.mean() for a in area.values()])
        for name in CLASSES:
            self.assertLess(abs(area[name].mean() / overall - 1), 0.15, name)
            for axis in middle[name]:
                self.assertLess(abs(axis.mean()), 2.5, name)  # pixels; they spread by about 5
                self.assertGreater(axis.std(), 3, name)

    def test_colours_say_nothing_about_the_class(self):
        features, labels = [], []
        for label, name in enumerate(CLASSES):
            codes = (self.pictures[name] >> 6).astype(np.int64).reshape(200, -1, 3) @ [16, 4, 1]
            joint = np.stack([np.bincount(c, minlength=64) for c in codes])
            single = [np.stack([np.bincount(v.reshape(-1) >> 4, minlength=16) for v in np.moveaxis(self.pictures[name], 3, 0)[channel]])
                      for channel in range(3)]
            features.append(np.sqrt(np.concatenate([joint, *single], 1) / SIZE ** 2))
            labels.append(np.full(200, label))
        train = [np.concatenate([part[:130] for part in parts]) for parts in (features, labels)]
        held_out = [np.concatenate([part[130:] for part in parts]) for parts in (features, labels)]
        for classify in (logistic_regression, nearest_neighbours):
            right = np.mean(classify(*train, held_out[0]) == held_out[1])
            self.assertLess(right, 2 / len(CLASSES), classify.__name__)
            # The same classifier on the masks: it would find the class if the features told.
        shapes = [np.concatenate([self.masks[name][part].reshape(-1, SIZE * SIZE)[:, ::3] for name in CLASSES]).astype(float)
                  for part in (slice(0, 130), slice(130, 200))]
        self.assertGreater(np.mean(nearest_neighbours(shapes[0], train[1], shapes[1]) == held_out[1]), 2 / len(CLASSES))

    def test_two_pairs_of_classes_share_parts(self):
        plane = pixels(1)
        parts = {name: {part for part, _, _ in f(plane, lambda low, high: (low + high) / 2)} for name, f in CLASSES.items()}
        self.assertEqual(len(SHARED), 2)
        for pair, names in SHARED.items():
            for name in names:
                self.assertEqual({c for c in CLASSES if name in parts[c]}, set(pair), name)
        for name, found in parts.items():
            self.assertGreaterEqual(len(found), 4, name)


def logistic_regression(x, y, asked):
    """Softmax regression, full-batch gradient descent with a little weight decay."""
    mean, spread = x.mean(0), x.std(0) + 1e-3
    x, asked = (x - mean) / spread, (asked - mean) / spread
    weights, bias, target = np.zeros((x.shape[1], len(CLASSES))), np.zeros(len(CLASSES)), np.eye(len(CLASSES))[y]
    for _ in range(200):
        scores = x @ weights + bias
        p = np.exp(scores - scores.max(1, keepdims=True))
        error = (p / p.sum(1, keepdims=True) - target) / len(x)
        weights -= 0.3 * (x.T @ error + 1e-2 * weights)
        bias -= 0.3 * error.sum(0)
    return (asked @ weights + bias).argmax(1)


def nearest_neighbours(x, y, asked, k=9):
    distances = (asked ** 2).sum(1)[:, None] + (x ** 2).sum(1) - 2 * asked @ x.T
    near = y[np.argsort(distances, axis=1)[:, :k]]
    return np.array([np.bincount(row, minlength=len(CLASSES)).argmax() for row in near])


class Folder(unittest.TestCase):
    def setUp(self):
        self._place = tempfile.TemporaryDirectory(prefix="nad_demo_")
        self.dir = Path(self._place.name)

    def tearDown(self):
        self._place.cleanup()

    def draw(self, *args, train=2, val=1):
        said, complaints = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complaints):
            code = draw.main([str(self.dir / "images"), "--train", str(train), "--val", str(val), *args])
        return code, said.getvalue() + complaints.getvalue()

    def test_a_folder_holds_each_image_and_its_mask(self):
        self.assertEqual(self.draw()[0], 0)
        folder = self.dir / "images"
        for split, count in (("train", 2), ("val", 1)):
            for name in CLASSES:
                images, masks = drawn(name, range(count), 1, split)
                for place, wanted in ((folder / split / name, images), (folder / "masks" / split / name, masks * 255)):
                    files = sorted(place.iterdir())
                    self.assertEqual([f.name for f in files], ["%04d.png" % i for i in range(count)])
                    for file, pixels_ in zip(files, wanted):
                        np.testing.assert_array_equal(read_png(file), pixels_.reshape(SIZE, SIZE, -1))

    def test_complete_images_are_left_and_interrupted_ones_drawn_again(self):
        self.draw()
        victim, note = self.dir / "images" / "val" / "car" / "0000.png", self.dir / "images" / "drawn.json"
        whole = victim.read_bytes()
        victim.write_bytes(b"")
        self.assertIn("all images are there", self.draw()[1])
        self.assertEqual(victim.read_bytes(), b"")
        note.write_text(json.dumps(dict(json.loads(note.read_text()), complete=False)))
        self.assertEqual(self.draw()[0], 0)
        self.assertEqual(victim.read_bytes(), whole)

    def test_a_folder_with_other_contents_is_refused(self):
        self.draw()
        for args, options in ((("--seed", "2"), {}), ((), {"train": 3})):
            code, said = self.draw(*args, **options)
            self.assertEqual((code, said.count("\n")), (2, 1))
            self.assertIn("holds other images", said)
        (self.dir / "images" / "drawn.json").write_text("{")
        self.assertEqual(self.draw()[0], 2)
        (self.dir / "images" / "drawn.json").unlink()
        code, said = self.draw()
        self.assertEqual(code, 2)
        self.assertIn("was not drawn by this program", said)

    def test_a_folder_that_cannot_be_written_is_one_line(self):
        (self.dir / "file").write_text("")
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(draw.main([str(self.dir / "file" / "images")]), 3)
        self.assertRegex(said.getvalue(), r"^draw.py: .* cannot be written: Not a directory\n$")


if __name__ == "__main__":
    unittest.main()
