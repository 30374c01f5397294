"""The four gated networks (VGG16, ResNet50, DenseNet121, DARTS-Net) in PyTorch; nad_torch.py says how they are gated.

Conventions
-----------
* A gate is one real number per channel, m[c].  Soft value: sigmoid(m).  Hard value: sigmoid(m) > 0.5.
* Every network is called as  logits, recs = net(x, gates)  where gates is None (the original network)
  or a list of L tensors of shape (C,), (1,C,1,1) or (N,C,1,1) holding the *values the channels are
  multiplied by*, and recs is the list of the L recorded representations (after the gate).
* DARTS-Net, gate 0: in the released code the recorded tensor is overwritten by the in-place ReLU that
  opens stem1, so the loss sees relu(gate*x).  recs[0] reproduces that.
* Parameter names are torchvision's (vgg16, resnet50, densenet121) and quark0/darts' (NetworkImageNet).
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

ARCHS = ("vgg16", "resnet50", "densenet121", "darts")
NCLASS = 1000


class Tape:
    """Hands out gates in order and records the gated representations."""

    def __init__(self, gates, ones_mul=False):
        self.gates, self.recs, self.k, self.ones_mul = gates, [], 0, ones_mul

    def __call__(self, x, relu_after=False):
        if self.gates is not None:
            g = self.gates[self.k]
            if g.dim() == 1:
                g = g.view(1, -1, 1, 1)
            x = g * x
        elif self.ones_mul:                       # the released code multiplies by a gate of ones
            x = torch.ones(1, x.shape[1], 1, 1, dtype=x.dtype) * x
        if relu_after:
            x = F.relu_(x) if self.gates is not None or self.ones_mul else F.relu(x)
        self.recs.append(x)
        self.k += 1
        return x


class GatedNet(nn.Module):
    gate_channels = ()

    def forward(self, x, gates=None, ones_mul=False):
        tape = Tape(gates, ones_mul)
        y = self.run(x, tape)
        assert tape.k == len(self.gate_channels)
        return y, tape.recs


class VGG16(GatedNet):
    """Configuration D.  A gate follows every conv+ReLU (after the max-pool where there is one)."""
    widths = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))

    def __init__(self, num_classes=NCLASS):
        super().__init__()
        mods, cin, self.gate_channels = [], 3, []
        for stage in self.widths:
            for j, c in enumerate(stage):
                mods += [nn.Conv2d(cin, c, 3, padding=1), nn.ReLU(inplace=True)]
                if j == len(stage) - 1:
                    mods.append(nn.MaxPool2d(2, 2))
                cin = c
                self.gate_channels.append(c)
        self.features = nn.Sequential(*mods)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 49, 4096), nn.ReLU(inplace=True), nn.Identity(),
            nn.Linear(4096, 4096), nn.ReLU(inplace=True), nn.Identity(),
            nn.Linear(4096, num_classes))

    def run(self, x, tape):
        mods = list(self.features)
        for i, mod in enumerate(mods):
            x = mod(x)
            last = i + 1 == len(mods)
            # the gate sits where the next module is a convolution, and at the very end
            if last:
                x = tape(F.adaptive_avg_pool2d(x, (7, 7)))
            elif not isinstance(mod, nn.Conv2d) and isinstance(mods[i + 1], nn.Conv2d):
                x = tape(x)
        return self.classifier(torch.flatten(x, 1))


class Bottleneck(nn.Module):
    def __init__(self, cin, width, stride, project):
        super().__init__()
        cout = 4 * width
        self.conv1 = nn.Conv2d(cin, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, cout, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(cout)
        self.downsample = nn.Sequential(
            nn.Conv2d(cin, cout, 1, stride=stride, bias=False), nn.BatchNorm2d(cout)) if project else None

    def forward(self, x, tape):
        y = F.relu_(self.bn1(self.conv1(x)))
        y = F.relu_(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return tape(F.relu_(y))


class ResNet50(GatedNet):
    """Gates: after the stem's max-pool, then after each of the 16 blocks' final ReLU."""

    def __init__(self, num_classes=NCLASS):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        cin, self.gate_channels = 64, [64]
        for s, (width, n) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):
            blocks = nn.ModuleList()
            for b in range(n):
                blocks.append(Bottleneck(cin, width, 2 if s > 1 and b == 0 else 1, b == 0))
                cin = 4 * width
                self.gate_channels.append(cin)
            setattr(self, "layer%d" % s, blocks)
        self.fc = nn.Linear(cin, num_classes)

    def run(self, x, tape):
        x = tape(F.max_pool2d(F.relu_(self.bn1(self.conv1(x))), 3, 2, 1))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage:
                x = block(x, tape)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class DenseLayer(nn.Module):
    def __init__(self, cin, growth, width):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(cin)
        self.conv1 = nn.Conv2d(cin, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, growth, 3, padding=1, bias=False)

    def forward(self, parts):
        x = torch.cat(parts, 1)
        x = self.conv1(F.relu_(self.norm1(x)))
        return self.conv2(F.relu_(self.norm2(x)))


class DenseNet121(GatedNet):
    """Gates: after pool0, after each of the first three dense blocks, after each transition, after the
    last norm+ReLU."""

    def __init__(self, num_classes=NCLASS, growth=32):
        super().__init__()
        f = nn.Module()
        self.features = f
        f.conv0 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        f.norm0 = nn.BatchNorm2d(64)
        c, self.gate_channels = 64, [64]
        self.depths = (6, 12, 24, 16)
        for i, n in enumerate(self.depths, 1):
            block = nn.Module()
            for j in range(1, n + 1):
                block.add_module("denselayer%d" % j, DenseLayer(c, growth, 4 * growth))
                c += growth
            f.add_module("denseblock%d" % i, block)
            if i < 4:
                t = nn.Module()
                t.norm = nn.BatchNorm2d(c)
                t.conv = nn.Conv2d(c, c // 2, 1, bias=False)
                f.add_module("transition%d" % i, t)
                self.gate_channels += [c, c // 2]
                c //= 2
        f.norm5 = nn.BatchNorm2d(c)
        self.gate_channels.append(c)
        self.classifier = nn.Linear(c, num_classes)

    def run(self, x, tape):
        f = self.features
        x = tape(F.max_pool2d(F.relu_(f.norm0(f.conv0(x))), 3, 2, 1))
        for i in range(1, 5):
            parts = [x]
            for layer in getattr(f, "denseblock%d" % i).children():
                parts.append(layer(parts))
            x = torch.cat(parts, 1)
            if i < 4:
                x = tape(x)
                t = getattr(f, "transition%d" % i)
                x = tape(F.avg_pool2d(t.conv(F.relu_(t.norm(x))), 2, 2))
        x = tape(F.relu_(f.norm5(x)))
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def _relu_conv_bn(cin, cout):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout))


class Op(nn.Module):
    """Wrapper so that parameters are called `op.<i>.…` as in the DARTS repository."""

    def __init__(self, *mods):
        super().__init__()
        self.op = nn.Sequential(*mods)

    def forward(self, x):
        return self.op(x)


def _depth_point(c, k, stride, pad, dil=1):
    return [nn.ReLU(), nn.Conv2d(c, c, k, stride, pad, dil, groups=c, bias=False),
            nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c)]


class Reduce2(nn.Module):
    """Factorised reduction: two stride-2 1x1 convolutions on the two pixel phases, concatenated."""

    def __init__(self, cin, cout):
        super().__init__()
        self.conv_1 = nn.Conv2d(cin, cout // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(cin, cout // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        x = F.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], 1))


def darts_op(name, c, stride):
    if name == "sep_conv_3x3":
        return Op(*(_depth_point(c, 3, stride, 1) + _depth_point(c, 3, 1, 1)))
    if name == "dil_conv_3x3":
        return Op(*_depth_point(c, 3, stride, 2, 2))
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, 1)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Reduce2(c, c)
    raise ValueError(name)


# DARTS_V2: (operation, input state) pairs, two per step; states 0 and 1 are the two previous cells
NORMAL = (("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
          ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2))
REDUCE = (("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
          ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1))


class Cell(nn.Module):
    def __init__(self, cpp, cp, c, reduction, reduction_prev):
        super().__init__()
        self.preprocess0 = Reduce2(cpp, c) if reduction_prev else Op(*_relu_conv_bn(cpp, c))
        self.preprocess1 = Op(*_relu_conv_bn(cp, c))
        self.recipe = REDUCE if reduction else NORMAL
        self._ops = nn.ModuleList(
            darts_op(name, c, 2 if reduction and src < 2 else 1) for name, src in self.recipe)

    def forward(self, s0, s1):
        st = [self.preprocess0(s0), self.preprocess1(s1)]
        for i in range(0, 8, 2):
            a, b = self._ops[i](st[self.recipe[i][1]]), self._ops[i + 1](st[self.recipe[i + 1][1]])
            st.append(a + b)
        return torch.cat(st[2:], 1)


class DartsNet(GatedNet):
    """Gates: after stem0, after stem1, after each of the 14 cells.  No auxiliary head at evaluation."""

    def __init__(self, num_classes=NCLASS, c=48, layers=14):
        super().__init__()
        self.stem0 = nn.Sequential(
            nn.Conv2d(3, c // 2, 3, 2, 1, bias=False), nn.BatchNorm2d(c // 2), nn.ReLU(inplace=True),
            nn.Conv2d(c // 2, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c))
        self.stem1 = nn.Sequential(nn.Identity(), nn.Conv2d(c, c, 3, 2, 1, bias=False), nn.BatchNorm2d(c))
        self.gate_channels = [c, c]
        cpp = cp = c
        red_prev = True
        self.cells = nn.ModuleList()
        for i in range(layers):
            red = i in (layers // 3, 2 * layers // 3)
            if red:
                c *= 2
            self.cells.append(Cell(cpp, cp, c, red, red_prev))
            cpp, cp, red_prev = cp, 4 * c, red
            self.gate_channels.append(cp)
        self.classifier = nn.Linear(cp, num_classes)

    def run(self, x, tape):
        s0 = tape(self.stem0(x), relu_after=True)      # stem1's opening ReLU, in place in the release
        s1 = tape(self.stem1(s0))
        for cell in self.cells:
            s0, s1 = s1, tape(cell(s0, s1))
        return self.classifier(torch.flatten(F.avg_pool2d(s1, 7), 1))


def build(arch, num_classes=NCLASS):
    return {"vgg16": VGG16, "resnet50": ResNet50, "densenet121": DenseNet121,
            "darts": DartsNet}[arch](num_classes).eval()


def load_weights(net, sd):
    """sd: torchvision / DARTS names, with the usual extras tolerated."""
    sd = sd.get("state_dict", sd)
    out = {}
    for k, v in sd.items():
        if k.startswith("module."):
            k = k[7:]
        if k.startswith("auxiliary_head.") or k.endswith("num_batches_tracked"):
            continue
        for tag in ("norm", "conv"):                   # old torchvision DenseNet files: norm.1 -> norm1
            for d in "12":
                k = k.replace(".%s.%s." % (tag, d), ".%s%s." % (tag, d))
        out[k] = v
    missing, unexpected = net.load_state_dict(out, strict=False)
    missing = [m for m in missing if not m.endswith("num_batches_tracked")]
    assert not missing and not unexpected, (missing[:4], unexpected[:4])
    return net


# ------------------------------------------------------------------------------------------------
# BN folding (what a strong inference/NAD peer may do with frozen weights)
# ------------------------------------------------------------------------------------------------
def fold_bn(net):
    """Fold every BatchNorm that directly follows a convolution into it (in place)."""
    def fold(conv, bn):
        s = bn.weight.data / torch.sqrt(bn.running_var + bn.eps)
        b = bn.bias.data - bn.running_mean * s
        conv.weight.data = conv.weight.data * s.view(-1, 1, 1, 1)
        if conv.bias is not None:
            b = b + conv.bias.data * s
        conv.bias = nn.Parameter(b, requires_grad=False)

    def seq(m):
        for i in range(len(m) - 1):
            if isinstance(m[i], nn.Conv2d) and isinstance(m[i + 1], nn.BatchNorm2d):
                fold(m[i], m[i + 1])
                m[i + 1] = nn.Identity()
    for m in list(net.modules()):
        if isinstance(m, nn.Sequential):
            seq(m)
        elif isinstance(m, Bottleneck):
            for k in "123":
                fold(getattr(m, "conv" + k), getattr(m, "bn" + k))
                setattr(m, "bn" + k, nn.Identity())
        elif isinstance(m, ResNet50):
            fold(m.conv1, m.bn1)
            m.bn1 = nn.Identity()
        elif isinstance(m, DenseLayer):
            fold(m.conv1, m.norm2)
            m.norm2 = nn.Identity()
        elif isinstance(m, DenseNet121):
            fold(m.features.conv0, m.features.norm0)
            m.features.norm0 = nn.Identity()
        elif isinstance(m, Reduce2) and isinstance(m.bn, nn.BatchNorm2d):
            s = m.bn.weight.data / torch.sqrt(m.bn.running_var + m.bn.eps)
            b = m.bn.bias.data - m.bn.running_mean * s
            h = len(s) // 2
            for conv, sl in ((m.conv_1, slice(0, h)), (m.conv_2, slice(h, None))):
                conv.weight.data = conv.weight.data * s[sl].view(-1, 1, 1, 1)
                conv.bias = nn.Parameter(b[sl].clone(), requires_grad=False)
            m.bn = nn.Identity()
    return net
