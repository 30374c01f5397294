"""The paper's four networks in PyTorch, in any width and depth. Tensors are called as torchvision's and quark0/darts' are.

Each form is a function (classes, size, width, depth) -> network; the ratios of the widths are those of the published
networks. `size` is the side of the input in pixels.
"""
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from genotype import read_genotype  # noqa: E402


def conv(inputs, outputs, size, stride=1, **more):
    more.setdefault("padding", size // 2)
    return nn.Conv2d(inputs, outputs, size, stride, bias=False, **more)


# VGG ----------------------------------------------------------------------------------------------
class VGG(nn.Module):
    """Trained with BatchNorm after each convolution; folded() is the network without."""

    def __init__(self, classes, size, width=8, depth=(2, 2, 3, 3, 3)):
        super().__init__()
        self.convs, self.norms, self.depth, inputs = nn.ModuleList(), nn.ModuleList(), list(depth), 3
        for stage, count in enumerate(depth):
            outputs = width * 2 ** min(stage, 3)
            for _ in range(count):
                self.convs.append(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
                self.norms.append(nn.BatchNorm2d(outputs))
                inputs = outputs
        self.side, hidden = min(7, max(1, size >> len(depth))), 16 * width
        self.classifier = nn.Sequential(nn.Linear(inputs * self.side ** 2, hidden), nn.ReLU(), nn.Dropout(0.2),
                                        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.2), nn.Linear(hidden, classes))

    def forward(self, x):
        layer = 0
        for count in self.depth:
            for _ in range(count):
                x = F.relu(self.norms[layer](self.convs[layer](x)))
                layer += 1
            x = F.max_pool2d(x, 2)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, self.side), 1))

    def stored(self):
        """The tensors of torchvision's VGG16, each BatchNorm folded into the convolution before it."""
        tensors, place, layer = {}, 0, 0
        for count in self.depth:
            for _ in range(count):
                norm = self.norms[layer]
                scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                tensors["features.%d.weight" % place] = self.convs[layer].weight * scale[:, None, None, None]
                tensors["features.%d.bias" % place] = norm.bias - norm.running_mean * scale
                place, layer = place + 2, layer + 1
            place += 1
        tensors.update({"classifier." + name: value for name, value in self.classifier.state_dict().items()})
        return {name: value.detach() for name, value in tensors.items()}

    def take(self, tensors):
        """Becomes the network of stored tensors: BatchNorm does nothing but add their biases."""
        state, place, layer = self.state_dict(), 0, 0
        for count in self.depth:
            for _ in range(count):
                state["convs.%d.weight" % layer] = tensors["features.%d.weight" % place]
                norm = "norms.%d." % layer
                state[norm + "bias"] = tensors["features.%d.bias" % place]
                state[norm + "weight"] = torch.full_like(state[norm + "weight"], (1 + self.norms[layer].eps) ** 0.5)
                state[norm + "running_mean"] = torch.zeros_like(state[norm + "running_mean"])
                state[norm + "running_var"] = torch.ones_like(state[norm + "running_var"])
                place, layer = place + 2, layer + 1
            place += 1
        state.update({name: value for name, value in tensors.items() if name.startswith("classifier.")})
        self.load_state_dict(state)


class Stored(nn.Module):
    """A network that is stored as it is trained."""

    def stored(self):
        return {name: value for name, value in self.state_dict().items() if not name.endswith("num_batches_tracked")}

    def take(self, tensors):
        self.load_state_dict(tensors, strict=False)


# ResNet -------------------------------------------------------------------------------------------
class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride, project):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        self.downsample = nn.Sequential(conv(inputs, 4 * width, 1, stride), nn.BatchNorm2d(4 * width)) if project else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(Stored):
    def __init__(self, classes, size, width=8, depth=(3, 4, 6, 3)):
        super().__init__()
        inputs = max(16, width)
        self.conv1, self.bn1 = conv(3, inputs, 7, 2), nn.BatchNorm2d(inputs)
        for stage, count in enumerate(depth):
            blocks, inside = [], width * 2 ** stage
            for block in range(count):
                project = block == 0 and (stage > 0 or inputs != 4 * inside)
                blocks.append(Bottleneck(inputs, inside, 2 if stage > 0 and block == 0 else 1, project))
                inputs = 4 * inside
            setattr(self, "layer%d" % (stage + 1), nn.Sequential(*blocks))
        self.stages, self.fc = len(depth), nn.Linear(inputs, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Bottleneck):
                nn.init.zeros_(module.bn3.weight)  # a block begins as its skip connection: it learns much sooner

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(self.stages):
            x = getattr(self, "layer%d" % (stage + 1))(x)
        return self.fc(x.mean((2, 3)))


# DenseNet -----------------------------------------------------------------------------------------
class DenseLayer(nn.Module):
    def __init__(self, inputs, growth):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, 4 * growth, 1)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), conv(4 * growth, growth, 3)

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(y)))], 1)


class Transition(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(inputs), conv(inputs, inputs // 2, 1)

    def forward(self, x):
        return F.avg_pool2d(self.conv(F.relu(self.norm(x))), 2)


class DenseNet(Stored):
    def __init__(self, classes, size, width=8, depth=(3, 6, 12, 8)):
        super().__init__()
        c, self.features = 2 * width, nn.Sequential()
        self.features.add_module("conv0", conv(3, c, 7, 2))
        self.features.add_module("norm0", nn.BatchNorm2d(c))
        self.features.add_module("relu0", nn.ReLU())
        self.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
        for block, count in enumerate(depth, 1):
            layers = nn.Sequential()
            for layer in range(1, count + 1):
                layers.add_module("denselayer%d" % layer, DenseLayer(c, width))
                c += width
            self.features.add_module("denseblock%d" % block, layers)
            if block < len(depth):
                self.features.add_module("transition%d" % block, Transition(c))
                c //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(c))
        self.classifier = nn.Linear(c, classes)

    def forward(self, x):
        return self.classifier(F.relu(self.features(x)).mean((2, 3)))


# DARTS --------------------------------------------------------------------------------------------
class Steps(nn.Module):
    """Modules in a row, whose tensors are called op.0, op.1, ..."""

    def __init__(self, *modules):
        super().__init__()
        self.op = nn.Sequential(*modules)

    def forward(self, x):
        return self.op(x)


class FactorizedReduce(nn.Module):
    """Half the pixels: one half of the channels from the even ones, the other from those beside them."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = conv(inputs, outputs // 2, 1, 2)
        self.conv_2 = conv(inputs, outputs // 2, 1, 2)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        x = F.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], 1))


def depthwise(c, size, stride, dilation=1):
    return [nn.ReLU(), conv(c, c, size, stride, padding=size // 2 * dilation, dilation=dilation, groups=c), conv(c, c, 1),
            nn.BatchNorm2d(c)]


def operation(name, c, stride):
    """Those of the genotype DARTS_V2."""
    if name == "sep_conv_3x3":
        return Steps(*depthwise(c, 3, stride), *depthwise(c, 3, 1))
    if name == "dil_conv_3x3":
        return Steps(*depthwise(c, 3, stride, 2))
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, 1)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(c, c)
    raise ValueError(name)


class Cell(nn.Module):
    def __init__(self, before, last, c, reduction, reduced):
        super().__init__()
        genotype, kind = read_genotype("DARTS_V2"), "reduce" if reduction else "normal"
        self.edges, self.concat = genotype[kind], genotype[kind + "_concat"]
        self.preprocess0 = FactorizedReduce(before, c) if reduced else Steps(nn.ReLU(), conv(before, c, 1), nn.BatchNorm2d(c))
        self.preprocess1 = Steps(nn.ReLU(), conv(last, c, 1), nn.BatchNorm2d(c))
        self._ops = nn.ModuleList(operation(name, c, 2 if reduction and source < 2 else 1) for name, source in self.edges)

    def forward(self, before, last):
        states = [self.preprocess0(before), self.preprocess1(last)]
        outputs = zip(self._ops, self.edges)
        for (a, (_, i)), (b, (_, j)) in zip(outputs, outputs):
            states.append(a(states[i]) + b(states[j]))
        return torch.cat([states[i] for i in self.concat], 1)


class Darts(Stored):
    """The form for ImageNet: two stems, stride 8, and AvgPool2d(7) at the end where the map is so large."""

    def __init__(self, classes, size, width=16, depth=(8,)):
        super().__init__()
        c, (layers,) = width, depth
        self.stem0 = nn.Sequential(conv(3, c // 2, 3, 2), nn.BatchNorm2d(c // 2), nn.ReLU(), conv(c // 2, c, 3, 2),
                                   nn.BatchNorm2d(c))
        self.stem1 = nn.Sequential(nn.ReLU(), conv(c, c, 3, 2), nn.BatchNorm2d(c))
        self.cells, before, last, reduced = nn.ModuleList(), c, c, True
        for i in range(layers):
            reduction = i in (layers // 3, 2 * layers // 3)
            c *= 2 if reduction else 1
            self.cells.append(Cell(before, last, c, reduction, reduced))
            before, last, reduced = last, 4 * c, reduction
        self.classifier = nn.Linear(last, classes)

    def forward(self, x):
        before = F.relu(self.stem0(x))  # the published network's in-place ReLU: the first cell sees it too
        last = self.stem1(before)
        for cell in self.cells:
            before, last = last, cell(before, last)
        side = last.shape[2]
        return self.classifier((last[:, :, :7, :7] if 7 < side < 14 else last).mean((2, 3)))


FORMS = {"vgg16": VGG, "resnet50": ResNet, "densenet121": DenseNet, "darts": Darts}
