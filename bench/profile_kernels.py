#!/usr/bin/env python3
"""The five kernels that a step of gate learning spends most of its time in, each looked at by Nsight Compute.

    profile_kernels.py [--ncu NCU] [--libraries FOLDERS] [--try] BENCH_STEP [its options]

Two runs under ncu: one times every launch of the eager step (a single counter, so each runs once); the other takes all
counters of one launch of every shape of the five kernels with the largest sums, of which the longest is shown. Prints a
Markdown table. Needs permission to read the GPU's counters; leaves its clocks as they are. --libraries: LD_LIBRARY_PATH of
the program, which ncu itself does not get. --try: one launch is timed, to see whether it works at all.
"""
import argparse
import csv
import os
import re
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


class Failed(Exception):
    pass


def measure(ncu, command, metrics, options=()):
    """[(kernel, {metric: number})] in the order of the launches; times in microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "ncu.csv")
        done = subprocess.run([ncu, "--csv", "--log-file", log, "--clock-control", "none", "--profile-from-start", "off",
                               "--target-processes", "all",
                               "--metrics", ",".join(metrics), *options, *command],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        lines = open(log).read().splitlines() if os.path.exists(log) else []
    rows = list(csv.DictReader(line for line in lines if line.startswith('"')))
    if done.returncode or not rows:
        notes = [line for line in lines if "ERROR" in line] or done.stderr.splitlines() or ["no kernel was seen"]
        raise Failed(f"ncu ended with {done.returncode}: {notes[0]}")
    launches = {}
    for row in rows:
        values = launches.setdefault(int(row["ID"]), (row["Kernel Name"], {}))[1]
        try:
            number = float(row["Metric Value"].replace(",", ""))
        except ValueError:
            continue  # n/a
        values[row["Metric Name"]] = number * MICROSECONDS.get(row["Metric Unit"], 1)
    return [launches[number] for number in sorted(launches)]


def short(kernel):
    """void nad::(anonymous namespace)::f<A, 2>(Args...) -> f<A, 2>"""
    text = re.sub(r"\([a-z]+ namespace\)::|<unnamed>::|\(anonymous\)::", "", kernel).partition("(")[0]
    return re.sub(r"^void |\b\w+::(?=\w)", "", text)


def function(kernel):
    return short(kernel).partition("<")[0]


def table(ncu, command):
    sums = defaultdict(float)
    for kernel, values in measure(ncu, command, [TIME]):
        sums[kernel] += values.get(TIME, 0)
    top, total = sorted(sums, key=sums.get, reverse=True)[:5], sum(sums.values())
    yield "| kernel | share of the time % | " + " | ".join(COLUMNS.values()) + " |"
    yield "|---" * (2 + len(COLUMNS)) + "|"
    names = "|".join(sorted({re.escape(function(kernel)) for kernel in top}))
    longest = {}
    try:
        for kernel, values in measure(ncu, command, list(COLUMNS), ["--kernel-name-base", "function", "--kernel-name", f"regex:^({names})$",
                                                                    "--filter-mode", "per-launch-config", "--launch-count", "1"]):
            if values.get(TIME, 0) >= longest.get(kernel, {}).get(TIME, 0):
                longest[kernel] = values
    except Failed as failure:
        print(f"profile_kernels.py: times alone: {failure}", file=sys.stderr)
    for kernel in top:
        values = longest.get(kernel, {})
        numbers = " | ".join(f"{values[metric]:.4g}" if metric in values else "-" for metric in COLUMNS)
        yield f"| {short(kernel)} | {100 * sums[kernel] / total:.1f} | {numbers} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ncu", default="ncu")
    parser.add_argument("--libraries")
    parser.add_argument("--try", dest="only_try", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if not args.command:
        parser.error("the program bench_step is missing")
    command = [*args.command, "--device", "cuda", "--no-graph", "--steps", "1", "--together", "1", "--warm-ups", "0", "--ncu"]
    if args.libraries:
        command = ["env", "LD_LIBRARY_PATH=" + args.libraries, *command]
    try:
        if args.only_try:
            kernel, values = measure(args.ncu, command, [TIME], ["--launch-count", "1"])[0]
            print(f"{short(kernel)}: {values[TIME]:.4g} us")
            return
        for line in table(args.ncu, command):
            print(line, flush=True)
    except (Failed, OSError) as failure:
        sys.exit(f"profile_kernels.py: error: {failure}")


if __name__ == "__main__":
    main()
