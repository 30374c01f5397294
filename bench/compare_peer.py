#!/usr/bin/env python3
"""Gate learning by this engine against the PyTorch peer, on the same cores or the same GPU, in one run.

    compare_peer.py [--build build] [--peer DIR] [--arch vgg16,resnet50,densenet121,darts] [--precision fp32,bf16]
                    [--rounds 7] [--threads 2] [--batch 16]
    compare_peer.py --device cuda [--precision fp32,tf32,bf16] [--batch 16,64,256] ...

The peer's variants are contiguous and channels_last, BatchNorm folded and not, with frozen weights; its best variant counts.

On the CPU all variants and the engine are started, each makes one step per round, one after the other. Ratios are medians
of the per-round ratios. The peer gets the processor's AVX-512, huge pages and the same threads. Needs PyTorch with a real
BLAS (Debian: libopenblas0-pthread).

On a GPU the peer's variants share a process (peer_series.py), then the engine has the device to itself; times are the
device's own, and TF32 is on in tf32 alone. A batch of 16 g
images is g classes of 16 for the engine, one class for the peer. `best` compares the best batches of both; the authors'
way is one class of 16 images at a time with the gradients of the weights computed and thrown away.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VARIANTS = ("contiguous", "channels_last", "contiguous-folded", "channels_last-folded")
CLASS = 16  # images of a class in a step
TUNABLES = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=17179869184"


class Failed(Exception):
    pass


class Worker:
    def __init__(self, command, environment=None):
        self.command, self.seconds, self.peak = command, [], 0.0
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(environment or {})))
        if self.process.stdout.readline().strip() != "ready":
            self.fail("did not start")

    def step(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().split()
        if len(line) != 2:
            self.fail("ended in the middle")
        seconds, self.peak = map(float, line)
        self.seconds.append(seconds)

    def median(self):
        return statistics.median(self.seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def fail(self, what):
        self.close()
        raise Failed("%s: %s" % (what, " ".join(self.command)))


def variants_of(arch):
    return [v for v in VARIANTS if arch != "vgg16" or "folded" not in v]  # VGG16 has no BatchNorm


def peer_command(args, arch, variant, precision, batch):
    return [args.python, os.path.join(HERE, "peer_worker.py"), arch, variant, "--peer", args.peer, "--precision", precision,
            "--batch", str(batch), "--device", args.device, "--threads", str(args.threads)]


def engine_command(args, arch, precision, batch):
    return [args.engine, "--arch", arch, "--precision", precision, "--batch", str(batch), "--device", args.device,
            "--threads", str(args.threads), "--interactive"]


# ---- CPU ---------------------------------------------------------------------------------------------------------------
def has_avx512():
    with open("/proc/cpuinfo") as info:
        return "avx512f" in info.read()


def compare_on_cpu(args, arch, precision):
    environment = {"GLIBC_TUNABLES": TUNABLES, "OMP_NUM_THREADS": str(args.threads)}
    if has_avx512():  # PyTorch does not take it by itself on every processor, and crashes where it is missing
        environment["ATEN_CPU_CAPABILITY"] = "avx512"
    for batch in args.batch:
        workers = {v: Worker(peer_command(args, arch, v, precision, batch), environment) for v in variants_of(arch)}
        engine = Worker(engine_command(args, arch, precision, batch))
        for _ in range(args.rounds):
            for worker in (*workers.values(), engine):
                worker.step()
        best = min(workers, key=lambda v: workers[v].median())
        ratios = [p / e for p, e in zip(workers[best].seconds, engine.seconds)]
        print("| %s | %s | %s | %.3f | %.3f | %.2f (%.2f-%.2f) | %.2f | %.2f |" % (
            arch, precision, best, workers[best].median(), engine.median(), statistics.median(ratios), min(ratios),
            max(ratios), workers[best].peak, engine.peak), flush=True)
        for worker in (*workers.values(), engine):
            worker.close()


# ---- GPU ---------------------------------------------------------------------------------------------------------------
def peer_rates(args, precision, variants, batches):
    """{(arch, batch): [(samples per second, variant, peak memory)]} of what ran, all of it in one process."""
    command = [args.python, os.path.join(HERE, "peer_series.py"), "--peer", args.peer, "--arch", args.arch, "--variant",
               ",".join(variants), "--precision", precision, "--batch", ",".join(map(str, batches)), "--rounds", str(args.rounds),
               "--threads", str(args.threads)]
    rates = {}
    for line in subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        record = json.loads(line)
        if "error" in record:
            print("compare_peer.py: " + line, file=sys.stderr, flush=True)
            continue
        rate = record["batch"] / statistics.median(record["seconds"])
        rates.setdefault((record["arch"], record["batch"]), []).append((rate, record["variant"], record["gib"]))
    return rates


def engine_rate(args, arch, precision, batch):
    """Samples per second and memory; zeros where the process fails, as it does where the batch does not fit."""
    in_class = min(batch, CLASS)
    command = [args.engine, "--arch", arch, "--precision", precision, "--batch", str(in_class), "--slots", str(batch // in_class),
               "--device", args.device, "--steps", str(args.rounds), "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        print("compare_peer.py: " + done.stderr.strip(), file=sys.stderr, flush=True)
        return 0.0, 0.0
    result = json.loads(done.stdout)
    return result["samples_per_second"], result["gib"]


def print_device_row(arch, precision, batch, peer, engine):
    rate, variant, peak = peer
    ratio = "%.2f" % (engine[0] / rate) if rate and engine[0] else "-"
    print("| %s | %s | %s | %s | %.1f | %.1f | %s | %.2f | %.2f |" % (
        arch, precision, batch, variant, rate, engine[0], ratio, peak, engine[1]), flush=True)


def compare_on_device(args, precision):
    nothing = (0.0, "-", 0.0)
    rates = peer_rates(args, precision, VARIANTS, args.batch)
    authors = peer_rates(args, precision, ["contiguous-trained"], [CLASS])
    for arch in args.arch.split(","):
        peers = {batch: max(rates.get((arch, batch), [nothing])) for batch in args.batch}
        engines = {batch: engine_rate(args, arch, precision, batch) for batch in args.batch}
        for batch in args.batch:
            print_device_row(arch, precision, batch, peers[batch], engines[batch])
        p, e = max(peers, key=peers.get), max(engines, key=engines.get)
        print_device_row(arch, precision, "best (%d, %d)" % (p, e), peers[p], engines[e])
        print_device_row(arch, precision, "the authors' way (%d, %d)" % (CLASS, e), authors.get((arch, CLASS), [nothing])[0],
                         engines[e])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--build", default=os.path.join(HERE, "../build"))
    parser.add_argument("--engine", help="the program bench_step (default: that of the build)")
    parser.add_argument("--peer", default=os.path.join(HERE, "../tests/peer"), help="folder of nad_torch.py")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--arch", default="vgg16,resnet50,densenet121,darts")
    parser.add_argument("--precision", help="default: fp32,bf16, on a GPU fp32,tf32,bf16")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", help="default: 16, on a GPU 16,64,256")
    args = parser.parse_args()
    on_cpu = args.device == "cpu"
    args.engine = args.engine or os.path.join(args.build, "bench/bench_step")
    args.batch = [int(b) for b in (args.batch or ("16" if on_cpu else "16,64,256")).split(",")]
    if on_cpu:
        print("| network | precision | peer's best variant | peer s | engine s | ratio (range) | peer GiB | engine GiB |")
        print("|---|---|---|---|---|---|---|---|")
    else:
        print("| network | precision | batch | peer's best variant | peer samples/s | engine samples/s | engine / peer | peer GiB "
              "| engine GiB |")
        print("|---|---|---|---|---|---|---|---|---|")
    try:
        for precision in (args.precision or ("fp32,bf16" if on_cpu else "fp32,tf32,bf16")).split(","):
            if not on_cpu:
                compare_on_device(args, precision)
                continue
            for arch in args.arch.split(","):
                compare_on_cpu(args, arch, precision)
    except Failed as failure:
        sys.exit("compare_peer.py: " + str(failure))


if __name__ == "__main__":
    main()
