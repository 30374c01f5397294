"""Random numbers by counter: the same on every machine and for every version of numpy.

A number depends on its key and its place in the order of the draws alone, so an image is the same whether it is drawn
alone or among thousands. The generator is that of the weights files' recipes (weights/FORMAT.md).
"""
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(z):
    z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return z ^ z >> np.uint64(31)


def keys(start, *words):
    """uint64 [N]: keys of a seed or of other keys, of texts and of whole numbers; a word may be an array of N numbers."""
    key = start if isinstance(start, np.ndarray) else np.full(1, start % (1 << 64), np.uint64)
    for word in words:
        if isinstance(word, str):
            word = int.from_bytes(word.encode(), "little") % ((1 << 64) - 59)
        word = np.atleast_1d(np.asarray(word, np.uint64))
        key = _mixed((key ^ word * GOLDEN) + GOLDEN)
    return key


class Random:
    """Draws for N images side by side."""

    def __init__(self, key):
        self._key, self._next = key, np.uint64(1)

    def only(self, chosen):
        """The draws of some of the images. The others' go on as if nothing had been drawn."""
        part = Random(self._key[chosen])
        part._next = self._next
        return part

    def bits(self, *shape):
        """uint64 [N, *shape]"""
        count = int(np.prod(shape))
        places = self._next + np.arange(count, dtype=np.uint64)
        self._next += np.uint64(count)
        return _mixed(self._key[:, None] + places * GOLDEN).reshape(-1, *shape)

    def uniform(self, low=0.0, high=1.0, *shape):
        """float32 [N, *shape], from low to below high."""
        unit = (self.bits(*shape) >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -24)
        return np.float32(low) + np.float32(high - low) * unit

    def whole(self, count, *shape):
        """int64 [N, *shape], 0 to count - 1."""
        return (self.uniform(0, count, *shape)).astype(np.int64)

    def noise(self, *shape):
        """float32 [N, *shape], almost normal with variance 1: the sum of the four 16-bit parts of a draw."""
        bits = self.bits(*shape)
        total = sum((bits >> np.uint64(s) & np.uint64(0xFFFF)).astype(np.float32) for s in (0, 16, 32, 48))
        return (total * np.float32(2.0 ** -16) - np.float32(2)) * np.float32(3.0 ** 0.5)
