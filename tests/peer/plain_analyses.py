#!/usr/bin/env python3
"""The transfer matrix, the hit rate and the share on objects of a ResNet-50 a second time, in plain PyTorch, held against
nad_analyse's.

    plain_analyses.py compare ANALYSIS.h5 RESULTS.h5 --weights W.h5 [--data DIR] [--masks DIR] [--composites N] [--double]
    plain_analyses.py pixels DIR OUT [--per-class N]     decodes DIR/val/*/* to PNG, so that both sides see equal pixels

Written from docs/METHOD.md and weights/FORMAT.md; of the engine it takes the masks (RESULTS) and decoded pixels (PNG or BMP
below DIR/val, or packed into the weights file) and nothing else. Prints its own transfer matrix with the original's row,
false alarms and hit rates, then compares: every cell must be equal, but for flips within rounding of a tie, each of which is
named with its margin. Exit code: 0 equal, 1 something differs by more than rounding, 2 usage, 3 bad data.
Needs PyTorch, numpy, h5py and Pillow.
"""
import argparse
import math
import sys
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torch import nn

from plain_images import ENDINGS, BadData, Images, draw_composite, drawn_order, hash_name, random_key
from plain_objects import compare_objects

ROUNDING = 1e-4  # of the largest logit: two answers this close may change places; RESULTS.md has logits to 2e-5
MAP_ROUNDING = 1e-5  # of a map's largest value: pixels this close to the mark may fall on either side


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, outputs, stride, project, eps):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width, eps)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width, eps)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs, eps)
        self.downsample = None
        if project:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs, eps))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """ResNet-50 of any width and depth; a gate behind the stem's max-pool and behind every block."""

    def __init__(self, attributes):
        super().__init__()
        eps, stem = float(attributes.get("batchnorm_eps", 1e-5)), int(attributes.get("stem_width", 64))
        depths = [int(n) for n in np.atleast_1d(attributes.get("stage_depths", [3, 4, 6, 3]))]
        widths = [int(n) for n in np.atleast_1d(attributes.get("widths", [64, 128, 256, 512]))]
        expansion = int(attributes.get("expansion", 4))
        self.conv1, self.bn1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem, eps)
        self.blocks, inputs = [], stem
        for stage, (depth, width) in enumerate(zip(depths, widths)):
            blocks, outputs = nn.Sequential(), expansion * width
            for i in range(depth):
                project = i == 0 and (stage > 0 or inputs != outputs)
                blocks.append(Bottleneck(inputs, width, outputs, 2 if i == 0 and stage > 0 else 1, project, eps))
                inputs = outputs
            self.add_module("layer%d" % (stage + 1), blocks)
            self.blocks += blocks
        self.fc = nn.Linear(inputs, int(attributes["num_classes"]))

    def forward(self, x, mask=None):
        """Logits, and the gated representation at every gate. mask: [gates][C] of 0 and 1; None: the original."""
        maps = []

        def gate(y):
            maps.append(y if mask is None else y * mask[len(maps)].view(1, -1, 1, 1))
            return maps[-1]
        y = gate(nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1))
        for block in self.blocks:
            y = gate(block(y))
        return self.fc(y.mean(dim=(2, 3))), maps


def load_network(path, double):
    with h5py.File(path, "r") as file:
        if file.attrs["arch"] not in ("resnet50", b"resnet50"):
            raise BadData("%s: a %s; this peer knows resnet50" % (path, file.attrs["arch"]))
        if "seed" in file["weights"].attrs:
            raise BadData("%s: weights that are drawn; stored ones are expected" % path)
        network = ResNet(file.attrs)
        state = {name: torch.from_numpy(value[()].astype(np.float32)) for name, value in file["weights"].items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise BadData("%s: missing %s, unexpected %s" % (path, missing, unexpected))
    network.eval()
    return network.double() if double else network


def load_masks(path, dtype):
    masks = {}
    with h5py.File(path, "r") as file:
        for index, group in file["classes"].items():
            if group.attrs["finished"]:
                masks[int(index)] = [torch.from_numpy(group["mask"][g][()]).to(dtype) for g in sorted(group["mask"])]
    return dict(sorted(masks.items()))


def logits_of(network, pixels, mask):
    return torch.cat([network(part, mask)[0] for part in pixels.split(10)]).numpy()


class Transfer:
    """answers[mask][k]: of the images of class k by mask c (-1: the original) the logits [n, classes]."""

    def __init__(self, network, images, masks, each, own, seed):
        self.masks, self.each, self.shown = masks, each, sorted(images.files)
        self.logits, self.files = {}, {}
        for k in self.shown:
            order = drawn_order(seed, images.names[k], len(images.files[k]))[:max(each, own if k in masks else 0)]
            pixels = torch.stack([images.evaluated(k, place) for place in order]).to(next(network.parameters()).dtype)
            self.files[k] = [images.names[k] + "/" + images.files[k][place][0] for place in order]
            for c in (-1, *masks):
                n = len(order) if c in (-1, k) else min(each, len(order))
                self.logits[c, k] = logits_of(network, pixels[:n], None if c == -1 else masks[c])
            print("plain: images of %s" % images.names[k], file=sys.stderr, flush=True)

    def of(self, network, c, k):
        """The logits that count in row c, column k: of class c's own images more than of others'."""
        logits = self.logits[network, k]
        return logits if c == k else logits[:self.each]

    def share(self, network, c, k, answer):
        return float(np.mean(np.argmax(self.of(network, c, k), axis=1) == answer))

    def matrix(self, network_of, answer_of):
        return np.array([[self.share(network_of(c), c, k, answer_of(c, k)) for k in self.shown] for c in self.masks])

    def near_ties(self, network, c, k, answer):
        """Images whose answer is `answer` or is not, by less than rounding: [(file, margin, whether it is now)]."""
        found = []
        for i, row in enumerate(self.of(network, c, k)):
            margin = row[answer] - np.max(np.delete(row, answer))
            if abs(margin) <= ROUNDING * np.max(np.abs(row)):
                found.append((self.files[k][i], float(margin), bool(margin >= 0)))
        return found


class Comparison:
    def __init__(self):
        self.cells = self.flips = self.failures = 0

    def flip(self, text):
        self.flips += 1
        print("flip: " + text)

    def fail(self, text):
        self.failures += 1
        print("DIFFERENT: " + text)

    def shares(self, name, transfer, mine, theirs, network_of, answer_of):
        for i, c in enumerate(transfer.masks):
            for j, k in enumerate(transfer.shown):
                self.cells += 1
                if abs(mine[i, j] - theirs[i, j]) < 1e-9:
                    continue
                network, answer = network_of(c), answer_of(c, k)
                n = len(transfer.of(network, c, k))
                more = round((theirs[i, j] - mine[i, j]) * n)
                ties = [t for t in transfer.near_ties(network, c, k, answer) if t[2] == (more < 0)]
                text = "%s[%d, %d]: engine %.4f, plain %.4f of %d images" % (name, c, k, theirs[i, j], mine[i, j], n)
                if abs(more) <= len(ties):
                    self.flip(text + "; " + ", ".join("%s by a margin of %.1e" % t[:2] for t in ties))
                else:
                    self.fail(text + "; %d images differ, %d within rounding of a tie" % (abs(more), len(ties)))

    def column(self, name, mine, theirs, exact):
        """What follows from cells; where none flipped it must be equal."""
        self.cells += len(mine)
        if exact and not np.allclose(mine, theirs, rtol=0, atol=1e-9, equal_nan=True):
            self.fail("%s: engine %s, plain %s" % (name, np.round(theirs, 4), np.round(mine, 4)))


def compare_transfer(group, transfer, result):
    own = lambda c: c
    original = lambda c: -1
    mine = {"transfer": transfer.matrix(own, lambda c, k: c), "right": transfer.matrix(own, lambda c, k: k),
            "original_transfer": transfer.matrix(original, lambda c, k: c)}
    before = result.flips
    for name, network_of, answer_of in (("transfer", own, lambda c, k: c), ("right", own, lambda c, k: k),
                                        ("original_transfer", original, lambda c, k: c)):
        result.shares(name, transfer, mine[name], group[name][()], network_of, answer_of)
    exact = result.flips == before and result.failures == 0
    table = {name: group["table"][name][()] for name in group["table"].attrs["columns"] if name not in ("id", "name")}
    for name, matrix in (("false_alarms", mine["transfer"]), ("others_right", mine["right"]),
                         ("original_false_alarms", mine["original_transfer"])):
        others = [np.mean([x for k, x in zip(transfer.shown, row) if k != c]) for c, row in zip(transfer.masks, matrix)]
        result.column(name, np.array(others), table[name], exact)
    print_transfer(transfer, mine)


def print_transfer(transfer, mine):
    print("plain transfer matrix, percent of the column's images answered as the row's class (right: false alarms)")
    print("%9s" % "" + "".join("%6d" % k for k in transfer.shown))
    for label, matrix in (("", mine["transfer"]), ("orig ", mine["original_transfer"])):
        for c, row in zip(transfer.masks, matrix):
            alarms = np.mean([x for k, x in zip(transfer.shown, row) if k != c])
            print("%9s" % ("%s%d" % (label, c)) + "".join("%6.1f" % (100 * x) for x in row) + "  %6.2f" % (100 * alarms))


class Map:
    """Channels summed and resized to the input size, [size * size], and where its 5 % most active pixels lie."""

    def __init__(self, y, size):
        whole = nn.functional.interpolate(y.sum(dim=1, keepdim=True), size=(size, size), mode="bilinear", align_corners=False)
        self.values = whole.flatten().numpy()
        self.mark = np.sort(self.values)[::-1][-(-self.values.size // 20) - 1]
        row, column = np.divmod(np.arange(self.values.size), size)
        self.quadrant = 2 * (row >= size // 2) + (column >= size // 2)

    def quarter(self, quadrant):
        return self.quadrant == quadrant

    def rate(self, here):
        """here: [size * size], which pixels count as hits."""
        if self.values.max() == self.values.min():
            return math.nan
        active = self.values >= self.mark
        return float((active & here).sum() / active.sum())

    def margin(self, here, rate):
        """How near to the mark (a share of the largest value) pixels have to change sides for this rate; None: MAP_ROUNDING will
        not do."""
        distance = np.abs(self.values - self.mark) / np.abs(self.values).max()
        for margin in np.unique(distance[distance <= MAP_ROUNDING]):
            near = distance <= margin
            sure = (self.values > self.mark) & ~near
            hits, all_sure, inside, outside = (int(x.sum()) for x in (sure & here, sure, near & here, near & ~here))
            if hits / max(1, all_sure + outside) - 1e-12 <= rate <= (hits + inside) / max(1, all_sure + inside) + 1e-12:
                return float(margin)
        return None


def maps_of(network, pixels, masks):
    """(gate, quadrant, Map) of the composite through masks[quadrant]."""
    for q, mask in enumerate(masks):
        for g, y in enumerate(network(pixels[None], mask)[1]):
            yield g, q, Map(y, pixels.shape[-1])


def compare_hit_rate(group, network, images, masks, seed, at_most, result):
    tested = [c for c in masks if c in images.files]
    key = random_key(random_key(0, seed), hash_name("composites"))
    theirs = group["rates"][()]
    total = min(len(theirs), at_most or len(theirs))
    mine = np.full((total, theirs.shape[1], 2, 4), np.nan)
    for t in range(total):
        classes, places, swaps = draw_composite(tested, [len(images.files[c]) for c in tested], key, t)
        stored = [[int(x) for x in group[name][t]] for name in ("composite_classes", "composite_images", "composite_swaps")]
        if [classes, places, swaps] != stored:
            result.fail("composite %d: engine %s, plain %s" % (t, stored, [classes, places, swaps]))
            continue
        pixels = images.composite(classes, places).to(next(network.parameters()).dtype)
        kinds = [("own", 0, classes)] + ([("swap", 8, swaps)] if swaps[0] >= 0 else [])
        for kind, (word, first, of) in enumerate(kinds):
            for g, q, looks in maps_of(network, pixels, [masks[c] for c in of]):
                mine[t, g, kind, q] = looks.rate(looks.quarter(q))
                compare_rate(result, theirs[t, g, first + q], looks, looks.quarter(q),
                             "hit rate, composite %d, gate %d, %s mask of class %d" % (t, g, word, of[q]))
    print("plain hit rate by gate, own masks and swapped ones, %d composites (engine's, all %d)" % (total, len(theirs)))
    for g in range(theirs.shape[1]):
        means = [np.nanmean(m) if np.isfinite(m).any() else np.nan for m in (mine[:, g, 0], mine[:, g, 1])]
        print("%4d  %.4f  %.4f  (%.4f  %.4f)" % (g, *means, group["table/hit_rate"][g], group["table/swap"][g]))


def compare_rate(result, engine, looks, here, where):
    result.cells += 1
    rate = looks.rate(here)
    if abs(engine - rate) < 1e-12 or math.isnan(engine) and math.isnan(rate):
        return
    text = "%s: engine %.5f, plain %.5f" % (where, engine, rate)
    margin = None if math.isnan(rate) else looks.margin(here, engine)
    if margin is None:
        result.fail(text + "; more than the pixels within %.0e of the mark differ" % MAP_ROUNDING)
    else:
        result.flip(text + "; pixels within %.1e of the mark" % margin)


def compare(args):
    result = Comparison()
    network = load_network(args.weights, args.double)
    masks = load_masks(args.results, next(network.parameters()).dtype)
    images = Images(args.data, args.weights)
    with h5py.File(args.analysis, "r") as file, torch.no_grad():
        labels = sorted(file["networks"])
        label = args.network or labels[0]
        if label not in labels:
            raise BadData("%s: no network %s, there are %s" % (args.analysis, label, ", ".join(labels)))
        found = file["networks"][label]
        if not {"transfer", "fig4_hit_rate", "object_masks"} & set(found):
            raise BadData("%s: neither transfer nor fig4_hit_rate nor object_masks of %s" % (args.analysis, label))
        if "transfer" in found:
            group = found["transfer"]
            if list(group["classes"][()].astype(int)) != list(masks):
                raise BadData("%s has classes %s, the analysis others" % (args.results, list(masks)))
            each, own = (int(group.attrs[n]) for n in ("images_per_class_at_most", "own_images_at_most"))
            compare_transfer(group, Transfer(network, images, masks, each, own, args.seed), result)
        if "fig4_hit_rate" in found:
            compare_hit_rate(found["fig4_hit_rate"], network, images, masks, args.seed, args.composites, result)
        if "object_masks" in found and "shares" in found["object_masks"]:
            dtype = next(network.parameters()).dtype
            looks = lambda pixels, mask: [Map(y, images.size) for y in network(pixels[None].to(dtype), mask)[1]]
            compare_objects(found["object_masks"], looks, images, masks, args.masks, args.seed, result, compare_rate)
    print("%d numbers compared: %d equal, %d flips within rounding of a tie, %d different" % (
        result.cells, result.cells - result.flips - result.failures, result.flips, result.failures))
    return 1 if result.failures or result.cells == 0 else 0


def make_pixels(args):
    for folder in sorted(p for p in (args.folder / "val").iterdir() if p.is_dir()):
        out = args.out / "val" / folder.name
        out.mkdir(parents=True, exist_ok=True)
        files = sorted((p for p in folder.iterdir() if p.name.lower().endswith(ENDINGS)), key=lambda p: p.name.encode())
        for path in files[:args.per_class]:
            Image.open(path).convert("RGB").save(out / (path.stem + ".png"))
    return 0


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    c = commands.add_parser("compare")
    c.add_argument("analysis")
    c.add_argument("results")
    c.add_argument("--weights", required=True)
    c.add_argument("--data", help="image folder, DIR/val/<class>/*, PNG or BMP; default: images packed into the weights file")
    c.add_argument("--masks", help="that nad_analyse had, for object_masks")
    c.add_argument("--network", help="its label in the analysis; default: the first")
    c.add_argument("--composites", type=int, help="only the first so many")
    c.add_argument("--seed", type=int, default=233, help="that nad_analyse had")
    c.add_argument("--double", action="store_true", help="compute in double precision")
    c.add_argument("--threads", type=int, default=0)
    p = commands.add_parser("pixels")
    p.add_argument("folder", type=Path)
    p.add_argument("out", type=Path)
    p.add_argument("--per-class", type=int)
    args = parser.parse_args(argv)
    if getattr(args, "threads", 0):
        torch.set_num_threads(args.threads)
    try:
        return compare(args) if args.command == "compare" else make_pixels(args)
    except (BadData, OSError) as error:
        print("plain_analyses.py: %s" % error, file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
