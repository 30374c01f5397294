#!/usr/bin/env python3
"""scripts/gpu and what it is made of, without a GPU: the benchmarks on the model of the GPU, the report from their
output, the commands, and stages that fail, with programs that stand in for the real ones."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
MODELS = Path(os.environ.get("NAD_RUN_MODEL", SOURCE / "build" / "tests" / "nad_run_model")).parent
SMI = "#!/bin/sh\necho 'Model GPU, 580.1, 80000 MiB, 1980 MHz, 700 W, 9.0'\n"
# A step as bench_step prints it, a layer's row as bench_step --profile prints it.
STEP = """#!/bin/sh
case "$*" in
  *--profile*) echo 'op calls ms share'; echo 'conv2d  3  1.5  60.0%' ;;
  *--no-graph*) echo '{"arch": "darts", "precision": "bf16", "slots": 16, "batch": 16, "graph": false, "conv": "handwritten", "seconds": 0.03, "samples_per_second": 8533, "gib": 9.1}' ;;
  *"--conv auto"*) echo '{"arch": "darts", "precision": "bf16", "slots": 16, "batch": 16, "graph": true, "conv": "auto", "seconds": 0.015, "samples_per_second": 17066, "gib": 9.1}' ;;
  *) echo '{"arch": "darts", "precision": "bf16", "slots": 16, "batch": 16, "graph": true, "conv": "handwritten", "seconds": 0.02, "samples_per_second": 12800, "gib": 9.1}' ;;
esac
"""


def gpu(*args, path=None):
    return subprocess.run([sys.executable, str(SOURCE / "scripts" / "gpu"), *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=120, env=dict(os.environ, PATH=path or os.environ["PATH"]))


class Gpu(unittest.TestCase):
    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="nad_gpu_"))
        self.addCleanup(shutil.rmtree, self.dir)

    def put(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def bare_path(self):
        """Without nvidia-smi, wherever it may be here."""
        tools = self.dir / "tools"
        tools.mkdir()
        for tool in ("bash", "env", "sh"):
            (tools / tool).symlink_to(shutil.which(tool))
        return str(tools)

    def test_without_a_gpu(self):
        done = gpu("--out", self.dir / "out", path=self.bare_path())
        self.assertEqual(done.returncode, 4)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertIn("no NVIDIA GPU", done.stderr)
        self.assertFalse((self.dir / "out").exists())

    def test_wrong_usage(self):
        for args, text in ((["--only", "tests,nonsense", "--dry-run"], "stage nonsense is unknown"),
                           (["--limit", "tests", "--dry-run"], "expected STAGE=SECONDS"), ([], "--out DIR is missing")):
            done = gpu(*args)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(text, done.stderr)

    def test_the_commands_name_programs_and_tests_that_exist(self):
        done = gpu("--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        for stage in ("build", "tests", "sanitizer", "step", "kernels", "peer", "ncu"):
            self.assertIn("# " + stage, done.stdout)
        sources = {p.stem for folder in ("tests", "bench") for p in (SOURCE / folder).glob("*.cpp")}
        programs = {Path(word).name for line in done.stdout.splitlines() for word in line.split()
                    if "build-cuda/" in word}
        self.assertGreaterEqual(len(programs), 8)
        for program in programs:
            self.assertIn(program.replace("device_", "test_"), sources)
        for tool in ("memcheck", "racecheck", "initcheck"):
            self.assertIn("compute-sanitizer --tool " + tool, done.stdout)

    def test_a_stage_that_fails_stops_nothing_and_is_told(self):
        built, out = self.dir / "built", self.dir / "out"
        path = self.bare_path()
        self.put(Path(path) / "nvidia-smi", SMI)
        self.put(built / "bin" / "bench_step", STEP)
        names = [p.stem.replace("test_", "device_", 1) for p in (SOURCE / "tests").glob("test_cuda_*.cpp")]
        for name in [*names, "test_ops"]:
            self.put(built / "bin" / name, "#!/bin/sh\nexit %d\n" % (name == "device_cuda_ops"))
        done = gpu("--out", out, "--prebuilt", built, "--only", "tests,step", path=path)
        self.assertEqual(done.returncode, 1, done.stderr)
        summary = (out / "summary.md").read_text()
        self.assertIn("Model GPU", summary)
        self.assertIn("| tests | %d of %d |" % (len(names), len(names) + 1), summary)
        self.assertIn("device_cuda_ops: exit code 1", summary)
        self.assertIn("| darts | bf16 | 16 x 16 | 20.000 | 30.000 | 15.000 | 12800 |", summary)
        self.assertIn("| conv2d | 3 | 1.5 | 60.0% |", summary)

    def test_the_report_compares_with_the_libraries(self):
        def row(layer, variant, time):
            return {"run_name": "vgg16/conv2d/%s/%s/manual_time" % (layer, variant), "real_time": time, "roof%": 50, "spread%": 1,
                    "GB/s": 100}
        # hand-written, cuDNN, auto, cuDNN alone
        times = {"a": (8, 6, 6.06, 4), "b": (4, 2, 2, 1.5), "c": (0.1, 0.2, 0.1, 0.1)}
        rows = [row(layer, name + " bf16", t) for layer, each in times.items()
                for name, t in zip(("cuda", "cuda/cudnn", "cuda/auto", "cuda/cudnn-alone"), each)]
        (self.dir / "run.json").write_text(json.dumps({"gpu": "Model GPU", "results": []}))
        (self.dir / "kernels-vgg16.json").write_text(json.dumps({"benchmarks": rows}, indent=1))
        subprocess.run([sys.executable, str(SOURCE / "bench" / "gpu_report.py"), str(self.dir)], check=True, timeout=60)
        # c is beyond 90 % of the time; a reaches 75 % of cuDNN's speed, b 50 %; auto loses 1 % on a.
        self.assertIn("| conv2d | bf16 | 2 of 3 | 62 | 50 | 1 of 2 | 44 | 1.0 |", (self.dir / "summary.md").read_text())

    def test_a_stage_that_hangs_is_stopped(self):
        built, out = self.dir / "built", self.dir / "out"
        path = self.bare_path()
        (Path(path) / "sleep").symlink_to(shutil.which("sleep"))
        self.put(Path(path) / "nvidia-smi", SMI)
        self.put(built / "bin" / "bench_step", "#!/bin/sh\nsleep 60\n")
        done = gpu("--out", out, "--prebuilt", built, "--only", "step", "--limit", "step=1", path=path)
        self.assertEqual(done.returncode, 1)
        self.assertIn("stopped after 1 s", (out / "summary.md").read_text())
        self.assertIn("not started", (out / "summary.md").read_text())

    def test_the_comparison_with_the_peer(self):
        worker = "echo ready; while read line; do echo '%s 1.5'; done"
        series = "\n".join(
            """echo '{"arch": "darts", "variant": "%s", "precision": "bf16", "batch": %d, "seconds": [%g], "gib": 2.0}'""" % row
            for row in (("channels_last", 16, 0.02), ("channels_last-folded", 16, 0.01), ("channels_last", 256, 0.1)))
        self.put(self.dir / "python", f'#!/bin/sh\ncase "$*" in\n*peer_series*contiguous-trained*)\n'
                 """echo '{"arch": "darts", "variant": "contiguous-trained", "batch": 16, "error": "no room"}' ;;\n"""
                 f"*peer_series*)\n{series}\n;;\n*) {worker % 0.4} ;;\nesac\n")
        self.put(self.dir / "engine", '#!/bin/sh\ncase "$*" in *--interactive*) ' + worker % 0.2 + " ;; *'--slots 16'*) r=5000 ;; *) r=800 ;;"
                 """ esac\necho '{"samples_per_second": '$r', "gib": 3.0}'\n""")

        def compare(*args):
            done = subprocess.run([sys.executable, str(SOURCE / "bench/compare_peer.py"), "--python", str(self.dir / "python"), "--engine",
                                   str(self.dir / "engine"), "--arch", "darts", "--precision", "bf16", "--rounds", "2", *args],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done
        self.assertIn("| darts | bf16 | contiguous | 0.400 | 0.200 | 2.00 (2.00-2.00) | 1.50 | 1.50 |", compare().stdout)
        done = compare("--device", "cuda", "--batch", "16,256")
        self.assertIn("| darts | bf16 | 16 | channels_last-folded | 1600.0 | 800.0 | 0.50 | 2.00 | 3.00 |", done.stdout)
        self.assertIn("| darts | bf16 | best (256, 256) | channels_last | 2560.0 | 5000.0 | 1.95 | 2.00 | 3.00 |", done.stdout)
        self.assertIn("| the authors' way (16, 256) | - | 0.0 | 5000.0 | - |", done.stdout)
        self.assertIn("no room", done.stderr)

    def test_the_ladder_on_a_device(self):
        def ladder(*args):
            return subprocess.run([MODELS / "bench_ladder_model", "--seconds", "0", "--size", "4", "--in", "3", "--out", "5", *args],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        done = ladder("--device", "cuda")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("cuda:0", lines[0])
        self.assertEqual([line.split()[0] for line in lines[1:]], ["naive", "tiled", "tensor", "engine", "engine"])
        self.assertTrue(lines[-2].endswith("fp32") and lines[-1].endswith("bf16"), lines)
        for name, code, text in (("cuda:3", 4, "this machine has 1 CUDA device"), ("reference", 2, "expected cpu, cuda or cuda:I")):
            done = ladder("--device", name)
            self.assertEqual(done.returncode, code)
            self.assertEqual(done.stderr.count("\n"), 1)
            self.assertIn(text, done.stderr)

    def test_kernel_benchmarks_and_their_report(self):
        program = MODELS / "bench_kernels_model"
        if not program.exists():
            self.skipTest("Google Benchmark is not installed: bench_kernels is not built")
        listed = subprocess.run([program, "--device", "cuda", "--batch", "1", "--benchmark_list_tests"],
                                stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
        for op in ("conv2d", "conv2d_backward", "linear", "linear_backward", "pointwise", "gate", "epilogue_backward",
                   "max_pool", "avg_pool", "adaptive_pool", "classify", "softmax_loss", "gate_values", "gate_noise",
                   "gate_statistics", "gate_update", "batch_norm"):
            self.assertIn("densenet121/%s/" % op, listed)
        result = self.dir / "kernels-darts.json"
        subprocess.run([program, "--device", "cuda", "--batch", "1", "--benchmark_filter=^(roof/|darts/gate_)",
                        "--benchmark_out_format=json", "--benchmark_out=" + str(result)], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True, timeout=120)
        libraries = subprocess.run([program, "--device", "cuda", "--batch", "1", "--runs", "1",
                                    "--benchmark_filter=^darts/linear/.*cuda"], stdout=subprocess.PIPE, check=True, text=True,
                                   stderr=subprocess.DEVNULL, timeout=120).stdout
        for variant in ("cuda bf16", "cuda/cudnn tf32", "cuda/auto fp32"):
            self.assertIn(variant, libraries)
        (self.dir / "run.json").write_text(json.dumps({"gpu": "Model GPU", "results": []}))
        subprocess.run([sys.executable, str(SOURCE / "bench" / "gpu_report.py"), str(self.dir)], check=True, timeout=60)
        summary = (self.dir / "summary.md").read_text()
        for text in ("## Measured ceilings", "| mma bf16 |", "| copy |", "## Kernels, all layers", "gate_update"):
            self.assertIn(text, summary)


if __name__ == "__main__":
    unittest.main()
