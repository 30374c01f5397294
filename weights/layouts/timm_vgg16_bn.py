"""The BatchNorm of each convolution is folded into it."""
from folding import flatten_classifier, fold_vgg
from layout import Layout
from layouts.timm_vgg16 import NAMES


def finish(tensors, eps):
    flatten_classifier(tensors)
    fold_vgg(tensors, eps)


LAYOUT = Layout("timm's VGG16 with BatchNorm", "vgg16", "pre_logits.fc1.weight", NAMES, finish=finish)
