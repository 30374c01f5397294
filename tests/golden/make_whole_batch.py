#!/usr/bin/python3
"""Makes whole_batch.h5: steps whose K is the whole batch (docs/METHOD.md, 5a.6), by PyTorch in double precision.

    make_whole_batch.py [--out DIR]

    results/NETWORK          the replay case NETWORK.h5 with the objective `released`, as make_models.py has it
    results/NETWORK_TARGET   steps of specific.h5, each from the logits that the file has before it:
        steps [T]            their numbers; of step 6 no image is right, elsewhere it is skipped
        losses [T, 5]        total, cross-entropy, specificity, reconstruction / L, regularisation / L
        gradient [T, C]      at the logits of all gates, one after the other; float32
"""
import argparse
import os
import tempfile

import h5py
import numpy as np
import torch

import make_specific
from make_models import CASES, FAMILIES, HERE, peer

REPLAYED = ("vgg16_small", "resnet50_small", "resnet50_narrow", "densenet121_small", "darts_small", "darts_cifar")
STEPS = (0, 2, 6)


def replay(name, out):
    arch, _, classes, _, attributes = CASES[name]
    peer.build = lambda *_: FAMILIES[arch](peer, attributes, classes).eval()
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "r.h5")
        r, _ = peer.run_h5(os.path.join(HERE, name + ".h5"), path, torch.float64, "released", tag=name, whole_batch=True)
        assert not any(r["skipped"]) and min(r["correct"]) == 0, r["correct"]
        with h5py.File(path, "r") as f:
            results = f["results/" + name]
            gates = [v[()] for v in results["gates_final"].values()]
            near = sum(int((np.abs(g) < 1e-4).sum()) for g in gates)
            for key in ("losses", "skipped", "correct"):
                out["results/%s/%s" % (name, key)] = results[key][()]
            for key in ("logits_orig", "logits_hard"):
                out["results/%s/%s" % (name, key)] = results[key][()].astype(np.float32)
            for group, kind in (("grad0", np.float32), ("gates_final", np.float32), ("hard", np.uint8)):
                for gate, value in results[group].items():
                    out["results/%s/%s/%s" % (name, group, gate)] = value[()].astype(kind)
    print("%s: correct %s, %d gates near 0" % (name, r["correct"], near))


def specific(name, target, out):
    net, images = make_specific.load(name)
    with h5py.File(os.path.join(HERE, "specific.h5"), "r") as f:
        r = {k: v[()] for k, v in f["results/%s_%s" % (name, target)].items()}
    losses, gradients, c = [], [], int(r["weights"][3])
    for t in STEPS:
        logits = np.split(r["logits"][t], np.cumsum(net.gate_channels)[:-1])
        step = make_specific.evaluate(net, images, r["own"][t], r["others"][t], logits, c, target, whole_batch=True)
        losses.append([float(step[k]) for k in ("total", "ce", "spec", "mse", "reg")])
        gradients.append(make_specific.flat(step["gradient"]))
    place = "results/%s_%s/" % (name, target)
    out[place + "steps"], out[place + "losses"] = np.array(STEPS), np.array(losses)
    out.create_dataset(place + "gradient", data=np.array(gradients, np.float32), compression="gzip", shuffle=True)
    print(name, target, [r["correct"][t] for t in STEPS])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=HERE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    path = os.path.join(args.out, "whole_batch.h5")
    with h5py.File(path, "w", libver=("v110", "v110")) as out:
        for name in REPLAYED:
            replay(name, out)
        for name in make_specific.NETWORKS:
            for target in ("class", "all"):
                specific(name, target, out)
    print("%s: %d bytes" % (path, os.path.getsize(path)))


if __name__ == "__main__":
    main()
