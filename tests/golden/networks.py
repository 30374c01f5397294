"""Networks of the four families at any size, for make_models.py: the peer's modules where they fit, and PyTorch modules
for what the peer fixes (depths, widths, pool sizes, every DARTS primitive, DARTS' CIFAR form).

A network is made from (peer module, attributes as weights/FORMAT.md names them, number of classes). Parameter names are
torchvision's and those of https://github.com/quark0/darts.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


def vgg(peer, a, classes):
    class Vgg(peer.VGG16):
        def __init__(self):
            peer.GatedNet.__init__(self)
            self.gate_channels = list(a["widths"])
            mods, inputs, widths = [], 3, iter(a["widths"])
            for depth in a["stage_depths"]:
                for _ in range(depth):
                    outputs = next(widths)
                    mods += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
                    inputs = outputs
                mods.append(nn.MaxPool2d(2, 2))
            self.features = nn.Sequential(*mods)
            head, inputs = [], inputs * a["pool_size"] ** 2
            for outputs in a["hidden"]:
                head += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Identity()]
                inputs = outputs
            self.classifier = nn.Sequential(*head, nn.Linear(inputs, classes))

        def run(self, x, tape):
            mods = list(self.features)
            for i, mod in enumerate(mods):
                x = mod(x)
                if i + 1 == len(mods):
                    x = tape(F.adaptive_avg_pool2d(x, (a["pool_size"],) * 2))
                elif not isinstance(mod, nn.Conv2d) and isinstance(mods[i + 1], nn.Conv2d):
                    x = tape(x)
            return self.classifier(torch.flatten(x, 1))
    return Vgg()


def resnet(peer, a, classes):
    class Block(peer.Bottleneck):
        def __init__(self, inputs, width, outputs, stride, project):
            nn.Module.__init__(self)
            for i, (ci, co, k, s) in enumerate(((inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)), 1):
                setattr(self, "conv%d" % i, nn.Conv2d(ci, co, k, s, k // 2, bias=False))
                setattr(self, "bn%d" % i, nn.BatchNorm2d(co))
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                            nn.BatchNorm2d(outputs)) if project else None

    class Resnet(peer.GatedNet):
        def __init__(self):
            super().__init__()
            c = a["stem_width"]
            self.conv1, self.bn1, self.gate_channels = nn.Conv2d(3, c, 7, 2, 3, bias=False), nn.BatchNorm2d(c), [c]
            self.stages = len(a["widths"])
            for stage, (depth, width) in enumerate(zip(a["stage_depths"], a["widths"])):
                blocks, outputs = nn.ModuleList(), width * a["expansion"]
                for block in range(depth):
                    stride = 2 if stage > 0 and block == 0 else 1
                    blocks.append(Block(c, width, outputs, stride, stride != 1 or c != outputs))
                    c = outputs
                    self.gate_channels.append(c)
                setattr(self, "layer%d" % (stage + 1), blocks)
            self.fc = nn.Linear(c, classes)

        def run(self, x, tape):
            x = tape(F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1))
            for stage in range(self.stages):
                for block in getattr(self, "layer%d" % (stage + 1)):
                    x = block(x, tape)
            return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
    return Resnet()


def densenet(peer, a, classes):
    class Densenet(peer.GatedNet):
        def __init__(self):
            super().__init__()
            f, c, growth = nn.Module(), a["stem_width"], a["growth"]
            self.features, self.gate_channels = f, [c]
            f.conv0, f.norm0 = nn.Conv2d(3, c, 7, 2, 3, bias=False), nn.BatchNorm2d(c)
            for i, depth in enumerate(a["stage_depths"], 1):
                block = nn.Module()
                for j in range(1, depth + 1):
                    block.add_module("denselayer%d" % j, peer.DenseLayer(c, growth, a["bottleneck"] * growth))
                    c += growth
                f.add_module("denseblock%d" % i, block)
                if i < len(a["stage_depths"]):
                    t = nn.Module()
                    t.norm, t.conv = nn.BatchNorm2d(c), nn.Conv2d(c, c // 2, 1, bias=False)
                    f.add_module("transition%d" % i, t)
                    self.gate_channels += [c, c // 2]
                    c //= 2
            f.norm5 = nn.BatchNorm2d(c)
            self.gate_channels.append(c)
            self.classifier = nn.Linear(c, classes)

        def run(self, x, tape):
            f = self.features
            x = tape(F.max_pool2d(F.relu(f.norm0(f.conv0(x))), 3, 2, 1))
            for i in range(1, len(a["stage_depths"]) + 1):
                parts = [x]
                for layer in getattr(f, "denseblock%d" % i).children():
                    parts.append(layer(parts))
                x = torch.cat(parts, 1)
                if i < len(a["stage_depths"]):
                    x = tape(x)
                    t = getattr(f, "transition%d" % i)
                    x = tape(F.avg_pool2d(t.conv(F.relu(t.norm(x))), 2, 2))
            x = tape(F.relu(f.norm5(x)))
            return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
    return Densenet()


# ---- DARTS -----------------------------------------------------------------------------------------------------------
class Zero(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, ::self.stride, ::self.stride] * 0.0


def depthwise_separable(c, k, stride, dilation):
    return [nn.ReLU(), nn.Conv2d(c, c, k, stride, (k // 2) * dilation, dilation, groups=c, bias=False),
            nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c)]


def operation(peer, name, c, stride):
    kind, k = name.rsplit("_", 1)[0], int(name[-1]) if name[-1].isdigit() else 0
    if kind == "sep_conv":
        return peer.Op(*(depthwise_separable(c, k, stride, 1) + depthwise_separable(c, k, 1, 1)))
    if kind == "dil_conv":
        return peer.Op(*depthwise_separable(c, k, stride, 2))
    if name == "conv_7x1_1x7":
        return nn.Sequential(nn.ReLU(), nn.Conv2d(c, c, (1, 7), (1, stride), (0, 3), bias=False),
                             nn.Conv2d(c, c, (7, 1), (stride, 1), (3, 0), bias=False), nn.BatchNorm2d(c))
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else peer.Reduce2(c, c)
    return {"none": lambda: Zero(stride), "max_pool_3x3": lambda: nn.MaxPool2d(3, stride, 1),
            "avg_pool_3x3": lambda: nn.AvgPool2d(3, stride, 1, count_include_pad=False)}[name]()


class Cell(nn.Module):
    def __init__(self, peer, edges, concat, before, last, c, reduction, reduction_before):
        super().__init__()
        self.preprocess0 = peer.Reduce2(before, c) if reduction_before else peer.Op(*peer._relu_conv_bn(before, c))
        self.preprocess1 = peer.Op(*peer._relu_conv_bn(last, c))
        self.sources, self.concat = [source for _, source in edges], concat
        self._ops = nn.ModuleList(operation(peer, name, c, 2 if reduction and source < 2 else 1) for name, source in edges)

    def forward(self, s0, s1):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for i in range(0, len(self._ops), 2):
            states.append(self._ops[i](states[self.sources[i]]) + self._ops[i + 1](states[self.sources[i + 1]]))
        return torch.cat([states[i] for i in self.concat], 1)


def darts(peer, a, classes):
    class Darts(peer.GatedNet):
        def __init__(self):
            super().__init__()
            c = a["channels"]
            if a["form"] == "imagenet":
                self.stem0 = nn.Sequential(nn.Conv2d(3, c // 2, 3, 2, 1, bias=False), nn.BatchNorm2d(c // 2), nn.ReLU(),
                                           nn.Conv2d(c // 2, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c))
                self.stem1 = nn.Sequential(nn.Identity(), nn.Conv2d(c, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c))
                before = last = c
                self.gate_channels, reduced = [c, c], True
            else:
                before = last = c * a["stem_multiplier"]
                self.stem = nn.Sequential(nn.Conv2d(3, last, 3, padding=1, bias=False), nn.BatchNorm2d(last))
                self.gate_channels, reduced = [last], False
            edges = {k: [(e.split(":")[0], int(e.split(":")[1])) for e in a["genotype_" + k]] for k in ("normal", "reduce")}
            self.cells = nn.ModuleList()
            for i in range(a["layers"]):
                reduction = i in (a["layers"] // 3, 2 * a["layers"] // 3)
                c *= 2 if reduction else 1
                kind = "reduce" if reduction else "normal"
                concat = a["genotype_%s_concat" % kind]
                self.cells.append(Cell(peer, edges[kind], concat, before, last, c, reduction, reduced))
                before, last, reduced = last, len(concat) * c, reduction
                self.gate_channels.append(last)
            self.classifier = nn.Linear(last, classes)

        def run(self, x, tape):
            if a["form"] == "imagenet":
                s0 = tape(self.stem0(x), relu_after=True)  # stem1's opening ReLU, in place in the release
                s1 = tape(self.stem1(s0))
            else:
                s0 = s1 = tape(self.stem(x))
            for cell in self.cells:
                s0, s1 = s1, tape(cell(s0, s1))
            return self.classifier(torch.flatten(F.adaptive_avg_pool2d(s1, 1), 1))
    return Darts()


FAMILIES = {"vgg16": vgg, "resnet50": resnet, "densenet121": densenet, "darts": darts}
