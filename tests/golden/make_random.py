#!/usr/bin/python3
"""Makes random.h5: networks with random weights (models/random_network.h), their BatchNorm measured by PyTorch.

    make_random.py [--out DIR]

For each network a group results/NAME, on the four images of NAME.h5, in double precision, all vectors one behind the other
in the alphabetical order of the tensors' names:
    weights                        the first four values of every convolution and linear layer
    means, variances               of every BatchNorm, the images as one batch: training mode, momentum=None
    merged_means, merged_variances as two batches of two, from the statistics of each
    logits                         of the first, in evaluation mode
Variances are biased: PyTorch's running_var times (n - 1) / n. Needs PyTorch and h5py. Shares nothing with the engine but
the definition of its generator (engine/rng.h), written again here.
"""
import argparse
import os

import h5py
import numpy as np
import torch
import torch.nn as nn

from make_models import CASES, FAMILIES, HERE, peer

NAMES = ("vgg16_small", "resnet50_small", "densenet121_small", "darts_small", "darts_exotic", "darts_cifar")
SEED = 233


def random_bits(key, counter):
    z = np.uint64(key) + (np.asarray(counter, np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def random_key(key, coordinate):
    return random_bits(np.uint64(key) ^ np.uint64(0xD1B54A32D192ED03), np.uint64(coordinate))


def random_normal(key, count):
    """Box-Muller: values 2i and 2i + 1 are the cosine and the sine of pair i."""
    pair = np.arange((count + 1) // 2, dtype=np.uint64)
    u = (random_bits(key, np.uint64(2) * pair) >> np.uint64(11)).astype(np.float64)
    v = (random_bits(key, np.uint64(2) * pair + np.uint64(1)) >> np.uint64(11)).astype(np.float64)
    radius, angle = np.sqrt(-2 * np.log((u + 1) * 2.0 ** -53)), 2 * np.pi * v * 2.0 ** -53
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count].astype(np.float32)


def fill(net):
    """He's weights, rounded to float32 as the engine's are. Returns the first four of every tensor."""
    first = []
    key = random_key(SEED, peer.fnv1a64("random weights"))
    for name, tensor in sorted(net.state_dict().items()):
        if tensor.dim() > 1:
            values = random_normal(random_key(key, peer.fnv1a64(name)), tensor.numel()).astype(np.float64)
            values = (values * np.sqrt(2 / (tensor.numel() // tensor.shape[0]))).astype(np.float32)
            tensor.copy_(torch.from_numpy(values.reshape(tensor.shape)))
            first.append(values[:4])
        elif name.endswith(".bias"):
            tensor.zero_()
    return np.concatenate(first)


def measure(norms, net, images):
    """Mean and biased variance of every BatchNorm on one batch, and the number of values behind each: [C] by name."""
    counts = {}
    hooks = [m.register_forward_pre_hook(lambda _, x, name=name: counts.update({name: x[0].numel() // x[0].shape[1]}))
             for name, m in norms]
    for _, m in norms:
        m.momentum = None
        m.reset_running_stats()
    net.train()
    net(images)
    for hook in hooks:
        hook.remove()
    return {name: (m.running_mean.clone(), m.running_var * (counts[name] - 1) / counts[name]) for name, m in norms}


def in_order(statistics, which):
    values = [s[which].numpy() for _, s in sorted(statistics.items())]
    return np.concatenate(values).astype(np.float32) if values else np.zeros(0, np.float32)


def write(group, name):
    arch, _, classes, _, attributes = CASES[name]
    with h5py.File(os.path.join(HERE, name + ".h5"), "r") as f:
        images = peer.read_images(f).double()
    net = FAMILIES[arch](peer, attributes, classes).double()
    group["weights"] = fill(net)
    norms = [(n + ".running_mean", m) for n, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)]
    halves = [measure(norms, net, images[i:i + 2]) for i in (0, 2)]
    merged = {}
    for n, _ in norms:  # the law of total variance, halves of equal size
        means, variances = zip(*(half[n] for half in halves))
        mean = (means[0] + means[1]) / 2
        merged[n] = mean, (variances[0] + variances[1]) / 2 + ((means[0] - mean) ** 2 + (means[1] - mean) ** 2) / 2
    whole = measure(norms, net, images)
    for n, m in norms:
        m.running_var.copy_(whole[n][1])
    group["logits"] = net.eval()(images)[0].numpy().astype(np.float32)
    group["means"], group["variances"] = in_order(whole, 0), in_order(whole, 1)
    group["merged_means"], group["merged_variances"] = in_order(merged, 0), in_order(merged, 1)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=HERE)
    path = os.path.join(parser.parse_args().out, "random.h5")
    torch.set_num_threads(1)
    np.seterr(over="ignore")
    with h5py.File(path, "w", libver=("v110", "v110")) as f:
        f.attrs["made_by"] = "make_random.py, torch " + torch.__version__
        for name in NAMES:
            write(f.create_group("results/" + name), name)
    print("%s: %d bytes" % (path, os.path.getsize(path)))


if __name__ == "__main__":
    main()
