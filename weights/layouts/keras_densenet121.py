"""keras.applications.DenseNet121; older releases write conv1/conv for conv1_conv."""
from layout import Layout

LAYER = "features.denseblock{s-1}.denselayer{b}."
LAYOUT = Layout("Keras' DenseNet-121", "densenet121", "conv2_block1_2_conv.weight", [
    ("conv1_conv.", "features.conv0."),
    ("conv1_bn.", "features.norm0."),
    ("conv1.conv.", "features.conv0."),
    ("conv1.bn.", "features.norm0."),
    ("conv{s}_block{b}_0_bn.", LAYER + "norm1."),
    ("conv{s}_block{b}_1_conv.", LAYER + "conv1."),
    ("conv{s}_block{b}_1_bn.", LAYER + "norm2."),
    ("conv{s}_block{b}_2_conv.", LAYER + "conv2."),
    ("pool{s}_bn.", "features.transition{s-1}.norm."),
    ("pool{s}_conv.", "features.transition{s-1}.conv."),
    ("bn.", "features.norm5."),
    ("predictions.", "classifier."),
    ("fc1000.", "classifier."),
], source="keras", batchnorm_eps=1.001e-5, preset="torchvision-v1")
