"""timm's DenseNet-121 has the same names."""
from layout import Layout

LAYOUT = Layout("torchvision's DenseNet-121", "densenet121", "features.denseblock1.denselayer1.conv1.weight")
