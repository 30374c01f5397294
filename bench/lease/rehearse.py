"""Both calls here, on a package without programs for a device: stand-ins, some of which hang, crash or are not there.

Says of every stage when it began and how long it took, and checks what must hold: every stage ran, the clock held, what
failed is named, everything else has its result, and all of it came back in one file that the report understands.
"""
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from . import call, pack, plan, report, standins
from .standins import FAULTS


def one_call(tree, tools, which, out, results, scale):
    seconds = {"smoke": plan.SMOKE_SECONDS, "main": plan.MAIN_SECONDS}[which]
    begin = time.monotonic()
    command = [sys.executable, str(tree / "scripts/gpu"), "--lease", which, "--out", str(out), "--results", str(results),
               "--scale", str(scale), "--seconds", str(seconds)]
    here = dict(os.environ, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}", NAD_PYTHON=str(tools / "python3"))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=here)
    took = (time.monotonic() - begin) / scale
    print(done.stdout, flush=True)
    allowed = seconds + 10 / scale  # the start of Python and the summary do not scale
    return [f"{which} took {took:.0f} s of {allowed:.0f}"] * (took > allowed) \
        + [f"{which} printed an error: {done.stdout[-500:]}"] * ("Traceback" in done.stdout)


def check(returned, faults, lenient):
    """What is wrong with what came back, in sentences. lenient: programs of the model may be too slow."""
    with report.Results([returned]) as result:
        return check_results(result, faults, lenient), report.section_of(result)


def check_results(result, faults, lenient):
    problems = []
    statuses = {r["job"]: r["status"] for run in result.runs for r in run["results"]}
    expected = {job: word for fault in faults for job, word in FAULTS[fault].items()}
    for which in ("smoke", "main"):
        ran = [s["stage"] for run in result.runs if run["call"] == which for s in run["stages"]]
        stages = [s.name for s in getattr(plan, which)(call.Machine(pack.ROOT, result.folder / "work"))]
        if ran != stages:
            problems.append(f"{which}: the stages {', '.join(ran)} ran, expected {', '.join(stages)}")
    for job, status in statuses.items():
        if job in expected and expected[job] not in status:
            problems.append(f"{job}: {status}, expected {expected[job]}")
        if job not in expected and status != "ok" and not lenient:
            problems.append(f"{job}: {status}, expected ok")
    problems += [f"{job} did not run" for job in expected if job not in statuses]
    return problems


def left_behind(tree):
    """Processes that still run a program of the tree."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            command = Path("/proc", entry, "cmdline").read_bytes().decode(errors="replace") if entry.isdigit() else ""
        except OSError:
            continue
        if str(tree) in command:
            found.append(f"process {entry} is still there: {command.replace(chr(0), ' ')[:100]}")
    return found


def run(out, scale, fault, build=None, pace=0.0):
    faults = list(FAULTS) if fault == "all" else [f for f in fault.split(",") if f and f != "none"]
    unknown = [f for f in faults if f not in FAULTS]
    if unknown:
        print(f"scripts/gpu: fault {unknown[0]} is unknown, expected all, none or some of {', '.join(FAULTS)}", file=sys.stderr)
        return 2
    out = Path(out).resolve()
    tree, tools, results, back = out / "package", out / "tools", out / "results", out / "back"
    for folder in (tree, tools, results, back, out / "results-work"):
        shutil.rmtree(folder, ignore_errors=True)
    tree.mkdir(parents=True)
    pack.collect(tree, {})
    standins.write(tree, tools, faults, pace * scale, build)
    (tree / "PACKAGE").write_text("stand-ins")
    problems = []
    for which in ("smoke", "main"):
        problems += one_call(tree, tools, which, back, results, scale)
    found, text = check(back / call.PACKED, faults, lenient=build is not None or pace > 0)
    problems += found + left_behind(tree)
    (out / "section.md").write_text(text)
    with tarfile.open(back / call.PACKED) as archive:
        print(f"{len(archive.getnames())} files came back, {(back / call.PACKED).stat().st_size / 1e3:.0f} kB; the report is "
              f"{out / 'section.md'}")
    for problem in problems:
        print(f"scripts/gpu: rehearsal: {problem}", file=sys.stderr)
    return 1 if problems else 0
