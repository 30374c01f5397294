"""timm's ResNet-50 has the same names."""
from layout import Layout

LAYOUT = Layout("torchvision's ResNet-50", "resnet50", "layer1.0.conv1.weight")
