"""The VGG16 of its authors (ImageNet) and of Places365 (fc8a), which reads blue, green, red."""
from folding import vgg_places
from layout import Layout

LAYOUT = Layout("Caffe's VGG16", "vgg16", "conv1_1.weight", [
    ("conv{s}_{k}.", "conv{s}_{k}."),
    ("fc6.", "classifier.0."),
    ("fc7.", "classifier.3."),
    ("fc8.", "classifier.6."),
    ("fc8a.", "classifier.6."),
], source="caffe", finish=vgg_places, preset="caffe")
