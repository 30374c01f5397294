#!/usr/bin/env python3
"""How fast is a step on a machine that is not empty? Steps on quiet cores and beside busy programs, in turn, in one run.

    under_load.py [--after build] [--before BUILD] [--arch vgg16,resnet50,densenet121,darts] [--rounds 15] [--cores 2]
    under_load.py --run W.h5 --data DIR ...        nad_run with its loader, on a weights file of any network

Loads: `one`, a busy process pinned to the last of the cores, at the same priority; `all`, as many busy processes as there
are cores, wherever the system puts them. Programs, each loaded once: the build with a thread per core, the same with one
thread, and with --before another build. In every round each makes a step under each load, the first in turn. Columns are
medians over the rounds of a round's own ratio, with their 95 % interval (of order statistics). A step of nad_run goes from
one of its progress lines to the next, images included. Everything is kept on --cores cores, the lowest that are allowed.
"""
import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from compare_builds import median_interval
from compare_peer import Failed, Worker

LOADS = ("quiet", "one", "all")
SETTLE = 0.05  # seconds after a load has begun or ended


class Busy:
    """A program that never waits, stopped but for the time of a `with`."""
    PROGRAM = "import os, sys\nos.sched_setaffinity(0, map(int, sys.argv[1:]))\nprint(flush=True)\nwhile True: pass"

    def __init__(self, cores):
        self.process = subprocess.Popen([sys.executable, "-c", self.PROGRAM, *map(str, cores)], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.process.send_signal(signal.SIGSTOP)

    def __enter__(self):
        self.process.send_signal(signal.SIGCONT)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGSTOP)

    def close(self):
        self.process.kill()
        self.process.wait()


class Load:
    def __init__(self, busy):
        self.busy = busy

    def __enter__(self):
        for b in self.busy:
            b.__enter__()
        time.sleep(SETTLE)

    def __exit__(self, *_):
        for b in self.busy:
            b.__exit__()
        time.sleep(SETTLE)


class Run:
    """nad_run, stopped but for step()."""
    def __init__(self, command):
        self.command, self.seconds, self.peak = command, [], 0.0
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([*command, "--out", os.path.join(self.folder.name, "results.h5")], text=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.line()
        self.process.send_signal(signal.SIGSTOP)

    def line(self):
        """Waits for the next progress line."""
        last = ""
        for text in self.process.stderr:
            if "ms/step" in text:
                return time.monotonic()
            last = text
        self.close()
        raise Failed("%s: %s" % (last.strip() or "ended", " ".join(self.command)))

    def step(self):
        self.process.send_signal(signal.SIGCONT)
        begin = self.line()  # of the step that was stopped
        self.seconds.append(self.line() - begin)
        self.process.send_signal(signal.SIGSTOP)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()


def start(args, build, threads, what):
    if not args.run:
        return Worker([os.path.join(build, "bench/bench_step"), "--arch", what, "--precision", args.precision, "--batch",
                       str(args.batch), "--threads", str(threads), "--device", "cpu", "--interactive"])
    return Run([os.path.join(build, "nad_run"), "--weights", what, "--data", args.data, "--classes", args.classes, "--batch",
                str(args.batch), "--precision", args.precision, "--threads", str(threads), "--device", "cpu", "--steps", "1000000",
                "--log-every", "1", *args.flags.split()])


def measure(args, loads, what):
    """{(program, load): seconds of the rounds}"""
    programs = {"after": (args.after, args.cores), "alone": (args.after, 1)}
    if args.before:
        programs["before"] = (args.before, args.cores)
    workers = {name: start(args, build, threads, what) for name, (build, threads) in programs.items()}
    seconds = {(name, load): [] for name in workers for load in LOADS}
    try:
        for r in range(args.rounds):
            order = list(workers)[r % len(workers):] + list(workers)[:r % len(workers)]
            for load in LOADS:
                with loads[load]:
                    for name in order:
                        workers[name].step()
                        seconds[name, load].append(workers[name].seconds[-1])
    finally:
        for worker in workers.values():
            worker.close()
    return seconds


def ratio(over, under):
    ratios = [a / b for a, b in zip(over, under)]
    return "%.2f (%.2f-%.2f)" % (statistics.median(ratios), *median_interval(ratios))


def row(what, seconds):
    def after(load):
        return seconds["after", load]
    cells = [os.path.basename(what), "%.3f" % statistics.median(after("quiet")), ratio(seconds["alone", "quiet"], after("quiet"))]
    for load in LOADS[1:]:
        cells += [ratio(after(load), after("quiet")), ratio(after(load), seconds["alone", load])]
    if ("before", "quiet") in seconds:
        before = seconds["before", "quiet"]
        cells += [ratio(after("quiet"), before)] + [ratio(seconds["before", load], before) for load in LOADS[1:]]
    print("| %s |" % " | ".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("--after", default=os.path.join(here, "../build"), help="build folder that is measured")
    parser.add_argument("--before", help="build folder that it is compared with")
    parser.add_argument("--arch", default="vgg16,resnet50,densenet121,darts")
    parser.add_argument("--run", help="weights files: nad_run instead of bench_step")
    parser.add_argument("--data", help="image folder of --run")
    parser.add_argument("--classes", default="0", help="of --run")
    parser.add_argument("--flags", default="", help="more of --run's, in one word")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cores", type=int, default=2)
    args = parser.parse_args()
    if args.run and not args.data:
        parser.error("--run needs --data")
    cores = sorted(os.sched_getaffinity(0))[:args.cores]
    if len(cores) < args.cores:
        parser.error("only %d cores are allowed here" % len(cores))
    os.sched_setaffinity(0, cores)  # this process and all that it starts
    everywhere = [Busy(cores) for _ in cores]
    pinned = Busy(cores[-1:])
    loads = {"quiet": Load([]), "one": Load([pinned]), "all": Load(everywhere)}
    columns = ["network", "s", "one thread / s", "one busy / s", "one busy / one thread", "all busy / s", "all busy / one thread"]
    if args.before:
        columns += ["s / before", "one busy / quiet, before", "all busy / quiet, before"]
    print("| %s |\n|%s" % (" | ".join(columns), "---|" * len(columns)), flush=True)
    try:
        for what in (args.run or args.arch).split(","):
            row(what, measure(args, loads, what))
    except Failed as failure:
        sys.exit("under_load.py: " + str(failure))
    finally:
        for busy in (*everywhere, pinned):
            busy.close()


if __name__ == "__main__":
    main()
