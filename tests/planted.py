"""A network whose classes have channels of their own, and images for it: what claims are made of where there is something.

Eight classes are the corners of the cube of colours. Of 24 channels, the same through all layers, one fires for each corner
alone, one for each pair of corners that differ in blue alone, twelve for every image; of these two more fall silent with every
block. The answer is the loudest corner, or a ninth class where none is loud enough. A fifth of a corner's images show the
other corner of its pair: mistakes go where channels are shared.
"""
import itertools
import random

import h5py
import numpy as np

from cli_tools import png

CORNERS = list(itertools.product((0, 1), repeat=3))  # red, green, blue
PLANTED_IDS = ["corner%d%d%d" % c for c in CORNERS]
CHANNELS, SHARED, BLOCKS = 24, 12, (4, 2)
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def planted_images(folder, train, val):
    rng = random.Random(11)
    for k, name in enumerate(PLANTED_IDS):
        for split, count in (("train", train), ("val", val)):
            place = folder / split / name
            place.mkdir(parents=True)
            for i in range(count):
                corner = CORNERS[k ^ 1] if i % 5 == 4 else CORNERS[k]
                base = [90 + 76 * v + rng.randrange(-12, 13) for v in corner]
                png(place / ("%02d.png" % i), rng.randrange(36, 50), rng.randrange(36, 50), rng, base)


def planted_weights(path):
    with h5py.File(path, "w") as file:
        file.attrs.update(arch="resnet50", num_classes=9, input_size=32, stem_width=CHANNELS, expansion=1)
        file.attrs["stage_depths"], file.attrs["widths"] = list(BLOCKS), [CHANNELS] * 2
        file.attrs["class_ids"] = [*PLANTED_IDS, "none"]
        weights = file.create_group("weights")

        def norm(name, scale, shift):
            for part, value in (("weight", scale), ("bias", shift), ("running_mean", 0), ("running_var", 1)):
                weights[name + "." + part] = np.broadcast_to(np.float32(value), CHANNELS).copy()

        # Of a colour from 0 to 1, seen as (colour - MEAN) / STD: 2 at its corner or pair, 0 at others; the shared ones 2.
        signs = 2 * np.array(CORNERS, float) - 1
        pairs = signs[::2] * [1, 1, 0]
        units = np.concatenate([signs, pairs, np.zeros((SHARED, 3))])
        size = np.abs(units).sum(axis=1)  # colours lie 0.15 from grey: s . (colour - 0.5) is 0.15 size, 0.3 less at a neighbour
        scale = np.where(size > 0, 2 / 0.2, 0)
        shift = np.where(size > 0, -(0.15 * size - 0.2) * scale, 2) + (units @ (MEAN - 0.5)) * scale
        kernel = (units * STD) * scale[:, None] / 49
        weights["conv1.weight"] = np.broadcast_to(kernel[:, :, None, None], (CHANNELS, 3, 7, 7)).astype(np.float32)
        norm("bn1", 1, shift)
        block = 0
        for stage, depth in enumerate(BLOCKS, 1):
            for b in range(depth):
                block += 1
                name = "layer%d.%d" % (stage, b)
                for j, side in ((1, 1), (2, 3), (3, 1)):
                    weights["%s.conv%d.weight" % (name, j)] = np.zeros((CHANNELS, CHANNELS, side, side), np.float32)
                    norm("%s.bn%d" % (name, j), 1, 0)
                silent = np.zeros(CHANNELS, np.float32)
                silent[CHANNELS - 2 * block:] = -10  # beside the shortcut, below the ReLU
                weights["%s.bn3.bias" % name][...] = silent
                if stage > 1 and b == 0:
                    weights[name + ".downsample.0.weight"] = np.eye(CHANNELS, dtype=np.float32)[:, :, None, None]
                    norm(name + ".downsample.1", 1, 0)
        answers = np.zeros((9, CHANNELS), np.float32)
        answers[np.arange(8), np.arange(8)] = 4
        weights["fc.weight"] = answers
        weights["fc.bias"] = np.float32([0] * 8 + [2])
    return path
