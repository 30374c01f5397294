"""Programs that stand in for those of the device, and what can be wrong with them."""
import os
import shlex
import sys
from pathlib import Path

from . import plan

FAULTS = {  # what is wrong: jobs that it stops, and a word that their status must name
    "hang": {"step-vgg16-captured": "stopped at its limit", "step-vgg16-one-class": "stopped at its limit"},
    "crash": {"device_cuda_ops": "SIGSEGV"},
    "ncu": {"ncu-permission": "ERR_NVGPUCTRPERM", **{f"ncu-{a}": "ERR_NVGPUCTRPERM" for a in plan.NETWORKS}},
    "torch": {"python": "No module named 'torch'", "peer": "No module named 'torch'", "distances": "No module named 'torch'"},
}
# Seconds that a program may take on a device, as a guess; the pace scales them.
TAKES = {"backend": 5, "device": 60, "replay": 8, "sanitizer": 100, "step": 4, "profile": 6, "ncu": 35, "kernels": 25, "peer": 100}

HEAD = "#!/bin/sh\nwait_for() { sleep %s; }\n"

BENCH_STEP = """
[ "$1" != --help ] || exit 0
arch=darts precisions=fp32 slots=1 graph=true conv=handwritten augment=false profile=
while [ $# -gt 0 ]; do
  case "$1" in
    --arch) arch=$2 ;; --precision) precisions=$2 ;; --slots) slots=$2 ;; --conv) conv=$2 ;;
    --no-graph) graph=false ;; --augment) augment=true ;; --profile) profile=1 ;;
  esac
  shift
done
[ $graph$conv$augment$arch$profile != truehandwrittenfalsevgg16 ] || { %s }
if [ $profile ]; then
  echo 'op                                            calls         ms   share'
  echo 'conv2d layer1.0.conv2                              1       1.50   60.0%%'
  echo 'conv2d backward layer1.0.conv2                     1       1.00   40.0%%'
  wait_for %s
  exit
fi
for precision in $(echo $precisions | tr , ' '); do
  for count in $(echo $slots | tr , ' '); do
    echo '{"arch": "'$arch'", "precision": "'$precision'", "slots": '$count', "batch": 16, "graph": '$graph', "conv": "'$conv'", '\\
      '"augment": '$augment', "seconds": 0.05, "minimum": 0.05, "samples_per_second": 5120.0, "gib": 9.1, "device": "stand-in"}'
  done
done
wait_for %s
"""
# It ignores the request to end, and so does a child of it in a session of its own.
HANG = """trap '' TERM; setsid sh -c "trap '' TERM; while :; do sleep 1; done" & while :; do sleep 1; done;"""

BENCH_KERNELS = """
for option; do case "$option" in --benchmark_out=*) out=${option#*=} ;; esac; done
wait_for %s
cat > $out <<'JSON'
{"benchmarks": [
  {"run_name": "roof/copy/iterations:1/manual_time", "GB/s": 3000.0},
  {"run_name": "roof/mma bf16/iterations:1/manual_time", "TFLOP/s": 500.0},
  {"run_name": "vgg16/conv2d/3x3/cuda bf16/iterations:1/manual_time", "real_time": 2.0, "roof%%": 50, "spread%%": 1, "GB/s": 100},
  {"run_name": "vgg16/conv2d/3x3/cuda/cudnn bf16/iterations:1/manual_time", "real_time": 1.5, "roof%%": 66, "spread%%": 1, "GB/s": 130},
  {"run_name": "vgg16/conv2d/3x3/cuda/cudnn-alone bf16/iterations:1/manual_time", "real_time": 1.0, "roof%%": 99, "spread%%": 1, "GB/s": 200}
]}
JSON
"""

NAD_REPLAY = """
while [ $# -gt 0 ]; do [ "$1" != --out ] || out=$2; shift; done
wait_for %s
echo stand-in > $out
"""

REPLAY_ON_CPU = """
case=$1 && shift
while [ $# -gt 0 ]; do case "$1" in --out) out=$2 ;; --precision) precision=$2 ;; esac; shift; done
exec %s $case --out $out --device cpu --threads 2 --precision $(echo $precision | sed s/tf32/fp32/)
"""

NCU = """
wait_for %s
while [ $# -gt 0 ]; do [ "$1" != --log-file ] || log=$2; shift; done
cat > $log <<'CSV'
"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","void nad::conv2d_gemm_kernel<1>(int)","gpu__time_duration.sum","usecond","1,234.5"
"0","void nad::conv2d_gemm_kernel<1>(int)","dram__throughput.avg.pct_of_peak_sustained_elapsed","%%","61.5"
CSV
"""
NCU_REFUSES = """
while [ $# -gt 0 ]; do [ "$1" != --log-file ] || log=$2; shift; done
echo '==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU Performance Counters' > $log
exit 1
"""

# The machine's Python: with PyTorch, or without. Whatever needs none of it runs on the real one.
PYTHON = """
case "$*" in
  *peer_series.py*) %s
    while [ $# -gt 0 ]; do [ "$1" != --out ] || out=$2; shift; done
    for arch in vgg16 resnet50 densenet121 darts; do
      for compiled in false true; do
        echo '{"arch": "'$arch'", "variant": "channels_last-folded", "precision": "bf16", "batch": 256, "compiled": '$compiled', '\\
          '"seconds": [0.1, 0.11, 0.09], "gib": 20.0}' >> $out
      done
    done
    wait_for %s ;;
  *'import sys, torch'*) %s echo '3.12.3 2.11.0 3.16.0 stand-in 64.0' ;;
  *distances.py*) %s echo '| vgg16 | fp32 | 1.0e-05 | 1.0e-07 | 1.0e-04 | 1.0e-06 | 0 of 4224 | yes |' ;;
  *) exec %s "$@" ;;
esac
"""
NO_TORCH = "echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1;"


def put(path, body, *values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text((HEAD % ('"$1"')) + (body % values if values else body))
    path.chmod(0o755)


def model(path, program, options):
    """A program of this build in the place of the device's: on the model of the GPU, with sizes that it can bear."""
    put(path, f"[ \"$1\" != --help ] || exit 0\nexec {shlex.quote(str(program))} {options}\n")


def write(tree, tools, faults, pace, build=None):
    """Into tree/bin and the folder of tools. pace: of TAKES. build: a build whose programs take the place of some."""
    takes = {name: f"{seconds * pace:.3f}" for name, seconds in TAKES.items()}
    binaries = tree / "bin"
    missing = NO_TORCH if "torch" in faults else ""
    put(binaries / "bench_step", BENCH_STEP, HANG if "hang" in faults else ":;", takes["profile"], takes["step"])
    put(binaries / "bench_kernels", BENCH_KERNELS, takes["kernels"])
    put(binaries / "nad_replay", NAD_REPLAY, takes["replay"])
    for test in (*plan.DEVICE_TESTS, "bench"):
        crash = "kill -SEGV $$;" if test == "ops" and "crash" in faults else ""
        time = {"bench": "0", "backend": takes["backend"]}.get(test, takes["device"])
        put(binaries / ("device_cuda_" + test), f"wait_for {time}; {crash} echo 'Status: SUCCESS!'\n")
    put(tools / "nvidia-smi", "echo 'stand-in for an H100, 580.1, 81559 MiB, 1980 MHz, 700 W, 9.0'\n")
    put(tools / "compute-sanitizer", f"case \"$*\" in *--version*) ;; *) wait_for {takes['sanitizer']} ;; esac\n")
    put(tools / "ncu", NCU_REFUSES if "ncu" in faults else NCU % f"{float(takes['ncu']) / 2:.3f}")
    put(tools / "python3", PYTHON, missing, takes["peer"], missing, missing, shlex.quote(sys.executable))
    if build:
        build = Path(build).resolve()
        model(binaries / "bench_step", build / "tests/bench_step_model",
              "--device cuda --arch darts --size 32 --classes 10 --batch 1 --steps 1 --together 1 --warm-ups 0 --precision bf16 --json")
        model(binaries / "bench_kernels", build / "tests/bench_kernels_model",
              '--device cuda --batch 1 --runs 1 --benchmark_filter="^roof/|darts/gate_" --benchmark_out_format=json '
              '"$(for o; do case $o in --benchmark_out=*) echo $o ;; esac; done)"')
        for test in ("backend", "bench", "augment"):
            model(binaries / ("device_cuda_" + test), build / "tests" / ("test_cuda_" + test), '"$@"')
        put(binaries / "nad_replay", REPLAY_ON_CPU % shlex.quote(str(build / "nad_replay")))
        exact = os.environ.get("NAD_PYTHON", "/usr/bin/python3")
        put(tools / "python3", f'case "$*" in *distances.py*) exec {exact} "$@" ;; esac\n'
            + PYTHON % (missing, takes["peer"], missing, missing, shlex.quote(sys.executable)))
