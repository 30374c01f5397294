"""keras.applications.VGG16. Its first linear layer reads the last map in the order rows, columns, channels."""
import math
import re

from errors import BadData
from folding import vgg_places
from layout import Layout


def finish(tensors, _):
    last = max((n for n in tensors if re.match(r"conv\d+_\d+\.weight$", n)), default=None)
    first = tensors.get("classifier.0.weight")
    if last and first is not None and first.ndim == 2:
        channels = tensors[last].shape[0]
        side = math.isqrt(first.shape[1] // channels)
        if side * side * channels != first.shape[1]:
            raise BadData("fc1 has %d inputs, which is no square map of %d channels" % (first.shape[1], channels))
        tensors["classifier.0.weight"] = first.reshape(-1, side, side, channels).transpose(0, 3, 1, 2).reshape(first.shape)
    vgg_places(tensors)


LAYOUT = Layout("Keras' VGG16", "vgg16", "block1_conv1.weight", [
    ("block{s}_conv{k}.", "conv{s}_{k}."),
    ("fc1.", "classifier.0."),
    ("fc2.", "classifier.3."),
    ("predictions.", "classifier.6."),
], source="keras", finish=finish, preset="keras")
