"""ResNet-50 as PyTorch exports it. A block is three convolutions, and a fourth that reads what its first reads."""
from errors import Misfit
from layout import Layout
from onnx_file import assign


def finish(operations, _):
    convolutions = [o for o in operations if o.kind == "conv"]
    modules, stage, block, at, attributes = [("conv", "conv1"), ("norm", "bn1")], 0, 0, 1, {}
    while at < len(convolutions):
        group = convolutions[at:at + 3]
        projects = at + 3 < len(convolutions) and convolutions[at + 3].reads == group[0].reads
        if len(group) < 3 or len({o.reads for o in group}) < 3:
            raise Misfit("no bottleneck block at convolution %d of the graph" % at, len(operations))
        stage, block = (stage + 1, 0) if projects or stage == 0 else (stage, block + 1)
        if group[0].strides != (1, 1):
            attributes["stride_conv"] = 1
        name = "layer%d.%d." % (stage, block)
        for k in (1, 2, 3):
            modules += [("conv", "%sconv%d" % (name, k)), ("norm", "%sbn%d" % (name, k))]
        if projects:
            modules += [("conv", name + "downsample.0"), ("norm", name + "downsample.1")]
        at += 4 if projects else 3
    tensors, eps = assign(operations, modules + [("linear", "fc")])
    return tensors, attributes, eps


LAYOUT = Layout("PyTorch's ONNX export of ResNet-50", "resnet50", "", source="onnx", finish=finish)
