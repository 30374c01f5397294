"""Commands that run side by side until a point in time; whatever is left then is ended with all its children."""
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

GRACE = 2.0  # seconds between asking a command to end and ending it
REASON = 200  # letters of a log that a failure is told with


@dataclass
class Job:
    name: str
    command: list
    own: bool = False  # a program of the machine's own, which must not see the package's libraries
    limit: float = 1e9  # seconds, where less than the stage has
    environment: dict = field(default_factory=dict)


def session_of(leader):
    """The processes of a session, and the children of them that have left it."""
    parents, sessions = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)], sessions[int(entry)] = int(fields[1]), int(fields[3])
    found = {pid for pid, session in sessions.items() if session == leader} | {leader}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def reason_of(log):
    """The line of a log that says most about a failure: the last one with an error in it, else the last one."""
    try:
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    telling = [line for line in lines if any(word in line.lower() for word in ("error", "failed", "cannot"))]
    return (telling or lines or [""])[-1][:REASON]


class Running:
    def __init__(self, job, results, root, environment, end):
        self.job, self.log, self.start = job, results / (job.name + ".log"), time.monotonic()
        self.end = min(end, self.start + job.limit)
        self.asked = None  # when it was asked to end
        self.known = set()  # its processes, kept: a child whose parent is gone is found no more
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(job.command, cwd=root, env=dict(environment, **job.environment), stdout=log,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)

    def signal(self, number):
        self.known |= session_of(self.process.pid)
        for pid in self.known:
            try:
                os.kill(pid, number)
            except OSError:
                pass

    def status(self, grace):
        """None while it runs."""
        code, now = self.process.poll(), time.monotonic()
        if code is not None:
            self.signal(signal.SIGKILL)  # children that it left behind
            if self.asked:
                return "stopped at its limit"
            if code == 0:
                return "ok"
            how = f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
            return ": ".join(filter(None, (how, reason_of(self.log))))
        if not self.asked and now >= self.end:
            self.asked = now
            self.signal(signal.SIGTERM)
        elif self.asked and now >= self.asked + grace:
            self.signal(signal.SIGKILL)
            if now >= self.asked + 3 * grace:  # stuck in the driver: leave it
                return "stopped at its limit, and does not end"
        return None


def run_jobs(jobs, machine, results, width, end, told, grace=GRACE):
    """Starts the jobs in order, `width` at a time, none after `end`; calls told(job, status, seconds) for each."""
    waiting, running = list(jobs), []
    try:
        while waiting or running:
            while waiting and len(running) < width and time.monotonic() < end - grace:
                job = waiting.pop(0)
                if not shutil.which(job.command[0]):
                    told(job, f"{Path(job.command[0]).name} is missing", 0)
                    continue
                try:
                    running.append(Running(job, results, machine.root, machine.own if job.own else machine.staged, end - grace))
                except OSError as error:
                    told(job, f"cannot be started: {error}", 0)
            if waiting and not running and time.monotonic() >= end - grace:
                told(waiting.pop(0), "not started, no time was left", 0)
            for each in list(running):
                status = each.status(grace)
                if status:
                    running.remove(each)
                    told(each.job, status, time.monotonic() - each.start)
            time.sleep(min(0.05, grace / 10))
    finally:
        for each in running:  # the whole run was told to end
            each.signal(signal.SIGKILL)
