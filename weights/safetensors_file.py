"""Reading a .safetensors file without its library: {name: numpy array}."""
import json
import struct

import numpy as np

import torch_file
from errors import BadData, one_line

DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
          "U8": "u1", "BOOL": "?"}
MAX_HEADER = 100 << 20  # bytes; the reference implementation's limit


def read(path):
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
        if dtype not in DTYPES:
            raise BadData("tensor %s has dtype %s, which is not read" % (name, dtype))
        kind = np.dtype(DTYPES[dtype])
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if len(offsets) != 2 or min(shape + [0]) < 0 or not 0 <= offsets[0] <= offsets[1] <= len(data) \
                or offsets[1] - offsets[0] != count * kind.itemsize:
            raise BadData("tensor %s lies outside the file or its size is wrong: cut short?" % name)
        array = np.frombuffer(data[offsets[0]:offsets[1]], kind).reshape(shape)
        tensors[name] = torch_file.bfloat16_to_float32(array) if dtype == "BF16" else array
    return tensors


def looks_like_one(path):
    with open(path, "rb") as f:
        start = f.read(9)
    return path.lower().endswith(".safetensors") and len(start) == 9 or start[8:9] == b"{"
