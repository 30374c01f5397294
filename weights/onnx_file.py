"""Reading an ONNX graph as the list of its operations that have weights, in the graph's order.

Exporters fold BatchNorm into convolutions and forget names, so tensors are known by what reads them and when. The
layouts onnx_*.py give the names, `assign` puts the tensors there.
"""
import numpy as np

from errors import BadData, Misfit, one_line, package
from folding import bias_into_batch_norm, identity_batch_norm

PASSING = ("Identity", "Cast", "Dropout")


class Operation:
    """kind: conv, norm, linear, or the operator's name; tensors: {part: array}; reads, writes: names of values."""
    writes = None

    def __init__(self, kind, reads, tensors=None, strides=(1, 1), eps=None):
        self.kind, self.reads, self.tensors, self.strides, self.eps = kind, reads, tensors or {}, tuple(strides), eps

    @property
    def kernel(self):
        return self.tensors["weight"].shape[2]


class Graph:
    def __init__(self, model, onnx):
        self.to_array, graph = onnx.numpy_helper.to_array, model.graph
        self.values = {t.name: t for t in graph.initializer}
        self.nodes = list(graph.node)
        self.inputs = {i.name for i in graph.input} - set(self.values)
        self.alias = {}
        for node in self.nodes:
            if node.op_type == "Constant":
                self.values.update({node.output[0]: a.t for a in node.attribute if a.name == "value"})
            elif node.op_type in PASSING:
                self.alias[node.output[0]] = node.input[0]

    def source(self, name):
        """What a value is, behind nodes that change nothing."""
        while name in self.alias:
            name = self.alias[name]
        return name

    def constant(self, name):
        name = self.source(name)
        return self.to_array(self.values[name]) if name in self.values else None

    def weights(self, node, parts, first=1):
        found = {}
        for part, name in zip(parts, node.input[first:]):
            value = self.constant(name) if name else None
            if value is None and name:
                raise BadData("node %s reads its %s from another node: export the network in evaluation mode"
                              % (node.name or node.op_type, part))
            if value is not None:
                found[part] = value
        return found


def attributes(node):
    return {a.name: list(a.ints) or (a.f if a.type == 1 else a.i) for a in node.attribute}


def operation(graph, node):
    told, reads = attributes(node), graph.source(node.input[0]) if node.input else ""
    if node.op_type == "Conv":
        return Operation("conv", reads, graph.weights(node, ("weight", "bias")), told.get("strides", (1, 1)))
    if node.op_type == "BatchNormalization":
        return Operation("norm", reads, graph.weights(node, ("weight", "bias", "running_mean", "running_var")),
                         eps=told.get("epsilon", 1e-5))
    if node.op_type in ("Gemm", "MatMul"):
        tensors = graph.weights(node, ("weight", "bias"))
        if node.op_type == "MatMul" or not told.get("transB", 0):
            tensors["weight"] = tensors["weight"].T
        if told.get("alpha", 1) != 1 or told.get("beta", 1) != 1 or told.get("transA", 0):
            raise BadData("node %s scales or transposes its input" % node.name)
        return Operation("linear", reads, tensors)
    return Operation(node.op_type, reads)


def read(path):
    """[Operation]. Raises BadData and MissingPackage."""
    onnx = package("onnx", "an ONNX file", "onnx")
    package("onnx.numpy_helper", "an ONNX file", "onnx")
    try:
        graph = Graph(onnx.load(path), onnx)
    except Exception as e:  # protobuf's errors, and those of tensors kept in a file beside it
        raise BadData("it is no ONNX file, is cut short, or lacks its data file (%s)" % one_line(e))
    operations, products = [], {}
    for node in graph.nodes:
        if node.op_type in PASSING + ("Constant",):
            continue
        if node.op_type == "Add" and products:  # the bias of a MatMul
            sides = [(products.get(graph.source(a)), graph.constant(b)) for a, b in
                     (node.input, reversed(list(node.input)))]
            for product, bias in sides:
                if product is not None and bias is not None:
                    product.tensors["bias"] = bias
        made = operation(graph, node)
        made.writes = node.output[0] if node.output else None
        if node.op_type == "MatMul":
            products[node.output[0]] = made
        operations.append(made)
    first = next((o for o in operations if o.kind == "conv"), None)
    if first is None:
        raise BadData("its graph has no convolution")
    if first.reads not in graph.inputs:
        raise BadData("its graph changes the images before the first convolution: export the network alone")
    return operations


def weighted(operations):
    return [o for o in operations if o.kind in ("conv", "norm", "linear")]


def only_eps(operations):
    """The one epsilon of all its BatchNorms; None where it has none."""
    values = {round(float(o.eps), 12) for o in operations if o.kind == "norm"}
    if len(values) > 1:
        raise BadData("its BatchNorms have different epsilons: %s" % ", ".join("%g" % v for v in sorted(values)))
    return values.pop() if values else None


def assign(operations, modules):
    """{name: array} of modules [(kind, name)] in the graph's order. A convolution whose BatchNorm was folded into it
    gets one that only adds its bias. Returns it with epsilon."""
    rest, tensors, eps = weighted(operations), {}, only_eps(operations)
    at, folds = 0, set()  # folds: convolutions with a bias, into which a BatchNorm may have been folded
    for i, (kind, name) in enumerate(modules):
        before = modules[i - 1] if i else (None, None)
        found = rest[at] if at < len(rest) else None
        follows = found is not None and found.kind == "norm" and found.reads == rest[at - 1].writes
        if kind == "norm" and before[0] == "conv" and not follows and before[1] in folds:
            bias = tensors.pop(before[1] + ".bias")
            identity_batch_norm(tensors, name, bias, 1e-5 if eps is None else eps)
            continue
        if found is None or found.kind != kind:
            raise Misfit("its operation %d is %s, expected %s (%s)" % (at, found.kind if found else "missing", kind, name),
                         len(modules) - i + 1)
        tensors.update({"%s.%s" % (name, part): value for part, value in found.tensors.items()})
        if kind == "conv" and "bias" in found.tensors:
            folds.add(name)
        if kind == "norm" and before[0] == "conv":
            bias_into_batch_norm(tensors, before[1], name)
        at += 1
    if at < len(rest):
        raise Misfit("%d operations are left over" % (len(rest) - at), len(rest) - at)
    return tensors, eps
