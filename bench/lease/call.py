"""One call on the machine with the GPU: the stages by the clock, the results packed after every one.

A stage may take what the ones before it have left over, never more: what does not end is ended, and the next one begins.
"""
import json
import signal
import subprocess
import sys
import tarfile
import time
from datetime import date
from pathlib import Path

from . import plan
from .jobs import GRACE, run_jobs
from .machine import Machine

PACKED = "gpu-results.tgz"
MOST_BYTES = 15 << 20  # of the packed results: 16 MiB come back
SHOWN = 9000  # letters of the summary: the last 12,000 of what a call prints come back

class Ended(Exception):
    pass

def stop(*_):
    raise Ended

class Call:
    """results: folder of logs, files and run.json; out: where the packed results go. scale compresses the clock."""

    def __init__(self, machine, results, out, name, scale=1.0):
        self.machine, self.results, self.out, self.name, self.scale = machine, Path(results), Path(out), name, scale
        self.start = time.monotonic()
        self.run = {"call": name, "date": date.today().isoformat(), "machine": machine.facts(), "scale": scale,
                    "package": (machine.root / "PACKAGE").read_text().strip() if (machine.root / "PACKAGE").exists() else "",
                    "stages": [], "results": []}
        for path in (self.results, self.out):
            path.mkdir(parents=True, exist_ok=True)

    def clock(self):
        return (time.monotonic() - self.start) / self.scale

    def save(self):
        (self.results / f"run-{self.name}.json").write_text(json.dumps(self.run, indent=1) + "\n")

    def pack(self):
        """Everything in one file that is whole at any time; the largest files stay behind where it would be too large."""
        files = sorted((f for f in self.results.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
        left_out = []
        while True:
            unfinished = self.out / (PACKED + ".part")
            with tarfile.open(unfinished, "w:gz", compresslevel=3) as archive:
                for file in files:
                    archive.add(file, arcname=str(file.relative_to(self.results)))
            if unfinished.stat().st_size <= MOST_BYTES or not files:
                break
            left_out.append(files.pop().name)
        unfinished.replace(self.out / PACKED)
        if left_out:
            print(f"too large to come back: {', '.join(left_out)}", flush=True)

    def stage(self, stage, end):
        begin = self.clock()
        print(f"[{begin:5.1f}] {stage.name}, until {end:.0f}", flush=True)

        def told(job, status, seconds):
            seconds /= self.scale
            self.run["results"].append({"stage": stage.name, "job": job.name, "status": status, "seconds": round(seconds, 1)})
            print(f"[{self.clock():5.1f}]   {job.name}: {status} ({seconds:.1f} s)", flush=True)
            self.save()

        for job in stage.jobs:
            job.command = [part.replace("{out}", str(self.results)) for part in job.command]
            job.limit *= self.scale
        run_jobs(stage.jobs, self.machine, self.results, stage.width, self.start + end * self.scale, told, GRACE * self.scale)
        self.run["stages"].append({"stage": stage.name, "planned": stage.seconds, "begin": round(begin, 1),
                                   "seconds": round(self.clock() - begin, 1)})
        self.save()
        self.pack()

    def run_all(self, stages, seconds):
        """Stages by their plan, all of them over by `seconds`; True where every job went well."""
        signal.signal(signal.SIGTERM, stop)
        end = 0
        try:
            for stage in stages:
                end += stage.seconds
                self.stage(stage, min(end if stage is not stages[-1] else seconds, seconds))
        except (Ended, KeyboardInterrupt):
            self.run["ended"] = f"by a signal at {self.clock():.1f} s"
            self.save()
            self.pack()
        return bool(self.run["results"]) and all(r["status"] == "ok" for r in self.run["results"])

    def summarize(self):
        """The numbers, short, as the end of what is printed; the whole report is made from the packed results."""
        script = self.machine.root / "scripts/gpu"
        try:
            done = subprocess.run([sys.executable, str(script), "--lease", "report", str(self.results), "--short"],
                                  capture_output=True, text=True, timeout=max(5, plan.MARGIN / 2))
            print((done.stdout or done.stderr)[:SHOWN], flush=True)
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"no summary: {error}", flush=True)

def run(which, root, results, out, seconds, scale=1.0):
    """The call `which`; seconds: what is left of it on the clock that `scale` compresses. Returns the exit code."""
    machine = Machine(root, Path(results).with_name(Path(results).name + "-work"))
    margin = plan.SMOKE_MARGIN if which == "smoke" else plan.MARGIN
    call = Call(machine, results, out, which, scale)
    facts = call.run["machine"]
    print(f"{facts['gpu'] or 'no GPU is listed'}; {facts['cores']} cores, {facts['libc']}; CUDA's libraries in "
          f"{', '.join(facts['libraries']) or 'no known place'}; C++ runtime: {facts['runtime']}", flush=True)
    good = call.run_all(getattr(plan, which)(machine), seconds - margin)
    if which == "main":
        call.summarize()
    print(f"[{call.clock():5.1f}] {call.out / PACKED}", flush=True)
    return 0 if good else 1
