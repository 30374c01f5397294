"""Runs what is not done yet, one command after the other; killed at any moment, the next call goes on."""
import json
import signal
import subprocess
import sys
import time

import h5py

from findings.catalogue import FIRST_SEED, ROOT, SERIES, Learning

# The quick ones first; claims follow from the others. Fig. 6 is in the results of the series `beta`.
ANALYSES = ("fig2_accuracy", "fig4_similarity", "transfer", "table1_mistakes", "faithfulness", "size_sweep", "complement",
            "random_masks", "stability", "fig4_hit_rate", "object_masks", "claims")


class OutOfTime(Exception):
    pass


class Failed(Exception):
    pass


def keys(path):
    """Of every analysis of an analysis file: the hash of what it was made from."""
    try:
        with h5py.File(path, "r") as file:
            return {(label, name): group.attrs["key"] for label, of in file["networks"].items() for name, group in of.items()}
    except (OSError, KeyError):
        return {}


def finished_classes(path):
    """(finished, begun) classes of a results file, (0, 0) without one."""
    try:
        with h5py.File(path, "r") as file:
            states = [int(c.attrs.get("finished", 0)) for c in file["classes"].values()]
    except (OSError, KeyError):
        return 0, 0
    return sum(states), len(states)


def interruptible():
    """For a child: behind nohup or & it would inherit an ignored SIGINT, and could not be stopped gently."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Worker:
    """Runs commands until `deadline` (time.time(), None: none); what a command printed is in WORK/log.txt."""

    def __init__(self, work, programs, data, threads, deadline):
        self.work, self.programs, self.data, self.threads, self.deadline = work, programs, data, threads, deadline
        self.analysis_flags = []  # beside nad_analyse's defaults

    def notes(self, name):
        try:
            return json.loads((self.work / name).read_text())
        except FileNotFoundError:
            return {}

    def note(self, name, key, value):
        part = self.work / (name + ".part")
        part.write_text(json.dumps({**self.notes(name), key: value}, indent=1, sort_keys=True) + "\n")
        part.rename(self.work / name)

    def costs(self):
        return self.notes("costs.json")

    def run(self, name, command):
        """Seconds that it took. Throws OutOfTime after stopping it as Ctrl-C does, Failed where it failed."""
        left = None if self.deadline is None else self.deadline - time.time()
        if left is not None and left < 5:
            raise OutOfTime
        print("%s  %s" % (time.strftime("%H:%M:%S"), name), flush=True)
        begin = time.monotonic()
        with open(self.work / "log.txt", "a") as log:
            log.write("\n$ " + " ".join(command) + "\n")
            log.flush()
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True,
                                       preexec_fn=interruptible)
            try:
                code = process.wait(left)
            except (subprocess.TimeoutExpired, KeyboardInterrupt) as stopped:
                process.send_signal(signal.SIGINT)
                process.wait()
                raise OutOfTime if isinstance(stopped, subprocess.TimeoutExpired) else stopped
        if code != 0:
            raise Failed("%s: exit code %d, see %s" % (name, code, self.work / "log.txt"))
        return time.monotonic() - begin

    def prepare(self, network):
        """Weights and images of a network, once."""
        if network.images == "demo" and not (self.work / "images" / "demo" / "whole").exists():
            self.run("drawn images", [sys.executable, str(ROOT / "weights/demo/draw.py"), str(self.work / "images" / "demo")])
            (self.work / "images" / "demo" / "whole").touch()
        out = network.weights(self.work)
        if out.exists():
            return
        out.parent.mkdir(parents=True, exist_ok=True)
        source, classes = self.data / "weights" / network.source, []
        if network.kind == "imagenet":  # expanded from codebooks; 1,000 outputs
            expanded = self.work / "weights" / (network.name + ".pth")
            self.run("expand " + network.name, [sys.executable, str(self.data / "weights/expand_resnet50.py"), str(expanded)])
            source, classes = expanded, ["--classes", str(self.data / "imagenet1k/synset_words.txt")]
        self.run("convert " + network.name, [sys.executable, str(ROOT / "weights/convert.py"), str(source), str(out), "--arch",
                                             network.arch, "--input-size", str(network.input_size), *classes])
        if not out.exists():
            raise Failed("%s was not made" % out)

    def prepare_random(self, task):
        """The network with random weights, measured on the same images."""
        if not task.series.random_weights or task.weights(self.work).exists():
            return
        self.run("random weights " + task.network.name, [
            str(self.programs / "nad_random"), "--weights", str(task.network.weights(self.work)), "--data",
            str(task.network.data(self.data, self.work)), "--out", str(task.weights(self.work)), "--device", "cpu"])

    def learn(self, task):
        """A run to its end, if it is not whole."""
        if self.is_whole(task):
            return
        self.prepare(task.network)
        self.prepare_random(task)
        task.out(self.work).parent.mkdir(parents=True, exist_ok=True)
        self.run("learn %s %s seed %d" % (task.network.name, task.series.name, task.seed),
                 task.command(self.programs, self.data, self.work, self.threads))

    def class_count(self, task):
        """How many classes a task learns; None: not known before its images are there."""
        if task.series.first_class_alone:
            return 1
        if task.network.classes != "all":
            return len(task.network.classes.split(","))
        folder = task.network.data(self.data, self.work) / "train"
        return sum(p.is_dir() for p in folder.iterdir()) if folder.is_dir() else None

    def is_whole(self, task):
        expected = self.class_count(task)
        return expected is not None and finished_classes(task.out(self.work))[0] >= expected

    def progress(self, task):
        return "%d of %s classes" % (finished_classes(task.out(self.work))[0], self.class_count(task) or "?")

    def analyse(self, task, tasks):
        """All analyses of the runs of its network and series that are whole."""
        runs = [t for t in tasks if t.network == task.network and t.series == task.series and self.is_whole(t)]
        name, seeds = "%s %s" % (task.network.name, task.series.name), [t.seed for t in runs]
        if not runs or not task.series.analysed or self.notes("analysed.json").get(name) == seeds:
            return
        masks = task.network.data(self.data, self.work) / "masks" / "val"
        for analysis in ANALYSES:
            if analysis == "object_masks" and not masks.is_dir():
                continue
            before = keys(task.analysis(self.work))
            seconds = self.run("analyse %s %s: %s" % (task.network.name, task.series.name, analysis), [
                str(self.programs / "nad_analyse"), *[str(t.out(self.work)) for t in runs], "--weights", str(task.weights(self.work)),
                "--data", str(task.network.data(self.data, self.work)), "--out", str(task.analysis(self.work)), "--only", analysis,
                "--device", "cpu", "--threads", str(self.threads), *self.analysis_flags,
                *(["--masks", str(masks)] if analysis == "object_masks" else []),
                *(self.control_flags(task) if analysis == "claims" else [])])
            if keys(task.analysis(self.work)) != before:
                self.note("costs.json", "%s %s %s" % (task.network.name, task.series.name, analysis), round(seconds, 1))
        if task.series.random_weights:
            self.claim_beside(task, tasks)
        self.note("analysed.json", name, seeds)  # last: what is stopped before it is made again

    def control_flags(self, task):
        """Claims are made beside the network with random weights (METHOD, 5a.8), where it is analysed."""
        control = Learning(task.network, SERIES["released-random"], FIRST_SEED).analysis(self.work)
        return ["--control", str(control)] if control.exists() and not task.series.random_weights else []

    def claim_beside(self, control, tasks):
        """The claims of the network's other series once more, now that there is a control."""
        others = [t for t in tasks if t.network == control.network and t.series.analysed and not t.series.random_weights
                  and t.analysis(self.work).exists() and self.is_whole(t)]
        for out in sorted({t.analysis(self.work) for t in others}):
            self.run("claims of %s beside random weights" % control.network.name, [
                str(self.programs / "nad_analyse"), *[str(t.out(self.work)) for t in others if t.analysis(self.work) == out],
                "--out", str(out), "--only", "claims", *self.control_flags(others[0])])
