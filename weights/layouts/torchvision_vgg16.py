from layout import Layout

LAYOUT = Layout("torchvision's VGG16", "vgg16", "features.0.weight")
