"""What the demonstration says at its end: from the JSON that nad_run and nad_analyse have printed, and from nothing else."""
import collections
import itertools
import json
import textwrap

from objects import CLASSES, SHARED

Outcome = collections.namedtuple("Outcome", "form objective average analyses")
# The rules of nad_analyse's claims, and the number that each goes by: (claim, heading, analysis, fact, sign wanted)
CLAIMS = (("falls_with_depth", ("similarity", "with depth"), "fig4_similarity", "depth_correlation"),
          ("similar_mistakes", ("mistakes", "to similar"), "table1_mistakes", "difference"),
          ("looks_at_its_class", ("looks at", "its class"), "fig4_hit_rate", "mean_difference"),
          ("specific", ("knows its", "class"), "random_masks", "mean_balanced_accuracy"))
PLANTED = list(SHARED)  # pairs of classes that share parts
VGG16_BETA = "0.5"
FEW = 10  # a tenth of all pairs are "the most similar"


def read_outcome(folder, form, objective):
    name = "%s_%s" % (form, objective)
    with open(folder / (name + ".json"), encoding="utf-8") as f:
        average = json.load(f)["average"]
    with open(folder / (name + "_analysis.json"), encoding="utf-8") as f:
        networks = json.load(f)["networks"]
    return Outcome(form, objective, average, list(networks.values())[-1]["analyses"])


def percent(value, digits=0):
    return "-" if value is None else "%.*f %%" % (digits, value)


def share(value, digits=0):
    return percent(None if value is None else 100 * value, digits)


def table(outcomes):
    yield "                       kept   own accuracy    false  activated in the object"
    yield "network     objective  chan.  before  after  alarms   most  original  its share"
    for o in outcomes:
        masks = o.analyses.get("object_masks", {})
        constant = "!" if o.average["constant_answers"] else " "
        yield "%-11s %-9s %6s  %6s %6s  %6s%s %5s  %8s  %9s" % (
            o.form.replace("_random", ""), o.objective, percent(o.average["kept_percent"]), percent(o.average["top1_before"]),
            percent(o.average["top1_after"]), percent(o.average["false_alarms"]), constant,
            *(share(masks.get(fact)) for fact in ("best_inside", "best_original", "mask_share")))


def legend(outcomes):
    yield ("Activated in the object: the share of the 5 % of pixels where the network is most active that lie on the object, at the "
           "gate where it is most; the same of the original; the object's share of the image.")
    if any(o.average["constant_answers"] for o in outcomes):
        yield "! constant answers, %s: each calls more than half of other classes' images its own, so that own accuracy says nothing." % (
            ", ".join("%d of %d of %s %s" % (o.average["constant_answers"], o.average["classes"], o.form.replace("_", " "), o.objective)
                      for o in outcomes if o.average["constant_answers"]))


def shown(outcome, claim):
    """Whether a rule has made it, after Holm's correction."""
    found = outcome.analyses.get("claims", {}).get("table", {})
    return claim in found.get("claim", []) and bool(found["shown"][found["claim"].index(claim)])


def lacks_control(outcome, claim):
    """Whether the rule asks for a network with random weights beside it and has none: even those are less alike in depth."""
    return claim == "falls_with_depth" and not outcome.analyses.get("claims", {}).get("controls")


def ranks(names, values):
    """{planted pair: (its place among all pairs of classes by the sum of both directions, the last of equal ones; its sum)}, and
    the number of pairs."""
    pairs = {(a, b): values[i * len(names) + j] + values[j * len(names) + i]
             for (i, a), (j, b) in itertools.combinations(enumerate(names), 2)}
    return {p: (sum(v >= pairs[p] for v in pairs.values()), pairs[p]) for p in PLANTED if p in pairs}, len(pairs)


def class_names(outcome, analysis):
    return [sorted(CLASSES)[int(c)] for c in outcome.analyses[analysis]["values"]["classes"]]


def similar_pairs(outcome):
    if "values" not in outcome.analyses.get("fig4_similarity", {}):
        return {}, 0
    return ranks(class_names(outcome, "fig4_similarity"), outcome.analyses["fig4_similarity"]["values"]["matrix"])


def mistaken_pairs(outcome):
    if "values" not in outcome.analyses.get("table1_mistakes", {}):
        return {}, 0
    return ranks(class_names(outcome, "table1_mistakes"), outcome.analyses["table1_mistakes"]["values"]["mistaken"])


def by_objective(named):
    """[("released", "vgg16 (3)"), ...] as text."""
    groups = collections.defaultdict(list)
    for objective, name in named:
        groups[objective].append(name)
    return "; ".join("%s, %s" % (objective, ", ".join(names)) for objective, names in groups.items()) or "none"


def is_near(place, pairs):
    return place <= max(1, pairs // FEW)


def findings(outcomes):
    total = max(similar_pairs(o)[1] for o in outcomes)
    yield "What the paper found, and the planted pairs' places by similarity, of %d pairs:" % total
    for line in (0, 1):
        yield "%-22s" % ("", "network     objective")[line] + "".join("%-11s" % c[1][line] for c in CLAIMS) + "".join(
            "%-7s" % (pair[line] + ("/" if line == 0 else "")) for pair in PLANTED)
    for o in outcomes:
        cells = []
        for claim, _, analysis, fact in CLAIMS:
            value = o.analyses.get(analysis, {}).get(fact)
            pattern = "%s %.2f" if claim == "specific" else "%s %+.2f"
            verdict = "yes" if shown(o, claim) else "?  " if lacks_control(o, claim) else "no "
            cells.append("%-11s" % ("-" if value is None else pattern % (verdict, value)))
        places, total = similar_pairs(o)
        yield "%-11s %-9s " % (o.form, o.objective) + "".join(cells) + "".join(
            "%-7s" % (("%d*" if is_near(places[p][0], total) else "%d") % places[p][0] if p in places else "-") for p in PLANTED)
    yield ("yes: a rule shows it at 5 % after Holm's correction. The numbers: correlation of similarity with depth; similarity with "
           "the classes mistaken for, less with others; hit rate, less that of other classes; balanced accuracy. *: among the most similar tenth.")
    if any(lacks_control(o, "falls_with_depth") for o in outcomes):
        yield "?: no rule says so without a network with random weights beside it, whose similarity may fall too (--full)."


def planted(outcomes):
    """Sentences: where the classes that share parts stand among all pairs by similarity."""
    for pair in PLANTED:
        near, far, pairs = [], [], 0
        for o in outcomes:
            places, total = similar_pairs(o)
            if pair in places:
                pairs = total
                (near if is_near(places[pair][0], total) else far).append((o.objective, "%s (%d)" % (o.form, places[pair][0])))
        if pairs:
            yield "%s and %s share parts. Of %d pairs by similarity they are among the first %d: %s. They are not: %s." % (
                pair[0].capitalize(), pair[1], pairs, max(1, pairs // FEW), by_objective(near), by_objective(far))


def mistakes(outcomes):
    """A sentence: the original networks' mistakes between classes that share parts."""
    counts, most = [], []
    for o in {o.form: o for o in outcomes}.values():
        places, _ = mistaken_pairs(o)
        if places:
            counts.append("%s %s of %d" % (o.form, " and ".join(str(int(count)) for _, count in places.values()),
                                           o.analyses["table1_mistakes"]["mistakes_in_table"]))
            most += ["%s of %s" % ("/".join(p), o.form) for p, (place, count) in places.items() if place == 1 and count > 0]
    if counts:
        yield "Mistakes between %s: %s. The most frequent of all pairs: %s." % (
            " and between ".join("/".join(p) for p in PLANTED), ", ".join(counts), ", ".join(most) or "in no network one of these")


def connections(outcomes):
    """What the ways past a layer change: a comparison of four networks, no test."""
    for objective in dict.fromkeys(o.objective for o in outcomes):
        of = {o.form: o.analyses.get("fig4_similarity", {}) for o in outcomes if o.objective == objective}
        depth = {form: f["depth_correlation"] for form, f in of.items() if f.get("depth_correlation") is not None}
        alike = {form: f["mean_similarity"] - f["mean_chance"] for form, f in of.items() if f.get("mean_similarity") is not None}
        if len(depth) < 4 or len(alike) < 4:
            continue
        yield ("Connections past layers, %s: similarity falls most steadily with depth in %s (the paper: in VGG16, which has no such "
               "connections); above chance it is lowest in %s (the paper: lowest in DenseNet121). Four networks compared, not a "
               "test." % (objective, min(depth, key=depth.get), min(alike, key=alike.get)))


def starts(outcomes):
    """A sentence, where there are several starts."""
    tested = [o for o in outcomes if o.analyses.get("stability", {}).get("starts_within") is not None]
    if tested:
        is_shown = [(o.objective, o.form) for o in tested if shown(o, "stable")]
        yield "The class decides the sub-architecture, not only the start that it is learnt from: shown for %s; tested: %s." % (
            by_objective(is_shown), by_objective([(o.objective, o.form) for o in tested]))


def knowing_nothing(random):
    """A sentence: what the rules claim of networks with random weights."""
    if random:
        made = ["%s of %s %s" % (claim.replace("_", " "), o.form.replace("_random", ""), o.objective)
                for o in random for claim in o.analyses["claims"]["table"]["claim"] if shown(o, claim)]
        yield "Of networks with random weights, which know nothing, the same rules claim: %s." % (", ".join(made) or "nothing")


def left_out(outcomes, length):
    if ("vgg16", "released") in [(o.form, o.objective) for o in outcomes]:
        yield "VGG16's released gates are learnt with beta %s: the paper's 4.5 leaves next to nothing of so small a network." % VGG16_BETA
    if length.full:
        return
    yield ("Left out, scripts/demo --full does it: other starts (whether a sub-architecture is its class's or its start's), "
           "networks with random weights, longer learning than %d and %d steps, more composites." % tuple(length.steps.values()))


def screen(outcomes, random, length):
    """The lines of the terminal, 80 columns each."""
    nothing = ["", "The same of networks with random weights:", *table(random)] if random else []
    for line in map(str.rstrip, (*table(outcomes), *nothing, *legend(outcomes + random), "", *findings(outcomes), "", *remarks(outcomes, random, length))):
        yield from textwrap.wrap(line, 80) if len(line) > 80 else [line]


def remarks(outcomes, random, length):
    return [*mistakes(outcomes), *connections(outcomes), *starts(outcomes), *knowing_nothing(random), *left_out(outcomes, length)]


def notes(outcomes, random, length):
    """Paragraphs for the report's first screen, whose figures show the rest."""
    return [*planted(outcomes), *remarks(outcomes, random, length)]
