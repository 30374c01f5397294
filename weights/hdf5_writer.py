"""Writing an HDF5 file: errors and signals come out between two datasets, never out of the middle of HDF5."""
import contextlib

import h5py

from signals import held, let_through
from whole_file import whole_file


class Writer:
    def __init__(self, file, output):
        self.attributes, self._file, self._output = file.attrs, file, output

    def store(self, path, data):
        self._file.create_dataset(path, data=data)
        self._output.check()
        let_through()


@contextlib.contextmanager
def hdf5_writer(name):
    """Yields a Writer; the file appears at the end. From version 1.8 of the format on an attribute may exceed 64 KiB
    (the ids of very many classes)."""
    with whole_file(name) as output, held(), h5py.File(output, "w", libver=("v108", "v110")) as file:
        yield Writer(file, output)
