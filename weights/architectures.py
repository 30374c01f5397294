"""The four families: what their tensors are called and shaped, and their attributes read off a checkpoint's shapes.

A family has derive(shapes, genotype) -> attributes and expected(attributes, classes) -> {name: shape}; what a file
must hold is always generated from the attributes that are stored, so that the two cannot disagree.
"""
import math
import re

from errors import BadData, Misfit, some


def batch_norm(name, channels):
    return {name + "." + part: (channels,) for part in ("weight", "bias", "running_mean", "running_var")}


def linear(name, inputs, outputs):
    return {name + ".weight": (outputs, inputs), name + ".bias": (outputs,)}


def shape_of(shapes, name, rank):
    if name not in shapes:
        raise BadData("no tensor %s, by which the network is measured; it has %s" % (name, some(shapes)))
    if len(shapes[name]) != rank or min(shapes[name]) < 1:
        raise BadData("tensor %s has shape %s, %d sizes are expected" % (name, list(shapes[name]), rank))
    return shapes[name]


def count_from(shapes, pattern, first):
    """How many of first, first + 1, ... fit the pattern (one group: the number) without a gap."""
    found = {int(m.group(1)) for m in (re.match(pattern, name) for name in shapes) if m}
    n = 0
    while first + n in found:
        n += 1
    return n


# VGG without batch normalisation, torchvision's names ---------------------------------------------
def vgg_derive(shapes, _):
    places = sorted(int(m.group(1)) for m in (re.match(r"features\.(\d+)\.weight$", n) for n in shapes)
                    if m and len(shapes[m.group(0)]) == 4)
    if not places:
        raise BadData("no convolution features.N.weight")
    # convolution and ReLU take two places, a max-pool in between makes it three
    depths = [1]
    for a, b in zip(places, places[1:]):
        if b - a == 2:
            depths[-1] += 1
        else:
            depths.append(1)
    widths = [shapes["features.%d.weight" % p][0] for p in places]
    hidden = []
    while "classifier.%d.weight" % (3 * len(hidden) + 3) in shapes:
        hidden.append(shape_of(shapes, "classifier.%d.weight" % (3 * len(hidden)), 2)[0])
    inputs = shape_of(shapes, "classifier.0.weight", 2)[1]
    pool = math.isqrt(inputs // widths[-1])
    if pool * pool * widths[-1] != inputs:
        raise BadData("classifier.0 has %d inputs, which is no square number of pixels of %d channels"
                      % (inputs, widths[-1]))
    return dict(stage_depths=depths, widths=widths, pool_size=pool, hidden=hidden)


def vgg_expected(a, classes):
    tensors, place, inputs, width = {}, 0, 3, iter(a["widths"])
    for depth in a["stage_depths"]:
        for _ in range(depth):
            outputs = next(width)
            tensors["features.%d.weight" % place] = (outputs, inputs, 3, 3)
            tensors["features.%d.bias" % place] = (outputs,)
            inputs, place = outputs, place + 2
        place += 1
    inputs *= a["pool_size"] ** 2
    for i, outputs in enumerate(list(a["hidden"]) + [classes]):
        tensors.update(linear("classifier.%d" % (3 * i), inputs, outputs))
        inputs = outputs
    return tensors


# ResNet of bottleneck blocks, torchvision's names -------------------------------------------------
def resnet_derive(shapes, _):
    stages = count_from(shapes, r"layer(\d+)\.", 1)
    if stages == 0:
        raise BadData("no layer1, which a ResNet has")
    depths = [count_from(shapes, r"layer%d\.(\d+)\." % s, 0) for s in range(1, stages + 1)]
    widths = [shape_of(shapes, "layer%d.0.conv1.weight" % s, 4)[0] for s in range(1, stages + 1)]
    if "layer1.0.conv3.weight" not in shapes:
        raise BadData("no tensor layer1.0.conv3.weight: its blocks are basic ones, bottleneck blocks are expected")
    expansion = shape_of(shapes, "layer1.0.conv3.weight", 4)[0] // widths[0]
    return dict(stem_width=shape_of(shapes, "conv1.weight", 4)[0], stage_depths=depths, widths=widths,
                expansion=max(1, expansion))


def resnet_expected(a, classes):
    c = a["stem_width"]
    tensors = {"conv1.weight": (c, 3, 7, 7), **batch_norm("bn1", c)}
    for stage, (depth, width) in enumerate(zip(a["stage_depths"], a["widths"])):
        for block in range(depth):
            name, out = "layer%d.%d." % (stage + 1, block), width * a["expansion"]
            for i, shape in enumerate(((width, c, 1, 1), (width, width, 3, 3), (out, width, 1, 1)), 1):
                tensors["%sconv%d.weight" % (name, i)] = shape
                tensors.update(batch_norm("%sbn%d" % (name, i), shape[0]))
            if block == 0 and (stage > 0 or c != out):
                tensors[name + "downsample.0.weight"] = (out, c, 1, 1)
                tensors.update(batch_norm(name + "downsample.1", out))
            c = out
    return {**tensors, **linear("fc", c, classes)}


# DenseNet, torchvision's names --------------------------------------------------------------------
def densenet_derive(shapes, _):
    first = "features.denseblock1.denselayer1."
    growth = shape_of(shapes, first + "conv2.weight", 4)[0]
    blocks = count_from(shapes, r"features\.denseblock(\d+)\.", 1)
    depths = [count_from(shapes, r"features\.denseblock%d\.denselayer(\d+)\." % b, 1) for b in range(1, blocks + 1)]
    return dict(stem_width=shape_of(shapes, "features.conv0.weight", 4)[0], stage_depths=depths, growth=growth,
                bottleneck=max(1, shape_of(shapes, first + "conv1.weight", 4)[0] // growth))


def densenet_expected(a, classes):
    c, growth, width = a["stem_width"], a["growth"], a["bottleneck"] * a["growth"]
    tensors = {"features.conv0.weight": (c, 3, 7, 7), **batch_norm("features.norm0", c)}
    for block, depth in enumerate(a["stage_depths"], 1):
        for layer in range(1, depth + 1):
            name = "features.denseblock%d.denselayer%d." % (block, layer)
            tensors.update({**batch_norm(name + "norm1", c), name + "conv1.weight": (width, c, 1, 1),
                            **batch_norm(name + "norm2", width), name + "conv2.weight": (growth, width, 3, 3)})
            c += growth
        if block < len(a["stage_depths"]):
            name = "features.transition%d." % block
            tensors.update({**batch_norm(name + "norm", c), name + "conv.weight": (c // 2, c, 1, 1)})
            c //= 2
    return {**tensors, **batch_norm("features.norm5", c), **linear("classifier", c, classes)}


# DARTS, names of https://github.com/quark0/darts (cnn/model.py, cnn/operations.py) ----------------
def darts_operation(operation, name, c, stride):
    """The tensors of one operation of a cell."""
    kind, _, size = operation.rpartition("_")
    if operation == "skip_connect":
        return factorized_reduce(name, c, c) if stride == 2 else {}
    if kind in ("sep_conv", "dil_conv"):
        k, tensors = int(size[0]), {}
        for at in (1, 5) if kind == "sep_conv" else (1,):  # [ReLU, depthwise, pointwise, BN], once or twice
            tensors["%s.op.%d.weight" % (name, at)] = (c, 1, k, k)
            tensors["%s.op.%d.weight" % (name, at + 1)] = (c, c, 1, 1)
            tensors.update(batch_norm("%s.op.%d" % (name, at + 2), c))
        return tensors
    if operation == "conv_7x1_1x7":
        return {name + ".1.weight": (c, c, 1, 7), name + ".2.weight": (c, c, 7, 1), **batch_norm(name + ".3", c)}
    return {}  # pools and none


def factorized_reduce(name, inputs, c):
    return {name + ".conv_1.weight": (c // 2, inputs, 1, 1), name + ".conv_2.weight": (c // 2, inputs, 1, 1),
            **batch_norm(name + ".bn", c)}


def relu_conv_bn(name, inputs, c):
    return {name + ".op.1.weight": (c, inputs, 1, 1), **batch_norm(name + ".op.2", c)}


def darts_derive(shapes, genotype):
    layers = count_from(shapes, r"cells\.(\d+)\.", 0)
    width = shape_of(shapes, "cells.0.preprocess1.op.1.weight", 4)[0]
    channels = width // 2 if layers // 3 == 0 else width  # networks of one or two cells begin with a reduction
    a = dict(channels=channels, layers=layers, form="imagenet" if "stem0.0.weight" in shapes else "cifar")
    if a["form"] == "cifar":
        a["stem_multiplier"] = max(1, shape_of(shapes, "stem.0.weight", 4)[0] // max(1, channels))
    for kind in ("normal", "reduce"):
        a["genotype_" + kind] = ["%s:%d" % edge for edge in genotype[kind]]
        a["genotype_%s_concat" % kind] = list(genotype[kind + "_concat"])
    return a


def darts_expected(a, classes):
    c = a["channels"]
    if a["form"] == "imagenet":
        tensors = {"stem0.0.weight": (c // 2, 3, 3, 3), **batch_norm("stem0.1", c // 2),
                   "stem0.3.weight": (c, c // 2, 3, 3), **batch_norm("stem0.4", c),
                   "stem1.1.weight": (c, c, 3, 3), **batch_norm("stem1.2", c)}
        before, last, reduced = c, c, True
    else:
        before = last = c * a["stem_multiplier"]
        tensors, reduced = {"stem.0.weight": (last, 3, 3, 3), **batch_norm("stem.1", last)}, False
    for cell in range(a["layers"]):
        reduction = cell in (a["layers"] // 3, 2 * a["layers"] // 3)
        c *= 2 if reduction else 1
        kind, name = "reduce" if reduction else "normal", "cells.%d." % cell
        tensors.update((factorized_reduce if reduced else relu_conv_bn)(name + "preprocess0", before, c))
        tensors.update(relu_conv_bn(name + "preprocess1", last, c))
        for i, edge in enumerate(a["genotype_" + kind]):
            operation, _, source = edge.partition(":")
            stride = 2 if reduction and int(source) < 2 else 1
            tensors.update(darts_operation(operation, "%s_ops.%d" % (name, i), c, stride))
        before, last, reduced = last, c * len(a["genotype_%s_concat" % kind]), reduction
    return {**tensors, **linear("classifier", last, classes)}


# --------------------------------------------------------------------------------------------------
# (derive, expected, the classifier's weight)
FAMILIES = {
    "vgg16": (vgg_derive, vgg_expected, None),
    "resnet50": (resnet_derive, resnet_expected, "fc.weight"),
    "densenet121": (densenet_derive, densenet_expected, "classifier.weight"),
    "darts": (darts_derive, darts_expected, "classifier.weight"),
}


def describe(arch, shapes, genotype, left=()):
    """(attributes, number of classes), with every tensor checked against them; left: names of tensors that the layout
    does not know. Raises BadData, and Misfit with the number of tensors that are wrong."""
    derive, expected, head = FAMILIES[arch]
    empty = [name for name in shapes if 0 in shapes[name]]
    if empty:
        raise BadData("tensors without elements: " + some(empty))
    attributes = derive(shapes, genotype)
    classes = shape_of(shapes, head or "classifier.%d.weight" % (3 * len(attributes["hidden"])), 2)[0]
    want = expected(attributes, classes)
    wrong = [n for n in want if n in shapes and tuple(shapes[n]) != want[n]]
    parts = []
    if set(want) - set(shapes):
        parts.append("missing: " + some(set(want) - set(shapes)))
    unexpected = (set(shapes) - set(want)) | set(left)
    if unexpected:
        parts.append("unexpected: " + some(unexpected))
    if wrong:
        texts = ["%s %s instead of %s" % (n, list(shapes[n]), list(want[n])) for n in wrong]
        parts.append("wrong shape: " + some(texts))
    if parts:
        hint = "; is it another genotype? see --genotype" if arch == "darts" else ""
        raise Misfit("; ".join(parts) + hint, len(set(want) - set(shapes)) + len(unexpected) + len(wrong))
    return attributes, classes
