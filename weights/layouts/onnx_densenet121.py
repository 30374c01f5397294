"""DenseNet-121 as PyTorch exports it: a 1x1 convolution in front of a 3x3 is a layer, one in front of a 1x1 a
transition."""
from errors import Misfit
from layout import Layout
from onnx_file import assign


def finish(operations, _):
    kernels = [o.kernel for o in operations if o.kind == "conv"][1:]
    modules, block, layer, at = [("conv", "features.conv0"), ("norm", "features.norm0")], 1, 1, 0
    while at < len(kernels):
        if kernels[at:at + 2] == [1, 3]:
            name = "features.denseblock%d.denselayer%d." % (block, layer)
            modules += [("norm", name + "norm1"), ("conv", name + "conv1"), ("norm", name + "norm2"),
                        ("conv", name + "conv2")]
            layer, at = layer + 1, at + 2
        elif kernels[at:at + 2] == [1, 1]:
            name = "features.transition%d." % block
            modules += [("norm", name + "norm"), ("conv", name + "conv")]
            block, layer, at = block + 1, 1, at + 1
        else:
            raise Misfit("no dense layer at convolution %d of the graph" % (at + 1), len(operations))
    tensors, eps = assign(operations, modules + [("norm", "features.norm5"), ("linear", "classifier")])
    return tensors, {}, eps


LAYOUT = Layout("PyTorch's ONNX export of DenseNet-121", "densenet121", "", source="onnx", finish=finish)
