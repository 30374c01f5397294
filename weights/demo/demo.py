#!/usr/bin/env python3
"""Takes the four small networks apart and shows what came out. scripts/demo installs and builds what this needs, then calls it.

    weights/demo/demo.py --out DIR [--full] [--jobs N]

Draws the images into DIR/images, learns every class of every network with the objectives released and specific
(DIR/NETWORK_OBJECTIVE.h5), analyses them (..._analysis.h5), and writes DIR/report.html. Finished parts are taken over, begun
ones gone on with; so a killed call costs little. --full does the same in DIR/full with more starts and more steps.
Needs numpy for the images and nothing else. Exit codes: 0 done, 2 wrong usage, 130 or 143 interrupted (SIGINT, SIGTERM), else
that of the program that failed.
"""
import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
from jobs import Failed, Job, Step, analysis_shares, die_with_parent, learning_shares, run_jobs  # noqa: E402
from objects import CLASSES  # noqa: E402
from screen import VGG16_BETA, notes, read_outcome, screen  # noqa: E402
from signals import Stopped, raise_on_signals  # noqa: E402

FORMS = ("vgg16", "resnet50", "densenet121", "darts")
OBJECTIVES = ("released", "specific")
ANALYSES = 13  # lines that nad_analyse says of a network, about
MEGABYTE = 1 << 20

# Seconds on one core of the reference machine (README.md): a class's step of each objective, and all analyses. They only
# weigh the progress line; what is left is told at the pace of this machine.
SECONDS = {"vgg16": (0.016, 0.032, 20), "resnet50": (0.010, 0.020, 15), "densenet121": (0.010, 0.021, 15),
           "darts": (0.009, 0.017, 13)}

# The paper's beta for VGG16, 4.5, keeps nothing of this small one, which then answers anything. A fixed weight of other
# classes' images is settled sooner than one that follows a limit of false alarms.
FLAGS = {("vgg16", "released"): ["--beta", VGG16_BETA]}
SPECIFIC = ["--lambda", "4"]


class Length:
    """How much is done: the short demonstration, or --full."""

    def __init__(self, a):
        self.full = a.full
        steps = (400, 600) if a.full else (150, 250)
        self.steps = dict(zip(OBJECTIVES, (a.steps, a.steps) if a.steps else steps))
        self.seeds = (233, 234, 235) if a.full else (233,)
        self.draws, self.composites = (100, 1000) if a.full else (100, 100)


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, "demo: %s; see demo.py --help\n" % message.replace("\n", " "))


def count(text):
    value = int(text)
    if not 1 <= value <= 1000000:
        raise argparse.ArgumentTypeError("%d is not between 1 and 1000000" % value)
    return value


def arguments(argv):
    p = OneLineParser(prog="demo.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True, metavar="DIR", help="folder for everything that is made")
    p.add_argument("--full", action="store_true", help="more starts and more steps, in DIR/full")
    p.add_argument("--jobs", type=count, metavar="N", help="programs side by side; default: one for each core, 8 at most")
    p.add_argument("--programs", default=HERE.parent.parent / "build", type=Path, metavar="DIR", help="default: build")
    p.add_argument("--networks", default=",".join(FORMS), metavar="LIST", help="some of: %(default)s")
    p.add_argument("--classes", default="all", metavar="LIST", help="as nad_run takes them; default: all")
    p.add_argument("--steps", type=count, metavar="N", help="steps a class")
    p.add_argument("--images", type=count, default=100, metavar="N", help="training images of a class, and half as many to test")
    a = p.parse_args(argv)
    a.networks = a.networks.split(",")
    unknown = [name for name in a.networks if name not in FORMS]
    if unknown:
        p.error("--networks: '%s' is none of %s" % (unknown[0], ", ".join(FORMS)))
    a.out = Path(a.out).absolute()
    return a


def cores():
    """That this process may use; a container may be given less time than it sees processors."""
    available = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(available, int(quota) // int(period)))
    except (OSError, ValueError):
        return available


def check_room(folder):
    """Raises OSError where the folder cannot be made or has no room."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free // MEGABYTE
    if free < 50:
        raise OSError("the disk is full: %d MB are free in %s, the demonstration needs 50" % (free, folder))


def last_line(said):
    return said.strip().split("\n")[-1]


def draw(a):
    done = subprocess.run([sys.executable, str(HERE / "draw.py"), str(a.out / "images"), "--train", str(a.images), "--val",
                           str((a.images + 1) // 2)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          preexec_fn=die_with_parent, text=True)
    if done.returncode != 0:
        raise Failed(done.returncode, last_line(done.stderr))
    print("  " + done.stdout.strip())


def random_network(a, folder, form):
    """Writes a network like this one that knows nothing; the whole file or none."""
    weights = folder / (form + "_random.h5")
    command = [str(a.programs / "nad_random"), "--weights", str(HERE / (form + ".h5")), "--data", str(a.out / "images"), "--out",
               str(weights), "--threads", "1"]
    steps = [Step("made", command, str(weights) + ".log", 1, lambda: lambda line: None)]
    return Job(form + " random", [] if weights.exists() else steps)


def job(a, length, folder, form, objective, seeds, threads, control=None):
    """Learns all classes, with each seed, and analyses them. form: a network, or NETWORK_random, whose analysis is the other's
    control."""
    name, images = str(folder / (form + "_" + objective)), str(a.out / "images")
    weights = str((folder if form.endswith("_random") else HERE) / (form + ".h5"))
    form = form.replace("_random", "")
    same = ["--weights", weights, "--data", images, "--threads", str(threads), "--json"]
    classes = len(CLASSES) if a.classes == "all" else len(a.classes.split(","))
    *a_step, analysing = SECONDS[form]
    flags = FLAGS.get((form, objective), []) + (SPECIFIC if objective == "specific" else [])
    results, steps = [], []
    for seed in seeds:
        out = name + ("" if seed == seeds[0] else "_seed%d" % seed)
        learn = [str(a.programs / "nad_run"), *same, "--classes", a.classes, "--objective", objective, "--steps",
                 str(length.steps[objective]), *flags, "--seed", str(seed), "--out", out + ".h5", "--resume", "--checkpoint-every", "5"]
        results.append(out + ".h5")
        steps.append(Step("learnt" if len(results) == 1 else "seed %d" % seed, learn, out + ".json",
                          a_step[OBJECTIVES.index(objective)] * length.steps[objective] * classes, lambda: learning_shares(classes)))
    analyse = [str(a.programs / "nad_analyse"), *results, *same, "--masks", images + "/masks/val", "--out",
               name + "_analysis.h5", "--draws", str(length.draws),
               "--composites", str(length.composites)]
    if control:
        analyse += ["--control", control]
    steps.append(Step("analysed", analyse, name + "_analysis.json", analysing, lambda: analysis_shares(ANALYSES)))
    return Job(Path(name).name.replace("_" + objective, " " + objective), steps)


def write_report(a, folder, outcomes, remarks):
    page = folder / "report.html"
    files = [str(path) for o in outcomes for path in sorted(folder.glob(o.form + "_" + o.objective + "*.h5"))]
    said = [word for remark in remarks for word in ("--note", remark)]
    done = subprocess.run([str(a.programs / "nad_report"), *files, "-o", str(page), "--title", "Four small networks taken apart",
                           *said], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Failed(done.returncode, last_line(done.stderr))
    return page


def show(page):
    """Opens the report where there is a desktop. Returns how it is found."""
    opener = shutil.which("xdg-open")
    if opener and (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and sys.stdout.isatty():
        subprocess.Popen([opener, str(page)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                         start_new_session=True)
        return "Report (opening in your browser): %s" % page
    return "Report, open it in a browser: file://%s" % page


def demonstrate(a):
    began, length = time.monotonic(), Length(a)
    folder = a.out / "full" if a.full else a.out
    check_room(folder)
    available = cores()
    workers = min(a.jobs or available, len(a.networks) * len(OBJECTIVES))
    classes = len(CLASSES) if a.classes == "all" else len(a.classes.split(","))
    kinds = [(form, objective) for form in a.networks for objective in OBJECTIVES]
    controls = [(form + "_random", objective) for form, objective in kinds if a.full]
    threads = max(1, available // workers)
    jobs = [job(a, length, folder, form, objective, length.seeds, threads,
                str(folder / ("%s_random_%s_analysis.h5" % (form, objective))) if a.full else None) for form, objective in kinds]
    # Two starts, so that the claim about starts has something to be held against.
    first = [job(a, length, folder, *kind, length.seeds[:2], threads) for kind in controls]
    seconds = sum(step.seconds for j in first + jobs for step in j.steps) / workers
    learnings = len(kinds) * len(length.seeds) + 2 * len(controls)
    print("%d networks x %d classes x %d objectives%s = %d learnings of %s steps, then their analyses.\nAbout %d:%02d minutes with "
          "%d programs side by side, if the cores are a Zen 5's and idle." % (
              len(a.networks), classes, len(OBJECTIVES), " x %d starts, and random networks" % len(length.seeds) if a.full else "",
              learnings * classes, " and ".join("%d (%s)" % (n, name) for name, n in length.steps.items()), *divmod(round(seconds), 60), workers))
    draw(a)
    made = [random_network(a, folder, form) for form in a.networks] if a.full else []
    ran = [run_jobs(some, workers) for some in (made, first, jobs)]  # each needs the one before it
    idle, processor, memory = sum(r[0] for r in ran), sum(r[1] for r in ran), max(r[2] for r in ran)
    outcomes, random = [[read_outcome(folder, *kind) for kind in of] for of in (kinds, controls)]
    page = write_report(a, folder, outcomes + random, notes(outcomes, random, length))
    print("", *screen(outcomes, random, length), sep="\n")
    parts = sum(len(j.steps) for j in made + first + jobs)
    over = "; all results were there and are taken over" if idle == parts else \
        "; %d of %d parts were there and are taken over" % (idle, parts) if idle else ""
    print("%d s (%d s of processor), at most %d MB of memory%s." % (
        time.monotonic() - began, processor, memory // MEGABYTE, over))
    print(show(page))


def main(argv=None):
    a = arguments(argv)
    try:
        demonstrate(a)
    except Failed as e:
        print("demo: " + e.args[1], file=sys.stderr)
        return e.args[0] if e.args[0] > 0 else 1
    except OSError as e:
        print("demo: %s" % (": ".join(filter(None, (e.filename, e.strerror))) or e), file=sys.stderr)
        return 3
    except Stopped as e:
        print("demo: interrupted by %s; the same command goes on" % e.args[0].name, file=sys.stderr)
        return 128 + e.args[0]
    return 0


if __name__ == "__main__":
    raise_on_signals()
    sys.exit(main())
