"""An output file that appears whole or not at all: written beside its place and renamed."""
import contextlib
import io
import os

from errors import BadData, WrongUsage


class Output(io.FileIO):
    """A new file for HDF5, which crashes when a write fails and therefore hears of none: check() raises the first."""
    failed = None

    def check(self):
        if self.failed:
            raise self.failed

    def write(self, data):
        rest = memoryview(data)
        try:
            while rest and not self.failed:
                rest = rest[super().write(rest):]
        except OSError as e:
            self.failed = e
        return len(data)

    def truncate(self, size=None):
        try:
            return super().truncate(size)
        except OSError as e:
            self.failed = self.failed or e


def _create(path, name):
    try:
        return Output(path, "w+")
    except OSError as e:
        raise WrongUsage("output file %s cannot be created: %s" % (name, e.strerror))


@contextlib.contextmanager
def whole_file(name):
    """Yields the Output to write to. Where `name` is a symbolic link, the file that it points to is replaced."""
    target = os.path.realpath(name)
    partial = "%s.%d.part" % (target, os.getpid())
    try:
        with _create(partial, name) as output:
            try:
                yield output
            finally:
                output.check()  # before anything that HDF5 makes of a failed write
            os.fsync(output.fileno())
        os.replace(partial, target)
    except OSError as e:
        raise BadData("output file %s cannot be written: %s" % (name, e.strerror or e))
    finally:
        if os.path.exists(partial):
            os.remove(partial)
