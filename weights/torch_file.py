"""Reading what torch.save wrote, without PyTorch and without running anything: {..., name: numpy array, ...}.

A checkpoint is a pickle, which may name any function to be called, beside the raw values of its storages. Here only
the functions that make tensors are known; everything else (options, optimisers, whole modules) becomes an Inert
object, which takes all and does nothing. torch.load is no alternative: weights_only=True of PyTorch 1.13 refuses a
checkpoint that holds a single float, and without it the pickle may run code.

Two layouts (torch/serialization.py): a zip archive of data.pkl and data/<key>, or, before PyTorch 1.6, a sequence of
pickles (magic number, version, machine, objects, storage keys) and then the storages, each after its length.
"""
import collections
import io
import pickle
import struct
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
# numpy has no bfloat16: its 16 bits are the upper half of a float32.
DTYPES = {"Float": "<f4", "Half": "<f2", "BFloat16": "<u2", "Double": "<f8", "Long": "<i8", "Int": "<i4",
          "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?"}


class Damaged(Exception):
    """The file is not what torch.save writes. The text is one line."""


def bfloat16_to_float32(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


class Inert:
    """Stands for an object of a class that is not known here."""
    kind = "object"

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __init__(self, *_, **__):
        pass

    def _nothing(self, *_, **__):
        return self

    __call__ = __setstate__ = append = extend = add = update = __setitem__ = _nothing


class Storage:
    """The values of one or more tensors; the bytes come after the pickle."""

    def __init__(self, kind, count):
        self.bfloat16 = kind == "BFloat16"
        self.dtype, self.count, self.values = np.dtype(DTYPES[kind]), int(count), None

    def fill(self, data):
        if len(data) != self.count * self.dtype.itemsize:
            raise Damaged("a storage has %d bytes instead of %d" % (len(data), self.count * self.dtype.itemsize))
        self.values = np.frombuffer(data, self.dtype)


class Tensor:
    """A view of a storage: rebuild's arguments as torch.save writes them."""

    def __init__(self, storage, offset, size, stride, *_):
        self.storage, self.offset, self.size, self.stride = storage, int(offset), tuple(size), tuple(stride)

    def array(self):
        values = self.storage.values
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride))
        if len(self.size) != len(self.stride) or min(self.size + self.stride + (self.offset,)) < 0:
            raise Damaged("a tensor has a negative size")
        if 0 in self.size:
            return np.zeros(self.size, np.float32 if self.storage.bfloat16 else values.dtype)
        if last >= len(values):
            raise Damaged("a tensor reaches beyond its storage")
        steps = [s * values.itemsize for s in self.stride]
        view = np.lib.stride_tricks.as_strided(values[self.offset:], self.size, steps, writeable=False)
        return bfloat16_to_float32(view) if self.storage.bfloat16 else view


def make_tensor(storage, *rest):
    return Tensor(storage, *rest) if isinstance(storage, Storage) else Inert()


def make_parameter(tensor, *_):
    return tensor


def make_from_type(function, _, arguments, *__):
    return function(*arguments) if function in MAKERS.values() else Inert()


MAKERS = {("torch._utils", "_rebuild_tensor"): make_tensor, ("torch._utils", "_rebuild_tensor_v2"): make_tensor,
          ("torch._utils", "_rebuild_parameter"): make_parameter,
          ("torch._utils", "_rebuild_parameter_with_state"): make_parameter,
          ("torch._tensor", "_rebuild_from_type_v2"): make_from_type,
          ("collections", "OrderedDict"): collections.OrderedDict, ("torch", "Size"): tuple}


class StorageKind:
    def __init__(self, name):
        self.name = name


class Unpickler(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file, encoding="latin1")  # of strings that Python 2 wrote
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) in MAKERS:
            return MAKERS[module, name]
        if module in ("torch", "torch.cuda") and name.endswith("Storage") and name[:-len("Storage")] in DTYPES:
            return StorageKind(name[:-len("Storage")])
        return type("Inert", (Inert,), {"kind": "%s.%s" % (module, name)})

    def persistent_load(self, saved):
        """('storage', kind, key, device, count[, view]) or ('module', class, file, source)."""
        if saved[0] == "module":
            return saved[1]
        if not isinstance(saved[1], StorageKind) or any(view is not None for view in saved[5:]):
            return Inert()
        if saved[2] not in self.storages:
            self.storages[saved[2]] = Storage(saved[1].name, saved[4])
        return self.storages[saved[2]]


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        roots = [n[:-len("data.pkl")] for n in names if n == "data.pkl" or n.endswith("/data.pkl")]
        if len(roots) != 1 or roots[0] + "constants.pkl" in names:
            raise Damaged("a zip archive, but no state dict (TorchScript?): save model.state_dict()")
        order = roots[0] + "byteorder"
        if order in names and archive.read(order) != b"little":
            raise Damaged("it was written on a big-endian machine")
        unpickler = Unpickler(io.BytesIO(archive.read(roots[0] + "data.pkl")))
        loaded = unpickler.load()
        for key, storage in unpickler.storages.items():
            storage.fill(archive.read("%sdata/%s" % (roots[0], key)))
    return loaded


def _read_sequence(path):
    with open(path, "rb") as f:
        if Unpickler(f).load() != MAGIC:
            raise Damaged("no magic number")
        Unpickler(f).load()  # version
        machine = Unpickler(f).load()
        if isinstance(machine, dict) and machine.get("little_endian") is False:
            raise Damaged("it was written on a big-endian machine")
        unpickler = Unpickler(f)
        loaded = unpickler.load()
        for key in Unpickler(f).load():
            storage = unpickler.storages[key]
            if struct.unpack("<q", f.read(8))[0] != storage.count:
                raise Damaged("a storage has another length than its tensors say")
            storage.fill(f.read(storage.count * storage.dtype.itemsize))
    return loaded


def read(path):
    """The object of the file, with Tensor for tensors and Inert for what is not known. Raises Damaged."""
    try:
        return _read_zip(path) if zipfile.is_zipfile(path) else _read_sequence(path)
    except Damaged:
        raise
    except Exception as e:  # a damaged pickle or archive can raise anything
        raise Damaged((str(e).split("\n")[0] or type(e).__name__)[:200])
