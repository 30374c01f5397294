"""Small random networks of the four families, the containers they are saved in, and a test case that converts them.

The shapes are written out here and not taken from the converter's own tables.
"""
import json
import os
import pathlib
import re
import shutil
import struct
import sys
import tempfile
import unittest

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONVERT = ROOT / "weights" / "convert.py"
DATA = pathlib.Path(os.environ.get("NAD_TEST_DATA", ROOT / ".." / "shared" / "data"))
PEER = ROOT / "tests" / "peer"


def bn(name, c):
    return {"%s.%s" % (name, p): (c,) for p in ("weight", "bias", "running_mean", "running_var")}


def vgg16():
    shapes, cin = {}, 3
    for place, c in zip((0, 3, 5), (4, 6, 5)):  # stages of one and two convolutions
        shapes.update({"features.%d.weight" % place: (c, cin, 3, 3), "features.%d.bias" % place: (c,)})
        cin = c
    for place, (i, o) in zip((0, 3, 6), ((5 * 9, 8), (8, 7), (7, 4))):
        shapes.update({"classifier.%d.weight" % place: (o, i), "classifier.%d.bias" % place: (o,)})
    return shapes, dict(stage_depths=[1, 2], widths=[4, 6, 5], pool_size=3, hidden=[8, 7]), 4


def resnet50():
    shapes = {"conv1.weight": (6, 3, 7, 7), **bn("bn1", 6)}
    for block, cin, width in (("layer1.0", 6, 3), ("layer1.1", 6, 3), ("layer2.0", 6, 4)):
        out = 2 * width
        for i, s in enumerate(((width, cin, 1, 1), (width, width, 3, 3), (out, width, 1, 1)), 1):
            shapes.update({"%s.conv%d.weight" % (block, i): s, **bn("%s.bn%d" % (block, i), s[0])})
        if cin != out:
            shapes.update({block + ".downsample.0.weight": (out, cin, 1, 1), **bn(block + ".downsample.1", out)})
    shapes.update({"fc.weight": (5, 8), "fc.bias": (5,)})
    return shapes, dict(stem_width=6, stage_depths=[2, 1], widths=[3, 4], expansion=2), 5


def densenet121():
    shapes = {"features.conv0.weight": (6, 3, 7, 7), **bn("features.norm0", 6)}
    for block, layer, cin in ((1, 1, 6), (1, 2, 9), (2, 1, 6)):
        name = "features.denseblock%d.denselayer%d" % (block, layer)
        shapes.update({**bn(name + ".norm1", cin), name + ".conv1.weight": (12, cin, 1, 1), **bn(name + ".norm2", 12),
                       name + ".conv2.weight": (3, 12, 3, 3)})
    shapes.update({**bn("features.transition1.norm", 12), "features.transition1.conv.weight": (6, 12, 1, 1),
                   **bn("features.norm5", 9), "classifier.weight": (3, 9), "classifier.bias": (3,)})
    return shapes, dict(stem_width=6, stage_depths=[2, 1], growth=3, bottleneck=4), 3


GENOTYPE = dict(normal=[("sep_conv_5x5", 0), ("skip_connect", 1)], normal_concat=[2],
                reduce=[("conv_7x1_1x7", 0), ("skip_connect", 1), ("dil_conv_5x5", 2), ("avg_pool_3x3", 0)],
                reduce_concat=[2, 3])


def darts():
    """CIFAR form, three cells of 4, 8 (reduction) and 16 (reduction) channels with GENOTYPE."""
    shapes = {"stem.0.weight": (12, 3, 3, 3), **bn("stem.1", 12)}
    before, last = 12, 12
    for cell, c, reduction, reduced in ((0, 4, False, False), (1, 8, True, False), (2, 16, True, True)):
        n = "cells.%d." % cell
        if reduced:
            shapes.update({n + "preprocess0.conv_1.weight": (c // 2, before, 1, 1),
                           n + "preprocess0.conv_2.weight": (c // 2, before, 1, 1), **bn(n + "preprocess0.bn", c)})
        else:
            shapes.update({n + "preprocess0.op.1.weight": (c, before, 1, 1), **bn(n + "preprocess0.op.2", c)})
        shapes.update({n + "preprocess1.op.1.weight": (c, last, 1, 1), **bn(n + "preprocess1.op.2", c)})
        if reduction:
            shapes.update({n + "_ops.0.1.weight": (c, c, 1, 7), n + "_ops.0.2.weight": (c, c, 7, 1),
                           **bn(n + "_ops.0.3", c), n + "_ops.1.conv_1.weight": (c // 2, c, 1, 1),
                           n + "_ops.1.conv_2.weight": (c // 2, c, 1, 1), **bn(n + "_ops.1.bn", c),
                           n + "_ops.2.op.1.weight": (c, 1, 5, 5), n + "_ops.2.op.2.weight": (c, c, 1, 1),
                           **bn(n + "_ops.2.op.3", c)})
        else:
            for i in (1, 5):
                op = n + "_ops.0.op.%d"
                shapes.update({op % i + ".weight": (c, 1, 5, 5), op % (i + 1) + ".weight": (c, c, 1, 1),
                               **bn(op % (i + 2), c)})
        before, last = last, c * (2 if reduction else 1)
    shapes.update({"classifier.weight": (10, 32), "classifier.bias": (10,)})
    return shapes, dict(channels=4, layers=3, form="cifar", stem_multiplier=3,
                        genotype_normal=["sep_conv_5x5:0", "skip_connect:1"], genotype_normal_concat=[2],
                        genotype_reduce=["conv_7x1_1x7:0", "skip_connect:1", "dil_conv_5x5:2", "avg_pool_3x3:0"],
                        genotype_reduce_concat=[2, 3]), 10


FAMILIES = {"vgg16": vgg16, "resnet50": resnet50, "densenet121": densenet121, "darts": darts}


def genotypes_file(genotypes):
    """The text of a genotypes.py as DARTS has it, and a line that must not be run."""
    text = "from collections import namedtuple\n\nGenotype = namedtuple('Genotype', 'normal reduce')\n\n" \
           "PRIMITIVES = [\n    'none',\n    'skip_connect'\n]\n\nopen('mark', 'w')\n"
    for name, genotype in genotypes.items():
        text += "\n%s = Genotype(\n%s)\n" % (name, "".join("  %s = %r,\n" % field for field in genotype.items()))
    return text


def random_state(shapes, seed=233):
    rng = np.random.RandomState(seed)
    state = {name: torch.from_numpy(rng.randn(*shape).astype(np.float32)) for name, shape in shapes.items()}
    for name in shapes:
        if name.endswith("running_var"):
            state[name] = state[name].abs() + 0.5
            state[name[:-len("running_var")] + "num_batches_tracked"] = torch.tensor(7)
    return state


def bmp(size, shade):
    """The bytes of a square image of one colour."""
    row = bytes([shade, shade // 2, 255 - shade]) * size
    row += bytes(-len(row) % 4)
    info = struct.pack("<IiiHHIIiiII", 40, size, size, 1, 24, 0, len(row) * size, 2835, 2835, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(row) * size, 0, 0, 54) + info + row * size


def save_safetensors(state, path, dtype=None):
    kinds = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}
    header, blob = {"__metadata__": {"format": "pt"}}, b""
    for name, value in state.items():
        value = value.to(dtype) if dtype and value.is_floating_point() else value
        raw = (value.view(torch.int16) if value.dtype == torch.bfloat16 else value).numpy().tobytes()
        header[name] = dict(dtype=kinds[value.dtype], shape=list(value.shape),
                            data_offsets=[len(blob), len(blob) + len(raw)])
        blob += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)


# How a state dict may lie in a file: name -> (function(state, path), dtype the values went through)
def old_names(state):
    return {re.sub(r"(denselayer.*)(norm|conv)([12])\.", r"\1\2.\3.", n): v for n, v in state.items()}


def with_dtype(state, dtype):
    return {n: v.to(dtype) if v.is_floating_point() else v for n, v in state.items()}


CONTAINERS = {
    "plain.pth": (lambda s, p: torch.save(s, p), None),
    "legacy.pt": (lambda s, p: torch.save(s, p, _use_new_zipfile_serialization=False), None),
    "checkpoint.pth.tar": (lambda s, p: torch.save(dict(epoch=90, best=np.float64(0.5), optimizer={"lr": 0.1}, args=p,
                                                        state_dict={"module." + n: v for n, v in s.items()}), p),
                           None),
    "model.pt": (lambda s, p: torch.save(dict(model=s), p), None),
    "features_module.pth": (lambda s, p: torch.save({n.replace("features.", "features.module."): v
                                                     for n, v in s.items()}, p), None),
    "strided.pth": (lambda s, p: torch.save({n: torch.stack([v, v], -1)[..., 1] for n, v in s.items()}, p), None),
    "parameters.pth": (lambda s, p: torch.save({n: torch.nn.Parameter(v, v.is_floating_point())
                                                for n, v in s.items()}, p), None),
    "half.pth": (lambda s, p: torch.save(with_dtype(s, torch.float16), p), torch.float16),
    "bfloat.pth": (lambda s, p: torch.save(with_dtype(s, torch.bfloat16), p), torch.bfloat16),
    "double.pth": (lambda s, p: torch.save(with_dtype(s, torch.float64), p), None),
    "net.safetensors": (save_safetensors, None),
    "half.safetensors": (lambda s, p: save_safetensors(s, p, torch.float16), torch.float16),
    "bfloat.safetensors": (lambda s, p: save_safetensors(s, p, torch.bfloat16), torch.bfloat16),
    "old_names.pth": (lambda s, p: torch.save(old_names(s), p), None),
    "auxiliary.pth": (lambda s, p: torch.save({**s, "auxiliary_head.classifier.bias": torch.ones(3)}, p), None),
}


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        sys.path.insert(0, str(CONVERT.parent))
        import convert
        cls.main = staticmethod(convert.main)

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="nad_test_convert_"))
        self.addCleanup(shutil.rmtree, self.dir)

    def save(self, state, name="in.pth"):
        torch.save(state, self.dir / name)
        return self.dir / name
