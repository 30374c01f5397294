"""Images and random draws for plain_analyses.py, a second time in plain Python: docs/METHOD.md, sections 4 and 5.3."""
import io
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image

ENDINGS = ("png", "bmp", "jpg", "jpeg")
WORD = (1 << 64) - 1


class BadData(Exception):
    pass


# The counter generator: splitmix64's finaliser over key + (counter + 1) * golden ratio.

def random_bits(key, counter):
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


def random_key(key, coordinate):
    return random_bits(key ^ 0xD1B54A32D192ED03, coordinate)


def below(key, counter, n):
    return ((random_bits(key, counter) >> 32) * n) >> 32


def hash_name(name):
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = ((value ^ byte) * 0x100000001B3) & WORD
    return value


def drawn_order(seed, name, count):
    """The val images of a class in the order in which analyses take them: Fisher-Yates from the back."""
    key = random_key(random_key(random_key(seed, hash_name("order")), hash_name(name)), 0)
    order = list(range(count))
    for i in range(count, 1, -1):
        j = below(key, i, i)
        order[i - 1], order[j] = order[j], order[i - 1]
    return order


def draw_composite(classes, counts, key, number):
    """(classes, images, swaps), four each."""
    k = random_key(key, number)
    order, n = list(range(len(classes))), len(classes)
    shuffle = random_key(k, 0)
    for i in range(n):
        j = i + below(shuffle, i, n - i)
        order[i], order[j] = order[j], order[i]
    images = [below(random_key(k, 2 + q), 0, counts[order[q]]) for q in range(4)]
    swaps = [classes[order[4 + below(random_key(k, 1), q, n - 4)]] if n > 4 else -1 for q in range(4)]
    return [classes[order[q]] for q in range(4)], images, swaps


class Images:
    """The val images, by class of the network."""

    def __init__(self, folder, weights):
        self.files = {}  # class -> [(name, bytes or path)]
        with h5py.File(weights, "r") as file:
            self.size = int(file.attrs.get("input_size", 224))
            self.shorter = int(file.attrs.get("resize_size", self.size * 256 // 224))
            self.bicubic = file.attrs.get("interpolation", "bilinear") in ("bicubic", b"bicubic")
            self.mean = np.float32(file.attrs.get("mean", [0.485, 0.456, 0.406]))
            self.deviation = np.float32(file.attrs.get("std", [0.229, 0.224, 0.225]))
            ids = [i if isinstance(i, str) else i.decode() for i in file.attrs.get("class_ids", [])]
            found = self.of_folder(folder) if folder else self.packed(file)
        ids = ids or sorted(found)
        self.names = {c: name for c, name in enumerate(ids) if found.get(name)}
        self.files = {c: found[name] for c, name in self.names.items()}
        if not self.files:
            raise BadData("no val images of a class of the network: --data, or images packed into the weights file")

    @staticmethod
    def of_folder(folder):
        return {d.name: [(p.name, p) for p in sorted(d.iterdir(), key=lambda p: p.name.encode())
                         if p.name.lower().endswith(ENDINGS) and not p.name.startswith(".")]
                for d in (Path(folder) / "val").iterdir() if d.is_dir()}

    @staticmethod
    def packed(file):
        if "images/val" not in file:
            return {}
        return {name: [(n, group[n][()].tobytes()) for n in sorted(group, key=str.encode)]
                for name, group in file["images/val"].items()}

    def image(self, c, place):
        name, source = self.files[c][place]
        if name.lower().endswith(("jpg", "jpeg")):
            raise BadData("%s: JPEG decoders differ by some units; make PNGs first: plain_analyses.py pixels" % name)
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source).convert("RGB")

    def normalised(self, image):
        x = (np.asarray(image, np.float32) / np.float32(255) - self.mean) / self.deviation
        return torch.from_numpy(x.transpose(2, 0, 1).copy())

    def evaluated(self, c, place):
        return self.normalised(self.cropped(self.image(c, place), self.bicubic))

    def cropped(self, image, bicubic=False):
        """Shorter side to 256/224 of the input size, or as the weights file says, centre crop: METHOD 4."""
        shorter = self.shorter
        w, h = image.size
        w, h = (shorter, shorter * h // w) if w <= h else (shorter * w // h, shorter)
        image = image.resize((w, h), Image.BICUBIC if bicubic else Image.BILINEAR)
        left, top = round((w - self.size) / 2), round((h - self.size) / 2)
        return image.crop((left, top, left + self.size, top + self.size))

    def composite(self, classes, places):
        """Four images, each of the input size, side by side, the whole of the input size: METHOD 5.3."""
        s = self.size
        whole = Image.new("RGB", (2 * s, 2 * s))
        for q, (c, place) in enumerate(zip(classes, places)):
            whole.paste(self.image(c, place).resize((s, s), Image.BILINEAR), (q % 2 * s, q // 2 * s))
        return self.normalised(whole.resize((s, s), Image.BILINEAR))
