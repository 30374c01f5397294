#!/usr/bin/python3
"""Neural Architecture Disentanglement (NAD) in PyTorch, written from docs/METHOD.md: what the engine is compared with.

One file: the four gated networks (VGG16, ResNet50, DenseNet121, DARTS-Net), the NAD loop as the
released code runs it, the paper's own objectives, discretisation, Jaccard, deterministic weights
and .h5 exchange files (weights/FORMAT.md, replay cases). README.md beside it says how to use it.

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
import argparse
import json
import math
import sys
import time

import h5py
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

ARCHS = ("vgg16", "resnet50", "densenet121", "darts")
BETA = {"vgg16": 4.5, "resnet50": 0.02, "densenet121": 0.02, "darts": 0.45}   # ImageNet
NCLASS = 1000


# ------------------------------------------------------------------------------------------------
# networks
# ------------------------------------------------------------------------------------------------
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


# ------------------------------------------------------------------------------------------------
# NAD
# ------------------------------------------------------------------------------------------------
def binary_cross_entropy(logits, labels):
    """Eq. 12: -y log p - (1-y) log(1-p), p = softmax(logits), summed over classes, mean over the batch."""
    p = torch.softmax(logits, 1)
    y = F.one_hot(labels, logits.shape[1]).to(p.dtype)
    return -(y * p.clamp_min(1e-12).log() + (1 - y) * (1 - p).clamp_min(1e-12).log()).sum(1).mean()


def nad_losses(net, images, labels, m, beta, objective="released", ones_mul=False, keep=None, s=None, noise=None,
               whole_batch=False):
    """One evaluation.  m: list of (1,C,1,1) tensors with requires_grad.  Returns None if no sample of the
    batch is classified correctly (released objective), else a dict of scalars/tensors.  whole_batch: the correct samples'
    part is played by all (5a.6).

    released     (CE + sum_i MSE(gated_i, original_i over correct samples)) / L + beta * sum_i mean(mu_i^2) / L
    paper        sum_i [ beta * mean((mu_i R_i)^2) + mean((R_i - mu_i R_i)^2) ] + Eq. 12, R_i the original
                 network's representations (Eq. 1, Alg. 1), Eq. 12 on the gated chain
    variational  Eq. 9 summed over layers (R_i as above, means over elements, 1e-6 inside the logarithms) + Eq. 12
                 on the chain gated by mu + noise * sigma (Eq. 7), sigma = softplus(s); noise[i]: (N,C,1,1)
    """
    L = len(m)
    with torch.no_grad():
        logits_o, rec_o = net(images, None, ones_mul)
    mu = [torch.sigmoid(v) for v in m]
    sigma = [F.softplus(v) for v in s] if objective == "variational" else None
    gates = mu if sigma is None else [a + e * b for a, e, b in zip(mu, noise, sigma)]
    logits_m, rec_m = net(images, gates)
    if keep is not None:
        keep.update(logits_orig=logits_o, logits_soft=logits_m.detach())
    ok = (logits_o.argmax(1) == labels).nonzero().flatten()
    mse = [F.mse_loss(g * r, r) for g, r in zip(mu, rec_o)]
    ce = F.cross_entropy(logits_m, labels)
    if objective == "released":
        if len(ok) == 0 and not whole_batch:
            return None
        pick = (lambda t: t) if whole_batch or len(ok) == len(labels) else (lambda t: t[ok])
        mse = [F.mse_loss(pick(a), pick(b)) for a, b in zip(rec_m, rec_o)]
        activ = (ce + sum(mse)) / L
        reg = sum(torch.mean(t * t) for t in mu) / L
    elif objective == "paper":
        ce = binary_cross_entropy(logits_m, labels)
        activ = ce + sum(mse)
        reg = sum(torch.mean((g * r) ** 2) for g, r in zip(mu, rec_o))
    else:
        ce = binary_cross_entropy(logits_m, labels)
        var = [(b * r) ** 2 for b, r in zip(sigma, rec_o)]
        log = [torch.log(v + 1e-6) for v in var]
        reg = sum(0.5 * torch.mean(v - l + (g * r) ** 2 - 1) for v, l, g, r in zip(var, log, mu, rec_o))
        activ = ce + sum(0.5 * (e + math.log(2 * math.pi) + torch.mean(l)) for e, l in zip(mse, log))
    return dict(total=activ + beta * reg, activ=activ, reg=reg, ce=ce,
                mse=torch.stack([t.detach() for t in mse]), correct=len(ok))


def nad_update(m, lr):
    with torch.no_grad():
        for v in m:
            v -= lr * F.normalize(v.grad)              # L2 over dim 1, the channels
            v.grad = None


def nad_step(net, images, labels, m, beta, lr=0.1, objective="released", ones_mul=False, keep=None, s=None, noise=None,
             whole_batch=False):
    """keep: dict that receives losses, gradients, logits."""
    r = nad_losses(net, images, labels, m, beta, objective, ones_mul, keep, s, noise, whole_batch)
    if r is None:
        return None
    r["total"].backward()
    if keep is not None:
        keep["grads"] = [v.grad.detach().clone() for v in m]
    nad_update(m if s is None else m + s, lr)
    return r


# ---- specific gates (section 2a) ---------------------------------------------------------------
class BinaryGate(torch.autograd.Function):
    """1[m > 0]; backward as sigmoid(m).  A closed gate is the limit from above: `closed` is so small that nothing of it is
    left in what it is added to, but a ReLU behind it still passes where it would pass what the gate multiplies."""

    @staticmethod
    def forward(ctx, m, closed):
        ctx.save_for_backward(m)
        return torch.where(m > 0, torch.ones_like(m), torch.full_like(m, closed))

    @staticmethod
    def backward(ctx, grad):
        mu = torch.sigmoid(ctx.saved_tensors[0])
        return grad * mu * (1 - mu), None


def specific_losses(net, own, others, c, m, beta, lam, target="class", closed=None, whole_batch=False):
    """One evaluation of `specific`: own, others are images of class c and of other classes (others may be none).
    Returns None if the original answers c for none of own.  whole_batch: as in nad_losses."""
    closed = closed or 2.0 ** (-200 if m[0].dtype == torch.float64 else -60)
    n, L = len(own), len(m)
    images = torch.cat([own, others])
    with torch.no_grad():
        logits_o, rec_o = net(images, None)
    logits, rec = net(images, [BinaryGate.apply(v, closed) for v in m])
    answers = logits_o.argmax(1)
    ok = (answers[:n] == c).nonzero().flatten()
    if len(ok) == 0 and not whole_batch:
        return None
    k = torch.arange(n) if whole_batch else ok
    ce = F.cross_entropy(logits[:n], torch.full((n,), c, dtype=torch.long))
    z, o, taken = logits[n:], logits_o[n:], answers[n:] == c
    but_c = torch.arange(logits.shape[1]) != c
    if target == "class":
        terms = (torch.logsumexp(z, 1) - torch.logsumexp(z[:, but_c], 1))[~taken]
    else:
        terms = []
        for z_n, o_n, is_c in zip(z, o, taken):
            t = torch.softmax(o_n if is_c else o_n.masked_fill(~but_c, -math.inf), 0)
            terms.append(torch.where(t > 0, t * (t.clamp_min(1e-300).log() - torch.log_softmax(z_n, 0)), torch.zeros_like(t)).sum())
        terms = torch.stack(terms) if terms else z.new_zeros(0)
    spec = terms.mean() if len(terms) else z.new_zeros(())
    mse = sum(F.mse_loss(a[k], b[k]) for a, b in zip(rec, rec_o)) / L
    reg = sum(torch.mean(torch.sigmoid(v) ** 2) for v in m) / L
    return dict(total=ce + lam * spec + mse + beta * reg, ce=ce, spec=spec, mse=mse, reg=reg, correct=len(ok),
                answered=int((z.argmax(1) == c).sum()), logits=logits.detach())


def operating_point(point, counts, limit, full_beta):
    """The weights of the next step where lambda follows a limit of false alarms. point: beta, lambda, mean alarms, mean
    gain; counts: valid own images, those that the original and the gated network get right; others, those that the two
    answer c."""
    _, lam, alarms, gain = point
    valid, right, gated_right, others, taken, gated_taken = counts
    alarms = 0.9 * alarms + 0.1 * ((gated_taken - taken) / others if others else 0.0)
    gain = 0.9 * gain + 0.1 * (gated_right - right) / valid
    lam = min(max(lam * math.exp(0.5 * (alarms - limit)), 1.0), 16.0)
    return full_beta * min(max(gain / 0.1, 0.0), 1.0), lam, alarms, gain


def specific_update(m, adam, bound=4.0):
    adam.step()                                        # torch.optim.Adam(m, lr): 0.9, 0.999, 1e-8
    with torch.no_grad():
        for v in m:
            v.clamp_(-bound, bound)
            v.grad = None


def gate_tensors(net, values=None, seed=233, dtype=torch.float32):
    """values: list of arrays (C,), or None for torch's randn in layer order."""
    if values is None:
        g = torch.Generator().manual_seed(seed)
        values = [torch.randn(c, generator=g).numpy() for c in net.gate_channels]
    return [torch.tensor(np.asarray(v)).to(dtype).view(1, -1, 1, 1).requires_grad_(True) for v in values]


def discretise(m):
    return [(torch.sigmoid(v.detach().flatten()) > 0.5) for v in m]


def jaccard(a, b):
    """Per-layer Jaccard of two lists of boolean vectors; 0/0 counts as nan, as in the release."""
    return [float((x & y).sum()) / float((x | y).sum()) if (x | y).any() else float("nan")
            for x, y in zip(a, b)]


def set_frozen(net, frozen):
    for p in net.parameters():
        p.requires_grad_(not frozen)
    return net


# ------------------------------------------------------------------------------------------------
# deterministic weights: a counter-based generator any program can repeat bit for bit
# ------------------------------------------------------------------------------------------------
def fnv1a64(s):
    h = 0xCBF29CE484222325
    for b in s.encode():
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def hash_uniform(name, seed, n, bound):
    """float32 w[i] = (k_i - 2^23) * 2^-23 * bound, k_i = top 24 bits of splitmix64(key + (i+1)*golden),
    key = fnv1a64(name) ^ seed.  Every step but the last product is exact; the product rounds once."""
    out = np.empty(n, np.float32)
    key = np.uint64(fnv1a64(name) ^ seed)
    step = 1 << 22
    with np.errstate(over="ignore"):
        for s in range(0, n, step):
            e = min(n, s + step)
            z = np.arange(s + 1, e + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z ^= z >> np.uint64(31)
            k = (z >> np.uint64(40)).astype(np.int64) - (1 << 23)
            out[s:e] = (k.astype(np.float32) * np.float32(2.0 ** -23)) * np.float32(bound)
    return out


def checksum(a):
    """fnv1a64 over the little-endian 32-bit words folded as sum(word*odd): cheap, order-sensitive."""
    w = np.ascontiguousarray(a, np.float32).view(np.uint32).ravel().astype(np.uint64)
    with np.errstate(over="ignore"):
        idx = np.arange(1, len(w) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) | np.uint64(1)
        return int((w * idx).sum(dtype=np.uint64))


def recipe_from_h5(f):
    g = f["weights"]
    rec = {"seed": int(g.attrs["seed"]), "bound": {}, "small": {}, "shape": {}}
    for k in g["bound"]:
        rec["bound"][k] = np.float32(g["bound"][k][()])
        rec["shape"][k] = tuple(g["bound"][k].attrs["shape"])
    for k in g["small"]:
        rec["small"][k] = g["small"][k][()]
    return rec


def recipe_to_h5(f, rec, sd=None):
    g = f.require_group("weights")
    g.attrs["seed"] = np.uint64(rec["seed"])
    b, s = g.require_group("bound"), g.require_group("small")
    for k, v in rec["bound"].items():
        d = b.create_dataset(k, data=np.float32(v))
        d.attrs["shape"] = rec["shape"][k]
        if sd is not None:
            d.attrs["checksum"] = np.uint64(checksum(sd[k]))
    for k, v in rec["small"].items():
        s.create_dataset(k, data=np.asarray(v, np.float32))


def weights_from_recipe(rec):
    sd = {k: torch.from_numpy(np.array(v, np.float32)) for k, v in rec["small"].items()}
    for k, bound in rec["bound"].items():
        sh = rec["shape"][k]
        sd[k] = torch.from_numpy(hash_uniform(k, rec["seed"], int(np.prod(sh)), bound).reshape(sh))
    return sd


def make_recipe(arch, seed, calib):
    """Random network that behaves like a trained one numerically: He-uniform convolutions; BN statistics =
    the statistics measured on `calib` disturbed by N(0,0.1) in the mean (units of std) and U(0.5,1.5) in the
    variance; gamma U(0.5,1.5); beta N(0,0.1); VGG's convolutions rescaled to unit output std; the classifier
    centred so that different images get different labels."""
    net = build(arch)
    sd = net.state_dict()
    rng = np.random.RandomState(seed)
    rec = {"seed": seed, "bound": {}, "shape": {}, "small": {}}
    mods = dict(net.named_modules())
    hooks, last = [], {"vgg16": "classifier.6", "resnet50": "fc"}.get(arch, "classifier")

    def gen(name, mod):
        w = mod.weight
        fan = int(np.prod(w.shape[1:]))
        rec["shape"][name + ".weight"] = tuple(w.shape)

        def put(bound):
            rec["bound"][name + ".weight"] = np.float32(bound)
            mod.weight.data = torch.from_numpy(
                hash_uniform(name + ".weight", seed, w.numel(), bound).reshape(tuple(w.shape)))
        b0 = np.float32(np.sqrt(6.0 / fan))
        put(b0)
        if mod.bias is not None:
            rec["small"][name + ".bias"] = mod.bias.data = torch.from_numpy(
                rng.uniform(-0.1, 0.1, mod.bias.numel()).astype(np.float32))

        def pre(mod, inp):
            if mod.bias is None:
                return
            op = (lambda x: F.linear(x, mod.weight)) if isinstance(mod, nn.Linear) else \
                 (lambda x: F.conv2d(x, mod.weight, None, mod.stride, mod.padding, mod.dilation, mod.groups))
            y = op(inp[0])
            if name == last:
                put(b0 * np.float32(1.5 / float((y - y.mean(0)).std())))
                bias = -op(inp[0]).mean(0)
                mod.bias.data = bias.clone()
                rec["small"][name + ".bias"] = bias.clone()
            else:
                put(b0 * np.float32(1.0 / float(y.std())))
        hooks.append(mod.register_forward_pre_hook(pre))

    def bn(name, mod):
        def pre(mod, inp):
            x = inp[0]
            mean, var = x.mean((0, 2, 3)).numpy(), x.var((0, 2, 3)).numpy() + 1e-3
            c = len(mean)
            vals = {"weight": rng.uniform(0.5, 1.5, c), "bias": rng.normal(0, 0.1, c),
                    "running_mean": mean + rng.normal(0, 0.1, c) * np.sqrt(var),
                    "running_var": var * rng.uniform(0.5, 1.5, c)}
            if name.endswith("bn3"):                   # residual branches half as strong as the trunk
                vals["weight"] *= 0.5
            for k, v in vals.items():
                t = torch.from_numpy(v.astype(np.float32))
                getattr(mod, k).data = t
                rec["small"][name + "." + k] = t.clone()
        hooks.append(mod.register_forward_pre_hook(pre))

    for name, mod in mods.items():
        if isinstance(mod, (nn.Conv2d, nn.Linear)):
            gen(name, mod)
        elif isinstance(mod, nn.BatchNorm2d):
            bn(name, mod)
    with torch.no_grad():
        net(calib)
    for h in hooks:
        h.remove()
    want = {k for k in sd if not k.endswith("num_batches_tracked")}
    have = set(rec["bound"]) | set(rec["small"])
    assert want == have, (sorted(want ^ have)[:5])
    return rec


# ------------------------------------------------------------------------------------------------
# images
# ------------------------------------------------------------------------------------------------
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def image_affine():
    """x = u8*scale + shift in float32, scale rounded to 16 bits so that u8*scale is exact (FMA or not, the
    same bits)."""
    scale, shift = [], []
    for mu, sd in zip(_MEAN, _STD):
        s = np.float32(1.0 / (255.0 * sd))
        bits = np.array([s], np.float32).view(np.uint32)
        bits = (bits + np.uint32(0x80)) & np.uint32(0xFFFFFF00)
        scale.append(bits.view(np.float32)[0])
        shift.append(np.float32(-mu / sd))
    return np.array(scale, np.float32), np.array(shift, np.float32)


def u8_to_float(u8, scale, shift):
    x = u8.astype(np.float32) * scale.reshape(1, 3, 1, 1)
    return torch.from_numpy(x + shift.reshape(1, 3, 1, 1))


def synth_images(n, seed, size=224, like=None, mix=0.0):
    """Smooth coloured noise plus texture, uint8.  With `like`, images are (1-mix)*like + mix*fresh."""
    rng = np.random.RandomState(seed)
    out = np.empty((n, 3, size, size), np.uint8)
    for i in range(n):
        acc = np.zeros((3, size, size), np.float32)
        for k, amp in ((4, 70.0), (14, 40.0), (56, 25.0), (size, 10.0)):
            t = torch.from_numpy(rng.randn(1, 3, k, k).astype(np.float32))
            acc += amp * F.interpolate(t, size=(size, size), mode="bilinear", align_corners=False)[0].numpy()
        acc = acc + 120.0 + 25.0 * rng.randn(3, 1, 1)
        if like is not None:
            acc = (1 - mix) * like.astype(np.float32) + mix * acc
        out[i] = np.clip(np.rint(acc), 0, 255).astype(np.uint8)
    return out


def read_images(f):
    if "images" in f:
        return torch.from_numpy(f["images"][()].astype(np.float32))
    return u8_to_float(f["images_u8"][()], f["images_u8"].attrs["scale"], f["images_u8"].attrs["shift"])


# ------------------------------------------------------------------------------------------------
# run from / to .h5
# ------------------------------------------------------------------------------------------------
def run_h5(inp, out=None, dtype=torch.float32, objective=None, frozen=True, ones_mul=False, tag=None,
           whole_batch=False):
    """Input file: attrs arch, beta, lr, objective; weights/ ; images or images_u8 ; labels [N] ;
    batches [T,B] (row = the images of one iteration) ; gates_init/NN.
    Results go to group results/<tag> of `out` (default: the same file)."""
    with h5py.File(inp, "r") as f:
        arch, beta, lr = f.attrs["arch"], float(f.attrs["beta"]), float(f.attrs["lr"])
        objective = objective or f.attrs["objective"]
        net = load_weights(build(arch), weights_from_recipe(recipe_from_h5(f)))
        images, labels = read_images(f), torch.from_numpy(f["labels"][()].astype(np.int64))
        batches = f["batches"][()]
        init = [f["gates_init"][k][()] for k in sorted(f["gates_init"])]
        varying = objective == "variational"
        sigma_init = [f["sigma_init"][k][()] for k in sorted(f["sigma_init"])] if varying else None
        noises = [f["noise"][k][()] for k in sorted(f["noise"])] if varying else None     # each [steps, B, C]
    net = set_frozen(net.to(dtype), frozen)
    images = images.to(dtype)
    m = gate_tensors(net, init, dtype=dtype)
    sig = gate_tensors(net, sigma_init, dtype=dtype) if varying else None
    res = {"losses": [], "mse": [], "skipped": [], "correct": []}
    first = {}
    for t, row in enumerate(batches):
        keep = {}
        eps = [torch.from_numpy(v[t]).to(dtype)[:, :, None, None] for v in noises] if varying else None
        r = nad_step(net, images[row], labels[row], m, beta, lr, objective, ones_mul, keep, sig, eps, whole_batch)
        if t == 0:
            first = keep
        res["skipped"].append(r is None)
        nanrow = [float("nan")] * 4
        res["losses"].append(nanrow if r is None else
                             [float(r[k].detach()) for k in ("total", "activ", "reg", "ce")])
        res["mse"].append([float("nan")] * len(m) if r is None else r["mse"].double().tolist())
        res["correct"].append(0 if r is None else r["correct"])
    hard = discretise(m)
    with torch.no_grad():
        logits_hard, rec_hard = net(images, [h.to(dtype) for h in hard])
        logits_orig, rec_orig = net(images, None)
    stats = lambda recs: np.array([[float(r.double().mean()), float(r.double().pow(2).mean())] for r in recs])
    tag = tag or ("f64" if dtype == torch.float64 else "f32") + "_" + objective
    nd = np.float64 if dtype == torch.float64 else np.float32
    with h5py.File(out or inp, "a") as f:
        g = f.require_group("results")
        if tag in g:
            del g[tag]
        g = g.create_group(tag)
        d = g.create_dataset("losses", data=np.array(res["losses"]))
        d.attrs["columns"] = ["total", "activ", "reg", "ce"]
        g.create_dataset("mse_per_layer", data=np.array(res["mse"]))
        g.create_dataset("skipped", data=np.array(res["skipped"], np.uint8))
        g.create_dataset("correct", data=np.array(res["correct"], np.int64))
        g.create_dataset("it0_logits_orig", data=first["logits_orig"].numpy().astype(nd))
        g.create_dataset("it0_logits_soft", data=first["logits_soft"].numpy().astype(nd))
        g.create_dataset("logits_orig", data=logits_orig.numpy().astype(nd))
        g.create_dataset("logits_hard", data=logits_hard.numpy().astype(nd))
        g.create_dataset("rec_orig_mean_meansq", data=stats(rec_orig))
        g.create_dataset("rec_hard_mean_meansq", data=stats(rec_hard))
        for i, v in enumerate(m):
            if "grads" in first:
                g.create_dataset("grad0/%02d" % i, data=first["grads"][i].flatten().numpy().astype(nd))
            g.create_dataset("gates_final/%02d" % i, data=v.detach().flatten().numpy().astype(nd))
            g.create_dataset("hard/%02d" % i, data=hard[i].numpy().astype(np.uint8))
    return res, hard


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = ap.add_subparsers(dest="cmd", required=True)
    p = sub.add_parser("run")
    p.add_argument("inp")
    p.add_argument("--out")
    p.add_argument("--double", action="store_true")
    p.add_argument("--objective", choices=("released", "paper", "variational"))
    p.add_argument("--train-weights", action="store_true", help="leave requires_grad on, as released")
    p.add_argument("--ones-mul", action="store_true", help="multiply the original by ones, as released")
    p.add_argument("--whole-batch", action="store_true", help="K is the whole batch, as for random weights")
    p.add_argument("--tag")
    p.add_argument("--threads", type=int, default=2)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    t = time.time()
    r, hard = run_h5(a.inp, a.out, torch.float64 if a.double else torch.float32, a.objective,
                     not a.train_weights, a.ones_mul, a.tag, a.whole_batch)
    print(json.dumps(dict(losses=r["losses"], skipped=r["skipped"], correct=r["correct"],
                          on=[int(h.sum()) for h in hard], seconds=round(time.time() - t, 2))))


if __name__ == "__main__":
    main()
