"""Runs the programs of several jobs side by side, with one line that says how far all of it is.

A job is a list of steps, one behind the other; a step is a command whose JSON becomes a file when it has ended well. What a
program says on stderr is read for its progress alone; where it fails, its last line is the reason.
"""
import collections
import ctypes
import os
import re
import selectors
import signal
import subprocess
import sys
import time

from signals import Stopped

Step = collections.namedtuple("Step", "what command out seconds shares")  # seconds: on one core of the reference machine
Job = collections.namedtuple("Job", "label steps")
STEP_LINE = re.compile(r"class (\d+)[^:]*: step (\d+)/(\d+)")
FINDING_LINE = re.compile(r"\w+ \w+: (?!is there already|is left out)")
TOO_LONG = 10  # seconds that a program gets to save itself


class Failed(Exception):
    """A program failed: its exit code and its last line."""


def learning_shares(classes):
    """A function that reads a line of nad_run and tells the share of its work that is done, or None."""
    taken = {}

    def read(line):
        found = STEP_LINE.match(line)
        if found:
            taken[found[1]] = int(found[2]) / int(found[3])
        return sum(taken.values()) / classes if found else None
    return read


def analysis_shares(analyses):
    """The same of nad_analyse: a line for each analysis."""
    said = set()

    def read(line):
        found = re.match(r"\w+ (\w+): ", line)
        if found:
            said.add(found[1])
        return min(1.0, len(said) / analyses) if found else None
    return read


def die_with_parent():
    """In a child: where this program is killed, so is the child; what is finished is in its file."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        pass  # no Linux: it ends by itself


class Running:
    """A job whose step number `at` runs."""

    def __init__(self, job):
        self.job, self.at, self.share, self.since, self.child = job, -1, 0.0, 0.0, None

    def next_step(self):
        """Starts it. False where there is none."""
        self.at += 1
        if self.at == len(self.job.steps):
            return False
        step = self.job.steps[self.at]
        self.share, self.text, self.last = 0.0, b"", ""
        self.read, self.lines, self.since = step.shares(), [], time.monotonic()
        with open(step.out + ".part", "wb") as out:
            self.child = subprocess.Popen(step.command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                                          preexec_fn=die_with_parent)
        return True

    @property
    def step(self):
        return self.job.steps[self.at]

    def hear(self):
        """Reads what the program says. False when it has ended."""
        said = os.read(self.child.stderr.fileno(), 1 << 16)
        *lines, self.text = (self.text + said).split(b"\n")
        for line in [line.decode("utf-8", "replace").strip() for line in lines]:
            self.last = line or self.last
            self.lines.append(line)
            share = self.read(line)
            self.share = self.share if share is None else share
        return bool(said)

    def end(self):
        """After hear() was False: keeps the JSON. Returns (seconds, seconds of processor, bytes of memory at its peak)."""
        _, status, usage = os.wait4(self.child.pid, 0)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.child.stderr.close()
        if self.child.returncode != 0:
            os.unlink(self.step.out + ".part")
            raise Failed(self.child.returncode, self.last or "%s ended by signal %d" % (self.step.what, -self.child.returncode))
        os.replace(self.step.out + ".part", self.step.out)
        return time.monotonic() - self.since, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024

    def stop(self):
        if self.child and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(TOO_LONG)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            os.unlink(self.step.out + ".part")


class Progress:
    """How much of all steps is done, and how long the rest takes at the pace so far."""

    def __init__(self, jobs, terminal):
        self.total = sum(step.seconds for job in jobs for step in job.steps)
        self.done, self.taken_over, self.terminal, self.since = 0.0, 0.0, terminal, time.monotonic()

    def left(self, running, workers):
        """Seconds, as text."""
        done = self.done + sum(r.share * r.step.seconds for r in running)
        spent, worked = time.monotonic() - self.since, done - self.taken_over
        pace = spent / worked if worked > 0.05 * self.total else 1 / workers
        seconds = max(0, self.total - done) * pace
        return "%d:%02d" % divmod(round(seconds), 60)

    def draw(self, running, workers):
        if not self.terminal:
            return
        share = (self.done + sum(r.share * r.step.seconds for r in running)) / (self.total or 1)  # 0: no job has a step
        now = ", ".join("%s %s %.0f %%" % (r.job.label, r.step.what, 100 * r.share) for r in running[:2])
        line = "[%s] left %s  %s" % (("=" * int(24 * share)).ljust(24), self.left(running, workers), now)
        sys.stderr.write("\r\x1b[K" + line[:os.get_terminal_size(sys.stderr.fileno()).columns - 1])
        sys.stderr.flush()

    def say(self, line):
        if self.terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        print(line, flush=True)


def new_work(running):
    """Whether the step that has ended had anything to do."""
    return running.step.what == "made" or any(STEP_LINE.match(line) or FINDING_LINE.match(line) for line in running.lines)


def run_jobs(jobs, workers):
    """Runs all. Returns (steps that had nothing to do, seconds of processor, bytes of memory that all together had at most).
    Raises Failed."""
    waiting, running, peaks, idle, processor = list(jobs), [], [], 0, 0.0
    selector = selectors.DefaultSelector()
    progress = Progress(jobs, sys.stderr.isatty())

    def advance(r):
        if r.next_step():
            selector.register(r.child.stderr, selectors.EVENT_READ, r)
        else:
            running.remove(r)

    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(Running(waiting.pop(0)))
                advance(running[-1])
            for key, _ in selector.select(0.2):
                r = key.data
                if r.hear():
                    continue
                selector.unregister(r.child.stderr)
                seconds, used, peak = r.end()
                peaks.append(peak)
                processor += used
                progress.done += r.step.seconds
                took = "%.0f s" % seconds
                if not new_work(r):
                    idle, took = idle + 1, "taken over"
                    progress.taken_over += r.step.seconds
                what = "  %-18s %-9s %-9s %10s" % (*r.job.label.split(), r.step.what, took)
                r.share = 0.0
                advance(r)
                progress.say(what + ("   left about " + progress.left(running, workers) if waiting or running else ""))
            progress.draw(running, workers)
    except (Failed, Stopped, OSError):
        for r in running:
            r.stop()
        raise
    finally:
        if progress.terminal:
            sys.stderr.write("\r\x1b[K")
    return idle, processor, sum(sorted(peaks)[-workers:])
