#!/usr/bin/env python3
"""hdf5_seeds.py DIR: a weights file of each form and a replay case, as small as they come, for fuzz_hdf5 to start from."""
import os
import sys

import h5py
import numpy as np

FOLDER = sys.argv[1]


def new(name):
    return h5py.File(os.path.join(FOLDER, name), "w")


def describe(f):
    f.attrs.update(arch="vgg16", num_classes=2, input_size=4, format_version=1, class_ids=["a", "b"],
                   mean=np.float32([0.5] * 3), std=np.float32([0.2] * 3))


with new("weights.h5") as f:
    describe(f)
    f["weights/fc.weight"] = np.float32([[1, 2, 3], [4, 5, 6]])
    f["weights/fc.bias"] = np.float16([1, 2])
    f["images/train/a/x.png"] = np.frombuffer(b"\x89PNG\r\n", np.uint8)
with new("recipe.h5") as f:
    describe(f)
    f["weights/bound/fc.weight"] = np.float32(0.5)
    f["weights/bound/fc.weight"].attrs["shape"] = np.int64([2, 3])
    f["weights/small/fc.bias"] = np.float32([1, 2])
    f["weights"].attrs["seed"] = np.int64(7)
with new("case.h5") as f:
    f.attrs.update(objective="paper", beta=0.1, lr=0.1)
    f["images_u8"] = np.zeros((2, 3, 4, 4), np.uint8)
    f["images_u8"].attrs.update(scale=np.float32([1] * 3), shift=np.float32([0] * 3))
    f["labels"] = np.int64([0, 1])
    f["batches"] = np.int64([[0, 1]])
    f["gates_init/00"] = np.float32([0.5, 1])
    f["sigma_init/00"] = np.float32([0.5, 1])
    f["noise/00"] = np.zeros((1, 2, 2), np.float32)
