"""transformers' ResNetForImageClassification."""
from layout import Layout

LAYER, SHORTCUT = "resnet.encoder.stages.{s}.layers.{b}.layer.{k}.", "resnet.encoder.stages.{s}.layers.{b}.shortcut."
LAYOUT = Layout("Hugging Face's ResNet-50", "resnet50", "resnet.embedder.embedder.convolution.weight", [
    ("resnet.embedder.embedder.convolution.", "conv1."),
    ("resnet.embedder.embedder.normalization.", "bn1."),
    (LAYER + "convolution.", "layer{s+1}.{b}.conv{k+1}."),
    (LAYER + "normalization.", "layer{s+1}.{b}.bn{k+1}."),
    (SHORTCUT + "convolution.", "layer{s+1}.{b}.downsample.0."),
    (SHORTCUT + "normalization.", "layer{s+1}.{b}.downsample.1."),
    ("classifier.1.", "fc."),
])
