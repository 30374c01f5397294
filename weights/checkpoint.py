"""Reading a file of weights in any of its forms as sets of tensors: {name: array} dicts with the place of each."""
import os
import zipfile

import safetensors_file
import torch_file
from errors import BadData, one_line

STATE_DICTS = ("state_dict", "model", "model_state_dict", "net")
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class WeightSet:
    """The tensors that one dict of the file holds. where: the keys that lead to it; values are numpy arrays, or
    torch_file.Tensor, which become arrays when they are asked for; others: {name: type} of what is no tensor."""

    def __init__(self, where, tensors, others=None):
        self.where, self.tensors, self.others = tuple(where), tensors, others or {}

    def array(self, name):
        value = self.tensors[name]
        if not isinstance(value, torch_file.Tensor):
            return value
        try:
            return value.array()
        except Exception as e:  # a forged pickle can put anything into a tensor
            raise BadData("tensor %s is damaged (%s)" % (name, one_line(e)))


class Source:
    """kind: which layouts apply; operations: of a graph (onnx_file.py), which has no names."""

    def __init__(self, kind, sets, operations=None):
        self.kind, self.sets, self.operations = kind, sets, operations


def kind_of(value):
    return value.kind if isinstance(value, torch_file.Inert) else type(value).__name__


def find_sets(value, where=()):
    """Every dict that holds tensors, at any depth."""
    found = []
    if isinstance(value, dict) and len(where) < 8:
        tensors = {str(k): v for k, v in value.items() if isinstance(v, torch_file.Tensor)}
        if tensors:
            objects = {str(k): kind_of(v) for k, v in value.items() if isinstance(v, torch_file.Inert)}
            found.append(WeightSet(where, tensors, objects))
        for key, inner in value.items():
            found += find_sets(inner, where + (str(key),))
    elif isinstance(value, (list, tuple)) and len(where) < 8:
        for i, inner in enumerate(value):
            found += find_sets(inner, where + (str(i),))
    return found


def nothing_found(loaded):
    """Why an object holds no state dict."""
    if not isinstance(loaded, dict):
        return "it holds a thing of the type %s, not a state dict: save model.state_dict()" % kind_of(loaded)
    for key in STATE_DICTS:
        if key in loaded and not isinstance(loaded[key], dict):
            return "its entry %r is of the type %s, not a state dict" % (key, kind_of(loaded[key]))
    for name, value in loaded.items():
        if not isinstance(value, dict):
            return "entry %r of the state dict is of the type %s, not a tensor" % (name, kind_of(value))
    return "it holds no tensors"


def read_torch(path):
    try:
        loaded = torch_file.read(path)
    except torch_file.Damaged as e:
        raise BadData("it is no PyTorch checkpoint or is cut short (%s)" % e)
    sets = find_sets(loaded)
    if not sets:
        raise BadData(nothing_found(loaded))
    return Source("pytorch", sets)


def starts_with(path, signature):
    with open(path, "rb") as f:
        return f.read(len(signature)) == signature


def is_keras_archive(path):
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "model.weights.h5" in archive.namelist()


def read_source(path):
    """What the file holds. Raises BadData, and MissingPackage where its form needs a library that is not there."""
    if os.path.getsize(path) == 0:
        raise BadData("it is empty")
    ending = os.path.splitext(path)[1].lower()
    if starts_with(path, HDF5_SIGNATURE) or is_keras_archive(path):
        import keras_file
        return Source("keras", [WeightSet((), keras_file.read(path))])
    if ending == ".onnx":
        import onnx_file
        return Source("onnx", [], onnx_file.read(path))
    if ending == ".caffemodel":
        import caffe_file
        return Source("caffe", [WeightSet((), caffe_file.read(path))])
    if safetensors_file.looks_like_one(path):
        tensors = safetensors_file.read(path)
        if not tensors:
            raise BadData("it holds no tensors")
        return Source("pytorch", [WeightSet((), tensors)])
    return read_torch(path)
