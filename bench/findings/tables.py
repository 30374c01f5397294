"""The tables of the document: for every analysis its columns, each made from the group of the analysis file."""
import math
from dataclasses import dataclass

from findings.catalogue import SERIES
from findings.cells import (UNDEFINED, among_similar, column, count, extreme, hit_rate, interval, listed, number, of_classes_with, p_value, percent,
                            separation, share, with_interval)

ANALYSED = tuple(s.name for s in SERIES.values() if s.analysed)
PAPER_BETA = {  # METHOD, section 2
    ("vgg16", "imagenet"): 4.5, ("vgg16", "places"): 5.0, ("darts", "imagenet"): 0.45, ("darts", "places"): 0.20}
PAPER_TABLE1 = {  # mis, oth in percent (METHOD, section 6)
    ("vgg16", "imagenet"): (78.59, 73.74), ("vgg16", "places"): (81.87, 78.75),
    ("resnet50", "imagenet"): (59.38, 57.09), ("resnet50", "places"): (65.49, 60.34),
    ("densenet121", "imagenet"): (53.35, 51.41), ("densenet121", "places"): (43.95, 42.02),
    ("darts", "imagenet"): (60.02, 52.97), ("darts", "places"): (61.96, 55.97)}


def paper_table1(g, subject):
    mis, oth = PAPER_TABLE1[subject.network.arch, subject.network.paper_set()]
    return "%.2f - %.2f = %.2f" % (mis, oth, mis - oth)


def paper_beta(g, subject):
    return "%g" % PAPER_BETA.get((subject.network.arch, subject.network.paper_set()), 0.02)


def beta_curve(g):
    rows = zip(*(g.table[name] for name in ("beta", "mean_first", "mean_regular")))
    return "; ".join("%g: %s" % (beta, UNDEFINED if math.isnan(first) else "%.3g, %.3g" % (first, regular)) for beta, first, regular in rows)


@dataclass
class Table:
    title: str
    analysis: str
    text: str
    columns: list  # (header, cell of a Group, or of a Group and its Subject)
    wants_subject: tuple = ()  # headers of the latter
    series: tuple = ANALYSED  # of its rows


def bin_above_90(name):
    return lambda g: "%d of %d" % (g.table[name][-1], g.number("classes"))


def object_gate(g):
    return "%s (%s)" % (g.facts.get("last_gate", UNDEFINED), g.facts.get("last_map", ""))


def at_gate(name):
    """A column at the last gate that is named, with its interval where it has one."""
    def cell(g):
        gate = g.number("last_gate")
        if math.isnan(gate):
            return UNDEFINED
        ends = [g.table[name + end][int(gate)] if name + end in g.table else None for end in ("_low", "_high")]
        value = g.table[name][int(gate)]
        return percent(value) if None in ends else with_interval(value, *ends)
    return cell


TABLES = [
    Table("5.1 Does it occur? (Fig. 2)", "fig2_accuracy",
          "Top-1 on a class's own validation images (all), before: the original network, after: its sub-architecture; averages over "
          "classes with 95 % bootstrap intervals. The control is the false alarms: how many of other classes' images (at most 100) the "
          "same sub-architecture answers so. A class with more than 50 % is a constant answer, and its accuracy says nothing.",
          [("classes in (90, 100], before", bin_above_90("before")), ("after", bin_above_90("after")),
           ("before, %", interval("mean_before", 1)), ("after, %", interval("mean_after", 1)),
           ("control: false alarms, %", interval("mean_false_alarms", 1)), ("constant answers", count("constant_answers"))]),
    Table("5a.1 Are they specific?", "transfer",
          "Every sub-architecture on images of every class: own accuracy, false alarms (mean over the other classes), AUROC of the class's "
          "logit, balanced accuracy (own + 1 - false alarms) / 2, other classes' images that it still answers right; means over classes "
          "with bootstrap intervals. The control is the original network on the same images. Wilson's interval of every class is in the "
          "CSV.",
          [("classes, images of each", lambda g: "%d, %d" % (g.number("classes"), g.number("images_per_class_at_most"))),
           ("own, %", interval("mean_own")), ("own, original", interval("mean_original_own")),
           ("false alarms, %", interval("mean_false_alarms")), ("false alarms, original", interval("mean_original_false_alarms")),
           ("AUROC", interval("mean_auroc", 1, 3)), ("AUROC, original", interval("mean_original_auroc", 1, 3)),
           ("balanced, %", interval("mean_balanced_accuracy")), ("balanced, original", interval("mean_original_balanced_accuracy")),
           ("others right, %", column("others_right")), ("others right, original", column("original_others_right")),
           ("constant answers", count("constant_answers"))]),
    Table("5a.1 False alarms on classes never shown", "unshown",
          "Gates learnt with the images of every second other class alone; false alarms on validation images of the classes shown, and of "
          "those never shown (at most 100 images in all; means over classes).",
          [("classes, images", lambda g: "%d, %d" % (g.number("classes"), g.number("images"))), ("own before, %", column("top1_before")),
           ("own after, %", column("top1_after")), ("control: false alarms on classes shown, %", column("false_alarms_shown")),
           ("on classes never shown, %", column("false_alarms_unshown"))], (), ("specific-even",)),
    Table("5.2 Similarity of sub-architectures (Fig. 4, row 1)", "fig4_similarity",
          "Jaccard similarity, mean over gates and all pairs of classes. The control is what sets of these sizes have by chance. Depth: "
          "Spearman's correlation of similarity above chance with the gate's place, p from 9,999 permutations of the layers.",
          [("pairs of classes", count("pairs")), ("similarity, %", interval("mean_similarity")), ("control: chance, %", share("mean_chance")),
           ("channels kept, %", column("kept_share")),
           ("most above chance, %", extreme("above_chance", max)), ("least", extreme("above_chance", min)),
           ("depth: Spearman", number("depth_correlation")), ("p (falls)", p_value("depth_p"))]),
    Table("5.2 Similarity by gate", "fig4_similarity", "From the input on, percent, in parentheses chance.",
          [("gate 0, 1, …", listed("similarity", "chance"))]),
    Table("5.3, 5a.7 Where do they look? (Fig. 4, row 2)", "fig4_hit_rate",
          "Share of the 5 % most active pixels that lie on the class's own quadrant of a composite of four, mean over gates. The original has "
          "25 % exactly. Controls: the sub-architecture of a class that is not in the composite, scored on the same quadrant (swap), and random "
          "masks. Interval over composites; p from 2,000 flips of the signs of the classes' differences.",
          [("composites", count("composites")), ("hit rate, %", hit_rate("mean_hit_rate", 0)), ("control: swap, %", hit_rate("mean_swap", 8)),
           ("control: random masks, %", hit_rate("mean_random", 4)), ("own - swap, points", interval("mean_difference", 100, 2)), ("p", p_value()),
           ("highest", extreme("hit_rate", max))]),
    Table("5.3 Hit rate by gate", "fig4_hit_rate", "From the input on, percent, in parentheses the swap; –: no map of the gate points anywhere.",
          [("gate 0, 1, …", listed("hit_rate", "swap"))]),
    Table("5a.7 On the object itself", "object_masks",
          "Where masks of the objects are at hand (the drawn ones): whole images of a class, and the share of the activated pixels that lies on "
          "the object, at the last gate whose map has more than 2×2 cells, intervals over classes. Controls: the object's share of the image, the "
          "original network, another class's sub-architecture (swap), and the own map scored on the object of another image of the class.",
          [("images, classes", lambda g: "%d, %d" % (g.number("images"), g.number("classes"))), ("gate, map", object_gate),
           ("inside, %", at_gate("inside")), ("control: object's share, %", share("mask_share")), ("control: original, %", at_gate("original")),
           ("control: swap, %", at_gate("swap")), ("control: another image's object, %", at_gate("other_mask")),
           ("own - swap, points", at_gate("difference")), ("over gates", interval("mean_difference", 100, 2)), ("p", p_value())]),
    Table("5.5, 5a.7 Why networks misjudge (Table 1)", "table1_mistakes",
          "Mis: similarity with the classes that images of a class are mistaken for; Oth: with all others; averages over classes, bootstrap "
          "interval of the difference; p from 2,000 permutations of the classes. Also: the share of mistakes whose answer is among the k "
          "classes most similar to the label, beside chance.",
          [("images, mistakes", lambda g: "%d, %d" % (g.number("images"), g.number("mistakes_in_table"))), ("Mis, %", of_classes_with("mis", "oth")),
           ("control: Oth, %", of_classes_with("oth", "mis")), ("Mis - Oth, points", interval("difference", 100, 2)), ("p", p_value()),
           ("among the 1 most similar (chance), %", among_similar(1)), ("3", among_similar(3)), ("5", among_similar(5)),
           ("paper", paper_table1)], ("paper",)),
    Table("5.6 β by the elbow (Fig. 6)", "beta",
          "`nad_run --beta auto` on the first class: reconstruction against regularisation over a grid of β, means over the last tenth of the "
          "steps; the elbow is the point farthest from the chord. n is the classes searched; one class has no interval.",
          [("classes", count("classes")), ("elbow", number("elbow", 4)), ("paper's β", paper_beta),
           ("β: reconstruction, regularisation", beta_curve)], ("paper's β",), ("beta",)),
    Table("5a.2 Faithfulness", "faithfulness",
          "On own images: KL(original ‖ sub-architecture) of the softmax in nats, and agreement of the Top-1.",
          [("images", count("images")), ("KL", interval("mean_kl", 1, 2)), ("agreement, %", interval("mean_agreement"))]),
    Table("5a.2 Necessity: the complement", "complement",
          "Own images right by the network without the sub-architecture. The control is random masks of as many channels.",
          [("images of a class, draws", lambda g: "%d, %d" % (g.number("images_per_class_at_most"), g.number("draws"))),
           ("original, %", column("original")), ("complement, %", interval("mean_complement")),
           ("control: random masks, %", interval("mean_random")), ("complement - random, points", interval("difference")), ("p", p_value())]),
    Table("5a.3 Random masks and cheap criteria", "random_masks",
          "Balanced accuracy of what was learnt, beside random masks with as many channels in every gate, and beside the channels with the "
          "largest mean activation and activation × gradient. p: draws whose mean is at least what was learnt.",
          [("own images, others, draws", lambda g: "%d, %d, %d" % (g.number("own_images_per_class_at_most"), g.number("other_images_at_most"),
                                                                  g.number("draws"))),
           ("learnt, %", interval("mean_balanced_accuracy")), ("control: random masks, %", interval("mean_random")), ("p", p_value()),
           ("by activation, %", interval("mean_by_activation")), ("by activation × gradient, %", interval("mean_by_gradient")),
           ("classes of rank 1", lambda g: "%d of %d" % (sum(r == 1 for r in g.table["rank"]), len(g.table["rank"])))]),
    Table("5a.4 Other sizes", "size_sweep",
          "The 10, 20, …, 100 % of every gate's channels with the largest logits: own accuracy and false alarms in percent, means over classes.",
          [("own", listed("own")), ("false alarms", listed("false_alarms"))]),
    Table("5a.5 Is it the class, or chance?", "stability",
          "The same class learnt again (within) beside other classes of the same run (between), Jaccard in percent, means over gates. Separation = "
          "(within - between) / (1 - chance). p is of runs with other starts. Where a layer's interval reaches 0, its similarity says nothing of "
          "classes.",
          [("runs, starts", lambda g: "%d, %d" % (g.number("runs"), g.number("starts"))), ("within", interval("mean_within")),
           ("between", interval("mean_between")), ("difference", interval("mean_difference", 100, 2)), ("chance", share("mean_chance")),
           ("separation, %", separation), ("p", p_value()),
           ("layers that say nothing", lambda g: "%d of %d" % (g.number("layers_that_say_nothing"), len(g.table["gate"])))]),
]
CLAIMS = {  # claim of nad_analyse -> (what the paper says, where, what it saw)
    "specific": ("a sub-architecture is tied to its class (4.2.1, Fig. 2)",
                 "Top-1 in (90, 100] for most classes, before (70, 90] on ImageNet and (40, 70] on Places"),
    "falls_with_depth": ("classes share the bottom layers and part in the top ones (4.2.2, Fig. 4 row 1)",
                         "VGG16 above about 90 % in layers 1-7, falling after; ResNet50 lowest in layers 11-14; DenseNet121 low "
                         "everywhere; DARTS drops at 8, 12, 15"),
    "looks_at_its_class": ("a sub-architecture looks at its class (4.2.2, Fig. 4 row 2)",
                           "highest hit rates: VGG16 last two layers, ResNet50 layer 16, DARTS layers 12 and 15"),
    "similar_mistakes": ("mistakes go to classes with similar sub-architectures (4.3, Table 1)",
                         "Mis above Oth in all eight cases, by 1.93 to 7.05 points"),
    "stable": ("(what all similarities presuppose: learnt again, a class has the same sub-architecture)", "not reported")}
