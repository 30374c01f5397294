"""DARTS genotypes: the two published ones by name, and others that are read.

A genotype lists edges (operation, input state) of the normal and the reduction cell, two edges to a node; states 0
and 1 are the outputs of the two cells before, node i makes state i + 2; the cell's output concatenates some states.
"""
import os
import re

from errors import BadData, WrongUsage
from genotype_text import FIELDS, parse

PRIMITIVES = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
              "dil_conv_3x3", "dil_conv_5x5", "conv_7x1_1x7")

# Liu, Simonyan, Yang: DARTS (2019), the cells of the first- and second-order search.
_SHORT = {"sep": "sep_conv_3x3", "dil": "dil_conv_3x3", "skip": "skip_connect", "max": "max_pool_3x3",
          "avg": "avg_pool_3x3"}
_CELLS = {
    "DARTS_V1": ("sep1 sep0  skip0 sep1  skip0 sep1  sep0 skip2", "max0 max1  skip2 max0  max0 skip2  skip2 avg0"),
    "DARTS_V2": ("sep0 sep1  sep0 sep1  sep1 skip0  skip0 dil2", "max0 max1  skip2 max1  max0 skip2  skip2 max1"),
}


def _published(name):
    normal, reduce = ([(_SHORT[edge[:-1]], int(edge[-1])) for edge in cell.split()] for cell in _CELLS[name])
    return dict(normal=normal, normal_concat=[2, 3, 4, 5], reduce=reduce, reduce_concat=[2, 3, 4, 5])


def _check(genotype):
    if not isinstance(genotype, dict) or set(genotype) != set(FIELDS):
        raise BadData("it is no genotype, which has the fields %s" % ", ".join(FIELDS))
    checked = {}
    for kind in ("normal", "reduce"):
        try:
            edges = [(str(operation), int(source)) for operation, source in genotype[kind]]
            concat = [int(state) for state in genotype[kind + "_concat"]]
        except (TypeError, ValueError, OverflowError):
            raise BadData("%s is a list of (operation, state), %s_concat a list of states" % (kind, kind))
        if not edges or len(edges) % 2:
            raise BadData("%s has %d edges, two for each node are expected" % (kind, len(edges)))
        for i, (operation, source) in enumerate(edges):
            if operation not in PRIMITIVES:
                raise BadData("unknown operation %r, known are %s" % (operation, ", ".join(PRIMITIVES)))
            if not 0 <= source < 2 + i // 2:
                raise BadData("edge %d of %s reads state %d, there are %d" % (i, kind, source, 2 + i // 2))
        if not concat or len(set(concat)) != len(concat) or not all(0 <= s < 2 + len(edges) // 2 for s in concat):
            raise BadData("%s_concat %s does not name states once each" % (kind, concat))
        checked[kind], checked[kind + "_concat"] = edges, concat
    return checked


def _split(text):
    """(FILE, NAME or None) of an existing file; (None, None) otherwise."""
    if os.path.isfile(text):
        return text, None
    path, _, name = text.rpartition(":")
    return (path, name) if os.path.isfile(path) else (None, None)


def _read_file(path):
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as f:
            return f.read()
    except OSError as e:
        raise BadData("it cannot be read: %s" % e.strerror)


def read_genotype(text):
    """A known name, FILE or FILE:NAME, JSON, or what Python prints. Raises BadData and WrongUsage."""
    if text in _CELLS:
        return _published(text)
    path, name = _split(text)
    if not path and not re.search(r"[({\[]", text):
        raise WrongUsage("unknown genotype %s: give %s, an existing FILE or FILE:NAME, JSON or a Python literal"
                         % (text, ", ".join(_CELLS)))
    try:
        return _check(parse(_read_file(path) if path else text, name))
    except (BadData, WrongUsage) as e:
        raise type(e)("%s: %s" % ("genotype file " + path if path else "--genotype", e))
