#!/usr/bin/env python3
"""Draws the images of the demonstration into a folder that nad_run takes, with a mask for each.

    weights/demo/draw.py DIR [--train 100] [--val 50] [--seed 1]

    DIR/{train,val}/<class>/0000.png         73x73 pixels, which nad_run evaluates at 64x64 without resizing
    DIR/masks/{train,val}/<class>/0000.png   white where the object is seen, grey image of one channel
    DIR/drawn.json                           what was drawn; "complete" when all of it is there

A seed gives the same pixels everywhere, and image number 7 of a class is the same however many are drawn. A folder in
which these images are complete is left as it is; one with other contents is refused. Needs numpy. Exit codes: 0 done,
2 wrong usage, 3 images that cannot be written, 130 or 143 interrupted (SIGINT, SIGTERM).
"""
import argparse
import json
import os
import struct
import sys
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from errors import BadData, WrongUsage  # noqa: E402
from signals import Stopped, raise_on_signals  # noqa: E402

VERSION = 2   # of the drawings: another number where the pixels of a seed change
AT_ONCE = 50  # images drawn side by side: about 100 MB


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, "draw.py: %s; see draw.py --help\n" % message.replace("\n", " "))


def count(least, most):
    def parse(text):
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError("%d is not between %d and %d" % (value, least, most))
        return value
    parse.__name__ = "whole number"
    return parse


def arguments(argv):
    p = OneLineParser(prog="draw.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir", metavar="DIR", help="the folder to draw into; it is made where it does not exist")
    p.add_argument("--train", type=count(1, 10000), default=100, metavar="N", help="training images of a class; default: 100")
    p.add_argument("--val", type=count(1, 10000), default=50, metavar="N", help="validation images of a class; default: 50")
    p.add_argument("--seed", type=count(0, 2**63 - 1), default=1, metavar="N", help="seed of all random numbers; default: 1")
    p.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return p.parse_args(argv)


def png(pixels):
    """The bytes of a PNG file: uint8 [H, W, 3] or [H, W] (grey)."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b""))


def is_complete(folder, wanted):
    """Whether the images are there already. Raises WrongUsage where the folder holds something else."""
    note = os.path.join(folder, "drawn.json")
    if os.path.isfile(note):
        try:
            with open(note, encoding="utf-8") as f:
                found = json.load(f)
            complete = bool(found.pop("complete"))
        except (ValueError, KeyError, AttributeError):
            raise WrongUsage("%s is damaged: remove the folder, or give another" % note)
        if found != wanted:
            raise WrongUsage("%s holds other images (%s): remove it, or give another folder"
                             % (folder, ", ".join("%s %s" % item for item in sorted(found.items()))))
        return complete
    if os.path.isdir(folder) and os.listdir(folder):
        raise WrongUsage("%s is not empty and was not drawn by this program: give another folder" % folder)
    return False


def write_note(folder, wanted, complete):
    note = os.path.join(folder, "drawn.json")
    with open(note + ".part", "w", encoding="utf-8") as f:
        json.dump(dict(wanted, complete=complete), f)
        f.write("\n")
    os.replace(note + ".part", note)


def write_images(folder, split, name, numbers, seed):
    from drawing import draw
    images, masks = draw(name, numbers, seed, split)
    for place, pictures in ((split, images), (os.path.join("masks", split), masks * images.dtype.type(255))):
        target = os.path.join(folder, place, name)
        os.makedirs(target, exist_ok=True)
        for number, picture in zip(numbers, pictures):
            with open(os.path.join(target, "%04d.png" % number), "wb") as f:
                f.write(png(picture))


def draw_folder(a):
    from objects import CLASSES
    wanted = {"version": VERSION, "seed": a.seed, "train": a.train, "val": a.val}
    if is_complete(a.dir, wanted):
        return "%s: all images are there" % a.dir
    started, done = time.monotonic(), 0
    try:
        os.makedirs(a.dir, exist_ok=True)
        write_note(a.dir, wanted, complete=False)
        for name in CLASSES:
            for split, most in (("train", a.train), ("val", a.val)):
                for first in range(0, most, AT_ONCE):
                    numbers = range(first, min(most, first + AT_ONCE))
                    write_images(a.dir, split, name, numbers, a.seed)
                    done += len(numbers)
        write_note(a.dir, wanted, complete=True)
    except OSError as e:
        raise BadData("%s cannot be written: %s" % (e.filename or a.dir, e.strerror or e))
    return "%s: %d images of %d classes with their masks, seed %d, %.0f s" % (
        a.dir, done, len(CLASSES), a.seed, time.monotonic() - started)


def main(argv=None):
    a = arguments(argv)
    try:
        said = draw_folder(a)
    except ImportError as e:
        print("draw.py: %s; install python3-numpy" % e, file=sys.stderr)
        return 2
    except (WrongUsage, BadData) as e:
        print("draw.py: %s" % e, file=sys.stderr)
        return 2 if isinstance(e, WrongUsage) else 3
    except Stopped as e:
        print("draw.py: interrupted by %s; the next call goes on" % e.args[0].name, file=sys.stderr)
        return 128 + e.args[0]
    if not a.quiet:
        print(said)
    return 0


if __name__ == "__main__":
    raise_on_signals()
    sys.exit(main())
