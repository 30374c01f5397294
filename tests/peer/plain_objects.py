"""How much of where sub-architectures look lies on the object, a second time in plain PyTorch: docs/METHOD.md, section 5a.7."""
from pathlib import Path

import numpy as np
from PIL import Image

from plain_images import ENDINGS, BadData, below, drawn_order, hash_name, random_key

COLUMNS = ("inside", "original", "swap", "other_mask")  # of a row of the table; of `shares` in this order


def find_mask(folder, name, image):
    """The picture in folder/name that is called as the image is, or None."""
    place = Path(folder) / name
    found = [p for p in sorted(place.iterdir()) if p.stem == Path(image).stem and p.name.lower().endswith(ENDINGS)] if place.is_dir() else []
    return found[0] if found else None


def objects_of(images, folder, c, order):
    """[(place, region [size * size])] of the drawn images that have a mask of their size with something in the crop."""
    found = []
    for place in order:
        path = find_mask(folder, images.names[c], images.files[c][place][0])
        mask = path and Image.open(path).convert("RGB")
        if mask and mask.size == images.image(c, place).size:
            region = np.asarray(images.cropped(mask))[..., 0].ravel() > 127
            found += [(place, region)] if region.any() else []
    return found


def compare_objects(group, looks, images, masks, folder, seed, result, compare_rate):
    """looks(pixels, mask): the Map of every gate; mask None: the original."""
    if not folder:
        raise BadData("object_masks are in the analysis: give their folder, --masks")
    key, classes = random_key(random_key(0, seed), hash_name("object_masks swaps")), list(masks)
    mine, at = [], 0
    for c in classes:
        if c not in images.files:
            continue
        order = drawn_order(seed, images.names[c], len(images.files[c]))[:int(group.attrs["images_per_class_at_most"])]
        objects = objects_of(images, folder, c, order)
        for i, (place, region) in enumerate(objects):
            swap = [k for k in classes if k != c][below(random_key(key, c), place, len(classes) - 1)] if len(classes) > 1 else -1
            stored = [int(group[name][at]) for name in ("image_class", "image_place", "image_swap")]
            if [c, place, swap] != stored:
                result.fail("object %d: engine %s, plain %s" % (at, stored, [c, place, swap]))
            result.column("the object's share of image %d" % at, [region.mean()], [group["image_mask_share"][at]], True)
            pixels = images.evaluated(c, place)
            own, original = looks(pixels, masks[c]), looks(pixels, None)
            swapped = looks(pixels, masks[swap]) if swap >= 0 else [None] * len(own)
            other = objects[(i + 1) % len(objects)][1] if len(objects) > 1 else None
            rates = np.full((len(own), 4), np.nan)
            for g, kinds in enumerate(zip(((m, region) for m in own), ((m, region) for m in original),
                                          ((m, region) for m in swapped), ((m, other) for m in own))):
                for kind, (seen, where) in enumerate(kinds):
                    if seen is None or where is None:
                        continue
                    rates[g, kind] = seen.rate(where)
                    compare_rate(result, group["shares"][at, g, kind], seen, where,
                                 "object of image %d, gate %d, %s" % (at, g, COLUMNS[kind]))
            mine.append(rates)
            at += 1
    if at != group["shares"].shape[0]:
        result.fail("objects: engine has %d images, plain %d" % (group["shares"].shape[0], at))
        return
    with np.errstate(all="ignore"):
        means = np.nanmean(np.array(mine), axis=0)
    theirs = np.array([group["table"][name][()] for name in COLUMNS]).T
    result.column("means of objects", means.ravel(), theirs.ravel(), result.flips == 0 and result.failures == 0)
    print("plain share on the object by gate: own, original, swap, on another's object, %d images" % at)
    for g, row in enumerate(means):
        print("%4d  %.4f  %.4f  %.4f  %.4f" % (g, *row))
