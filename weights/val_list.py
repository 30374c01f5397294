#!/usr/bin/env python3
"""Makes a list for --val-list of what ImageNet's development kit says of its 50,000 val images.

    weights/val_list.py ILSVRC2012_devkit_t12 > val.txt

The kit's ground truth counts classes in an order of its own, from 1; data/meta.mat tells the WordNet id of each. Needs
SciPy, which reads that file. A line of the list: the image's name and its id.
"""
import os
import sys

from errors import BadData, WrongUsage, one_line, package

NAME = "ILSVRC2012_val_%08d.JPEG"


def read_ids(path):
    """{the kit's number: WordNet id}"""
    scipy_io, numpy = package("scipy.io", "meta.mat", "scipy"), package("numpy", "meta.mat", "numpy")
    try:
        synsets = numpy.atleast_1d(scipy_io.loadmat(path, squeeze_me=True)["synsets"])
        return {int(number): str(wnid) for number, wnid in zip(synsets["ILSVRC2012_ID"], synsets["WNID"])}
    except OSError as e:
        raise BadData("%s cannot be read: %s" % (path, e.strerror or one_line(e)))
    except Exception as e:  # whatever SciPy makes of another file
        raise BadData("%s is not ImageNet's meta.mat (%s)" % (path, one_line(e)))


def lines(kit):
    ids = read_ids(os.path.join(kit, "data", "meta.mat"))
    path = os.path.join(kit, "data", "ILSVRC2012_validation_ground_truth.txt")
    try:
        with open(path, encoding="utf-8") as f:
            numbers = f.read().split()
    except OSError as e:
        raise BadData("%s cannot be read: %s" % (path, e.strerror))
    for i, number in enumerate(numbers, 1):
        if not number.isdigit() or int(number) not in ids:
            raise BadData("%s, line %d: %s is no class of meta.mat" % (path, i, number))
        yield NAME % i + " " + ids[int(number)]


def main(argv):
    if len(argv) != 2 or not os.path.isdir(argv[1]):
        print("val_list.py: give the folder of the development kit, ILSVRC2012_devkit_t12", file=sys.stderr)
        return 2
    try:
        print("\n".join(lines(argv[1])))
    except (BadData, WrongUsage) as e:
        print("val_list.py: %s" % e, file=sys.stderr)
        return 2 if isinstance(e, WrongUsage) else 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
