#!/usr/bin/python3
"""Neural Architecture Disentanglement (NAD) in PyTorch, written from docs/METHOD.md: what the engine is compared with.

The NAD loop as the released code runs it, the paper's own objectives and `specific`, the updates and discretisation, run on
replay cases (weights/FORMAT.md). nad_networks.py beside it holds the gated networks and the conventions of gates,
nad_recipes.py deterministic weights and images. README.md says how to use it.
"""
import argparse
import json
import math
import time

import h5py
import numpy as np
import torch
import torch.nn.functional as F

# Who imports this module has the networks and the recipes with it.
from nad_networks import (ARCHS, NCLASS, NORMAL, REDUCE, Bottleneck, DenseLayer, GatedNet, Op, Reduce2, VGG16,  # noqa: F401
                          _relu_conv_bn, build, fold_bn, load_weights)
from nad_recipes import (fnv1a64, image_affine, make_recipe, read_images, recipe_from_h5, recipe_to_h5,  # noqa: F401
                         synth_images, u8_to_float, weights_from_recipe)

BETA = {"vgg16": 4.5, "resnet50": 0.02, "densenet121": 0.02, "darts": 0.45}   # ImageNet


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
    surplus; counts: valid own images, those that the original and the gated network get right; others, those that the two
    answer c."""
    _, lam, alarms, surplus = point
    valid, right, gated_right, others, taken, gated_taken = counts
    alarms = 0.9 * alarms + 0.1 * ((gated_taken - taken) / others if others else 0.0)
    demand = min(0.3 * (valid - right) / valid, 0.075)
    surplus = 0.9 * surplus + 0.1 * ((gated_right - right) / valid - demand)
    lam = min(max(lam * math.exp(0.5 * (alarms - limit)), 1.0), 16.0)
    return full_beta * min(max(1 + surplus / 0.05, 0.0), 1.0), lam, alarms, surplus


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


def set_frozen(net, frozen):
    for p in net.parameters():
        p.requires_grad_(not frozen)
    return net


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
