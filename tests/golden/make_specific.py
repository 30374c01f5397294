#!/usr/bin/python3
"""Makes specific.h5 of this folder: gates that are specific to their class (docs/METHOD.md section 2a), learnt in
PyTorch in double precision on the four small networks, both targets.

    make_specific.py [--out FILE]

The weights and four images of a network are those of its own golden file (make_models.py). Of each image there are four:
as it is, mirrored left to right, upside down, and both; number 4 k + i is image i in form k. Per network and target, as
/results/NETWORK_TARGET:
    weights [4]            lr, beta, lambda, class
    own, others [T, B]     numbers of images; -1: the step has fewer
    losses [T, 5]          total, cross-entropy, specificity, reconstruction / L, regularisation / L; NaN: skipped
    correct, answered [T]  own images that the original gets right, others that the gated network takes for the class
    logits [T + 1, C]      of all gates, one after the other, before each step and at the end; float32
    gradient [T, C]        at the logits, zeros where the step is skipped; float32
/results/operating_point, what the weights of the next step follow (operating_point() of the peer):
    counts [T, 6]          its counts, drawn at random
    full_beta [T], limit   its other arguments
    point [T + 1, 4]       beta, lambda, mean alarms and mean surplus before each step and at the end
Trajectories part where rounding moves a gate across 0, so whoever compares starts every step from these logits. The
seed is the first under which no ReLU or max-pool is so near a tie that rounding decides a gradient: where all open
channels are 0 over the window of a max-pool, its choice is anyone's, and the gradients of closed channels with it.
"""
import argparse
import os
import sys

import h5py
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../peer")]
import nad_torch as peer  # noqa: E402
from networks import FAMILIES  # noqa: E402

NETWORKS = ("vgg16_small", "resnet50_small", "densenet121_small", "darts_small")
BATCH, STEPS, LR, BETA, LAMBDA = 3, 10, 0.03, 2.0, 1.5


def load(name):
    """The network and sixteen images, in double precision."""
    with h5py.File(os.path.join(HERE, name + ".h5"), "r") as f:
        arch, classes = f.attrs["arch"], int(f.attrs["num_classes"])
        attributes = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in f.attrs.items()}
        attributes = {k: int(v) if isinstance(v, np.integer) else v for k, v in attributes.items()}
        net = FAMILIES[arch](peer, attributes, classes).eval()
        peer.load_weights(net, peer.weights_from_recipe(peer.recipe_from_h5(f)))
        images = peer.read_images(f)
    forms = [images, images.flip(3), images.flip(2), images.flip(2, 3)]
    return peer.set_frozen(net.double(), True), torch.cat(forms).double()


def draw(answers, c, rng):
    """Numbers of images for every step: own [T, B], others [T, B]."""
    right, wrong = np.flatnonzero(answers == c), np.flatnonzero(answers != c)
    own, others = np.full((STEPS, BATCH), -1), np.full((STEPS, BATCH), -1)
    for t in range(STEPS):
        own[t] = [rng.choice(right), rng.choice(right), rng.choice(wrong)]
        others[t] = [rng.choice(wrong), rng.choice(wrong), rng.choice(right)]
    own[2, 2] = others[3, 1] = -1  # fewer images
    others[4] = -1                 # none
    others[5] = rng.choice(right, BATCH)  # all are the class's to the original
    own[6] = rng.choice(wrong, BATCH)     # none is right: skipped
    for row in np.concatenate([own, others]):
        row[:] = np.concatenate([row[row >= 0], row[row < 0]])
    return own, others


def flat(values):
    return torch.cat([v.detach().flatten() for v in values]).numpy()


def evaluate(net, images, own, others, logits, c, target, dtype=torch.float64, closed=None, whole_batch=False):
    """Losses and gradient of one step; None where it is skipped."""
    m = peer.gate_tensors(net, logits, dtype=dtype)
    net, images = net.to(dtype), images.to(dtype)
    r = peer.specific_losses(net, images[own[own >= 0]], images[others[others >= 0]], c, m, BETA, LAMBDA, target, closed,
                             whole_batch)
    if r:
        r["total"].backward()
        r["gradient"] = [v.grad.double().flatten() for v in m]
    net.double()
    return r


def decided(net, images, own, others, logits, c, target, expected):
    """Whether the gradients in single precision, and with a closed channel less far from 0, are the same."""
    for other in (dict(dtype=torch.float32), dict(closed=2.0 ** -30)):
        got = evaluate(net, images, own, others, logits, c, target, **other)["gradient"]
        for a, b, m in zip(got, expected, logits):
            for keep in (m <= 0, m > -9):
                if (a - b)[keep].norm() > 2e-4 * b[keep].norm():
                    return False
    return True


def learn(net, images, target, seed):
    """The results, or None where rounding decides something."""
    rng = np.random.RandomState(seed)
    with torch.no_grad():
        answers = net(images)[0].argmax(1).numpy()
    c = int(np.bincount(answers).argmax())
    own, others = draw(answers, c, rng)
    start = [np.clip(0.2 + 0.4 * rng.randn(n), -4, 4).astype(np.float32) for n in net.gate_channels]
    for i, v in enumerate(start):
        v[i % len(v)], v[(i + 3) % len(v)] = 4, -4
    m = peer.gate_tensors(net, start, dtype=torch.float64)
    adam = torch.optim.Adam(m, LR)
    result = dict(weights=np.array([LR, BETA, LAMBDA, c]), own=own, others=others, losses=[], correct=[], answered=[],
                  logits=[flat(m)], gradient=[])
    for t in range(STEPS):
        before = [v.detach().flatten() for v in m]
        r = evaluate(net, images, own[t], others[t], before, c, target)
        if r is None:
            result["losses"].append([np.nan] * 5)
            result["gradient"].append(np.zeros_like(result["logits"][0]))
        else:
            if not decided(net, images, own[t], others[t], before, c, target, r["gradient"]):
                return None
            with torch.no_grad():  # the binary network's logits, its closed channels 0
                batch = np.concatenate([own[t], others[t]])
                exact = net(images[batch[batch >= 0]], [(v > 0).double() for v in m])[0]
            assert (exact - r["logits"]).abs().max() <= 1e-12 * exact.abs().max()
            result["losses"].append([float(r[k]) for k in ("total", "ce", "spec", "mse", "reg")])
            result["gradient"].append(flat(r["gradient"]))
            for v, g in zip(m, r["gradient"]):
                v.grad = g.view_as(v)
            peer.specific_update(m, adam)
        result["correct"].append(0 if r is None else r["correct"])
        result["answered"].append(0 if r is None else r["answered"])
        result["logits"].append(flat(m))
    result["logits"] = np.array(result["logits"], np.float32)
    result["gradient"] = np.array(result["gradient"], np.float32)
    return result


def follow(seed=20211010, steps=60, limit=0.05, batch=16):
    """Weights that follow a class that first answers too readily, then too seldom."""
    rng = np.random.RandomState(seed)
    counts, full, points = [], [], [(0.0, 1.0, 0.0, 0.0)]
    for t in range(steps):
        valid, others = rng.randint(1, batch + 1), rng.randint(0, batch + 1)
        right, taken = rng.randint(1, valid + 1), rng.randint(0, others // 4 + 1)
        readily = 0.9 if t < steps // 4 else 0.02
        counts.append((valid, right, rng.binomial(valid, readily), others, taken, rng.binomial(others, readily)))
        full.append(8.0 if t < steps * 3 // 4 else 0.0)
        points.append(peer.operating_point(points[-1], counts[-1], limit, full[-1]))
    return dict(counts=np.array(counts, np.int32), full_beta=np.array(full), limit=np.array([limit]), point=np.array(points))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=os.path.join(HERE, "specific.h5"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    with h5py.File(args.out, "w", libver=("v110", "v110")) as f:
        for name in NETWORKS:
            net, images = load(name)
            for target in ("class", "all"):
                seed, r = 20211010, None
                while r is None:
                    seed += 1
                    r = learn(net, images, target, seed)
                for key, value in r.items():
                    value = np.asarray(value)
                    big = dict(compression="gzip", compression_opts=9, shuffle=True) if value.nbytes > 1024 else {}
                    f.create_dataset("results/%s_%s/%s" % (name, target, key), data=value, **big)
                flips = int(((r["logits"][1:] > 0) != (r["logits"][:-1] > 0)).sum())
                print("%s %s: seed %d, class %d, correct %s, answered %s, open %.2f, flips %d" % (
                    name, target, seed, r["weights"][3], r["correct"], r["answered"], (r["logits"][0] > 0).mean(), flips))
        for key, value in follow().items():
            f.create_dataset("results/operating_point/" + key, data=value)
    print("%s: %d bytes" % (args.out, os.path.getsize(args.out)))


if __name__ == "__main__":
    main()
