"""What has been found out about a network, or why it has not: values, or reasons, for the tables."""
import math
from dataclasses import dataclass

import h5py
import numpy as np

from findings.catalogue import FIRST_SEED, Learning, Network, Series

# For what has never been timed here: seconds of a step at full width and 224 pixels in bf16 on two threads (bench/RESULTS.md), and
# how one thread and a small network compare.
STEP_SECONDS = {"vgg16": 0.64, "resnet50": 0.41, "densenet121": 0.32, "darts": 0.13}
STEPS, SHARE = 400, {"imagenet": 2, "small": 0.25, "demo": 0.08}


class Group:
    """One analysis of one network: facts, arrays, and the table's columns."""

    def __init__(self, facts, arrays=None, table=None):
        self.facts = {name: value.item() if isinstance(value, np.generic) else value for name, value in facts.items()}
        self.arrays, self.table = arrays or {}, table or {}
        self.missing = self.facts.get("missing", "")

    def number(self, name):
        value = self.facts.get(name, math.nan)
        return value if isinstance(value, (int, float)) else math.nan


def read_group(group):
    arrays = {name: item[()] for name, item in group.items() if isinstance(item, h5py.Dataset)}
    table = group.get("table")
    return Group(group.attrs, arrays, {} if table is None else {
        name: [v.decode() if isinstance(v, bytes) else v for v in table[name][()]] for name in table.attrs["columns"]})


def read_analysis(path, objective):
    """{analysis: Group} of the objective's network with the most classes."""
    best, classes = {}, -1
    try:
        with h5py.File(path, "r") as file:
            for of in file["networks"].values():
                if of.attrs["objective"] == objective and of.attrs["classes"] > classes:
                    best, classes = {name: read_group(g) for name, g in of.items()}, of.attrs["classes"]
    except (OSError, KeyError):
        pass
    return best


def read_results(path):
    """What the results have without an analysis: {"unshown": Group, "beta": Group}."""
    groups = {}
    try:
        with h5py.File(path, "r") as file:
            done = [c.attrs for c in file["classes"].values() if c.attrs["finished"]]
            if done and "false_alarms_unshown" in done[0]:
                table = {name: [float(a[name]) / 100 for a in done] for name in (
                    "top1_before", "top1_after", "false_alarms_shown", "false_alarms_unshown")}
                groups["unshown"] = Group({"classes": len(done), "images": int(done[0]["other_images"])}, table=table)
            if "beta_search" in file:
                search = file["beta_search"]
                elbow = float(file.attrs["beta"]) if np.isfinite(search["distance"][()]).any() else math.nan  # else the default
                groups["beta"] = Group({"elbow": elbow, "classes": len(search["classes"])},
                                       table={n: list(search[n][()]) for n in ("beta", "mean_first", "mean_regular", "distance")})
    except (OSError, KeyError):
        pass
    return groups


def class_seconds(path, finished=True):
    try:
        with h5py.File(path, "r") as file:
            return [float(c.attrs["seconds"]) for c in file["classes"].values() if c.attrs["finished"] or not finished]
    except (OSError, KeyError):
        return []


@dataclass
class Subject:
    """A network's sub-architectures of one series: a row of the tables."""
    network: Network
    series: Series
    groups: dict  # analysis -> Group
    learnt: str  # empty where the first run is whole, else what it lacks
    seconds: list  # of every class that is learnt, first run
    runs: int  # whole ones
    wanted: int
    left: float  # seconds, of all runs

    def title(self):
        return "%s, %s" % (self.network.title(), self.series.title)

    def analysis_left(self, analysis, worker):
        known = worker.costs()
        own = [s for name, s in known.items() if name == "%s %s %s" % (self.network.name, self.series.name, analysis)]
        alike = [s for name, s in known.items() if name.split()[2] == analysis and self.network.arch in name.split()[0]]
        found = own or alike or [s for name, s in known.items() if name.split()[2] == analysis]
        return "about %s more" % minutes(max(found)) if found else "not timed yet"


def minutes(seconds):
    return "%d min" % max(1, round(seconds / 60)) if seconds < 7200 else "%d h" % round(seconds / 3600)


def typical_seconds(task, worker, tasks):
    """Of a class: measured, else scaled from a network of the same kind, else from a step at full width."""
    def measured(others):
        seconds = [(s / o.series.cost) * (STEP_SECONDS[task.network.arch] / STEP_SECONDS[o.network.arch])
                   for o in others for s in class_seconds(o.out(worker.work))]
        return task.series.cost * sum(seconds) / len(seconds) if seconds else None
    same = [t for t in tasks if t.network == task.network and not t.series.first_class_alone]
    kind = [t for t in tasks if t.network.kind == task.network.kind and not t.series.first_class_alone]
    return (measured([t for t in same if t.series == task.series]) or measured(same) or measured(kind)
            or STEPS * STEP_SECONDS[task.network.arch] * SHARE[task.network.kind] * task.series.cost)


def seconds_left(task, worker, tasks):
    if worker.is_whole(task):
        return 0
    classes = worker.class_count(task) or 12
    return typical_seconds(task, worker, tasks) * (classes - len(class_seconds(task.out(worker.work))))


def read_subjects(tasks, worker):
    """One for every network and series of the tasks, in the order of series, then of networks."""
    subjects = []
    for task in sorted((t for t in tasks if t.seed == FIRST_SEED), key=lambda t: [u.series for u in tasks].index(t.series)):
        runs = [t for t in tasks if (t.network, t.series) == (task.network, task.series)]
        seconds, learnt = class_seconds(task.out(worker.work)), ""
        if not worker.is_whole(task):
            learnt = "%d of %d classes learnt" % (len(seconds), worker.class_count(task)) if seconds else "not run"
        groups = read_analysis(task.analysis(worker.work), task.series.objective) if task.series.analysed else {}
        groups.update(read_results(task.out(worker.work)) if not learnt else {})
        subjects.append(Subject(task.network, task.series, groups, learnt, seconds, sum(worker.is_whole(t) for t in runs), len(runs),
                                sum(seconds_left(t, worker, tasks) for t in runs)))
    return subjects


def all_seconds(subject, worker):
    """Of learning, of all runs."""
    return sum(s for i in range(subject.wanted)
               for s in class_seconds(Learning(subject.network, subject.series, FIRST_SEED + i).out(worker.work), finished=False))
