"""Reading a PyTorch checkpoint in any of its containers as {tensor name: float32 array}, names made uniform."""
import json
import os
import re
import struct

import numpy as np

import torch_file
from errors import BadData, one_line, some

SAFETENSORS_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
                      "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?"}
MAX_HEADER = 100 << 20  # bytes; the reference implementation's limit

# DenseNet files from before torchvision 0.3 say norm.1 where the modules are now called norm1.
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def read_safetensors(path):
    """Layout: header length (u64, little-endian), JSON header, data. https://github.com/huggingface/safetensors"""
    with open(path, "rb") as f:
        blob = f.read()
    size = struct.unpack("<Q", blob[:8])[0]
    if size > min(MAX_HEADER, len(blob) - 8):
        raise BadData("the safetensors header says %d bytes, the file has %d: cut short?" % (size, len(blob)))
    try:
        header = json.loads(blob[8:8 + size])
        header.pop("__metadata__", None)
        entries = [(str(name), e["dtype"], [int(d) for d in e["shape"]], [int(o) for o in e["data_offsets"]])
                   for name, e in header.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise BadData("the safetensors header is damaged (%s)" % one_line(e))
    data, tensors = memoryview(blob)[8 + size:], {}
    for name, dtype, shape, offsets in entries:
        if dtype not in SAFETENSORS_DTYPES:
            raise BadData("tensor %s has dtype %s, which is not read" % (name, dtype))
        kind = np.dtype(SAFETENSORS_DTYPES[dtype])
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if len(offsets) != 2 or min(shape + [0]) < 0 or not 0 <= offsets[0] <= offsets[1] <= len(data) \
                or offsets[1] - offsets[0] != count * kind.itemsize:
            raise BadData("tensor %s lies outside the file or its size is wrong: cut short?" % name)
        array = np.frombuffer(data[offsets[0]:offsets[1]], kind).reshape(shape)
        tensors[name] = torch_file.bfloat16_to_float32(array) if dtype == "BF16" else array
    return tensors


def read_torch(path):
    try:
        loaded = torch_file.read(path)
    except torch_file.Damaged as e:
        raise BadData("it is no PyTorch checkpoint or is cut short (%s)" % e)
    tensors = {}
    for name, value in find_state_dict(loaded).items():
        if not isinstance(value, torch_file.Tensor):
            raise BadData("entry %r of the state dict is of the type %s, not a tensor" % (name, kind_of(value)))
        try:
            tensors[str(name)] = value.array()
        except Exception as e:  # a forged pickle can put anything into a tensor
            raise BadData("tensor %s is damaged (%s)" % (name, one_line(e)))
    return tensors


def kind_of(value):
    return value.kind if isinstance(value, torch_file.Inert) else type(value).__name__


def find_state_dict(loaded):
    """A state dict, or the one inside a training checkpoint."""
    if not isinstance(loaded, dict):
        raise BadData("it holds a thing of the type %s, not a state dict: save model.state_dict()" % kind_of(loaded))
    for key in ("state_dict", "model", "model_state_dict", "net"):
        if isinstance(loaded.get(key), dict):
            return loaded[key]
        if key in loaded and not isinstance(loaded[key], torch_file.Tensor):
            raise BadData("its entry %r is of the type %s, not a state dict" % (key, kind_of(loaded[key])))
    return loaded


def uniform_name(name):
    """Without the `module.` of DataParallel (which may wrap a part: features.module.0.weight), new DenseNet names."""
    name = re.sub(r"(^|\.)module\.", r"\1", re.sub(r"^(module\.)+", "", name))
    return OLD_DENSENET.sub(r"\1\2", name)


def is_dropped(name):
    return name.endswith("num_batches_tracked") or name.startswith("auxiliary_head.")


def looks_like_safetensors(path):
    with open(path, "rb") as f:
        start = f.read(9)
    return path.lower().endswith(".safetensors") and len(start) == 9 or start[8:9] == b"{"


def read_checkpoint(path):
    """{uniform name: float32 array}, finite. Raises BadData."""
    if os.path.getsize(path) == 0:
        raise BadData("it is empty")
    raw = read_safetensors(path) if looks_like_safetensors(path) else read_torch(path)
    tensors, sick = {}, []
    for old, value in raw.items():
        name = uniform_name(old)
        if is_dropped(name):
            continue
        if name in tensors:
            raise BadData("two tensors are called %s once prefixes are removed" % name)
        if value.dtype.kind != "f":
            raise BadData("tensor %s has dtype %s, a float type is expected" % (name, value.dtype))
        with np.errstate(over="ignore"):
            tensors[name] = np.ascontiguousarray(value, "<f4").reshape(value.shape)
        if not np.isfinite(tensors[name]).all():
            sick.append(name)
    if not tensors:
        raise BadData("it holds no tensors")
    if sick:
        raise BadData("values that are not finite in " + some(sick))
    return tensors
