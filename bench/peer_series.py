#!/usr/bin/env python3
"""Steps of the PyTorch peer on a GPU: networks, variants, precisions and batches one after the other in one process.

    peer_series.py [--arch vgg16,resnet50,densenet121,darts] [--variant channels_last-folded,...] [--precision bf16]
                   [--batch 256] [--rounds 3] [--compile] [--out FILE] [--peer DIR]

A line of JSON each, on the output or appended to FILE as soon as it is known: arch, variant, precision, batch, compiled,
seconds (of every round: the mean of --together steps between two events), gib (peak memory), or error where it failed, as a
batch that does not fit does. Variants as in peer_worker.py; by default the best one known for GPUs, channels_last and
folded, which VGG16 has without folding. --compile: all of it a second time under torch.compile, which takes long to start
and therefore comes last, the networks with the fewest ops first.
"""
import argparse
import gc
import json
import sys
import time

import torch

import peer_worker

COMPILED = ("vgg16", "resnet50", "densenet121", "darts")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arch", default=",".join(COMPILED))
    parser.add_argument("--variant", default="channels_last-folded")
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--batch", default="256")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--together", type=int, default=3, help="steps between two events")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peer", default=peer_worker.PEER, help="folder of nad_torch.py")
    parser.add_argument("--out", help="file of JSON lines (default: the output)")
    return parser.parse_args()


def variant_of(arch, variant):
    return variant.replace("-folded", "") if arch == "vgg16" else variant  # VGG16 has no BatchNorm


def measure(args, peer, record):
    """Adds seconds and gib to a record of arch, variant, precision, batch, compiled."""
    options = argparse.Namespace(**{**vars(args), **record})
    peer_worker.set_up(options)
    begin = time.perf_counter()
    step = peer_worker.make_step(options, peer, compiled=record["compiled"])
    for _ in range(peer_worker.WARM_UP[args.device]):
        step()
    if args.device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    record["start"] = round(time.perf_counter() - begin, 1)
    record["seconds"] = [peer_worker.seconds(step, args.device, args.together) for _ in range(args.rounds)]
    record["gib"] = round(peer_worker.peak_gib(args.device), 2)


def main():
    args = arguments()
    sys.path.insert(0, args.peer)
    import nad_torch as peer
    out = open(args.out, "a") if args.out else sys.stdout
    records = [{"arch": arch, "variant": variant_of(arch, variant), "precision": precision, "batch": int(batch), "compiled": compiled}
               for compiled in ((False, True) if args.compile else (False,)) for precision in args.precision.split(",")
               for batch in args.batch.split(",") for arch in args.arch.split(",") for variant in args.variant.split(",")]
    if args.device == "cuda":
        records = [dict(r, device=torch.cuda.get_device_name(0)) for r in records]
    for i, record in enumerate(records):
        if record in records[:i]:
            continue  # VGG16, folded and not
        record = dict(record)
        try:
            measure(args, peer, record)
        except Exception as error:  # the next one may fit, or compile
            record["error"] = (str(error).splitlines() or [type(error).__name__])[0][:200]
        print(json.dumps(record), file=out, flush=True)
        gc.collect()
        if args.device == "cuda":
            torch.cuda.empty_cache()
            if record["compiled"]:
                torch._dynamo.reset()


if __name__ == "__main__":
    main()
