"""What runs in the two calls, in order of value. Seconds are of the machine's clock and add up to the call."""
from dataclasses import dataclass

from .jobs import Job

NETWORKS = ("vgg16", "resnet50", "densenet121", "darts")
SMOKE_SECONDS, MAIN_SECONDS = 45, 540  # of a whole call
MARGIN = 20  # of the main call, between the last job and its end
SMOKE_MARGIN = 5
CASES = "tests/golden"  # its four networks of full width at 224x224
DEVICE_TESTS = ("conv2d", "ops", "learner", "vendor", "augment", "backend", "gated_forward", "ladder")
SANITIZED = {  # small shapes: a sanitizer is up to a hundred times slower
    "conv2d": ("device_cuda_conv2d", "every way*"),
    "ops": ("device_cuda_ops", "*equal the reference"),
    "learner": ("device_cuda_learner", "the captured step*"),
}
# The convolutions and linear layers in bf16, everything else as it is.
KERNELS = r"^roof/|/cuda(/cudnn(-alone)?)? bf16|/(pointwise|gate|epilogue_backward|max_pool|avg_pool)[a-z_]*/.*/cuda fp32"
PROBE = "import sys, torch, h5py; print(sys.version.split()[0], torch.__version__, h5py.__version__, " \
        "torch.cuda.get_device_name(0), float(torch.ones(8, 8, device='cuda').sum()))"


@dataclass
class Stage:
    name: str
    seconds: float
    width: int  # jobs side by side
    jobs: list


def device_test(machine, name):
    program = "device_cuda_" + name
    return Job(program, [machine.program(program), "--duration=true", "--no-colors=true"], environment={"OMP_NUM_THREADS": "4"})


def sanitizer(machine, tool, what):
    program, cases = SANITIZED[what]
    return Job(f"{tool}-{what}", [machine.tool("compute-sanitizer"), "--tool", tool, "--error-exitcode", "9",
                                  machine.program(program), "--test-case=" + cases], environment={"OMP_NUM_THREADS": "2"})


def step(machine, arch, name, *options):
    return Job(f"step-{arch}-{name}", [machine.program("bench_step"), "--arch", arch, "--device", "cuda", "--steps", "3",
                                       "--together", "3", "--json", *options], limit=15)


def replay(machine, arch, precision):
    return Job(f"replay-{arch}-{precision}",
               [machine.program("nad_replay"), f"{CASES}/{arch}.h5", "--out", f"{{out}}/replay-{arch}-{precision}.h5",
                "--device", "cuda", "--precision", precision], limit=40, environment={"OMP_NUM_THREADS": "4"})


def profile(machine, arch, conv):
    return Job(f"profile-{arch}-{conv}",
               [machine.program("bench_step"), "--arch", arch, "--device", "cuda", "--profile", "--every", "--steps", "3",
                "--warm-ups", "1", "--precision", "bf16", "--slots", "16", "--conv", conv], limit=20)


def ncu(machine, arch):
    """ncu runs the program, so the script gets the machine's environment and hands the libraries on to the program."""
    return Job(f"ncu-{arch}", [machine.python(), "bench/profile_kernels.py", "--ncu", machine.tool("ncu"), "--libraries",
                               machine.staged["LD_LIBRARY_PATH"], machine.program("bench_step"), "--arch", arch,
                               "--slots", "16", "--precision", "bf16"], own=True, limit=45)


def smoke(machine):
    tiny = ["--arch", "darts", "--size", "64", "--classes", "10", "--batch", "1"]
    jobs = [
        device_test(machine, "backend"),
        step(machine, "darts", "smoke", "--precision", "bf16", "--slots", "16"),
        Job("python", [machine.python(), "-c", PROBE], own=True),
        Job("ncu-permission", [machine.python(), "bench/profile_kernels.py", "--ncu", machine.tool("ncu"), "--libraries",
                               machine.staged["LD_LIBRARY_PATH"], "--try", machine.program("bench_step"), *tiny], own=True),
        Job("sanitizer-version", [machine.tool("compute-sanitizer"), "--version"], own=True),
    ]
    return [Stage("smoke", SMOKE_SECONDS - SMOKE_MARGIN, len(jobs), jobs)]


def main(machine):
    peer = [machine.python(), "bench/peer_series.py", "--peer", "tests/peer", "--precision", "bf16", "--batch", "256",
            "--rounds", "3", "--compile", "--out", "{out}/peer.jsonl"]
    kernels = [machine.program("bench_kernels"), "--device", "cuda", "--batch", "256", "--most", "8", "--runs", "7",
               "--benchmark_filter=" + KERNELS, "--benchmark_out_format=json", "--benchmark_out={out}/kernels-256.json"]
    compare = [machine.python(), "bench/lease/distances.py", "{out}", CASES]
    return [
        Stage("tests", 110, 12, [device_test(machine, t) for t in DEVICE_TESTS]
              + [sanitizer(machine, "memcheck", "conv2d"), sanitizer(machine, "memcheck", "ops"),
                 sanitizer(machine, "racecheck", "conv2d")]
              + [replay(machine, arch, p) for p in ("fp32", "bf16", "tf32") for arch in NETWORKS]),
        Stage("timing", 5, 1, [device_test(machine, "bench")]),
        Stage("steps", 75, 1,
              [step(machine, a, "captured", "--precision", "bf16,tf32", "--slots", "16") for a in NETWORKS]
              + [step(machine, a, "augmented", "--precision", "bf16", "--slots", "16", "--augment") for a in NETWORKS]
              + [step(machine, a, "one-class", "--precision", "bf16,fp32", "--slots", "1") for a in NETWORKS]
              + [step(machine, a, "eager", "--precision", "bf16", "--slots", "1,16", "--no-graph") for a in NETWORKS]),
        Stage("peer", 110, 1, [Job("peer", peer, own=True)]),
        Stage("profile", 55, 1, [profile(machine, a, conv) for conv in ("handwritten", "cudnn") for a in NETWORKS]),
        Stage("ncu", 85, 1, [ncu(machine, a) for a in ("resnet50", "vgg16", "densenet121", "darts")]),
        Stage("kernels", 40, 1, [Job("kernels", kernels)]),
        Stage("rest", MAIN_SECONDS - MARGIN - 480, 4,
              [Job("distances", compare, own=True), sanitizer(machine, "initcheck", "conv2d"),
               sanitizer(machine, "initcheck", "ops"), sanitizer(machine, "memcheck", "learner")]),
    ]
