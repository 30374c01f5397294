#!/usr/bin/env python3
"""summary.md from the output folder of scripts/gpu: what ran, what the step takes, the kernels, the comparison, profiles.

    gpu_report.py DIR
"""
import json
import re
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import predictions

# Multiply-adds per image at 224x224 with 1,000 classes: forward, backward to the first gate, and in front of that gate
# (done once for original and gated samples).
MULTIPLY_ADDS = {
    "vgg16": (15470264320, 15383560192, 86704128),
    "resnet50": (4089184256, 3971170304, 118013952),
    "densenet121": (2834161664, 2716147712, 118013952),
    "darts": (529911552, 489268992, 40642560),
}
ROOFS = {"copy": "GB/s", "fma fp32": "TFLOP/s", "mma tf32": "TFLOP/s", "mma bf16": "TFLOP/s"}
DECLINED = "does not cover"  # an algorithm that leaves a layer to others is no failure
LOST = 15  # rows of the table of lost time


def table(title, columns, rows):
    if not rows:
        return ""
    lines = [f"## {title}", "", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n\n"


def lines_of(folder, pattern):
    for path in sorted(folder.glob(pattern)):
        yield from path.read_text(errors="replace").splitlines()


def benchmarks(folder):
    """The rows of every kernels-*.json; of a file that was cut off, those that are whole."""
    for path in sorted(folder.glob("kernels-*.json")):
        for text in re.findall(r"\{[^{}]*\}", path.read_text(errors="replace")):
            try:
                row = json.loads(text)
            except ValueError:
                continue
            if "run_name" in row:
                yield row


def overview(run):
    stages = defaultdict(list)
    for result in run["results"]:
        stages[result["stage"]].append(result)
    rows = []
    for stage, results in stages.items():
        bad = [f"{r['job']}: {r['status']}" for r in results if r["status"] != "ok"]
        rows.append((stage, f"{len(results) - len(bad)} of {len(results)}", f"{sum(r['seconds'] for r in results):.0f}",
                     "; ".join(bad) or "-"))
    return table("What ran", ("stage", "went well", "seconds", "what failed"), rows)


def floor_seconds(step, roofs):
    """Of the arithmetic alone, at the measured rate of mma.sync, which on Hopper is not the fastest way to multiply."""
    peak = {"fp32": "fma fp32", "tf32": "mma tf32", "bf16": "mma bf16"}[step["precision"]]
    if peak not in roofs or step["arch"] not in MULTIPLY_ADDS:
        return 0
    forward, backward, before = MULTIPLY_ADDS[step["arch"]]
    return 2e-12 * (2 * forward - before + backward) * step["batch"] * step["slots"] / roofs[peak]


def floors(step, gpu):
    """Of 256 images in bf16: everything fused, and this design with two bytes a value in memory. Milliseconds."""
    if step["precision"] != "bf16" or step["batch"] * step["slots"] != 256 or step["arch"] not in predictions.FUSED:
        return "-"
    return f"{predictions.FUSED[step['arch']]}; {predictions.text(predictions.TWO_BYTES[step['arch']], gpu)}"


def steps(folder, roofs, gpu):
    found = [json.loads(line) for line in lines_of(folder, "step-*.log") if line.startswith("{")]
    key = lambda s: (s["arch"], s["precision"], s["slots"])
    eager = {key(s): s["seconds"] for s in found if not s["graph"]}
    auto = {key(s): s["seconds"] for s in found if s["graph"] and s["conv"] == "auto"}
    rows = []
    for s in sorted((s for s in found if s["graph"] and s["conv"] == "handwritten"), key=key):
        floor = floor_seconds(s, roofs)
        without, best = eager.get(key(s)), auto.get(key(s))
        rows.append((s["arch"], s["precision"], f"{s['slots']} x {s['batch']}", f"{1e3 * s['seconds']:.3f}",
                     f"{1e3 * without:.3f}" if without else "-", f"{1e3 * best:.3f}" if best else "-",
                     f"{s['samples_per_second']:.0f}",
                     f"{s['seconds'] / floor:.1f}" if floor else "-", floors(s, gpu), s["gib"]))
    return table("A step of gate learning", ("network", "precision", "classes x images", "captured, ms", "eager, ms",
                                             "captured, --conv auto, ms",
                                             "samples/s", "times the arithmetic by mma.sync",
                                             "floors, ms: all fused; this design, 2 bytes", "GiB"), rows)


def profiles(folder):
    text = ""
    for path in sorted(folder.glob("profile-*.log")):
        rows = [re.split(r"\s{2,}", line.strip()) for line in path.read_text(errors="replace").splitlines()[1:]]
        rows = [row for row in rows if len(row) == 4][:10]
        text += table(f"Where {path.stem[8:]}'s eager step spends its time (with the wait for every kernel)",
                      ("op and layer", "calls", "ms", "share"), rows)
    return text


def kernel_name(row):
    """network, op, shape, variant"""
    network, op, rest = row["run_name"].split("/", 2)
    shape, variant = rest.split("/", 1)
    return network, op, shape, re.sub(r"/(iterations:\d+|manual_time)", "", variant)


def kernels(rows):
    groups, failed, lost = defaultdict(list), defaultdict(int), []
    for row in rows:
        network, op, shape, variant = kernel_name(row)
        if row.get("error_occurred"):
            if DECLINED not in row["error_message"]:
                failed[(row["error_message"], variant)] += 1
            continue
        groups[op, variant].append(row)
        lost.append((row["real_time"] * (1 - row["roof%"] / 100), network, op, shape, variant, row))
    summary = [(op, variant, len(group), f"{sum(r['real_time'] for r in group):.3f}",
                f"{statistics.median(r['roof%'] for r in group):.0f}", f"{min(r['roof%'] for r in group):.0f}",
                f"{statistics.median(r['spread%'] for r in group):.1f}") for (op, variant), group in sorted(groups.items())]
    worst = [(network, op, shape, variant, f"{r['real_time']:.3f}", f"{r['GB/s']:.0f}",
              f"{r['TFLOP/s']:.1f}" if "TFLOP/s" in r else "-", f"{r['roof%']:.0f}")
             for _, network, op, shape, variant, r in sorted(lost, key=lambda entry: -entry[0])[:LOST]]
    return (table("Kernels, all layers and batches", ("op", "variant", "layers", "sum, ms", "median % of the roof", "lowest",
                                                      "spread %"), summary)
            + table("Where most time is left above the roof", ("network", "op", "layer", "variant", "ms", "GB/s", "TFLOP/s",
                                                               "% of the roof"), worst)
            + table("Kernels that failed", ("error", "variant", "layers"), [(*key, n) for key, n in failed.items()]))


def choices(rows):
    """Of several variants in one precision: how often each is the fastest, and how much the fastest saves."""
    cases = defaultdict(dict)
    for row in rows:
        if not row.get("error_occurred"):
            network, op, shape, variant = kernel_name(row)
            cases[network, op, shape, variant.split()[-1]][variant] = row["real_time"]
    wins, sums = defaultdict(int), defaultdict(float)
    for (_, op, _, precision), times in cases.items():
        if len(times) < 2:
            continue
        wins[op, precision, min(times, key=times.get)] += 1
        sums[op, precision, "fastest"] += min(times.values())
        for variant, time in times.items():
            sums[op, precision, variant] += time
    shown = [(op, precision, variant, wins.get((op, precision, variant), "-"), f"{time:.3f}")
             for (op, precision, variant), time in sorted(sums.items())]
    return table("Variants side by side, over the layers that several cover",
                 ("op", "precision", "variant", "fastest on", "sum, ms"), shown)


def against_libraries(rows):
    """Hand-written kernels beside cuDNN's and cuBLAS's, on the layers that make up 90 % of the hand-written time."""
    groups = defaultdict(dict)
    for row in rows:
        if not row.get("error_occurred"):
            network, op, shape, variant = kernel_name(row)
            name, precision = variant.rsplit(" ", 1)
            groups[op, precision].setdefault((network, shape), {})[name] = row["real_time"]
    shown = []
    for (op, precision), layers in sorted(groups.items()):
        layers = sorted((t for t in layers.values() if {"cuda", "cuda/cudnn"} <= t.keys()), key=lambda t: -t["cuda"])
        total, share, most = sum(t["cuda"] for t in layers), 0, []
        for t in layers:
            if share < 0.9 * total:
                most.append(t)
            share += t["cuda"]
        if not most:
            continue
        speeds = [100 * t["cuda/cudnn"] / t["cuda"] for t in most]
        alone = [100 * t["cuda/cudnn-alone"] / t["cuda"] for t in most if "cuda/cudnn-alone" in t]
        excess = [100 * (t["cuda/auto"] / min(t["cuda"], t["cuda/cudnn"]) - 1) for t in layers if "cuda/auto" in t]
        shown.append((op, precision, f"{len(most)} of {len(layers)}", f"{statistics.median(speeds):.0f}", f"{min(speeds):.0f}",
                      f"{sum(s >= 70 for s in speeds)} of {len(speeds)}",
                      f"{statistics.median(alone):.0f}" if alone else "-", f"{max(excess):.1f}" if excess else "-"))
    return table("Hand-written beside cuDNN and cuBLAS, on the layers that make up 90 % of the time",
                 ("op", "precision", "layers", "median % of the library's speed", "lowest", "at 70 % or more",
                  "median % of the library's run without packing and finishing", "auto above the faster at most, %"), shown)


def pasted(folder, title, pattern):
    """Markdown tables that programs printed, one header for all."""
    lines = [line for line in lines_of(folder, pattern) if line.startswith("|")]
    return f"## {title}\n\n" + "\n".join(dict.fromkeys(lines)) + "\n\n" if lines else ""


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    run = json.loads((folder / "run.json").read_text())
    rows = list(benchmarks(folder))
    measured = [row for row in rows if row["run_name"].startswith("roof/") and not row.get("error_occurred")]
    roofs = {}
    for row in measured:
        name = row["run_name"].split("/")[1]
        roofs[name] = max(roofs.get(name, 0), row[ROOFS[name]])
    rows = [row for row in rows if not row["run_name"].startswith("roof/")]
    text = f"# {run['gpu']}\n\n" + overview(run)
    text += table("Measured ceilings", ("what", "rate", "unit"), [(k, f"{v:.1f}", ROOFS[k]) for k, v in roofs.items()])
    text += steps(folder, roofs, run["gpu"]) + profiles(folder) + kernels(rows) + choices(rows) + against_libraries(rows)
    text += pasted(folder, "Against PyTorch on the same GPU", "peer-*.log")
    text += pasted(folder, "The five most expensive kernels of a step (Nsight Compute)", "ncu-*.log")
    (folder / "summary.md").write_text(text)


if __name__ == "__main__":
    main()
