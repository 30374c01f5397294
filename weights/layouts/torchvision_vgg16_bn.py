"""The BatchNorm of each convolution is folded into it."""
from folding import fold_vgg
from layout import Layout

LAYOUT = Layout("torchvision's VGG16 with BatchNorm", "vgg16", "features.0.weight", finish=fold_vgg)
