"""DARTS genotypes: the two published ones by name, and the parsing of others.

A genotype lists edges (operation, input state) of the normal and the reduction cell, two edges to a node; states 0
and 1 are the outputs of the two cells before, node i makes state i + 2; the cell's output concatenates some states.
"""
import ast
import json
import os

from checkpoint import BadData, one_line

PRIMITIVES = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
              "dil_conv_3x3", "dil_conv_5x5", "conv_7x1_1x7")
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

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


def _literal(node):
    """A literal, in which range(a, b) and Genotype(normal=...) as the DARTS program prints them may occur."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "range":
            return list(range(*(ast.literal_eval(a) for a in node.args)))
        if node.func.id == "Genotype":
            named = {k.arg: _literal(k.value) for k in node.keywords}
            return {**dict(zip(FIELDS, map(_literal, node.args))), **named}
    if isinstance(node, ast.Dict):
        return {ast.literal_eval(k): _literal(v) for k, v in zip(node.keys, node.values)}
    return ast.literal_eval(node)


def _parse(text):
    try:
        return json.loads(text)
    except ValueError:
        try:
            return _literal(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as e:
            raise BadData("the genotype is neither a known name (%s), a file, JSON nor a Python literal (%s)"
                          % (", ".join(_CELLS), one_line(e)))


def _check(genotype):
    if not isinstance(genotype, dict) or set(genotype) != set(FIELDS):
        raise BadData("a genotype has the fields %s" % ", ".join(FIELDS))
    checked = {}
    for kind in ("normal", "reduce"):
        try:
            edges = [(str(operation), int(source)) for operation, source in genotype[kind]]
            concat = [int(state) for state in genotype[kind + "_concat"]]
        except (TypeError, ValueError):
            raise BadData("genotype: %s is a list of (operation, state), %s_concat a list of states" % (kind, kind))
        if not edges or len(edges) % 2:
            raise BadData("genotype: %s has %d edges, two for each node are expected" % (kind, len(edges)))
        for i, (operation, source) in enumerate(edges):
            if operation not in PRIMITIVES:
                raise BadData("genotype: unknown operation %r, known are %s" % (operation, ", ".join(PRIMITIVES)))
            if not 0 <= source < 2 + i // 2:
                raise BadData("genotype: edge %d of %s reads state %d, there are %d" % (i, kind, source, 2 + i // 2))
        if not concat or len(set(concat)) != len(concat) or not all(0 <= s < 2 + len(edges) // 2 for s in concat):
            raise BadData("genotype: %s_concat %s does not name states once each" % (kind, concat))
        checked[kind], checked[kind + "_concat"] = edges, concat
    return checked


def read_genotype(text):
    """A name, the path of a file, JSON, or what Python prints. Raises BadData."""
    if text in _CELLS:
        return _published(text)
    if os.path.isfile(text):
        with open(text, encoding="utf-8", errors="replace") as f:
            text = f.read()
    return _check(_parse(text))
