#!/usr/bin/env python3
"""Seconds per step of gate learning: this engine against the PyTorch peer, in turn, on the same cores.

    compare_peer.py --build build [--peer DIR] [--arch vgg16,resnet50,densenet121,darts] [--precision fp32,bf16]
                    [--rounds 7] [--threads 2] [--batch 16]

For every network and precision: all variants of the peer (contiguous and channels_last, BatchNorm folded and not) and
the engine are started, each makes one step per round, one after the other; the peer's best variant is the one with the
lowest median. Ratios are medians of the per-round ratios. The peer gets the processor's AVX-512, huge pages and the same threads.
Needs PyTorch with a real BLAS (Debian: libopenblas0-pthread).
"""
import argparse
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VARIANTS = ("contiguous", "channels_last", "contiguous-folded", "channels_last-folded")
TUNABLES = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184"


class Worker:
    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(environment or {})))
        self.seconds, self.peak = [], 0.0
        if self.process.stdout.readline().strip() != "ready":
            sys.exit("compare_peer.py: did not start: " + " ".join(command))

    def step(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        seconds, self.peak = map(float, self.process.stdout.readline().split())
        self.seconds.append(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def has_avx512():
    with open("/proc/cpuinfo") as info:
        return "avx512f" in info.read()


def compare(args, arch, precision):
    suffix = "-bf16" if precision == "bf16" else ""
    variants = [v for v in VARIANTS if arch != "vgg16" or "folded" not in v]  # VGG16 has no BatchNorm
    environment = {"GLIBC_TUNABLES": TUNABLES, "OMP_NUM_THREADS": str(args.threads)}
    if has_avx512():  # PyTorch does not take it by itself on every processor, and crashes where it is missing
        environment["ATEN_CPU_CAPABILITY"] = "avx512"
    workers = {v: Worker([args.python, os.path.join(HERE, "peer_worker.py"), arch, v + suffix, "--peer", args.peer, "--batch",
                          str(args.batch), "--threads", str(args.threads)], environment) for v in variants}
    engine = Worker([os.path.join(args.build, "bench/bench_step"), "--arch", arch, "--precision", precision, "--batch",
                     str(args.batch), "--threads", str(args.threads), "--interactive"])
    for _ in range(args.rounds):
        for worker in (*workers.values(), engine):
            worker.step()
    best = min(workers, key=lambda v: statistics.median(workers[v].seconds))
    ratios = [p / e for p, e in zip(workers[best].seconds, engine.seconds)]
    print("| %s | %s | %s | %.3f | %.3f | %.2f (%.2f-%.2f) | %.2f | %.2f |" % (
        arch, precision, best, statistics.median(workers[best].seconds), statistics.median(engine.seconds),
        statistics.median(ratios), min(ratios), max(ratios), workers[best].peak, engine.peak), flush=True)
    for worker in (*workers.values(), engine):
        worker.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(HERE, "../build"))
    parser.add_argument("--peer", default=os.path.join(HERE, "../../shared/peer"), help="folder of nad_torch.py")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--arch", default="vgg16,resnet50,densenet121,darts")
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    args = parser.parse_args()
    print("| network | precision | peer's best variant | peer s | engine s | ratio (range) | peer GiB | engine GiB |")
    print("|---|---|---|---|---|---|---|---|")
    for precision in args.precision.split(","):
        for arch in args.arch.split(","):
            compare(args, arch, precision)


if __name__ == "__main__":
    main()
