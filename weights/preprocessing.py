"""How a network's images are prepared: flags over a preset, or timm's config.json beside the checkpoint.

A checkpoint rarely says it. What is stored: mean and std of the input in [0, 1] in the order red, green, blue, the side
to which an image's shorter one is resized, the interpolation. A network that reads blue first gets its first convolution
turned round, so that every weights file reads red, green, blue; values from 0 to 255 are a std of 1/255.
"""
import json
import math
import os

from errors import BadData

IMAGENET = dict(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
CAFFE = dict(mean=tuple(m / 255 for m in (123.68, 116.779, 103.939)), std=(1 / 255,) * 3, channel_order="bgr")
# resize: the shorter side at an input of 224.
PRESETS = {
    "torchvision-v1": dict(IMAGENET, resize=256, interpolation="bilinear"),
    "torchvision-v2": dict(IMAGENET, resize=232, interpolation="bilinear"),
    "timm": dict(IMAGENET, resize=256, interpolation="bicubic"),
    "keras": dict(CAFFE, resize=256, interpolation="bilinear"),
    "caffe": dict(CAFFE, resize=256, interpolation="bilinear"),
}
KERAS_RGB = ("densenet121",)  # keras.applications prepares these as torchvision does
INTERPOLATIONS = ("bilinear", "bicubic")
CONFIG = "config.json"
FIRST = {"vgg16": ("features.0.weight",), "resnet50": ("conv1.weight",), "densenet121": ("features.conv0.weight",),
         "darts": ("stem0.0.weight", "stem.0.weight")}


class Preprocessing:
    def __init__(self, name, input_size, resize_size, interpolation, mean, std, channel_order):
        self.name, self.input_size, self.resize_size, self.interpolation = name, input_size, resize_size, interpolation
        self.mean, self.std, self.channel_order = mean, std, channel_order

    def text(self):
        numbers = [", ".join("%.4g" % v for v in values) for values in (self.mean, self.std)]
        return "%s: shorter side to %d, centre %dx%d, %s, mean %s, std %s%s" % (
            self.name, self.resize_size, self.input_size, self.input_size, self.interpolation, *numbers,
            "" if self.channel_order == "rgb" else "; it read blue, green, red")


def read_config(path):
    """timm's config.json as a preset with input_size and ratio; None where the file is another program's."""
    try:
        with open(path, encoding="utf-8") as f:
            told = json.load(f)
    except OSError as e:
        raise BadData("%s cannot be read: %s" % (path, e.strerror))
    except ValueError as e:
        raise BadData("%s is no JSON (%s)" % (path, e))
    told = told.get("pretrained_cfg", told) if isinstance(told, dict) else {}
    if not isinstance(told, dict) or not {"mean", "std", "input_size", "interpolation"} <= set(told):
        return None
    try:
        size, ratio = [int(v) for v in told["input_size"]], float(told.get("crop_pct") or 0.875)
        preset = dict(mean=tuple(float(v) for v in told["mean"]), std=tuple(float(v) for v in told["std"]),
                      interpolation=str(told["interpolation"]), input_size=size[-1], ratio=ratio)
    except (TypeError, ValueError):
        raise BadData("%s: its mean, std, input_size, crop_pct and interpolation are not those of timm" % path)
    mode = told.get("crop_mode") or "center"
    if len(size) != 3 or size[0] != 3 or size[1] != size[2] or mode != "center" or not 0 < ratio <= 1 \
            or preset["interpolation"] not in INTERPOLATIONS or len(preset["mean"]) != 3 or len(preset["std"]) != 3:
        raise BadData("%s: input %s, crop %s %g, %s; a square of three channels cut from the centre is read, resized "
                      "bilinear or bicubic: give --preset" % (path, size, mode, ratio, preset["interpolation"]))
    return preset


def chosen_preset(a, layout):
    """(name, preset)"""
    if a.preset and a.preset not in PRESETS:
        preset = read_config(a.preset)
        if preset is None:
            raise BadData("%s is none of timm's config.json (pretrained_cfg with mean, std, input_size, interpolation)"
                          % a.preset)
        return os.path.basename(a.preset), preset
    beside = os.path.join(os.path.dirname(os.path.abspath(a.input)), CONFIG)
    if not a.preset and os.path.isfile(beside):
        preset = read_config(beside)
        if preset:
            return CONFIG + " beside it", preset
    name = a.preset or layout.preset or "torchvision-v1"
    if name == "keras" and layout.arch in KERAS_RGB:
        return name, PRESETS["torchvision-v1"]
    return name, PRESETS[name]


def resolve(a, layout, attributes):
    """The Preprocessing of the flags `a` for a network. Raises BadData."""
    name, preset = chosen_preset(a, layout)
    size = a.input_size or preset.get("input_size") or (32 if attributes.get("form") == "cifar" else 224)
    ratio = a.crop_ratio or preset.get("ratio")
    resize = math.floor(size / ratio) if ratio else size * preset["resize"] // 224
    mean = a.mean
    if a.mean_file:
        import caffe_file
        mean = [m / 255 for m in caffe_file.read_mean(a.mean_file)]
    given = [flag for flag, value in (("--crop-ratio", a.crop_ratio), ("--interpolation", a.interpolation),
             ("--mean", a.mean), ("--mean-file", a.mean_file), ("--std", a.std), ("--channel-order", a.channel_order))
             if value is not None]
    return Preprocessing(" and ".join([name, *given]) if given else name, size, resize,
                         a.interpolation or preset["interpolation"], mean or preset["mean"], a.std or preset["std"],
                         a.channel_order or preset.get("channel_order", "rgb"))


def read_red_first(arch, tensors):
    """The first convolution of a network that reads blue, green, red, for images in red, green, blue."""
    for name in FIRST[arch]:
        if name in tensors:
            tensors[name] = tensors[name][:, ::-1]
