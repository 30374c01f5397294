#!/usr/bin/env python3
"""Agreement with tests/peer/nad_torch.py at full size, through nad_replay: one table row per network, head and objective.

    agreement.py --replay build/nad_replay [--arch vgg16,resnet50,densenet121,darts] [--classes 1000,365]
                 [--objective released,paper,variational] [--steps 10] [--batch 2] [--double | --itself | --spread N]

Random networks of full width (the peer's calibrated recipe) at 224x224, eight images, batches drawn with a seed. Checks
and prints: logits of the original and of the binary sub-architecture (relative distance, at most 1e-4), gate gradients of
the first step (1e-3, the worst gate), the losses of the first ten steps (1e-3; rounding grows from step to step, through
ReLUs and updates of fixed length), the share of binary gates that are equal at the end (at least 99.5 %). The peer runs in
fp32, with --double in fp64. Exits with 1 where a bound is broken.
--itself compares the peer in fp32 with the peer in fp64: how far rounding alone carries this random network.
--spread N makes N networks of each kind and prints how far the gradients of the first step lie from the peer's in fp64:
the engine's, and the peer's own in fp32. One network says little: whether a ReLU near 0 opens is a matter of rounding.
The logits of sub-architectures are compared only where all binary gates agree: one flipped gate is another network.
"""
import argparse
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "peer"))
import nad_torch as peer  # noqa: E402

BOUNDS = {"logits": 1e-4, "gradient": 1e-3, "losses": 1e-3, "equal": 0.995}


def distance(a, b):
    return float(np.linalg.norm(a.astype(np.float64) - b) / max(np.linalg.norm(b), 1e-30))


def write_case(path, arch, classes, steps, batch, seed):
    """Six images of one label that the network gets right, two that it does not; some batches hold no right one."""
    peer.build.__defaults__ = (classes,)
    scale, shift = peer.image_affine()
    recipe = peer.make_recipe(arch, seed, peer.u8_to_float(peer.synth_images(8, seed + 1), scale, shift))
    net = peer.set_frozen(peer.load_weights(peer.build(arch), peer.weights_from_recipe(recipe)), True)
    images = peer.synth_images(8, seed + 2)
    with torch.no_grad():
        labels = net(peer.u8_to_float(images, scale, shift))[0].argmax(1).numpy()
    labels[6:] = (labels[6:] + 1) % classes
    random = np.random.RandomState(seed + 3)
    with h5py.File(path, "w") as f:
        f.attrs.update(arch=arch, beta=peer.BETA[arch], lr=0.1, objective="released", num_classes=classes)
        peer.recipe_to_h5(f, recipe)
        data = f.create_dataset("images_u8", data=images)
        data.attrs["scale"], data.attrs["shift"] = scale, shift
        f["labels"] = labels.astype(np.int64)
        batches = random.randint(0, 8, (steps, batch))
        batches[0] = np.arange(batch)
        batches[min(3, steps - 1)] = 6
        f["batches"] = batches
        for i, channels in enumerate(net.gate_channels):
            f["gates_init/%02d" % i] = random.randn(channels).astype(np.float32)
            f["sigma_init/%02d" % i] = np.full(channels, -2, np.float32)
            f["noise/%02d" % i] = random.randn(steps, batch, channels).astype(np.float32)


def compare(ours, theirs):
    gates = sorted(theirs["grad0"])
    losses, expected = ours["losses"][()], theirs["losses"][()]
    same_skips = (ours["skipped"][()] == theirs["skipped"][()]).all() and (ours["correct"][()] == theirs["correct"][()]).all()
    kept = np.flatnonzero(theirs["skipped"][()][:10] == 0)
    equal = sum(int((ours["hard/" + g][()] == theirs["hard/" + g][()]).sum()) for g in gates)
    total = sum(len(theirs["hard/" + g]) for g in gates)
    return {
        "logits": distance(ours["logits_orig"][()], theirs["logits_orig"][()]),
        "hard logits": distance(ours["logits_hard"][()], theirs["logits_hard"][()]) if equal == total else None,
        "gradient": worst_gradient(ours, theirs),
        "losses": float(np.max(np.abs(losses[kept] - expected[kept]) / np.abs(expected[kept]))) if same_skips else np.inf,
        "equal": equal / total, "differ": total - equal, "total": total,
    }


def holds(r):
    hard = r["hard logits"]
    return (r["logits"] <= BOUNDS["logits"] and (hard is None or hard <= BOUNDS["logits"]) and
            r["gradient"] <= BOUNDS["gradient"] and r["losses"] <= BOUNDS["losses"] and r["equal"] >= BOUNDS["equal"])


def worst_gradient(ours, theirs):
    return max(distance(ours["grad0/" + g][()], theirs["grad0/" + g][()]) for g in theirs["grad0"])


def replay(args, case, result, objective):
    subprocess.run([args.replay, case, "--out", result, "--objective", objective, "--device", args.device, "--precision",
                    args.precision], check=True, stderr=subprocess.DEVNULL)


def spread(args):
    """Rows of --spread: distances of the first step's gradients from the peer in fp64, over networks of several seeds."""
    print("| network | classes | objective | networks | engine: median | largest | above 1e-3 | "
          "peer in fp32: median | largest | above 1e-3 |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    objectives = args.objective.split(",")
    for arch in args.arch.split(","):
        for classes in map(int, args.classes.split(",")):
            found = {o: ([], []) for o in objectives}
            for seed in range(args.seed, args.seed + args.spread):
                with tempfile.TemporaryDirectory() as folder:
                    case, result = os.path.join(folder, "case.h5"), os.path.join(folder, "result.h5")
                    write_case(case, arch, classes, 2, args.batch, seed)  # the second step is skipped
                    for objective in objectives:
                        peer.run_h5(case, dtype=torch.float64, objective=objective, tag="peer")
                        peer.run_h5(case, dtype=torch.float32, objective=objective, tag="fp32")
                        replay(args, case, result, objective)
                        with h5py.File(case, "r") as theirs, h5py.File(result, "r") as ours:
                            exact = theirs["results/peer"]
                            for values, other in zip(found[objective], (ours, theirs["results/fp32"])):
                                values.append(worst_gradient(other, exact))
            for objective in objectives:
                columns = ["%.1e | %.1e | %d" % (np.median(v), max(v), sum(x > BOUNDS["gradient"] for x in v))
                           for v in found[objective]]
                print("| %s | %d | %s | %d | %s |" % (arch, classes, objective, args.spread, " | ".join(columns)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replay", default=os.path.join(HERE, "../build/nad_replay"), help="the program")
    parser.add_argument("--arch", default=",".join(peer.ARCHS), help="networks, separated by commas")
    parser.add_argument("--classes", default="1000,365", help="numbers of classes")
    parser.add_argument("--objective", default="released,paper,variational", help="objectives")
    parser.add_argument("--steps", type=int, default=10, help="steps of a case")
    parser.add_argument("--batch", type=int, default=2, help="images of a step")
    parser.add_argument("--double", action="store_true", help="run the peer in fp64")
    parser.add_argument("--itself", action="store_true", help="compare the peer in fp32 with the peer in fp64")
    parser.add_argument("--spread", type=int, default=0, metavar="N",
                        help="compare the first step's gradients of N networks of each kind with the peer in fp64")
    parser.add_argument("--seed", type=int, default=20211011, help="of networks, images and batches")
    parser.add_argument("--device", default="cpu", help="the engine's")
    parser.add_argument("--precision", default="fp32", help="the engine's")
    args = parser.parse_args()
    torch.set_num_threads(2)
    if args.spread:
        return spread(args)

    print("| network | classes | objective | steps | logits | hard logits | gate gradients | losses of ten steps | binary gates that differ |")
    print("|---|---|---|---|---|---|---|---|---|")
    broken = 0
    for arch in args.arch.split(","):
        for classes in map(int, args.classes.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                case, result = os.path.join(folder, "case.h5"), os.path.join(folder, "result.h5")
                write_case(case, arch, classes, args.steps, args.batch, args.seed)
                for objective in args.objective.split(","):
                    double = args.double or args.itself
                    peer.run_h5(case, dtype=torch.float64 if double else torch.float32, objective=objective, tag="peer")
                    if args.itself:
                        peer.run_h5(case, dtype=torch.float32, objective=objective, tag="fp32")
                    else:
                        replay(args, case, result, objective)
                    with h5py.File(case, "r") as theirs, h5py.File(case if args.itself else result, "r") as ours:
                        r = compare(ours["results/fp32"] if args.itself else ours, theirs["results/peer"])
                    fine = holds(r)
                    broken += not fine
                    print("| %s | %d | %s | %d | %.1e | %s | %.1e | %.1e | %d of %d%s |" % (
                        arch, classes, objective, args.steps, r["logits"],
                        "-" if r["hard logits"] is None else "%.1e" % r["hard logits"], r["gradient"], r["losses"],
                        r["differ"], r["total"], "" if fine else " **outside the bounds**"), flush=True)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
