#!/usr/bin/python3
"""Makes the golden files of this folder: the four networks at 224x224, and small ones of the four families, with every
DARTS primitive and the CIFAR form.

    make_models.py [--out DIR] [NAME ...]

A file is a replay case (weights/FORMAT.md): weights as a recipe, architecture attributes, images, labels, batches, first
gates, noise, and the results of all three objectives in double precision under results/f64_<objective>. Needs PyTorch and
h5py. The random networks are those of tests/peer/nad_torch.py: seeded uniform weights, and BatchNorm statistics
calibrated on random images. Values that may be any are rounded to few bits before anything is computed from them, so
that the files are small.
"""
import argparse
import os
import sys
import tempfile

import h5py
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../peer")]
import nad_torch as peer  # noqa: E402
from networks import FAMILIES  # noqa: E402

OBJECTIVES = ("released", "paper", "variational")
STANDARD = peer.build  # of a name: the network as published
DARTS_V2 = dict(
    genotype_normal=["sep_conv_3x3:0", "sep_conv_3x3:1", "sep_conv_3x3:0", "sep_conv_3x3:1", "sep_conv_3x3:1",
                     "skip_connect:0", "skip_connect:0", "dil_conv_3x3:2"], genotype_normal_concat=[2, 3, 4, 5],
    genotype_reduce=["max_pool_3x3:0", "max_pool_3x3:1", "skip_connect:2", "max_pool_3x3:1", "max_pool_3x3:0",
                     "skip_connect:2", "skip_connect:2", "max_pool_3x3:1"], genotype_reduce_concat=[2, 3, 4, 5])
# Every primitive with both strides, nodes of zeros and of one edge, a node that is left out of the concatenation, a
# preprocessed input that is part of it, and an order that is not sorted.
EXOTIC = dict(
    genotype_normal=["sep_conv_5x5:0", "sep_conv_7x7:1", "dil_conv_5x5:0", "none:2", "avg_pool_3x3:2", "conv_7x1_1x7:3",
                     "none:0", "none:1", "skip_connect:4", "none:3", "skip_connect:5", "max_pool_3x3:6"],
    genotype_normal_concat=[2, 4, 6, 7, 1, 5],
    genotype_reduce=["skip_connect:0", "skip_connect:1", "none:0", "max_pool_3x3:1", "conv_7x1_1x7:1", "avg_pool_3x3:0",
                     "sep_conv_7x7:0", "skip_connect:4", "dil_conv_3x3:1", "skip_connect:0", "none:1", "none:0"],
    genotype_reduce_concat=[3, 2, 5, 6, 7])
CIFAR = dict(
    genotype_normal=["sep_conv_3x3:1", "sep_conv_3x3:0", "skip_connect:0", "sep_conv_3x3:1", "skip_connect:0",
                     "sep_conv_3x3:1", "sep_conv_3x3:0", "skip_connect:2"], genotype_normal_concat=[2, 3, 4, 5],
    genotype_reduce=["max_pool_3x3:0", "max_pool_3x3:1", "skip_connect:2", "max_pool_3x3:0", "max_pool_3x3:0",
                     "skip_connect:2", "skip_connect:2", "avg_pool_3x3:0"], genotype_reduce_concat=[2, 3, 4, 5])
# The normal cell does not read its second input: the gate of the cell that makes it leads nowhere.
DEAD_END = dict(
    genotype_normal=["sep_conv_3x3:0", "skip_connect:0", "dil_conv_3x3:2", "max_pool_3x3:0"], genotype_normal_concat=[2, 3],
    genotype_reduce=["max_pool_3x3:0", "sep_conv_3x3:1", "skip_connect:2", "max_pool_3x3:1"], genotype_reduce_concat=[2, 3])

# name: (arch, input size, classes, samples of a step, attributes)
CASES = {
    **{arch: (arch, 224, 1000, 2, None) for arch in peer.ARCHS},
    "vgg16_small": ("vgg16", 64, 10, 3, dict(stage_depths=[2, 1, 2, 1, 2], widths=[8, 8, 12, 16, 16, 20, 24, 24],
                                             pool_size=2, hidden=[32, 24])),
    "vgg16_pooled": ("vgg16", 32, 10, 2, dict(stage_depths=[1, 2, 1], widths=[7, 12, 13, 16], pool_size=3, hidden=[20, 16])),
    "resnet50_small": ("resnet50", 64, 365, 4, dict(stem_width=8, stage_depths=[1, 2, 1, 1], widths=[4, 8, 12, 16],
                                                    expansion=4)),
    "resnet50_narrow": ("resnet50", 32, 10, 2, dict(stem_width=9, stage_depths=[2, 1], widths=[5, 7], expansion=3)),
    "densenet121_small": ("densenet121", 64, 10, 3, dict(stem_width=8, stage_depths=[2, 3, 2, 2], growth=4, bottleneck=4)),
    "darts_small": ("darts", 64, 10, 3, dict(channels=8, layers=5, form="imagenet", **DARTS_V2)),
    "darts_exotic": ("darts", 64, 10, 2, dict(channels=6, layers=4, form="imagenet", **EXOTIC)),
    "darts_cifar": ("darts", 32, 10, 2, dict(channels=4, layers=4, form="cifar", stem_multiplier=3, **CIFAR)),
    "darts_dead_end": ("darts", 32, 10, 2, dict(channels=4, layers=4, form="cifar", stem_multiplier=3, **DEAD_END)),
}


def steps_of(name):
    return 10 if CASES[name][4] else 4


def with_margin(net, images, least, rng):
    """Four images and labels: the first two are classified correctly, the others not, all with a clear margin."""
    with torch.no_grad():
        logits = net(images)[0]
    top = logits.topk(2).values
    clear = ((top[:, 0] - top[:, 1]) > least * logits.std()).nonzero().flatten().tolist()
    assert len(clear) >= 4, "too few images with a clear class"
    chosen = clear[:4]
    best = logits[chosen].argmax(1).numpy()
    labels = best.astype(np.int64)
    labels[2:] = (labels[2:] + 1 + rng.randint(logits.shape[1] - 1, size=2)) % logits.shape[1]
    assert (labels[:2] == best[:2]).all() and (labels[2:] != best[2:]).all()
    return chosen, labels


def batches(steps, size, rng):
    """Steps of `size` images; step 0 has a correct one, step steps // 3 (images 2 and 3 only) has none."""
    rows = rng.randint(0, 4, (steps, size))
    rows[:, 0] = rng.randint(0, 2, steps)
    rows[steps // 3] = 2 + np.arange(size) % 2
    return rows.astype(np.int64)


def few_bits(values):
    """Rounded to eight significant bits, still float32: compresses well."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def write_case(path, name, seed):
    arch, size, classes, batch, attributes = CASES[name]
    rng, steps = np.random.RandomState(seed + 3), steps_of(name)
    scale, shift = peer.image_affine()
    peer.build = lambda *_: FAMILIES[arch](peer, attributes, classes).eval() if attributes else STANDARD(arch, classes)
    recipe = peer.make_recipe(arch, seed, peer.u8_to_float(peer.synth_images(16, seed + 1, size), scale, shift))
    if not attributes:  # many values
        recipe["small"] = {k: few_bits(v) for k, v in recipe["small"].items()}
    weights = peer.weights_from_recipe(recipe)
    net = peer.set_frozen(peer.load_weights(peer.build(arch), weights), True)
    pool = peer.synth_images(16, seed + 2, size) & (0xF0 if attributes else 0xE0)  # few levels: compresses well
    chosen, labels = with_margin(net, peer.u8_to_float(pool, scale, shift), 0.05 if attributes else 0.03, rng)
    with h5py.File(path, "w") as f:
        f.attrs.update(arch=arch, num_classes=classes, input_size=size, beta=peer.BETA[arch], lr=0.1, objective="released",
                       made_by="make_models.py, torch " + torch.__version__)
        for key, value in (attributes or {}).items():
            f.attrs[key] = value if isinstance(value, (str, int)) else np.asarray(
                value, h5py.string_dtype() if isinstance(value[0], str) else np.int64)
        peer.recipe_to_h5(f, recipe, {k: v.numpy() for k, v in weights.items()})
        images = f.create_dataset("images_u8", data=pool[chosen])
        images.attrs["scale"], images.attrs["shift"] = scale, shift
        f["labels"], f["batches"] = labels, batches(steps, batch, rng)
        for i, channels in enumerate(net.gate_channels):
            f["gates_init/%02d" % i] = rng.randn(channels).astype(np.float32)
            f["sigma_init/%02d" % i] = np.full(channels, -2, np.float32)
            noise = rng.randn(steps, batch, channels)
            f["noise/%02d" % i] = noise.astype(np.float16).astype(np.float32) if attributes else few_bits(np.round(noise * 16) / 16)


def undecided(path, name):
    """Gates so close to 0 after learning that rounding decides whether they are on."""
    with h5py.File(path, "r") as f:
        gates = [f["results/f64_%s/gates_final/%s" % (o, k)][()] for o in OBJECTIVES for k in f["gates_init"]]
    near = 1e-4 if CASES[name][4] else 1e-5  # of ten thousand gates one is always nearer than 1e-4
    return int(sum((np.abs(g) < near).sum() for g in gates))


def pack(source, target, least):
    """A copy that takes little space: compact object headers, results but the losses rounded to float32, datasets of more
    than `least` bytes compressed."""
    def copy(group, out):
        out.attrs.update(group.attrs)
        for key, item in group.items():
            if isinstance(item, h5py.Group):
                copy(item, out.create_group(key))
            elif key in ("logits_orig", "rec_orig_mean_meansq") and key in originals:
                out[key] = originals[key]  # a link: the same for every objective
            elif not key.startswith("it0_"):
                data = item[()]
                if key.startswith("logits") or "/grad0" in group.name or "/gates_final" in group.name:
                    data = data.astype(np.float32)
                big = data.nbytes > least
                out.create_dataset(key, data=data, **(dict(compression="gzip", compression_opts=9, shuffle=True) if big else {}))
                out[key].attrs.update(item.attrs)
                originals[key] = out[key]

    originals = {}
    with h5py.File(source, "r") as f, h5py.File(target, "w", libver=("v110", "v110")) as out:
        copy(f, out)


def make(name, folder):
    with tempfile.TemporaryDirectory() as scratch:
        for seed in range(20211011, 20211031):
            path = os.path.join(scratch, "%d.h5" % seed)
            write_case(path, name, seed)
            for objective in OBJECTIVES:
                result, _ = peer.run_h5(path, dtype=torch.float64, objective=objective)
            skipped = [step for step, correct in enumerate(result["correct"]) if not correct]
            assert 0 not in skipped and steps_of(name) // 3 in skipped, result["correct"]
            if undecided(path, name) == 0:
                break
        else:
            sys.exit(name + ": no seed leaves every gate decided")
        target = os.path.join(folder, name + ".h5")
        pack(path, target, 1024 if CASES[name][4] else 256)
    print("%s: seed %d, %d bytes" % (name, seed, os.path.getsize(target)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=HERE)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of " + ", ".join(CASES))
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.names or CASES:
        make(name, args.out)


if __name__ == "__main__":
    main()
