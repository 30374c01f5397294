#!/usr/bin/env python3
"""The five kernels that a step of gate learning spends most of its time in, each looked at by Nsight Compute.

    profile_kernels.py BENCH_STEP [its options]

First every launch of the eager step is timed (one metric, so each runs once); then, for the five kernels with the largest
sums, the longest launch is measured in full. Prints a Markdown table. Needs ncu on PATH and permission to read the GPU's
counters; leaves its clocks as they are.
"""
import csv
import os
import subprocess
import sys
import tempfile
from collections import defaultdict

TIME = "gpu__time_duration.sum"
COLUMNS = {  # metric: title
    TIME: "us",
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "compute %",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "DRAM %",
    "lts__t_sector_hit_rate.pct": "L2 hits %",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "warps %",
    "launch__registers_per_thread": "registers",
    "launch__grid_size": "blocks",
    "launch__block_size": "threads",
}
MICROSECONDS = {"nsecond": 1e-3, "ns": 1e-3, "usecond": 1, "us": 1, "msecond": 1e3, "ms": 1e3, "second": 1e6, "s": 1e6}


def measure(command, metrics, options=()):
    """[(id, kernel, {metric: number})] in the order of the launches; times in microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "ncu.csv")
        done = subprocess.run(["ncu", "--csv", "--log-file", log, "--clock-control", "none", "--metrics", ",".join(metrics),
                               *options, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        lines = open(log).read().splitlines() if os.path.exists(log) else []
    rows = list(csv.DictReader(line for line in lines if line.startswith('"')))
    if done.returncode or not rows:
        notes = [line for line in lines if "ERROR" in line] or done.stderr.splitlines() or ["no kernel was seen"]
        sys.exit(f"profile_kernels.py: ncu ended with {done.returncode}: {notes[0]}")
    launches = {}
    for row in rows:
        values = launches.setdefault(int(row["ID"]), (row["Kernel Name"], {}))[1]
        number = float(row["Metric Value"].replace(",", ""))
        values[row["Metric Name"]] = number * MICROSECONDS.get(row["Metric Unit"], 1)
    return [(number, *launches[number]) for number in sorted(launches)]


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    command = [*sys.argv[1:], "--device", "cuda", "--no-graph", "--steps", "1", "--together", "1"]
    sums, longest = defaultdict(float), {}
    for number, kernel, values in measure(command, [TIME]):
        sums[kernel] += values[TIME]
        longest[kernel] = max(longest.get(kernel, (0, 0)), (values[TIME], number))
    total = sum(sums.values())
    print("| kernel | share of the time % | " + " | ".join(COLUMNS.values()) + " |")
    print("|---" * (2 + len(COLUMNS)) + "|")
    for kernel in sorted(sums, key=sums.get, reverse=True)[:5]:
        _, _, values = measure(command, list(COLUMNS), ["--launch-skip", str(longest[kernel][1]), "--launch-count", "1"])[0]
        numbers = " | ".join(f"{values[metric]:.4g}" if metric in values else "-" for metric in COLUMNS)
        print(f"| {kernel.split('(')[0]} | {100 * sums[kernel] / total:.1f} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
