"""What a layout is: how one program calls the tensors of a network, as a table from its names to the engine's
(torchvision's, and those of DARTS). Each is a file of layouts/ that defines LAYOUT.

A pattern of the table holds {x} for a number, and its replacement may hold {x} or {x+1}; what follows a pattern that
ends in a dot is kept:

    ("resnet.encoder.stages.{s}.layers.{b}.layer.{k}.convolution.", "layer{s+1}.{b}.conv{k+1}.")
"""
import importlib
import os
import re


class Layout:
    def __init__(self, title, arch, anchor, names=(), source="pytorch", finish=None, batchnorm_eps=None, attributes=None,
                 preset=None):
        """anchor: a tensor by which it is recognised, and what lies before it is a prefix; names: the table, none: the
        names are the engine's; source: the kind of file; finish(tensors, eps): what the table cannot say, on
        {name: array}; attributes: of the weights file; preset: how its images are prepared (preprocessing.py)."""
        self.title, self.arch, self.anchor, self.source, self.finish = title, arch, anchor, source, finish
        self.batchnorm_eps, self.attributes, self.preset = batchnorm_eps, dict(attributes or {}), preset
        self._names = [(_compile(pattern), replacement) for pattern, replacement in names]

    def translate(self, name):
        """The engine's name of a tensor; None where the layout has no such tensor."""
        if not self._names:
            return name
        for pattern, replacement in self._names:
            found = pattern.match(name)
            if found:
                return _fill(replacement, found.groupdict()) + name[found.end():]
        return None


def _compile(pattern):
    text = re.sub(r"\\\{(\w)\\\}", r"(?P<\1>\\d+)", re.escape(pattern))
    return re.compile(text if pattern.endswith(".") else text + "$")


def _fill(replacement, numbers):
    return re.sub(r"\{(\w)([+-]\d+)?\}", lambda m: str(int(numbers[m.group(1)]) + int(m.group(2) or 0)), replacement)


def all_layouts():
    """Every LAYOUT of layouts/, in the order of the files' names."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layouts")
    names = sorted(f[:-3] for f in os.listdir(folder) if f.endswith(".py") and not f.startswith("_"))
    return [importlib.import_module("layouts." + name).LAYOUT for name in names]
