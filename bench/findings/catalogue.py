"""Which networks there are, what is learnt of each, in which order, and where it lies.

    WORK/weights/NETWORK.h5          converted weights; NETWORK-random.h5: the same network with random weights
    WORK/NETWORK/SERIES-sSEED.h5     results of nad_run
    WORK/NETWORK/analysis.h5         findings of nad_analyse, of both objectives; analysis-SERIES.h5: of a control
    WORK/costs.json, analysed.json   seconds of every analysis; the runs that were analysed last
"""
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FORMS = ("vgg16", "resnet50", "densenet121", "darts")
FIRST_SEED = 233
RELEASED = ("--objective", "released", "--steps", "400")


@dataclass(frozen=True)
class Series:
    """A way of learning; a row of the tables."""
    name: str
    title: str
    flags: tuple
    objective: str = "released"
    cost: float = 1  # of a class, beside the released objective
    analysed: bool = True  # by nad_analyse; otherwise its results have the numbers themselves
    random_weights: bool = False
    first_class_alone: bool = False


SERIES = {s.name: s for s in (
    Series("released", "released", RELEASED),
    Series("specific", "specific", ("--objective", "specific"), "specific", 2),
    Series("released-shuffled", "released, shuffled labels", (*RELEASED, "--shuffle-labels", str(FIRST_SEED))),
    Series("released-random", "released, random weights", RELEASED, random_weights=True),
    Series("specific-even", "specific, shown half of the other classes", ("--objective", "specific", "--negative-classes", "even"),
           "specific", 2, analysed=False),
    Series("beta", "released, β searched", (*RELEASED, "--beta", "auto"), cost=10, analysed=False, first_class_alone=True))}
BOTH = ("released", "specific")


@dataclass(frozen=True)
class Network:
    name: str
    arch: str
    kind: str  # demo, small (trained at 96 pixels), imagenet
    images: str  # folder below DATA, or "demo": drawn into WORK
    source: str = ""  # checkpoint below DATA/weights; of a demo network its weights file in the repository
    input_size: int = 0
    classes: str = "all"  # of nad_run
    seeds: int = 5  # runs of the released objective, for stability

    def weights(self, work):
        return ROOT / self.source if self.kind == "demo" else work / "weights" / (self.name + ".h5")

    def data(self, data, work):
        return work / "images" / "demo" if self.images == "demo" else data / self.images

    def title(self):
        return {"vgg16": "VGG16", "resnet50": "ResNet50", "densenet121": "DenseNet121", "darts": "DARTS"}[self.arch] + ", " + (
            {"demo": "drawn objects, 64 pixels", "imagenette128": "Imagenette, 96 pixels", "places20": "Places, 96 pixels",
             "imagenette224": "ImageNet, 224 pixels"}[self.images])

    def paper_set(self):
        return "places" if self.images == "places20" else "imagenet"


def networks(data):
    """Those whose files are there: the demonstration's always, others below `data` (None: none of them)."""
    found = [Network("demo-" + form, form, "demo", "demo", "weights/demo/%s.h5" % form, 64) for form in FORMS]
    if data is None:
        return found
    for images, word in (("imagenette128", "imagenette"), ("places20", "places")):
        for form in FORMS:
            source = "%s_%s.pth" % (form, word)
            if (data / "weights" / source).exists():
                found.append(Network(form + "-" + word, form, "small", images, source, 96))
    if (data / "weights" / "resnet50_imagenet_codebooks.pth").exists():
        found.append(Network("resnet50-imagenet", "resnet50", "imagenet", "imagenette224", "resnet50_imagenet_codebooks.pth", 224,
                             imagenette_classes(data), seeds=2))
    return found


def imagenette_classes(data):
    return ",".join(sorted(p.name for p in (data / "imagenette224" / "train").iterdir() if p.is_dir()))


@dataclass(frozen=True)
class Learning:
    network: Network
    series: Series
    seed: int

    def out(self, work):
        return work / self.network.name / ("%s-s%d.h5" % (self.series.name, self.seed))

    def analysis(self, work):
        return work / self.network.name / ("analysis.h5" if self.series.name in BOTH else "analysis-%s.h5" % self.series.name)

    def weights(self, work):
        if self.series.random_weights:
            return work / "weights" / (self.network.name + "-random.h5")
        return self.network.weights(work)

    def classes(self):
        if not self.series.first_class_alone:
            return self.network.classes
        return "0-0" if self.network.classes == "all" else self.network.classes.split(",")[0]

    def command(self, programs, data, work, threads):
        return [str(programs / "nad_run"), "--weights", str(self.weights(work)), "--data", str(self.network.data(data, work)),
                "--classes", self.classes(), *self.series.flags, "--seed", str(self.seed), "--precision", "bf16", "--device", "cpu",
                "--threads", str(threads), "--out", str(self.out(work)), "--resume"]


def learnings(found, series):
    """In the order in which they are worth having: something whole early, the longest last."""
    def of(kinds, name, seed=FIRST_SEED):
        return [Learning(n, SERIES[name], seed) for kind in kinds for n in found
                if n.kind == kind and (seed == FIRST_SEED or name == "released" and seed < FIRST_SEED + n.seeds)]
    light, heavy = ("demo", "small"), ("imagenet",)
    tasks = of(light, "released") + of(light, "specific")
    tasks += of(light, "released-shuffled") + of(light, "released-random")
    tasks += of(light, "released", FIRST_SEED + 1) + of(heavy, "released") + of(heavy, "specific")
    for seed in range(FIRST_SEED + 2, FIRST_SEED + 5):
        tasks += of(light, "released", seed)
    tasks += of(light, "specific-even") + of(light, "beta") + of(heavy, "released", FIRST_SEED + 1)
    for name in ("released-shuffled", "released-random", "specific-even", "beta"):
        tasks += of(heavy, name)
    return [t for t in tasks if t.series.name in series]
