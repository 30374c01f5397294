"""The command line of scripts/findings."""
import argparse
import datetime
import os
import signal
import time
from pathlib import Path

from findings.catalogue import ROOT, SERIES, learnings, networks
from findings.work import Failed, OutOfTime, Worker


def deadline_of(args):
    if args.budget is not None:
        return time.time() + 60 * args.budget
    if args.until is None:
        return None
    now = datetime.datetime.now(datetime.timezone.utc)
    hour, minute = map(int, args.until.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0)
    return (end if end > now else end + datetime.timedelta(days=1)).timestamp()


def arguments(argv):
    p = argparse.ArgumentParser(prog="findings", description="Learns, analyses and tabulates every network at hand; goes on where it was.")
    p.add_argument("--data", type=Path, help="folder of weights and images; default: $NAD_TEST_DATA; without it the "
                   "demonstration's networks alone", default=os.environ.get("NAD_TEST_DATA"))
    p.add_argument("--work", type=Path, required=True, help="folder for everything that is made")
    p.add_argument("--programs", type=Path, default=ROOT / "build", help="folder of nad_run and nad_analyse; default: build/")
    p.add_argument("--networks", help="names, separated by commas; default: all (--list)")
    p.add_argument("--series", default=",".join(SERIES), help="what is learnt; default: %(default)s")
    p.add_argument("--list", action="store_true", help="list what is to be learnt and how far it is, then stop")
    p.add_argument("--learn-only", action="store_true", help="no analyses")
    p.add_argument("--tables-only", action="store_true", help="write the document of what is there")
    p.add_argument("--document", type=Path, default=ROOT / "docs" / "FINDINGS.md")
    p.add_argument("--threads", type=int, default=0)
    p.add_argument("--budget", type=float, metavar="MINUTES", help="stop after so many minutes")
    p.add_argument("--until", metavar="HH:MM", help="stop at this time (UTC)")
    a = p.parse_args(argv)
    a.work = a.work.resolve()
    a.work.mkdir(parents=True, exist_ok=True)
    a.found = networks(a.data and Path(a.data).resolve())
    names = [n.name for n in a.found]
    if a.networks:
        wrong = sorted(set(a.networks.split(",")) - set(names))
        if wrong:
            p.error("--networks: there is no %s; there are %s" % (", ".join(wrong), ", ".join(names)))
        a.found = [n for n in a.found if n.name in a.networks.split(",")]
    a.series = a.series.split(",")
    wrong = sorted(set(a.series) - set(SERIES))
    if wrong:
        p.error("--series: there is no %s; there are %s" % (", ".join(wrong), ", ".join(SERIES)))
    return a


def work_off(args, worker, tasks):
    """Learns and analyses: what a run changes is analysed when it is whole. Returns what failed."""
    failed = []
    for task in tasks:
        try:
            worker.learn(task)
            if not args.learn_only:
                worker.analyse(task, tasks)
        except (Failed, FileNotFoundError) as error:
            failed.append(str(error))
            print("findings: %s" % error, flush=True)
    return failed


def main(argv=None):
    args = arguments(argv)
    tasks = learnings(args.found, args.series)
    worker = Worker(args.work, args.programs.resolve(), args.data and Path(args.data).resolve(), args.threads, deadline_of(args))
    if args.list:
        for task in tasks:
            print("%-22s %-17s seed %d: %s" % (task.network.name, task.series.name, task.seed, worker.progress(task)))
        return 0
    failed = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if not args.tables_only:
            failed = work_off(args, worker, tasks)
    except OutOfTime:
        print("findings: out of time; the same command goes on", flush=True)
    except KeyboardInterrupt:
        print("findings: stopped; the same command goes on", flush=True)
        return 130
    from findings.document import write_document  # here: a long run may be older than its tables
    write_document(args.document, tasks, worker)
    print("findings: wrote %s" % args.document)
    return 1 if failed else 0
