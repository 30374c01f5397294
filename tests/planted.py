"""A network whose classes have channels of their own, and images for it: what claims are made of where there is something.

Eight classes are the corners of the cube of colours. Of 24 channels, the same through all layers, one fires for each corner
alone, one for each pair of corners that differ in blue alone, twelve for every image; of these two more fall silent with every
block. The answer is the loudest corner, or a ninth class where none is loud enough. A fifth of a corner's images show the
other corner of its pair: mistakes go where channels are shared.

owned_weights() is another, in which the channels that a class needs are known at every gate.
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


def planted_images(folder, train, val, mixed=True, jitter=12):
    """mixed: a fifth of a corner's images show the other corner of its pair. jitter: of an image's colour, in 255ths."""
    rng = random.Random(11)
    for k, name in enumerate(PLANTED_IDS):
        for split, count in (("train", train), ("val", val)):
            place = folder / split / name
            place.mkdir(parents=True)
            for i in range(count):
                corner = CORNERS[k ^ 1] if mixed and i % 5 == 4 else CORNERS[k]
                base = [90 + 76 * v + rng.randrange(-jitter, jitter + 1) for v in corner]
                png(place / ("%02d.png" % i), rng.randrange(36, 50), rng.randrange(36, 50), rng, base)


def colour_network(path, units, blocks, silent, answers, threshold, always=2):
    """A ResNet whose blocks hand on what the first layer sees: channel c fires, with 2, where the colour lies in direction
    units[c] of grey, and with `always` for every image where that is 0. silent(block): the channels that its gate's ReLU makes 0.
    answers[class, channel]: the classifier's weights; the class after the last has the logit `threshold`."""
    channels, classes = len(units), len(answers)
    with h5py.File(path, "w") as file:
        file.attrs.update(arch="resnet50", num_classes=classes + 1, input_size=32, stem_width=channels, expansion=1)
        file.attrs["stage_depths"], file.attrs["widths"] = list(blocks), [channels] * len(blocks)
        file.attrs["class_ids"] = [*PLANTED_IDS, "none"]
        weights = file.create_group("weights")

        def norm(name, scale, shift):
            for part, value in (("weight", scale), ("bias", shift), ("running_mean", 0), ("running_var", 1)):
                weights[name + "." + part] = np.broadcast_to(np.float32(value), channels).copy()

        # Of a colour from 0 to 1, seen as (colour - MEAN) / STD: 2 at its corner or pair, 0 at others.
        size = np.abs(units).sum(axis=1)  # colours lie 0.15 from grey: s . (colour - 0.5) is 0.15 size, 0.3 less at a neighbour
        scale = np.where(size > 0, 2 / 0.2, 0)
        shift = np.where(size > 0, -(0.15 * size - 0.2) * scale, always) + (units @ (MEAN - 0.5)) * scale
        kernel = (units * STD) * scale[:, None] / 49
        weights["conv1.weight"] = np.broadcast_to(kernel[:, :, None, None], (channels, 3, 7, 7)).astype(np.float32)
        norm("bn1", 1, shift)
        block = 0
        for stage, depth in enumerate(blocks, 1):
            for b in range(depth):
                block += 1
                name = "layer%d.%d" % (stage, b)
                for j, side in ((1, 1), (2, 3), (3, 1)):
                    weights["%s.conv%d.weight" % (name, j)] = np.zeros((channels, channels, side, side), np.float32)
                    norm("%s.bn%d" % (name, j), 1, 0)
                bias = np.zeros(channels, np.float32)
                bias[silent(block)] = -10  # beside the shortcut, below the ReLU
                weights["%s.bn3.bias" % name][...] = bias
                if stage > 1 and b == 0:
                    weights[name + ".downsample.0.weight"] = np.eye(channels, dtype=np.float32)[:, :, None, None]
                    norm(name + ".downsample.1", 1, 0)
        weights["fc.weight"] = np.concatenate([answers, np.zeros((1, channels))]).astype(np.float32)
        weights["fc.bias"] = np.float32([0] * classes + [threshold])
    return path


def planted_weights(path):
    """24 channels, the same through six blocks, as above."""
    corners = 2 * np.array(CORNERS, float) - 1
    pairs = corners[::2] * [1, 1, 0]
    answers = np.zeros((8, CHANNELS))
    answers[np.arange(8), np.arange(8)] = 4
    return colour_network(path, np.concatenate([corners, pairs, np.zeros((SHARED, 3))]), BLOCKS,
                          lambda block: slice(CHANNELS - 2 * block, None), answers, 2)


OWNED = [{2 * k, 2 * k + 1} for k in range(7)] + [{13, 14, 15}]  # the channels of each corner: the last two share one


def owned_weights(path):
    """32 channels, the same through four blocks; OWNED alone answers a corner, and all of it is needed: without one of its
    channels the ninth class is louder. The last 16 fire for every image and mean nothing."""
    corners = 2 * np.array(CORNERS, float) - 1
    units = np.zeros((32, 3))
    answers = np.zeros((8, 32))
    for k, own in enumerate(OWNED):
        units[sorted(own)] = corners[k]
        answers[k, sorted(own)] = 3 / len(own)  # 6 in all, as each fires with 2
    units[13] = corners[6] * [1, 1, 0]
    return colour_network(path, units, (2, 1), lambda block: slice(0, 0), answers, 4.5, 0.5)
