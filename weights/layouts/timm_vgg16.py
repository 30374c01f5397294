from folding import flatten_classifier
from layout import Layout

NAMES = [
    ("features.", "features."),
    ("pre_logits.fc1.", "classifier.0."),  # [4096, 512, 7, 7]
    ("pre_logits.fc2.", "classifier.3."),  # [4096, 4096, 1, 1]
    ("head.fc.", "classifier.6."),
]
LAYOUT = Layout("timm's VGG16", "vgg16", "pre_logits.fc1.weight", NAMES, finish=flatten_classifier)
