"""Class lists and sample images for the weights file."""
import os

import numpy as np

from checkpoint import BadData, some

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp")
SPLITS = ("train", "val")


def read_classes(path, classes):
    """A line = class id and name, in class order. Returns (ids, names)."""
    try:
        with open(path, encoding="utf-8") as f:
            lines = [line.split(None, 1) for line in f if line.strip()]
    except (OSError, UnicodeDecodeError) as e:
        raise BadData("class file %s cannot be read: %s" % (path, getattr(e, "strerror", None) or e))
    ids = [line[0] for line in lines]
    if len(ids) != classes:
        raise BadData("class file %s has %d lines, the network has %d classes" % (path, len(ids), classes))
    twice = {i for i in ids if ids.count(i) > 1} if len(set(ids)) < len(ids) else set()
    if twice:
        raise BadData("class file %s has the same id twice: %s" % (path, some(twice)))
    return ids, [line[1].strip() if len(line) > 1 else line[0] for line in lines]


def class_folders(folder):
    """The sorted class folders of DIR/train and DIR/val, {split: [name]}."""
    if not os.path.isdir(os.path.join(folder, "train")):
        raise BadData("image folder %s has no folder 'train'" % folder)
    found = {}
    for split in SPLITS:
        path = os.path.join(folder, split)
        names = os.listdir(path) if os.path.isdir(path) else []
        found[split] = sorted(n for n in names if os.path.isdir(os.path.join(path, n)))
    return found


def pack_images(file, folder, ids, most):
    """Copies the encoded bytes of the first most[split] images (None: all), sorted by file name, of each class
    folder whose name is one of ids to /images/<split>/<class id>/<file name>. Returns ({split: (classes, images)},
    folders left out)."""
    folders, done, ignored = class_folders(folder), {}, set()
    for split in SPLITS:
        classes = images = 0
        for name in folders[split]:
            if name not in ids:
                ignored.add(name)
                continue
            path = os.path.join(folder, split, name)
            files = sorted(n for n in os.listdir(path) if n.lower().endswith(ENDINGS))[:most[split]]
            for image in files:
                if not image.isprintable():  # bytes that are no UTF-8 arrive as unprintable surrogates
                    raise BadData("image name %r in %s cannot be stored" % (image, path))
                data = np.fromfile(os.path.join(path, image), np.uint8)
                file.create_dataset("images/%s/%s/%s" % (split, name, image), data=data)
            classes, images = classes + bool(files), images + len(files)
        done[split] = classes, images
    if not done["train"][1]:
        raise BadData("no folder of %s has images of one of the network's classes (folders: %s; class ids: %s)"
                      % (os.path.join(folder, "train"), some(folders["train"]) or "none", some(ids)))
    return done, sorted(ignored)
