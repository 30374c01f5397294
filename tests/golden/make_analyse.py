#!/usr/bin/env python3
"""Golden values of the analyses from numpy (and PyTorch and Pillow for resizes), written from docs/METHOD.md without a look at
the engine:

    python3 tests/golden/make_analyse.py        writes tests/golden/analyse.json, which tests/test_analyse.cpp reads

Inputs are drawn here and stored with the results, so that the test needs no Python.
"""
import json
import math
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from PIL import Image

MASK64 = (1 << 64) - 1


def random_bits(key, counter):  # splitmix64, as engine/rng.h documents it
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK64
    return z ^ (z >> 31)


def random_key(key, coordinate):
    return random_bits(key ^ 0xD1B54A32D192ED03, coordinate)


def wilson(hits, n):
    """The two p where |share - p| = z sqrt(p (1 - p) / n), by bisection: no closed form shared with the engine."""
    z, share = 1.959963984540054, hits / n

    def border(outside, inside):
        for _ in range(200):
            p = (outside + inside) / 2
            if abs(share - p) <= z * math.sqrt(p * (1 - p) / n):
                inside = p
            else:
                outside = p
        return inside

    return [0.0 if hits == 0 else border(0.0, share), 1.0 if hits == n else border(1.0, share)]


def auroc(own, others):
    wins = sum((1.0 if a > b else 0.5 if a == b else 0.0) for a in own for b in others)
    return wins / (len(own) * len(others))


def bootstrap_mean(values, key, draws):
    n, means = len(values), []
    for d in range(draws):
        k = random_key(key, d)
        means.append(np.mean([values[((random_bits(k, i) >> 32) * n) >> 32] for i in range(n)]))
    return list(np.percentile(means, [2.5, 97.5]))


def sign_flip_p(values, key, draws):
    signs = np.array([[-1 if random_bits(random_key(key, d), i) & 1 else 1 for i in range(len(values))] for d in range(draws)])
    return (1 + int(((signs * values).sum(1) >= sum(values) - 1e-12).sum())) / (1 + draws)


def holm(p, level):
    rejected = [False] * len(p)
    for k, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] > level / (len(p) - k):
            break
        rejected[i] = True
    return rejected


def permutation(n, key):
    order = list(range(n))
    for i in range(n):
        j = i + (((random_bits(key, i) >> 32) * (n - i)) >> 32)
        order[i], order[j] = order[j], order[i]
    return order


def ranks(values):
    values = np.asarray(values)
    return np.array([(values < v).sum() + ((values == v).sum() - 1) / 2 for v in values])


def spearman(x, y):
    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


def falling_trend_p(values, key, permutations):
    observed = spearman(range(len(values)), values)
    rank, depth = ranks(values), np.arange(len(values))
    shuffled = np.array([permutation(len(values), random_key(key, d)) for d in range(permutations)])
    draws = [np.corrcoef(s, rank)[0, 1] for s in shuffled]
    return (1 + sum(d <= observed + 1e-12 for d in draws)) / (1 + permutations)


def jaccard(a, b):
    union = (a | b).sum()
    return 1.0 if union == 0 else (a & b).sum() / union


def expected_jaccard(a, b, c):
    """Over all subsets of size b of c elements, against one fixed subset of size a: enumeration."""
    fixed = set(range(a))
    if a == 0 and b == 0:
        return 1.0
    return float(np.mean([len(fixed & set(s)) / len(fixed | set(s)) for s in combinations(range(c), b)]))


def statistics(rng):
    ties = [1.0, 2.0, 2.0, 3.5], [0.5, 2.0, 2.0, 3.5, 4.0, -1.0]
    random = rng.normal(0.5, 1, 30).round(1).tolist(), rng.normal(0, 1, 50).round(1).tolist()
    values = rng.normal(0.2, 0.1, 12).tolist()
    near_zero = (rng.normal(0.1, 0.3, 15)).round(3).tolist()
    trend = [0.9, 0.8, 0.85, 0.7, 0.5, 0.6, 0.5, 0.65, 0.4]
    p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.0125]
    return {
        "wilson": [{"hits": h, "n": n, "interval": wilson(h, n)} for h, n in ((0, 20), (20, 20), (1, 40), (27, 40), (500, 1000))],
        "auroc": [{"own": a, "others": b, "value": auroc(a, b)} for a, b in (ties, random)],
        "bootstrap": {"values": values, "key": 4711, "draws": 200, "interval": bootstrap_mean(values, 4711, 200)},
        "sign_flip": {"values": near_zero, "key": 31, "draws": 400, "p": sign_flip_p(near_zero, 31, 400)},
        "holm": {"p": p, "level": 0.05, "rejected": holm(p, 0.05)},
        "permutation": {"n": 9, "key": 12, "order": permutation(9, 12)},
        "rank_correlation": [{"x": x, "y": y, "value": spearman(x, y)} for x, y in (
            ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 5.0]), ([0.0, 1.0, 1.0, 3.0], [4.0, 4.0, 1.0, 0.0]))],
        "trend": {"values": trend, "key": 3, "correlation": spearman(range(9), trend), "p": falling_trend_p(trend, 3, 9999)},
        "expected_jaccard": [{"a": a, "b": b, "channels": c, "value": expected_jaccard(a, b, c)}
                             for a, b, c in ((3, 4, 9), (0, 4, 9), (9, 2, 9), (5, 5, 5), (7, 6, 11), (0, 0, 8))],
    }


def similarity(rng):
    channels, classes = [3, 64, 70, 5], 6
    logits = [[rng.normal(0, 1, c).round(3) for c in channels] for _ in range(classes)]
    logits[2][3][:] = -1.0  # two empty sets in the last gate
    logits[4][3][:] = -0.5
    logits[1][0][0] = 0.0  # sigmoid(0) is not above 0.5
    masks = [[1 / (1 + np.exp(-g)) > 0.5 for g in c] for c in logits]
    pairs = list(combinations(range(classes), 2))
    layers = [float(np.mean([jaccard(masks[a][g], masks[b][g]) for a, b in pairs])) for g in range(len(channels))]
    small = [float(np.mean([expected_jaccard(masks[a][g].sum(), masks[b][g].sum(), channels[g]) for a, b in pairs]))
             for g in (0, 3)]
    matrix = [[float(np.mean([jaccard(masks[a][g], masks[b][g]) for g in range(len(channels))])) for b in range(classes)]
              for a in range(classes)]
    draws = []
    for d in range(2000):  # of the last layer; pairs of a class with itself do not count
        drawn = [((random_bits(random_key(17, d), i) >> 32) * classes) >> 32 for i in range(classes)]
        values = [jaccard(masks[a][3], masks[b][3]) for a, b in combinations(drawn, 2) if a != b]
        if values:
            draws.append(np.mean(values))
    return {"pair_key": 17, "pair_interval_of_gate_3": list(np.percentile(draws, [2.5, 97.5])), "channels": channels, "logits": [[g.tolist() for g in c] for c in logits], "layers": layers,
            "chance_of_gates_0_and_3": small, "matrix": matrix}


def hit_rate(rng):
    cases = []
    for c, h, w, size in ((3, 4, 4, 16), (2, 7, 5, 20), (1, 4, 4, 8), (2, 20, 20, 10)):
        values = rng.normal(0, 1, (h, w, c)).round(2).astype(np.float32)
        if size == 8:
            values = np.round(values)  # many ties, and weights of quarters: exact in every order of operations
        total = torch.from_numpy(values.astype(np.float64).sum(2).astype(np.float32))[None, None]
        resized = torch.nn.functional.interpolate(total, (size, size), mode="bilinear", align_corners=False)[0, 0].numpy()
        mark = np.sort(resized.ravel())[::-1][math.ceil(0.05 * size * size) - 1]
        mask = resized >= mark
        half = size // 2
        parts = [mask[:half, :half], mask[:half, half:], mask[half:, :half], mask[half:, half:]]
        cases.append({"shape": [h, w, c], "values": values.ravel().tolist(), "size": size,
                      "resized": resized.ravel().tolist(), "activated": int(mask.sum()),
                      "rates": [float(q.sum() / mask.sum()) for q in parts]})
    return cases


def mistakes(rng):
    n = 6
    matrix = rng.uniform(0.2, 0.9, (n, n))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1)
    mistaken = rng.integers(0, 3, (n, n))
    np.fill_diagonal(mistaken, 0)
    mistaken[1] = 0  # never mistaken
    mistaken[2] = 1  # mistaken for every class
    mistaken[2, 2] = 0
    mis, oth = [], []
    for c in range(n):
        answers = np.repeat(np.arange(n), mistaken[c])
        rest = [k for k in range(n) if k != c and mistaken[c, k] == 0]
        mis.append(float(matrix[c, answers].mean()) if len(answers) else None)
        oth.append(float(matrix[c, rest].mean()) if rest else None)
    both = [(a, b) for a, b in zip(mis, oth) if a is not None and b is not None]
    differences = [a - b for a, b in both]
    def difference(order):
        found = []
        for c in range(n):
            answers = np.repeat(np.arange(n), mistaken[c])
            rest = [k for k in range(n) if k != c and mistaken[c, k] == 0]
            if len(answers) and rest:
                found.append(np.mean([matrix[order[c], order[k]] for k in answers]) - np.mean([matrix[order[c], order[k]] for k in rest]))
        return np.mean(found)

    observed = difference(range(n))
    p = (1 + sum(difference(permutation(n, random_key(5, d))) >= observed - 1e-12 for d in range(500))) / 501
    shares = []
    for k in (1, 3, 5):
        inside = 0
        for c in range(n):
            order = sorted((j for j in range(n) if j != c), key=lambda j: -matrix[c, j])
            inside += int(sum(mistaken[c, j] for j in order[:k]))
        shares.append({"k": k, "share": inside / int(mistaken.sum()), "chance": k / (n - 1)})
    return {"classes": n, "similarity": matrix.ravel().tolist(), "mistaken": mistaken.ravel().tolist(), "mis": mis, "oth": oth,
            "with_both": len(both), "mean_mis": float(np.mean([a for a, _ in both])), "mean_oth": float(np.mean([b for _, b in both])),
            "permutation_key": 5, "permutations": 500, "p": p, "key": 99, "interval": bootstrap_mean(differences, 99, 2000), "among": shares}


def specificity(rng):
    images, own = [40, 20, 0, 10, 25], 1
    answers = [rng.integers(0, 5, n) for n in images]
    answers[1][:15] = 1
    as_own = [int((a == own).sum()) for a in answers]
    correct = [int((a == k).sum()) for k, a in enumerate(answers)]
    rates = [(a == own).mean() for k, a in enumerate(answers) if k != own and len(a)]
    right = [(a == k).mean() for k, a in enumerate(answers) if k != own and len(a)]
    return {"images": images, "as_own": as_own, "correct": correct, "own": own, "own_share": as_own[own] / images[own],
            "false_alarms": float(np.mean(rates)), "others_right": float(np.mean(right)),
            "balanced": (as_own[own] / images[own] + 1 - float(np.mean(rates))) / 2}


def fnv(text):
    h = 0xCBF29CE484222325
    for c in text.encode():
        h = ((h ^ c) * 0x100000001B3) & MASK64
    return h


def masks(rng):
    """A random mask keeps as many channels of every gate: the first of a shuffled order."""
    like = [(rng.random(c) < 0.6).astype(float).tolist() for c in (7, 16)] + [[1.0] * 5, [0.0] * 4]
    key, seed, of_class, draw = 77, 233, 4, 12
    random = []
    for g, gate in enumerate(like):
        kept = permutation(len(gate), random_key(key, g))[:int(sum(gate))]
        random.append([1.0 if c in kept else 0.0 for c in range(len(gate))])
    complement = [gate if min(gate) == 1 else [1 - v for v in gate] for gate in like]
    draw_key = random_key(random_key(random_key(random_key(0, seed), of_class), fnv("random masks")), draw)
    return {"like": like, "key": key, "random": random, "complement": complement, "kept_whole": 1, "seed": seed, "class": of_class,
            "draw": draw, "draw_key": draw_key}


def divergence(rng):
    cases = []
    for scale in (1, 30):
        p, q = (np.float32(rng.normal(0, scale, 8).round(2)).astype(float) for _ in range(2))
        a, b = (np.exp(x - x.max()) / np.exp(x - x.max()).sum() for x in (p, q))
        cases.append({"p": p.tolist(), "q": q.tolist(), "kl": float((a * (np.log(a) - np.log(b))).sum())})
    return cases


def composites(rng):
    classes, counts, key, cases = [2, 3, 5, 8, 9, 11], [7, 50, 3, 1, 20, 9], 15, []
    for number in (0, 41):
        k = random_key(key, number)
        order = permutation(len(classes), random_key(k, 0))
        below = lambda key, counter, n: ((random_bits(key, counter) >> 32) * n) >> 32
        cases.append({"number": number, "classes": [classes[i] for i in order[:4]],
                      "swaps": [classes[order[4 + below(random_key(k, 1), q, 2)]] for q in range(4)],
                      "images": [below(random_key(k, 2 + q), 0, counts[order[q]]) for q in range(4)]})
    tiles = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((9, 12), (20, 7), (8, 8), (5, 30))]
    size = 8
    resize = lambda a: np.asarray(Image.fromarray(a).resize((size, size), Image.BILINEAR))
    small = [resize(t) for t in tiles]
    whole = np.concatenate([np.concatenate(small[:2], 1), np.concatenate(small[2:], 1)], 0)
    return {"of": classes, "counts": counts, "key": key, "cases": cases, "size": size, "composed": resize(whole).ravel().tolist(),
            "tiles": [{"height": t.shape[0], "width": t.shape[1], "rgb": t.ravel().tolist()} for t in tiles]}


def object_masks(rng):
    """Shares of activated pixels on an object whose mask is resized and cropped as the image is; means with intervals over
    classes."""
    cases = []
    for c, h, w, size, width, height in ((3, 4, 4, 16, 40, 31), (2, 5, 7, 21, 24, 24), (1, 8, 8, 14, 16, 16), (2, 3, 3, 14, 15, 50)):
        values = rng.normal(0, 1, (h, w, c)).round(2).astype(np.float32)
        grey = np.zeros((height, width), np.uint8)
        top, left = height // 5, width // 4
        grey[top:top + height // 2, left:left + width // 2] = 255
        grey = np.where(rng.random(grey.shape) < 0.1, rng.integers(0, 256, grey.shape), grey).astype(np.uint8)
        shorter = size * 256 // 224  # torchvision: Resize(shorter), CenterCrop(size)
        at = (shorter, shorter * height // width) if width <= height else (shorter * width // height, shorter)
        resized = np.asarray(Image.fromarray(grey).resize(at, Image.BILINEAR))
        y, x = (round((n - size) / 2) for n in resized.shape)
        object_ = resized[y:y + size, x:x + size] > 127
        total = torch.from_numpy(values.astype(np.float64).sum(2).astype(np.float32))[None, None]
        maps = torch.nn.functional.interpolate(total, (size, size), mode="bilinear", align_corners=False)[0, 0].numpy()
        active = maps >= np.sort(maps.ravel())[::-1][math.ceil(0.05 * size * size) - 1]
        cases.append({"shape": [h, w, c], "values": values.ravel().tolist(), "size": size, "width": width, "height": height,
                      "grey": grey.ravel().tolist(), "object": object_.astype(int).ravel().tolist(),
                      "inside": float((active & object_).sum() / active.sum())})
    groups = [7, 7, 7, 2, 2, 30, 30, 30, 30, 5]
    values = [None if v < 0.15 else v for v in rng.random(len(groups)).round(4).tolist()]
    values[-1] = None  # a group of nothing
    of = [[v for v, g in zip(values, groups) if g == group and v is not None] for group in sorted(set(groups))]
    of, key, means = [g for g in of if g], 21, []
    for d in range(2000):
        k = random_key(key, d)
        means.append(np.mean(np.concatenate([of[((random_bits(k, i) >> 32) * len(of)) >> 32] for i in range(len(of))])))
    return {"cases": cases, "values": values, "groups": groups, "key": key, "interval": list(np.percentile(means, [2.5, 97.5]))}


def stability(rng):
    channels, classes, runs = [6, 9], 4, 3
    own = [[rng.normal(0, 1, c) for c in channels] for _ in range(classes)]
    logits = [[[(gate + rng.normal(0, 0.7, len(gate))).round(3) for gate in c] for c in own] for _ in range(runs)]
    binary = [[[gate > 0 for gate in c] for c in run] for run in logits]
    key, layers, within_all, between_all = 8, [], np.zeros(classes), np.zeros((classes, classes))
    for g, size in enumerate(channels):
        within = np.array([np.mean([jaccard(binary[a][c][g], binary[b][c][g]) for a, b in combinations(range(runs), 2)])
                           for c in range(classes)])
        between = np.array([[np.mean([jaccard(run[a][g], run[b][g]) for run in binary]) for b in range(classes)]
                            for a in range(classes)])
        chance = np.mean([expected_jaccard(int(run[a][g].sum()), int(run[b][g].sum()), size) for run in binary
                          for a, b in combinations(range(classes), 2)])
        mean_between = np.mean([between[a, b] for a, b in combinations(range(classes), 2)])
        draws = []
        for d in range(2000):
            drawn = [((random_bits(random_key(key, d), i) >> 32) * classes) >> 32 for i in range(classes)]
            pairs = [between[a, b] for a, b in combinations(drawn, 2) if a != b]
            if pairs:
                draws.append(within[drawn].mean() - np.mean(pairs))
        layers.append({"within": float(within.mean()), "between": float(mean_between), "chance": float(chance),
                       "separation": float((within.mean() - mean_between) / (1 - chance)),
                       "interval": list(np.percentile(draws, [2.5, 97.5]))})
        within_all += within / len(channels)
        between_all += between / len(channels)
    alike = [[sum(jaccard(binary[0][a][g], binary[r][b][g]) for r in range(1, runs) for g in range(len(channels)))
              for b in range(classes)] for a in range(classes)]
    total = lambda order: sum(alike[c][order[c]] for c in range(classes))
    p = (1 + sum(total(permutation(classes, random_key(6, d))) >= total(range(classes)) - 1e-12 for d in range(300))) / 301
    return {"channels": channels, "runs": [[[gate.tolist() for gate in c] for c in run] for run in logits], "key": key, "layers": layers,
            "mean_within": float(within_all.mean()),
            "mean_between": float(np.mean([between_all[a, b] for a, b in combinations(range(classes), 2)])),
            "p_key": 6, "permutations": 300, "p": p}


def main():
    rng = np.random.default_rng(20211011)
    golden = {"statistics": statistics(rng), "similarity": similarity(rng), "hit_rate": hit_rate(rng), "mistakes": mistakes(rng),
              "specificity": specificity(rng), "masks": masks(rng), "divergence": divergence(rng), "stability": stability(rng),
              "composites": composites(rng), "object_masks": object_masks(rng)}
    path = Path(__file__).with_name("analyse.json")
    path.write_text(json.dumps(golden, indent=None, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
