"""Which layout a file's tensors are in, and which of its sets of weights is meant. Nothing is chosen silently: of two
sets that are whole networks one must be named, and a tensor that a network does not have is an error."""
import collections
import re

import numpy as np

from architectures import FAMILIES, describe
from errors import BadData, Misfit, WrongUsage, some
from layout import all_layouts

DEFAULT_EPS = 1e-5

# DenseNet files from before torchvision 0.3 say norm.1 where the modules are now called norm1.
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
# What wraps a module: DataParallel and torch.compile, which may wrap a part (features.module.0.weight), in any order.
WRAPPER = re.compile(r"(^|\.)(?:(?:module|_orig_mod)\.)+")
DROPPED = re.compile(r"(.*\.)?num_batches_tracked$|(.*\.)?n_averaged$|auxiliary_head\.")


def uniform_name(name):
    return OLD_DENSENET.sub(r"\1\2", WRAPPER.sub(r"\1", name))


class Part:
    """The tensors of a set whose names begin with a prefix. names: [(name without it, name in the file)]."""

    def __init__(self, weight_set, prefix, names):
        self.set, self.prefix, self.names = weight_set, prefix, names

    @property
    def label(self):
        return ".".join(self.set.where + ((self.prefix[:-1],) if self.prefix else ())) or "."

    def read(self):
        """{name: array}. Raises BadData."""
        tensors = {}
        for name, kind in self.set.others.items():
            name = uniform_name(name)
            if name.startswith(self.prefix) and re.search(r"\.(weight|bias|running_mean|running_var)$", name):
                raise BadData("entry %r of the state dict is of the type %s, not a tensor" % (name, kind))
        for name, raw in self.names:
            if DROPPED.match(name):
                continue
            if name in tensors:
                raise BadData("two tensors are called %s once prefixes are removed" % name)
            value = self.set.array(raw)
            if value.dtype.kind != "f":
                raise BadData("tensor %s has dtype %s, a float type is expected" % (name, value.dtype))
            tensors[name] = value
        return tensors


class Choice:
    """layout; part: None where names play no part; tensors: {the engine's name: array}; attributes; classes; eps: of
    BatchNorm, None: the engine's own."""

    def __init__(self, layout, part, tensors, attributes, classes, eps):
        self.layout, self.part, self.tensors = layout, part, tensors
        self.attributes, self.classes, self.eps = attributes, classes, eps


def parts_of(weight_set, layouts):
    """The parts of a set that hold a layout's anchor. What lies under a longer prefix is no part of a shorter one's."""
    names = [(uniform_name(raw), raw) for raw in weight_set.tensors]
    prefixes = set()
    for layout in layouts:
        tail = "." + layout.anchor
        prefixes |= {name[:-len(layout.anchor)] for name, _ in names if ("." + name).endswith(tail)}
    parts = {prefix: [] for prefix in prefixes}
    for name, raw in names:
        own = max((p for p in prefixes if name.startswith(p)), key=len, default=None)
        if own is not None:
            parts[own].append((name[len(own):], raw))
    return [Part(weight_set, prefix, parts[prefix]) for prefix in sorted(parts)]


def fit(part, layout, genotype, given_eps):
    """The part's tensors as the layout says. Raises Misfit and BadData."""
    tensors, left = {}, []
    for name, value in part.read().items():
        new = layout.translate(name)
        if new is None:
            left.append(name)
        elif new in tensors:
            raise BadData("two tensors take the place of %s" % new)
        else:
            tensors[new] = value
    eps = given_eps if given_eps is not None else layout.batchnorm_eps
    if layout.finish:
        layout.finish(tensors, DEFAULT_EPS if eps is None else eps)
    attributes, classes = describe(layout.arch, {n: v.shape for n, v in tensors.items()}, genotype, left)
    return Choice(layout, part, tensors, {**attributes, **layout.attributes}, classes, eps)


def fit_graph(operations, layout, genotype, given_eps):
    """The same of a graph without names: the layout gives them, in the graph's order."""
    tensors, attributes, eps = layout.finish(operations, genotype)
    eps = given_eps if given_eps is not None else eps
    more, classes = describe(layout.arch, {n: v.shape for n, v in tensors.items()}, genotype)
    return Choice(layout, None, tensors, {**more, **attributes}, classes, eps)


def best(attempts):
    """(Choice or None, errors): attempts are functions, each a layout on the same tensors; errors: [(problems, layout,
    text)] where none fits."""
    errors = []
    for layout, attempt in attempts:
        try:
            return attempt(), []
        except BadData as e:
            errors.append((getattr(e, "problems", 1 << 30), layout, str(e)))
    return None, errors


def choose(source, arch, wanted, genotype, eps):
    """The one Choice that the file, --arch and --weights-set leave. Raises BadData and WrongUsage."""
    layouts = [l for l in all_layouts() if l.source == source.kind and arch in (None, l.arch)]
    if not layouts:
        raise WrongUsage("--arch %s: no layout of such files is that of a %s" % (arch, arch))
    if source.operations is not None:
        choice, errors = best([(l, lambda l=l: fit_graph(source.operations, l, genotype, eps)) for l in layouts])
        return choice or nearest(errors)
    parts = [part for s in source.sets for part in parts_of(s, layouts)]
    if not parts:
        parts = unknown(source, layouts, arch)
    if wanted is not None:
        parts = [p for p in parts if p.label == wanted] or no_such_set(wanted, parts)
    choices, errors = [], []
    for part in parts:
        anchored = [l for l in layouts if any(name == l.anchor for name, _ in part.names)] or layouts[-1:]
        choice, wrong = best([(l, lambda l=l: fit(part, l, genotype, eps)) for l in anchored])
        choices += [choice] if choice else []
        errors += wrong
    if len(choices) > 1:
        raise WrongUsage("it holds several sets of weights (%s): choose one with --weights-set"
                         % ", ".join(c.part.label for c in choices))
    return choices[0] if choices else nearest(errors)


def unknown(source, layouts, arch):
    largest = max(source.sets, key=lambda s: len(s.tensors))
    names = [(uniform_name(raw), raw) for raw in largest.tensors]
    if arch is None:
        raise BadData("the architecture cannot be told from the tensor names (%s); the four are %s"
                      % (some(name for name, _ in names), ", ".join(FAMILIES)))
    return [Part(largest, "", names)]


def no_such_set(wanted, parts):
    raise WrongUsage("--weights-set %s: the file holds %s" % (wanted, ", ".join(p.label for p in parts)))


def nearest(errors):
    problems, layout, text = min(errors, key=lambda e: e[0])
    raise BadData(text if problems == 1 << 30 else "the tensors are not those of %s, the nearest layout: %s"
                  % (layout.title, text))


def passed_over(source, choice):
    """{first part of the names: tensors} of all that the choice leaves."""
    count = collections.Counter()
    used = {raw for _, raw in choice.part.names} if choice.part else set()
    for weight_set in source.sets:
        mine = choice.part and weight_set is choice.part.set
        for raw in weight_set.tensors:
            if not mine:
                count[weight_set.where[0] if weight_set.where else uniform_name(raw).split(".")[0]] += 1
            elif raw not in used:
                count[".".join(weight_set.where + (uniform_name(raw).split(".")[0],))] += 1
    return dict(count)


def as_float32(tensors):
    """What is stored: float32, finite. Raises BadData."""
    result, sick = {}, []
    for name, value in tensors.items():
        with np.errstate(over="ignore"):
            result[name] = np.ascontiguousarray(value, "<f4").reshape(value.shape)
        if not np.isfinite(result[name]).all():
            sick.append(name)
    if sick:
        raise BadData("values that are not finite in " + some(sick))
    return result
