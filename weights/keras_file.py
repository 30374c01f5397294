"""Reading Keras' weights: {module.weight: array} in PyTorch's orders and under its names for the parts of a layer.

Three forms: the HDF5 files of Keras 1 and 2 and of model.save("x.h5") (groups with the attributes layer_names and
weight_names), Keras 3's x.weights.h5 (layers/<type>_<n>/vars/<i>, the layer's name as an attribute), and its x.keras, a
zip archive that holds the latter.
"""
import io
import zipfile

import numpy as np

from errors import BadData, one_line, package

PARTS = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias", "moving_mean": "running_mean",
         "moving_variance": "running_var"}


def in_torch_order(array):
    """Kernels: HWIO to OIHW, [inputs, outputs] to [outputs, inputs]."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def add(tensors, layer, part, array):
    if part not in PARTS:
        raise BadData("layer %s has a weight %r; Conv2D, Dense and BatchNormalization are read" % (layer, part))
    tensors["%s.%s" % (layer.replace("/", "."), PARTS[part])] = in_torch_order(array) if part == "kernel" else array


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def attribute(group, name):
    """A list of names; those above 64 KiB are cut into name0, name1, ..."""
    if name in group.attrs:
        return [text(v) for v in group.attrs[name]]
    values, i = [], 0
    while "%s%d" % (name, i) in group.attrs:
        values += [text(v) for v in group.attrs["%s%d" % (name, i)]]
        i += 1
    return values


def read_layers(root):
    tensors = {}
    for layer in attribute(root, "layer_names"):
        for name in attribute(root[layer], "weight_names"):
            module, _, part = name.rpartition("/")
            add(tensors, module or layer, part.partition(":")[0], root[layer][name][()])
    return tensors


def read_variables(root):
    tensors = {}

    def visit(group):
        for key, inner in group.items():
            if key == "vars" and len(inner):
                name = inner.attrs.get("name", group.attrs.get("name"))
                if name is None:
                    raise BadData("its layers have no names (a Keras older than 3.3): save with model.save('x.h5')")
                arrays = [inner[k][()] for k in sorted(inner, key=int)]
                parts = ("kernel", "bias") if arrays[0].ndim > 1 else ("gamma", "beta", "moving_mean", "moving_variance")
                for part, array in zip(parts, arrays):
                    add(tensors, text(name), part, array)
            elif hasattr(inner, "items"):
                visit(inner)
    for key in ("layers", "_layer_checkpoint_dependencies"):
        if key in root:
            visit(root[key])
    return tensors


def read(path):
    h5py = package("h5py", "an HDF5 file", "h5py")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                path = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if "model_weights" in file else file
            if "arch" in file.attrs and "weights" in file:
                raise BadData("it is a weights file already")
            tensors = read_layers(root) or read_variables(root)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as e:
        raise BadData("the HDF5 file is damaged or none of Keras' (%s)" % one_line(e))
    if not tensors:
        raise BadData("it is an HDF5 file without the layers of a Keras model")
    return {name: np.asarray(value) for name, value in tensors.items()}
