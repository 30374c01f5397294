"""Arithmetic of the layouts on {name: array}: BatchNorm and biases, in double, and the order of VGG's modules."""
import math
import re

import numpy as np

from errors import BadData, Misfit, some

PARTS = ("weight", "bias", "running_mean", "running_var")


def take_batch_norm(tensors, name, eps):
    """(scale, shift) of a BatchNorm in evaluation, float64; its tensors leave the dict."""
    missing = [part for part in PARTS if name + "." + part not in tensors]
    if missing:
        raise BadData("no tensor %s.%s" % (name, missing[0]))
    weight, bias, mean, variance = (tensors.pop(name + "." + part).astype(np.float64) for part in PARTS)
    if (variance + eps <= 0).any():
        raise BadData("%s.running_var has a value that is negative, which no variance is" % name)
    scale = weight / np.sqrt(variance + eps)
    return scale, bias - mean * scale


def fold_batch_norm(tensors, convolution, norm, eps):
    """The convolution with the BatchNorm that follows it: W' = s W, b' = s b + t, with s and t its scale and shift."""
    scale, shift = take_batch_norm(tensors, norm, eps)
    weight = tensors[convolution + ".weight"]
    if weight.shape[0] != len(scale):
        raise BadData("%s has %d outputs, %s %d channels" % (convolution, weight.shape[0], norm, len(scale)))
    tensors[convolution + ".weight"] = weight * scale.reshape((-1,) + (1,) * (weight.ndim - 1))
    tensors[convolution + ".bias"] = tensors.get(convolution + ".bias", np.float64(0)) * scale + shift


def bias_into_batch_norm(tensors, convolution, norm):
    """A bias in front of a BatchNorm only moves its mean: bn(x + b; m) = bn(x; m - b)."""
    bias = tensors.pop(convolution + ".bias", None)
    if bias is not None:
        tensors[norm + ".running_mean"] = tensors[norm + ".running_mean"].astype(np.float64) - bias


def identity_batch_norm(tensors, norm, bias, eps):
    """The BatchNorm that a convolution has where an exporter folded its own into it: y = x + bias."""
    one = np.ones(len(bias))
    tensors.update({norm + ".weight": one * math.sqrt(1 + eps), norm + ".bias": bias, norm + ".running_mean": one * 0,
                    norm + ".running_var": one})


def rename(tensors, table):
    """Modules renamed in place, {old name: new name}."""
    taken = {old: [n for n in tensors if n.rpartition(".")[0] == old] for old in table}
    moved = {table[old] + n[len(old):]: tensors.pop(n) for old, names in taken.items() for n in names}
    tensors.update(moved)


def vgg_places(tensors, _=None):
    """conv<stage>_<number> to features.<place>: convolution and ReLU take two places, a max-pool between stages one."""
    found = {m.groups() for m in (re.match(r"conv(\d+)_(\d+)\.weight$", name) for name in tensors) if m}
    table, before = {}, 0
    for stage, number in sorted((int(s), int(n)) for s, n in found):
        table["conv%d_%d" % (stage, number)] = "features.%d" % (2 * before + stage - 1)
        before += 1
    rename(tensors, table)


def fold_vgg(tensors, eps):
    """VGG with BatchNorm, torchvision's places (convolution, BatchNorm, ReLU), to VGG without."""
    places = sorted(int(m.group(1)) for m in (re.match(r"features\.(\d+)\.weight$", n) for n in tensors)
                    if m and tensors[m.group(0)].ndim == 4)
    wanted = ["features.%d.%s" % (place + 1, part) for place in places for part in PARTS]
    missing = [name for name in wanted if name not in tensors]
    if missing:
        text = "missing: " + some(missing)
        raise BadData(text) if missing == wanted else Misfit(text, len(missing))
    table = {}
    for i, place in enumerate(places):
        fold_batch_norm(tensors, "features.%d" % place, "features.%d" % (place + 1), eps)
        table["features.%d" % place] = "features.%d" % (place - i)
    rename(tensors, table)


def flatten_classifier(tensors, _=None):
    """Linear layers that are stored as convolutions over the whole map, [O, C, H, W] to [O, C H W]."""
    for name in [n for n in tensors if n.startswith("classifier.") and tensors[n].ndim == 4]:
        tensors[name] = tensors[name].reshape(tensors[name].shape[0], -1)
