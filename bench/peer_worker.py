#!/usr/bin/env python3
"""The PyTorch peer as a process that makes one step of gate learning for every line it reads.

    peer_worker.py ARCH VARIANT [--peer DIR] [--precision fp32] [--batch 16] [--device cpu] [--threads 2]

VARIANT: contiguous or channels_last, with -folded (BatchNorm folded into the convolutions) and -trained (weight gradients
are computed and thrown away, as the authors' program does). Prints `ready`, then for every line read the seconds of a step
and the peak memory in GiB; on a GPU the mean of --together steps between two events. Frozen weights unless -trained, every
sample counted as correct, as bench_step does it. Used by compare_peer.py; peer_series.py measures with its functions.
"""
import argparse
import contextlib
import os
import sys
import time

import torch

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/peer")  # the folder of nad_torch.py
WARM_UP = {"cpu": 1, "cuda": 5}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("arch")
    parser.add_argument("variant")
    parser.add_argument("--peer", default=PEER, help="folder of nad_torch.py")
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--together", type=int, default=5, help="steps between two events on a GPU")
    return parser.parse_args()


def set_up(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.precision == "tf32"
        torch.backends.cudnn.benchmark = True


def cpu_seconds(step):
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def cuda_seconds(step, together):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(together):
        step()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e-3 / together


def peak_gib(device):
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / (1 << 30)
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / (1 << 20)


def seconds(step, device, together):
    return cuda_seconds(step, together) if device == "cuda" else cpu_seconds(step)


def make_step(args, peer, compiled=False):
    layout, *flags = args.variant.split("-")
    frozen = "trained" not in flags
    with torch.device("cuda") if args.device == "cuda" else contextlib.nullcontext():  # a GPU draws weights faster
        net = peer.set_frozen(peer.build(args.arch), frozen)
    if "folded" in flags:
        peer.set_frozen(peer.fold_bn(net), frozen)
    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    net = net.to(args.device, memory_format=memory_format)
    images = torch.randn(args.batch, 3, 224, 224).to(args.device, memory_format=memory_format)
    autocast = lambda: torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.precision == "bf16")
    with autocast(), torch.no_grad():
        labels = net(images, None)[0].argmax(1)
    if compiled:
        net.forward = torch.compile(net.forward)
    gates = [gate.detach().to(args.device).requires_grad_(True) for gate in peer.gate_tensors(net)]

    def step():
        with autocast():
            losses = peer.nad_losses(net, images, labels, gates, peer.BETA[args.arch])
        losses["total"].backward()
        peer.nad_update(gates, 0.1)

    return step


def main():
    args = arguments()
    sys.path.insert(0, args.peer)
    import nad_torch as peer

    set_up(args)
    step = make_step(args, peer)
    for _ in range(WARM_UP[args.device]):
        step()
    print("ready", flush=True)
    for _ in sys.stdin:
        print("%.6f %.3f" % (seconds(step, args.device, args.together), peak_gib(args.device)), flush=True)


if __name__ == "__main__":
    main()
