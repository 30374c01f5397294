#!/usr/bin/env python3
"""The PyTorch peer as a process that makes one step of gate learning for every line it reads.

    peer_worker.py ARCH VARIANT [--peer DIR] [--batch 16] [--threads 2]

VARIANT: contiguous or channels_last, with -folded (BatchNorm folded into the convolutions) and -bf16 (autocast).
Prints `ready`, then for every line read the seconds of a step and the peak memory in GiB. Frozen weights, every sample
counted as correct, as bench_step does it. Used by compare_peer.py.
"""
import argparse
import sys
import time

import torch


def peak_gib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / (1 << 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("arch")
    parser.add_argument("variant")
    parser.add_argument("--peer", required=True, help="folder of nad_torch.py")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    sys.path.insert(0, args.peer)
    import nad_torch as peer

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    layout, *flags = args.variant.split("-")
    net = peer.set_frozen(peer.build(args.arch), True)
    if "folded" in flags:
        peer.set_frozen(peer.fold_bn(net), True)
    images = torch.randn(args.batch, 3, 224, 224)
    if layout == "channels_last":
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16, enabled="bf16" in flags)
    with autocast(), torch.no_grad():
        labels = net(images, None)[0].argmax(1)
    gates = peer.gate_tensors(net)

    def step():
        start = time.perf_counter()
        with autocast():
            losses = peer.nad_losses(net, images, labels, gates, peer.BETA[args.arch])
        losses["total"].backward()
        peer.nad_update(gates, 0.1)
        return time.perf_counter() - start

    step()
    print("ready", flush=True)
    for _ in sys.stdin:
        print("%.6f %.3f" % (step(), peak_gib()), flush=True)


if __name__ == "__main__":
    main()
