"""Puts the document together. What it says of a network comes from the files; nothing is claimed here."""
import math
import os
import time
from collections import Counter

from findings.catalogue import BOTH, FIRST_SEED, SERIES
from findings.cells import percent
from findings.reading import all_seconds, minutes, read_subjects
from findings.tables import CLAIMS, TABLES
from findings.work import ANALYSES

HEAD = """# What was found

What the paper claims, and what this program sees, with the controls that decide what a figure means ([METHOD](METHOD.md),
sections 5 to 6). One script makes this page: it learns, analyses and tabulates, and goes on where it was stopped. Last written
on %(date)s with %(whole)d of %(wanted)d runs learnt; to learn the rest takes about %(left)s more.

    scripts/findings --data DATA --work WORK                       # --budget MINUTES or --until HH:MM stops it
    scripts/findings --data DATA --work WORK --tables-only         # this page, from what is there

How to read it. *Released* is what the authors' program minimises, *specific* this project's objective, which shows images of
other classes too (METHOD, 2a). Values are percent unless a header says otherwise; brackets hold 95 %% intervals; n is in every
table or above it. What has no numbers is named below its table with the reason, and with the time that it takes. Times are
wall time beside whatever else the machine did: upper bounds. A claim is *shown* where a coded rule found it at 5 %% after
Holm's correction over the five rules, beside its control (METHOD, 5a.8); those rules make every sentence below, none is
written by hand. The drawn objects are the demonstration's (`weights/demo`); the other networks and their images are not part
of this repository.
"""
NOT_LEARNT = "not learnt yet (the time that it takes: [Networks](#networks))"


def cells(values):
    return "| " + " | ".join(str(v).replace("|", "/") for v in values) + " |"


def table_of(headers, rows):
    return [cells(headers), "|---" * len(headers) + "|", *[cells(row) for row in rows], ""]


def no_numbers(reasons, networks_of):
    """A line for every reason. reasons: [(subject, reason, what is left)]; networks_of: {series: how many networks}."""
    lines, by_reason = [], {}
    for subject, reason, left in reasons:
        of = by_reason.setdefault(reason, {}).setdefault(subject.series.name, [])
        of.append("`%s`" % subject.network.name + (" (%s)" % left if left else ""))
    for reason, names in by_reason.items():
        parts = ["%s of %s" % (SERIES[n].title, "all networks" if len(of) == networks_of[n] else ", ".join(of)) for n, of in names.items()]
        lines += ["No numbers, %s: %s." % (reason, "; ".join(parts)), ""]
    return lines


def numbers(table, subjects, worker):
    rows, reasons = [], []
    for s in subjects:
        if s.series.name not in table.series:
            continue
        group = s.groups.get(table.analysis)
        if s.learnt:
            reasons.append((s, NOT_LEARNT, ""))
        elif group is None and table.analysis == "object_masks" and s.network.kind != "demo":
            reasons.append((s, "there are no masks of its objects", ""))
        elif group is None:
            reasons.append((s, "learnt, but not analysed yet", s.analysis_left(table.analysis, worker)))
        elif not group.table and not group.facts.get("images") and group.missing:
            reasons.append((s, "it needs " + group.missing, ""))
        else:
            rows.append([s.network.title(), s.series.title, *[
                cell(group, s) if header in table.wants_subject else cell(group) for header, cell in table.columns]])
    lines = table_of(["network", "learnt", *[h for h, _ in table.columns]], rows) if rows else []
    return lines + no_numbers(reasons, Counter(s.series.name for s in subjects))


def claims_of(subject):
    """{claim: (shown, sentence)}, of those that were tested."""
    group = subject.groups.get("claims")
    if group is None:
        return {}
    found = zip(group.table["claim"], group.table["shown"], group.table["sentence"])
    return {name: (bool(shown), text) for name, shown, text in found if "not tested" not in text}


def counted(subjects, name, series):
    tested = [claims_of(s)[name] for s in subjects if s.series.name == series and name in claims_of(s)]
    if not tested:
        return "no network tested yet"
    return "shown in %d of %d networks" % (sum(t[0] for t in tested), len(tested))


def claims(subjects):
    series = [s for s in SERIES if any(u.series.name == s and u.series.analysed for u in subjects)]
    lines = ["## Claims of the paper", ""]
    lines += table_of(["claim", "what the paper saw", *["here: " + SERIES[s].title for s in series]],
                      [[claim, saw, *[counted(subjects, name, s) for s in series]] for name, (claim, saw) in CLAIMS.items()])
    lines += ["The rule for the first: the sub-architectures know their class better than random masks of the same sizes do, and answer it "
              "to less than half of other classes' images. What stands behind the paper's Fig. 2 without that control:", ""]
    for name in series:
        groups = [s.groups["fig2_accuracy"] for s in subjects if s.series.name == name and "fig2_accuracy" in s.groups]
        if groups:
            lines.append("- *%s*: %d of %d sub-architectures (%d networks) are constant answers; own Top-1 %s before, %s after, false alarms %s "
                         "(percent, means over networks)." % (
                             SERIES[name].title, sum(g.number("constant_answers") for g in groups), sum(g.number("classes") for g in groups),
                             len(groups), *[average(groups, n) for n in ("mean_before", "mean_after", "mean_false_alarms")]))
        else:
            lines.append("- *%s*: no network is learnt and analysed yet." % SERIES[name].title)
    return lines + [""]


def average(groups, name):
    values = [g.number(name) for g in groups if not math.isnan(g.number(name))]
    return "%.1f" % (sum(values) / len(values)) if values else "?"


def sentences(subjects):
    lines = ["### What the rules say", ""]
    for s in subjects:
        if "claims" in s.groups:
            lines.append("- **%s**" % s.title())
            lines += ["  - " + ("" if text.startswith("not shown") else "shown: ") + text for text in s.groups["claims"].table["sentence"]]
    return lines + ([] if len(lines) > 2 else ["No network is through all analyses yet."]) + [""]


def networks(subjects):
    names = list(dict.fromkeys(s.series.name for s in subjects))
    rows = []
    for network in dict.fromkeys(s.network for s in subjects):
        of = {s.series.name: s for s in subjects if s.network == network}
        rows.append([network.name, network.title(), *[state(of[n]) if n in of else "not asked for" for n in names]])
    return ["## Networks", "", "Runs that are whole, of those that are wanted (the released objective again with other seeds, for 5a.5), the seconds "
            "that a class takes, and the time that is left: by this network's own classes where one is timed, else scaled from others.", "",
            *table_of(["`--networks`", "", *[SERIES[n].title + ": `" + n + "`" for n in names]], rows)]


def state(s):
    text = "%d of %d" % (s.runs, s.wanted)
    if s.learnt and s.seconds:
        text += " (%d classes learnt)" % len(s.seconds)
    if s.seconds:
        text += ", %.0f s a class" % (sum(s.seconds) / len(s.seconds))
    return text + (", about %s more" % minutes(s.left) if s.left else "")


def commands(subjects):
    network = next((s.network for s in subjects if s.network.kind == "small"), subjects[0].network)
    weights = network.source if network.kind == "demo" else "WORK/weights/%s.h5" % network.name
    images = "WORK/images/demo" if network.kind == "demo" else "DATA/" + network.images
    lines = ["The commands behind it, of one network (WORK/log.txt has all):", ""]
    for name in BOTH:
        lines.append("    build/nad_run --weights %s --data %s %s \\\n      --seed %d --precision bf16 --out WORK/%s/%s-s%d.h5 --resume" % (
            weights, images, " ".join(SERIES[name].flags), FIRST_SEED, network.name, name, FIRST_SEED))
    masks = " --masks %s/masks/val" % images if network.kind == "demo" else ""
    lines.append("    build/nad_analyse WORK/%s/released-s*.h5 --weights %s \\\n      --data %s%s --out WORK/%s/analysis.h5" % (
        network.name, weights, images, masks, network.name))
    return lines + ["", "Every table is a group of that analysis file (its name stands in brackets), and a CSV beside it that has each "
                    "class's own numbers and Wilson's interval.", ""]


def transfer_matrices(subjects):
    lines = ["### Transfer matrices (`transfer`)", "", "Percent of the column's images that the row's sub-architecture answers as its own "
             "class (at most 50 images of a class); the diagonal is the class itself. Released objective.", ""]
    for s in subjects:
        group = s.groups.get("transfer")
        if group is None or s.series.name != "released":
            continue
        lines += ["<details><summary>%s: false alarms %s %%</summary>" % (s.network.title(), percent(group.number("mean_false_alarms"))), ""]
        names = [n[:22] for n in group.table["name"]]
        for name, row in zip(names, group.arrays["transfer"]):
            lines.append("    " + name.ljust(max(map(len, names))) + "".join("%5.0f" % (100 * x) for x in row))
        lines += ["", "</details>", ""]
    return lines


def controls(subjects):
    """5a.6: how many claims the rules make of networks that know nothing."""
    names = [n for n in dict.fromkeys(s.series.name for s in subjects) if SERIES[n].analysed]
    rows = []
    for network in dict.fromkeys(s.network for s in subjects):
        of = {s.series.name: s for s in subjects if s.network == network}
        rows.append([network.title(), *[claim_count(of.get(n)) for n in names]])
    return ["### 5a.6 Networks that know nothing (`claims`)", "", "Claims that the rules make of the trained network, of the same with shuffled "
            "labels, and of one with random weights: shown, of those tested (five where nothing is left out). Their other numbers are in the rows of "
            "every table.", "", *table_of(["network", *[SERIES[n].title for n in names]], rows)]


def claim_count(s):
    if s is None:
        return "not asked for"
    if "claims" not in s.groups:
        return "not learnt yet" if s.learnt else "not analysed yet"
    return "%d of %d" % (sum(shown for shown, _ in claims_of(s).values()), len(claims_of(s)))


def missing(subjects):
    lines = ["- %s, `%s`: lacks %s" % (s.title(), name, group.missing) for s in subjects for name, group in s.groups.items()
             if group.missing and name != "fig6_beta"]
    return ["## What of it is left out", "", "5.4, the feature maps, are pictures: `nad_explain` draws them. Beside what stands below each "
            "table:", "", *(lines or ["- nothing of what was analysed."]), ""]


def costs(subjects, worker):
    known = worker.costs()
    rows = []
    for s in subjects:
        learning = all_seconds(s, worker)
        values = [known.get("%s %s %s" % (s.network.name, s.series.name, a)) for a in ANALYSES]
        if learning:
            rows.append([s.network.title(), s.series.title, "%.0f" % learning, *["" if v is None else "%.0f" % v for v in values]])
    return ["## What it cost", "", "Seconds of wall time beside whatever else the machine did. Learning: all classes of all runs; an "
            "analysis: the last time it was made. Empty: not run yet; what is not learnt has no row.", "",
            *table_of(["network", "learnt", "learning", *ANALYSES], rows)]


def document(tasks, worker):
    subjects = read_subjects(tasks, worker)
    lines = [HEAD % {"date": time.strftime("%Y-%m-%d", time.gmtime()), "whole": sum(s.runs for s in subjects),
                     "wanted": sum(s.wanted for s in subjects), "left": minutes(sum(s.left for s in subjects))}]
    lines += claims(subjects) + sentences(subjects) + networks(subjects) + commands(subjects) + ["## The numbers", ""]
    for table in TABLES:
        lines += ["### %s (`%s`)" % (table.title, table.analysis), ""] + ([table.text, ""] if table.text else [])
        lines += numbers(table, subjects, worker)
        if table.analysis == "transfer":
            lines += transfer_matrices(subjects)
    lines += controls(subjects) + missing(subjects) + costs(subjects, worker)
    return "\n".join(lines).rstrip() + "\n"


def write_document(path, tasks, worker):
    part = path.with_name(path.name + ".part")
    part.write_text(document(tasks, worker))
    os.replace(part, path)
