#!/usr/bin/env python3
"""Converts a checkpoint of vgg16, resnet50, densenet121 or DARTS to a weights file (weights/FORMAT.md).

    weights/convert.py IN OUT.h5 [--classes synset_words.txt] [--images DIR --per-class 50] [--verify REF.npz]

IN is PyTorch's (.pth, .pt, .tar, .bin, .safetensors: torchvision's, timm's or Hugging Face's names, in a state dict or
a training checkpoint), Keras' (.h5, .keras), Caffe's (.caffemodel), or an ONNX graph that PyTorch exported. Needs h5py
and NumPy, for Caffe protobuf, for ONNX onnx; no framework, and no code that lies in IN is run. Exit codes: 0 done, 2
wrong usage or missing package, 3 bad data, 130 or 143 interrupted (SIGINT, SIGTERM).
"""
import argparse
import math
import os
import sys

from errors import BadData, MissingPackage, WrongUsage, some
from signals import Stopped, held, raise_on_signals

MAX_CLASSES, MAX_INPUT = 1 << 20, 1 << 14  # what the loader accepts


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, "convert.py: %s; see convert.py --help\n" % message.replace("\n", " "))


def positive(most):
    def parse(text):
        value = int(text)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError("%d is not between 1 and %d" % (value, most))
        return value
    parse.__name__ = "whole number"
    return parse


def finite(text):
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError("%s is not a finite number" % text)
    return value


def arguments(argv):
    p = OneLineParser(prog="convert.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("input", metavar="IN", help="the checkpoint")
    p.add_argument("output", metavar="OUT.h5", help="the weights file to write")
    p.add_argument("--arch", choices=("vgg16", "resnet50", "densenet121", "darts"),
                   help="the network; default: what the tensors' names say")
    p.add_argument("--weights-set", metavar="NAME",
                   help="which of several sets of weights in IN, as state_dict_ema; without it they are listed")
    p.add_argument("--classes", metavar="FILE",
                   help="text file with a class id and its name per line, in the order of the outputs, "
                        "or categories_places365.txt")
    p.add_argument("--images", metavar="DIR", help="pack the images of DIR/train/<class id>/ and DIR/val/<class id>/ into the file")
    p.add_argument("--per-class", type=positive(1 << 30), metavar="N",
                   help="pack at most N training images of each class; default: all")
    p.add_argument("--val-per-class", type=positive(1 << 30), metavar="N",
                   help="pack at most N validation images of each class; default: as --per-class")
    declare_preprocessing(p)
    p.add_argument("--batchnorm-eps", type=finite, metavar="EPS",
                   help="epsilon that BatchNorm adds to the variance; default: 1e-5, as in torchvision")
    p.add_argument("--genotype", default="DARTS_V2", metavar="G",
                   help="cells of a DARTS network: DARTS_V1, DARTS_V2 (default), FILE, FILE:NAME, JSON or a Python literal")
    p.add_argument("--verify", metavar="REF.npz",
                   help="run OUT.h5 on REF's images (uint8 [N, H, W, 3]) and compare with its logits ([N, classes])")
    p.add_argument("--engine", metavar="NAD_REPLAY", help="the program for --verify; default: build/nad_replay")
    p.add_argument("--half", action="store_true", help="store the weights in float16: half the size, 11 significant bits")
    a = p.parse_args(argv)
    check_values(p, a)
    check_paths(p, a)
    return a


def declare_preprocessing(p):
    g = p.add_argument_group("how images are prepared")
    g.add_argument("--preset", metavar="NAME",
                   help="torchvision-v1, torchvision-v2, timm, keras, caffe, or a config.json of timm's; default: "
                        "config.json beside IN, else what IN's kind of file says")
    g.add_argument("--input-size", type=positive(MAX_INPUT), metavar="PIXELS",
                   help="side of the network's input; default: 224, for DARTS' CIFAR form 32")
    g.add_argument("--crop-ratio", type=finite, metavar="R",
                   help="the input's share of the resized image's shorter side; default: the preset's, as 0.875")
    g.add_argument("--interpolation", choices=("bilinear", "bicubic"), help="default: the preset's")
    g.add_argument("--mean", type=finite, nargs=3, metavar=("R", "G", "B"),
                   help="mean that is subtracted from images in [0, 1]; default: the preset's")
    g.add_argument("--mean-file", metavar="FILE", help="Caffe's .binaryproto, whose mean of each channel is taken")
    g.add_argument("--std", type=finite, nargs=3, metavar=("R", "G", "B"),
                   help="standard deviation that images are divided by; default: the preset's")
    g.add_argument("--channel-order", choices=("rgb", "bgr"), help="what the network reads; default: the preset's")


def check_values(p, a):
    from preprocessing import PRESETS
    if a.preset and a.preset not in PRESETS and not os.path.isfile(a.preset):
        p.error("argument --preset: %s is neither one of %s nor a file" % (a.preset, ", ".join(PRESETS)))
    if a.std and min(a.std) <= 0:
        p.error("argument --std: values above 0 are expected")
    if a.mean and a.mean_file:
        p.error("--mean and --mean-file say the same thing: give one")
    if a.crop_ratio is not None and not 0.1 <= a.crop_ratio <= 1:
        p.error("argument --crop-ratio: 0.1 to 1 is expected")
    if a.batchnorm_eps is not None and a.batchnorm_eps < 0:
        p.error("argument --batchnorm-eps: 0 or more is expected")
    if not a.images and (a.per_class or a.val_per_class):
        p.error("--per-class and --val-per-class go with --images")
    if a.engine and not a.verify:
        p.error("--engine goes with --verify")


def check_paths(p, a):
    target = os.path.realpath(a.output)  # links are followed and stay
    if not os.path.isfile(a.input):
        p.error("input file %s %s" % (a.input, "is a directory" if os.path.isdir(a.input) else "does not exist"))
    if os.path.isdir(target) or a.output.endswith(os.sep):
        p.error("output file %s is a directory" % a.output)
    if os.path.exists(a.output) and not os.path.isfile(a.output) or os.path.islink(target):  # a link to itself
        p.error("output file %s is no regular file: give a new name or a file to replace" % a.output)
    if not os.path.isdir(os.path.dirname(target)):
        p.error("the folder of output file %s does not exist" % a.output)
    if os.path.exists(a.output) and os.path.samefile(a.input, a.output):
        p.error("input and output are the same file")


def read_network(a):
    """(source, choice, preprocessing, attributes) of the input."""
    from checkpoint import read_source
    from choice import as_float32, choose
    from genotype import read_genotype
    from preprocessing import read_red_first, resolve
    genotype = read_genotype(a.genotype)
    try:
        source = read_source(a.input)
        choice = choose(source, a.arch, a.weights_set, genotype, a.batchnorm_eps)
        images = resolve(a, choice.layout, choice.attributes)
        if images.channel_order == "bgr":
            read_red_first(choice.layout.arch, choice.tensors)
        choice.tensors = as_float32(choice.tensors)
    except (BadData, WrongUsage) as e:
        raise e if isinstance(e, MissingPackage) else type(e)("%s: %s" % (a.input, e))
    except OSError as e:
        raise BadData("input file %s cannot be read: %s" % (a.input, e.strerror))
    if choice.classes > MAX_CLASSES:
        raise BadData("%s: %d classes, at most %d are read" % (a.input, choice.classes, MAX_CLASSES))
    attributes = dict(choice.attributes, arch=choice.layout.arch, num_classes=choice.classes, format_version=1,
                      converted_from=os.path.basename(a.input), input_size=images.input_size,
                      resize_size=images.resize_size, interpolation=images.interpolation, preprocessing=images.name)
    if choice.eps is not None:
        attributes["batchnorm_eps"] = choice.eps
    return source, choice, images, attributes


def class_list(a, classes):
    """(ids, names): from --classes, or the folder names where their number is the network's, or empty."""
    from class_lists import read_classes
    from packing import class_folders
    if a.classes:
        return read_classes(a.classes, classes)
    folders = class_folders(a.images)["train"] if a.images else []
    return (folders, []) if len(folders) == classes else ([], [])


def write(writer, a, tensors, images, attributes, ids, names):
    import h5py
    import numpy as np
    text = h5py.string_dtype("utf-8")
    for name, value in attributes.items():
        if isinstance(value, list):
            value = np.array(value, dtype=text if value and isinstance(value[0], str) else np.int64)
        writer.attributes[name] = np.int64(value) if isinstance(value, int) else value
    writer.attributes["mean"], writer.attributes["std"] = np.float32(images.mean), np.float32(images.std)
    for name, value in (("class_ids", ids), ("class_names", names)):
        if value:
            writer.attributes[name] = np.array(value, dtype=text)
    lost = []
    for name in sorted(tensors):
        value = tensors[name]
        if a.half:
            with np.errstate(over="ignore"):
                value = value.astype("<f2")
            if not np.isfinite(value).all():
                lost.append(name)
        writer.store("weights/" + name, value)
    if lost:
        raise BadData("values above 65504, which float16 cannot hold, in %s: omit --half" % some(lost))


def convert(a):
    with held():  # numpy and h5py make an error of their own of an exception while they are imported
        from hdf5_writer import hdf5_writer
        from packing import pack_images
        from verify import find_engine, read_reference, verify
    engine, reference = (find_engine(a.engine), read_reference(a.verify)) if a.verify else (None, None)
    source, choice, images, attributes = read_network(a)
    ids, names = class_list(a, attributes["num_classes"])
    if a.images and not ids:
        raise BadData("the folders of %s cannot be matched to the network's %d classes: give --classes"
                      % (a.images, attributes["num_classes"]))
    with hdf5_writer(a.output) as writer:
        write(writer, a, choice.tensors, images, attributes, ids, names)
        most = {"train": a.per_class, "val": a.val_per_class or a.per_class}
        packed = pack_images(writer.store, a.images, set(ids), most) if a.images else None
    report(a, choice, attributes, ids, packed)
    report_source(source, choice, images)
    if a.verify:
        print(verify(a.output, reference, engine))


def complain(text):
    print("convert.py: %s" % str(text).replace("\n", " "), file=sys.stderr)


def report_source(source, choice, images):
    from choice import passed_over
    part = choice.part
    where = "" if part is None or part.label == "." else ", weights %s" % part.label
    print("layout: %s%s" % (choice.layout.title, where))
    print("images: %s" % images.text())
    rest = passed_over(source, choice)
    if rest:
        names = sorted(rest)[:8]
        print("passed over: %s%s" % (", ".join("%s (%d tensors)" % (n, rest[n]) for n in names),
                                     ", ..." if len(rest) > len(names) else ""))


def report(a, choice, attributes, ids, packed):
    tensors = choice.tensors
    print("%s: %s, %d classes%s, %d tensors, %d parameters%s" % (
        a.output, attributes["arch"], attributes["num_classes"], " with ids" if ids else "", len(tensors),
        sum(t.size for t in tensors.values()), ", float16" if a.half else ""))
    if packed:
        done, ignored, left_out, unread = packed
        print("packed images: %s%s" % (", ".join("%s %d of %d classes" % (s, n, c) for s, (c, n) in done.items()),
                                       "; left out: %d" % len(left_out) if left_out else ""))
        for line in left_out:
            complain(line)
        if unread:
            complain("in the class folders " + unread)
        if ignored:
            complain("%d folders are no class of the network and were left out (%s%s)"
                     % (len(ignored), ", ".join(ignored[:3]), ", ..." if len(ignored) > 3 else ""))


def main(argv=None):
    try:
        convert(arguments(argv))
    except MissingPackage as e:
        complain(e)
        return 2
    except ImportError as e:
        complain("%s; install python3-h5py and python3-numpy" % e)
        return 2
    except WrongUsage as e:
        complain(e)
        return 2
    except (BadData, OSError, MemoryError, RuntimeError) as e:
        complain(str(e) or type(e).__name__)
        return 3
    except Stopped as e:
        complain("interrupted by %s" % e.args[0].name)
        return 128 + e.args[0]
    return 0


if __name__ == "__main__":
    raise_on_signals()
    sys.exit(main())
