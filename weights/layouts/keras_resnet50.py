"""keras.applications.ResNet50 (version 1): convolutions with biases, and the stride on the first of a block."""
import re

from folding import bias_into_batch_norm
from layout import Layout


def finish(tensors, _):
    for weight in [n for n in tensors if n.endswith(".weight") and tensors[n].ndim == 4]:
        name = weight[:-len(".weight")]
        norm = name[:-1] + "1" if name.endswith("downsample.0") else re.sub(r"conv(\d)$", r"bn\1", name)
        if norm + ".running_mean" in tensors:
            bias_into_batch_norm(tensors, name, norm)


LAYOUT = Layout("Keras' ResNet-50", "resnet50", "conv2_block1_3_conv.weight", [
    ("conv1_conv.", "conv1."),
    ("conv1_bn.", "bn1."),
    ("conv{s}_block{b}_0_conv.", "layer{s-1}.{b-1}.downsample.0."),
    ("conv{s}_block{b}_0_bn.", "layer{s-1}.{b-1}.downsample.1."),
    ("conv{s}_block{b}_{k}_conv.", "layer{s-1}.{b-1}.conv{k}."),
    ("conv{s}_block{b}_{k}_bn.", "layer{s-1}.{b-1}.bn{k}."),
    ("predictions.", "fc."),
], source="keras", finish=finish, batchnorm_eps=1.001e-5, attributes=dict(stride_conv=1), preset="keras")
