"""The DARTS authors' network as PyTorch exports it: the modules of --genotype's cells in their order, and as many cells
as give the graph's number of convolutions."""
from architectures import darts_expected
from errors import Misfit
from layout import Layout
from onnx_file import assign

MOST_CELLS = 100


def modules_of(attributes):
    """[(kind, name)] in the order of execution, which is that of the definition."""
    names, modules = darts_expected(attributes, 1), []
    for name, shape in names.items():
        module, _, part = name.rpartition(".")
        if part == "weight":
            kind = "norm" if module + ".running_mean" in names else "conv" if len(shape) == 4 else "linear"
            modules.append((kind, module))
    return modules


def finish(operations, genotype):
    convolutions = [o for o in operations if o.kind == "conv"]
    if len(convolutions) < 3:
        raise Misfit("it has %d convolutions" % len(convolutions), len(operations))
    imagenet, channels = convolutions[0].strides != (1, 1), convolutions[1].tensors["weight"].shape[0]
    attributes = dict(channels=channels, form="imagenet" if imagenet else "cifar",
                      stem_multiplier=max(1, convolutions[0].tensors["weight"].shape[0] // channels))
    for kind in ("normal", "reduce"):
        attributes["genotype_" + kind] = ["%s:%d" % edge for edge in genotype[kind]]
        attributes["genotype_%s_concat" % kind] = list(genotype[kind + "_concat"])
    for layers in range(1, MOST_CELLS):
        modules = modules_of(dict(attributes, layers=layers))
        count = sum(kind == "conv" for kind, _ in modules)
        if count >= len(convolutions):
            break
    if count != len(convolutions):
        raise Misfit("no number of cells of this genotype has %d convolutions; see --genotype" % len(convolutions),
                     abs(count - len(convolutions)))
    tensors, eps = assign(operations, modules)
    return tensors, {}, eps


LAYOUT = Layout("PyTorch's ONNX export of DARTS", "darts", "", source="onnx", finish=finish)
