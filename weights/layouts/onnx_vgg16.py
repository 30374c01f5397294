"""VGG16 as PyTorch exports it: convolutions and max-pools tell the stages; a BatchNorm that is left is folded here."""
from errors import Misfit
from folding import fold_batch_norm, vgg_places
from layout import Layout
from onnx_file import only_eps


def finish(operations, _):
    tensors, stage, number, linear, last = {}, 1, 0, 0, None
    eps = only_eps(operations)
    for o in operations:
        if o.kind == "conv":
            number += 1
            last = "conv%d_%d" % (stage, number)
        elif o.kind == "MaxPool":
            stage, number = stage + 1, 0
        elif o.kind == "linear":
            last, linear = "classifier.%d" % (3 * linear), linear + 1
        elif o.kind == "norm":
            if last is None:
                raise Misfit("it begins with a BatchNorm", len(operations))
            tensors.update({"norm.%s" % part: value for part, value in o.tensors.items()})
            fold_batch_norm(tensors, last, "norm", eps)
            continue
        else:
            if o.kind in ("Concat", "Add") and not linear:
                raise Misfit("its graph joins branches", len(operations))
            continue
        tensors.update({"%s.%s" % (last, part): value for part, value in o.tensors.items()})
    vgg_places(tensors)
    return tensors, {}, None


LAYOUT = Layout("PyTorch's ONNX export of VGG16", "vgg16", "", source="onnx", finish=finish)
