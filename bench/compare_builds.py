#!/usr/bin/env python3
"""Is one build of the engine slower than another? Steps of both in turn, in one run.

    compare_builds.py BEFORE AFTER [--arch ...] [--precision fp32,bf16] [--rounds 15] [--threads 2] [--batch 16]

BEFORE and AFTER are build folders (their bench/bench_step). Both programs stay loaded and take a step each per round, the
first of a round in turn, so that a machine that slows down slows down both. Prints the median of AFTER / BEFORE over the
rounds and its 95 % interval (of order statistics, so that no distribution is assumed; with less than six rounds the extremes).
"""
import argparse
import math
import os
import statistics
import sys

from compare_peer import Failed, Worker


def median_interval(values):
    """The ranks (from both ends) that hold the median with at least 95 %, by the binomial distribution."""
    ordered, n = sorted(values), len(values)
    outside, rank = 0.0, 0
    while rank < (n - 1) // 2:
        outside += 2 * math.comb(n, rank) / 2 ** n
        if outside > 0.05:
            break
        rank += 1
    low = max(0, rank - 1)
    return ordered[low], ordered[n - 1 - low]


def compare(args, arch, precision):
    flags = ["--arch", arch, "--precision", precision, "--batch", str(args.batch), "--threads", str(args.threads),
             "--device", "cpu", "--interactive"]
    before, after = (Worker([os.path.join(folder, "bench/bench_step"), *flags]) for folder in (args.before, args.after))
    for r in range(args.rounds):
        for worker in (before, after) if r % 2 == 0 else (after, before):
            worker.step()
    ratios = [a / b for b, a in zip(before.seconds, after.seconds)]
    low, high = median_interval(ratios)
    print("| %s | %s | %.3f | %.3f | %.3f (%.3f-%.3f) | %.2f | %.2f |" % (
        arch, precision, before.median(), after.median(), statistics.median(ratios), low, high, before.peak, after.peak),
        flush=True)
    before.close()
    after.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--arch", default="vgg16,resnet50,densenet121,darts")
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    print("| network | precision | before s | after s | after / before (95 %) | before GiB | after GiB |")
    print("|---|---|---|---|---|---|---|")
    try:
        for arch in args.arch.split(","):
            for precision in args.precision.split(","):
                compare(args, arch, precision)
    except Failed as failure:
        sys.exit("compare_builds.py: " + str(failure))


if __name__ == "__main__":
    main()
