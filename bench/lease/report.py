"""What came back, as a section of bench/RESULTS.md: measurements beside predictions, machine, date, command."""
import json
import re
import statistics
import sys
import tarfile
import tempfile
from pathlib import Path

import gpu_report
import predictions
from gpu_report import table

from . import distances
from .plan import CASES, NETWORKS

BEGIN, END = "<!-- scripts/gpu --lease report: begin -->\n", "<!-- scripts/gpu --lease report: end -->\n"
NONE = "-"


class Results:
    """Folders or packed files of one machine, unpacked into one folder."""

    def __init__(self, sources):
        self.kept = tempfile.TemporaryDirectory(prefix="nad_results_")
        self.folder = Path(self.kept.name)
        for source in map(Path, sources):
            if source.is_dir():
                for file in source.rglob("*"):
                    if file.is_file():
                        to = self.folder / file.relative_to(source)
                        to.parent.mkdir(parents=True, exist_ok=True)
                        to.write_bytes(file.read_bytes())
            else:
                try:
                    with tarfile.open(source) as archive:
                        archive.extractall(self.folder)
                except (OSError, tarfile.TarError) as failure:
                    sys.exit(f"scripts/gpu: {source} is no packed results of a call: {failure}")
        self.runs = [json.loads(p.read_text()) for p in sorted(self.folder.glob("run-*.json"), reverse=True)]  # smoke, main
        machine = next((r["machine"] for r in self.runs if r["machine"]["gpu"]), self.runs[0]["machine"] if self.runs else {})
        self.gpu, self.machine = machine.get("gpu", ""), machine
        self.steps = [json.loads(line) for line in gpu_report.lines_of(self.folder, "step-*.log") if line.startswith("{")]
        self.peer = [json.loads(line) for line in gpu_report.lines_of(self.folder, "peer.jsonl") if line.startswith("{")]
        self.rows = list(gpu_report.benchmarks(self.folder))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kept.cleanup()

    def step(self, arch, **wanted):
        """Milliseconds of the step that was measured so, or None."""
        wanted = dict({"precision": "bf16", "slots": 16, "graph": True, "conv": "handwritten", "augment": False}, **wanted)
        found = [s for s in self.steps if s["arch"] == arch and s["batch"] == 16 and all(s[k] == v for k, v in wanted.items())]
        return 1e3 * found[-1]["seconds"] if found else None

    def peer_step(self, arch, compiled):
        found = [p for p in self.peer if p["arch"] == arch and p["compiled"] == compiled and "seconds" in p]
        return min(1e3 * statistics.median(p["seconds"]) for p in found) if found else None


def number(value, form="%.2f"):
    return NONE if value is None else form % value


def ratio(a, b, form="%.2f"):
    return number(a / b if a and b else None, form)


def steps(r):
    rows = []
    for arch in NETWORKS:
        measured, eager, augmented = r.step(arch), r.step(arch, graph=False), r.step(arch, augment=True)
        index = predictions.which(r.gpu)
        expected = predictions.EXPECTED[arch][index] if index is not None else None
        two = predictions.TWO_BYTES[arch][index] if index is not None else None
        rows.append((arch, predictions.FUSED[arch], predictions.text(predictions.TWO_BYTES[arch], r.gpu),
                     predictions.text(predictions.FOUR_BYTES[arch], r.gpu), predictions.text(predictions.EXPECTED[arch], r.gpu),
                     number(measured), ratio(measured, expected), ratio(measured, two),
                     number(eager), number(augmented - measured if augmented and measured else None)))
    return table("A step of 256 images in bf16, milliseconds",
                 ("network", "floor: all fused", "floor: this design, 2 bytes", "with 4 bytes", "expected", "measured",
                  "measured / expected", "measured / floor of 2 bytes", "eager",
                  f"uploads and augmentation add (uploads expected: {predictions.UPLOADS})"),
                 rows)


def peer(r):
    rows = []
    for arch in NETWORKS:
        ours, eager, compiled = r.step(arch), r.peer_step(arch, False), r.peer_step(arch, True)
        best = min(filter(None, (eager, compiled)), default=None)
        rows.append((arch, number(ours), number(eager), number(compiled), ratio(best, ours)))
    errors = [(p["arch"], "compiled" if p["compiled"] else "eager", p["error"]) for p in r.peer if "error" in p]
    return table("The same step in PyTorch (channels_last, BatchNorm folded), milliseconds",
                 ("network", "engine", "PyTorch", "PyTorch, torch.compile", "times as fast as the better one"), rows) \
        + table("PyTorch failed", ("network", "how", "why"), errors)


def other_steps(r):
    rows = [(s["arch"], s["precision"], f"{s['slots']} x {s['batch']}", "captured" if s["graph"] else "eager",
             f"{1e3 * s['seconds']:.2f}", f"{s['samples_per_second']:.0f}", s["gib"])
            for s in sorted(r.steps, key=lambda s: (NETWORKS.index(s["arch"]), s["precision"], s["slots"], not s["graph"]))
            if not s["augment"] and s["batch"] == 16]
    return table("Steps in every form", ("network", "precision", "classes x images", "how", "ms", "images/s", "GiB"), rows)


def ceilings(r):
    measured = {row["run_name"].split("/")[1]: row for row in r.rows if row["run_name"].startswith("roof/")}
    rows = []
    for name, (unit, pair) in predictions.CEILINGS.items():
        value = measured.get(name, {}).get(unit)
        rows.append((name, unit, predictions.text(pair, r.gpu), number(value, "%.0f")))
    return table("Ceilings", ("what", "unit", "expected", "measured"), rows)


def what_ran(r):
    rows = []
    for run in r.runs:
        for stage in run["stages"]:
            results = [x for x in run["results"] if x["stage"] == stage["stage"]]
            bad = [f"{x['job']}: {x['status']}" for x in results if x["status"] != "ok"]
            rows.append((stage["stage"], f"{len(results) - len(bad)} of {len(results)}", f"{stage['planned']:.0f}",
                         f"{stage['seconds']:.0f}", "; ".join(bad).replace("|", "/") or NONE))
    return table("What ran", ("stage", "went well", "seconds planned", "taken", "what did not"), rows)


def replays(r, compare):
    rows = [tuple(c.strip() for c in line.strip("| ").split("|")) for line in gpu_report.lines_of(r.folder, "distances.log")
            if line.startswith("|")]
    if not rows and compare and list(r.folder.glob("replay-*.h5")):
        try:
            rows = list(distances.rows(r.folder, distances.ROOT / CASES))
        except (ImportError, OSError, KeyError) as error:
            return f"The replays are not compared: {error}\n\n"
    return table("Replayed cases against PyTorch in fp64, relative distances",
                 ("network", "precision", "logits", "hard logits", "gate gradients", "losses", "binary gates that differ",
                  "within fp32's bounds"), rows)


def layers(r, most=12):
    """Of each network the layers that take longest, hand-written beside cuDNN."""
    text = ""
    for arch in NETWORKS:
        columns = {}
        for conv in ("handwritten", "cudnn"):
            for line in gpu_report.lines_of(r.folder, f"profile-{arch}-{conv}.log"):
                cells = re.split(r"\s{2,}", line.strip())
                if len(cells) == 4 and cells[0] not in ("op", "sum"):
                    columns.setdefault(cells[0], {})[conv] = (float(cells[2]), cells[3])
        rows = [(name, number(c["handwritten"][0]), c["handwritten"][1], number(c["cudnn"][0] if "cudnn" in c else None))
                for name, c in sorted(columns.items(), key=lambda kv: -kv[1].get("handwritten", (0,))[0]) if "handwritten" in c]
        text += table(f"{arch}: the layers that take longest, bf16, 256 images, with the wait for each",
                      ("op and layer", "ms", "share", "with cuDNN, ms"), rows[:most])
    return text


def kernels(r):
    rows = [row for row in r.rows if not row["run_name"].startswith("roof/")]
    return gpu_report.kernels(rows) + gpu_report.against_libraries(rows)


def section(sources=(), short=False, commands=()):
    with Results(sources) as r:
        return section_of(r, short, commands)


def section_of(r, short=False, commands=()):
    text = "## How fast is it on a GPU, and is it right?\n\n"
    text += "".join(f"    {c}\n" for c in commands) + ("\n" if commands else "")
    if r.runs:
        dates = ", ".join(sorted({run["date"] for run in r.runs}))
        text += f"{r.gpu or 'no GPU'} (name, driver, memory, clock, power, capability); {r.machine['cores']} cores; {dates}; " \
                f"package {r.runs[0]['package'] or 'not named'}."
        if any(run["scale"] != 1 for run in r.runs):
            text += " **A rehearsal: no number below is a measurement.**"
        text += "\n\n"
    else:
        text += "**Not measured yet: no GPU was at hand.** What reasoning expects, on an H100 / an H200 " \
                "(`bench/predictions.py`); a dash is a measurement to come.\n\n"
    text += steps(r) + (peer(r) if r.runs else "") + ceilings(r) + what_ran(r)
    if not short:
        text += replays(r, True) + other_steps(r) + layers(r) + kernels(r)
        text += gpu_report.pasted(r.folder, "The five most expensive kernels of a step (Nsight Compute)", "ncu-*.log")
    else:
        text += replays(r, False)
    return text.replace("\n## ", "\n### ")


def write_into(path, text):
    """Puts the section where the last one was, or at the end."""
    old = path.read_text()
    begin = old.find(BEGIN)
    if begin < 0:
        old, begin = old.rstrip("\n") + "\n\n", len(old.rstrip("\n")) + 2
        rest = ""
    else:
        rest = old[old.index(END) + len(END):]
    path.write_text(old[:begin] + BEGIN + text.rstrip("\n") + "\n" + END + rest)
