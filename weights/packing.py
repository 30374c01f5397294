"""Sample images for the weights file, found as nad_run finds them in a folder (nad/images/dataset.cpp)."""
import collections
import gzip
import io
import itertools
import os
import zlib

import numpy as np

from errors import BadData, some

ENDINGS = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".gz")
SPLITS = ("train", "val")


def is_image(data):
    """Whether a file's first bytes are those of a format that nad_run can read (nad/images/decode/)."""
    if data[:3] == b"\x1f\x8b\x08":
        try:
            with gzip.open(io.BytesIO(data)) as f:
                data = f.read(16)
        except (OSError, EOFError, zlib.error):
            return False
    return (data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"GIF87a", b"GIF89a",
                             b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
            or data[:4] == b"RIFF" and data[8:12] == b"WEBP"
            or data[:2] in (b"P2", b"P3", b"P5", b"P6") and (data[2:3].isspace() or data[2:3] == b"#"))


def _names(folder, keep):
    """The sorted names in a folder for which keep(path) holds; those that begin with a dot are no one's images."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as e:
        raise BadData("cannot read the folder %s: %s" % (folder, e.strerror))
    return [name for name in names if name[0] != "." and keep(os.path.join(folder, name))]


def _is_image_file(path):
    """A link to nothing counts as an image, a broken one; folders, pipes and devices do not."""
    return path.lower().endswith(ENDINGS) and (os.path.isfile(path) or not os.path.exists(path))


def _count_others(folder, counts):
    """Adds the files of a class folder that are no images by their names to counts, by ending."""
    for name in _names(folder, os.path.isfile):
        if not name.lower().endswith(ENDINGS):
            counts[os.path.splitext(name)[1]] += 1


def _unread(counts):
    """One line about such files."""
    total = sum(counts.values())
    return "%d file%s not read: %s" % (total, " is" if total == 1 else "s are", ", ".join(
        "%d %s" % (n, ending or "without ending") for ending, n in sorted(counts.items())))


def class_folders(folder):
    """The sorted class folders of DIR/train and DIR/val, {split: [name]}."""
    if not os.path.isdir(folder):
        raise BadData("image folder %s does not exist" % folder)
    if not os.path.isdir(os.path.join(folder, "train")):
        raise BadData("image folder %s has no folder 'train'" % folder)
    paths = {split: os.path.join(folder, split) for split in SPLITS}
    return {split: _names(path, os.path.isdir) if os.path.isdir(path) else [] for split, path in paths.items()}


def _readable_images(folder, left_out):
    """Yields (name, bytes) of each image of a class folder; a line about each broken one goes to left_out."""
    for name in _names(folder, _is_image_file):
        path = os.path.join(folder, name)
        if not name.isprintable():  # bytes that are no UTF-8 arrive as unprintable surrogates
            raise BadData("image name %r in %s cannot be stored" % (name, folder))
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError as e:
            left_out.append("image %s cannot be read and was left out: %s" % (path, e.strerror))
            continue
        if is_image(data):
            yield name, data
        else:
            left_out.append("image %s is of no format that is read and was left out" % path)


def pack_images(store, folder, ids, most):
    """Stores the encoded bytes of the first most[split] images (None: all), sorted by file name, of each class
    folder whose name is one of ids as /images/<split>/<class id>/<file name>. Returns ({split: (classes, images)},
    folders left out, lines about images left out, a line about files that are no images by their names)."""
    folders, done, ignored, left_out, others = class_folders(folder), {}, set(), [], collections.Counter()
    for split in SPLITS:
        classes = images = 0
        for name in folders[split]:
            if name not in ids:
                ignored.add(name)
                continue
            before = images
            _count_others(os.path.join(folder, split, name), others)
            found = _readable_images(os.path.join(folder, split, name), left_out)
            for image, data in itertools.islice(found, most[split]):
                store("images/%s/%s/%s" % (split, name, image), np.frombuffer(data, np.uint8))
                images += 1
            classes += images > before
        done[split] = classes, images
    if not done["train"][1]:
        raise BadData("no folder of %s has images of one of the network's classes (%s)" % (
            os.path.join(folder, "train"), left_out[0] if left_out else _unread(others) if others else "folders: %s; class ids: %s" % (
                some(folders["train"]) or "none", some(ids))))
    return done, sorted(ignored), left_out, _unread(others) if others else ""
