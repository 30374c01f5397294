"""Class lists: ids and names of a network's classes in the order of its outputs."""
import re

from errors import BadData, some


def _is_places(lines):
    """Whether it is a list like Places365's categories_places365.txt: /a/airfield 0, /a/airplane_cabin 1, ..."""
    return all(re.match(r"/[a-z]/[^/]", line[0]) and line[1:] == [str(i)] for i, line in enumerate(lines))


def _places_class(path):
    """/a/apartment_building/outdoor as [id, name]; the images of Places365 lie in folders that are called so."""
    parts = path.split("/")[2:]
    return ["-".join(parts), ", ".join(parts).replace("_", " ")]


def read_classes(path, classes):
    """A line = class id and name, in class order. Returns (ids, names)."""
    try:
        with open(path, encoding="utf-8-sig") as f:  # editors on Windows begin a file with a byte order mark
            lines = [line.strip().split(None, 1) for line in f if line.strip()]
    except OSError as e:
        raise BadData("class file %s cannot be read: %s" % (path, e.strerror))
    except UnicodeDecodeError as e:
        raise BadData("class file %s is no UTF-8 text: %s" % (path, e))
    if _is_places(lines):
        lines = [_places_class(line[0]) for line in lines]
    ids = [line[0] for line in lines]
    if len(ids) != classes:
        raise BadData("class file %s has %d lines, the network has %d classes" % (path, len(ids), classes))
    twice = {i for i in ids if ids.count(i) > 1} if len(set(ids)) < len(ids) else set()
    if twice:
        raise BadData("class file %s has the same id twice: %s" % (path, some(twice)))
    return ids, [line[-1] for line in lines]
