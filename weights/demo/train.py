#!/usr/bin/env python3
"""Trains one of the four networks on any folder of images and writes the weights file that nad_run takes.

    weights/demo/train.py --data DIR --form vgg16|resnet50|densenet121|darts [--out OUT.h5] [--width N] [--depth N,N,..]

DIR/{train,val}/<class>/* are images (PNG, JPEG, BMP). Without more flags: the small forms of the demonstration, 64
pixels. What is printed also goes to OUT.log. Accuracies are those of the weights as they are stored, in half precision.
Needs PyTorch (1.13 or later), Pillow, numpy and h5py. Exit codes: 0 done, 2 wrong usage or missing package, 3 bad data,
130 interrupted.
"""
import argparse
import math
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from errors import BadData, one_line  # noqa: E402

# What the demonstration's networks were trained with: width, depth, peak learning rate, epochs.
DEMO = {
    "vgg16": (8, (2, 2, 3, 3, 3), 0.002, 4),
    "resnet50": (8, (3, 4, 6, 3), 0.002, 12),
    "densenet121": (8, (3, 6, 12, 8), 0.002, 4),
    "darts": (16, (8,), 0.003, 12),
}
WIDTHS = "channels of the first convolution (vgg16), inside the first blocks (resnet50), growth (densenet121), of the first cells (darts)"
DEPTHS = "convolutions (vgg16), blocks (resnet50), layers (densenet121) of each stage, or the number of cells (darts)"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class OneLineParser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, "train.py: %s; see train.py --help\n" % message.replace("\n", " "))


def positive(kind, most):
    def parse(text):
        value = kind(text)
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError("%s is not above 0 and at most %s" % (text, most))
        return value
    parse.__name__ = "number"
    return parse


def numbers(text):
    return tuple(positive(int, 200)(part) for part in text.split(","))


def arguments(argv):
    p = OneLineParser(prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, metavar="DIR", help="the image folder; weights/demo/draw.py draws one")
    p.add_argument("--form", required=True, choices=sorted(DEMO), help="the network")
    p.add_argument("--out", metavar="OUT.h5", help="the weights file to write; default: FORM.h5")
    p.add_argument("--size", type=positive(int, 1024), default=64, metavar="PIXELS", help="side of the input; default: 64")
    p.add_argument("--width", type=positive(int, 512), metavar="N", help=WIDTHS)
    p.add_argument("--depth", type=numbers, metavar="N,N,..", help=DEPTHS)
    p.add_argument("--epochs", type=positive(int, 10000), metavar="N", help="passes over the training images")
    p.add_argument("--batch", type=positive(int, 4096), default=32, metavar="N", help="images of a step; default: 32")
    p.add_argument("--lr", type=positive(float, 10), metavar="X", help="peak learning rate; it warms up and falls as a cosine")
    p.add_argument("--least-area", type=positive(float, 1), default=0.6, metavar="X",
                   help="random crops cover at least this share of an image; default: 0.6")
    p.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the weights, the order and the crops; default: 1")
    p.add_argument("--threads", type=positive(int, 1024), metavar="N", help="threads of PyTorch; default: its own choice")
    a = p.parse_args(argv)
    width, depth, lr, epochs = DEMO[a.form]
    a.width, a.depth, a.lr, a.epochs = a.width or width, a.depth or depth, a.lr or lr, a.epochs or epochs
    a.out = a.out or a.form + ".h5"
    if a.form == "darts" and len(a.depth) != 1:
        p.error("argument --depth: darts has one number, that of its cells")
    if a.form == "darts" and a.width % 2:
        p.error("argument --width: an even number is expected for darts")
    if a.size < 32:
        p.error("argument --size: at least 32 pixels are expected")
    if not os.path.isdir(os.path.dirname(os.path.realpath(a.out))):
        p.error("the folder of output file %s does not exist" % a.out)
    return a


# Images -------------------------------------------------------------------------------------------
def class_names(folder):
    from packing import class_folders
    names = class_folders(folder)["train"]
    if len(names) < 2:
        raise BadData("%s has %d class folders, at least two are expected" % (os.path.join(folder, "train"), len(names)))
    return names


def read_images(folder, names, size):
    """(uint8 [N, 3, S, S], classes [N]); S = size * 256 / 224: the shorter side as in evaluation, the middle square."""
    import numpy as np
    import torch
    from PIL import Image
    from packing import ENDINGS
    side, pictures, labels = size * 256 // 224, [], []
    for label, name in enumerate(names):
        place = os.path.join(folder, name)
        for file in sorted(os.listdir(place)) if os.path.isdir(place) else []:
            if file.startswith(".") or not file.lower().endswith(ENDINGS):
                continue
            try:
                image = Image.open(os.path.join(place, file)).convert("RGB")
            except (OSError, ValueError) as e:
                raise BadData("image %s cannot be read: %s" % (os.path.join(place, file), one_line(e)))
            scale = side / min(image.size)
            if scale != 1:
                image = image.resize([max(side, int(scale * length)) for length in image.size], Image.BILINEAR)
            left, top = (round((length - side) / 2.0) for length in image.size)
            pictures.append(np.asarray(image.crop((left, top, left + side, top + side))))
            labels.append(label)
    if not pictures:
        raise BadData("no images in the class folders of %s" % folder)
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def normalised(images):
    import torch
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (images / 255 - mean) / std


def random_crops(images, size, least_area, generator):
    """Crops of random place, area and proportions, half of them mirrored, resized to `size` (bilinear)."""
    import torch
    import torch.nn.functional as F

    def uniform(low, high):
        return low + (high - low) * torch.rand(len(images), generator=generator)
    area, stretch = uniform(least_area, 1.0), torch.exp(uniform(-math.log(4 / 3), math.log(4 / 3)) / 2)
    wide, high = (torch.sqrt(area) * stretch).clamp(max=1), (torch.sqrt(area) / stretch).clamp(max=1)
    x, y = (1 - wide) * uniform(-1, 1), (1 - high) * uniform(-1, 1)
    side = torch.where(torch.rand(len(images), generator=generator) < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(x)
    frame = torch.stack([torch.stack([wide * side, zero, x], 1), torch.stack([zero, high, y], 1)], 1)
    grid = F.affine_grid(frame, (len(images), 3, size, size), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


# Training -----------------------------------------------------------------------------------------
def accuracy(network, images, labels, size):
    """Top-1 of the crop in the middle, in percent, as nad_run evaluates."""
    import torch
    corner, right = round((images.shape[2] - size) / 2.0), 0
    network.eval()
    with torch.no_grad():
        for first in range(0, len(images), 100):
            crop = images[first:first + 100, :, corner:corner + size, corner:corner + size]
            right += (network(normalised(crop.float())).argmax(1) == labels[first:first + 100]).sum().item()
    return 100 * right / len(images)


def optimiser(network, lr):
    """Weight decay on convolutions and matrices only."""
    import torch
    matrices = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() < 2]
    return torch.optim.AdamW([dict(params=matrices, weight_decay=0.05), dict(params=others, weight_decay=0)], lr=lr)


def train(a, network, train_set, val_set, say):
    import torch
    import torch.nn.functional as F
    generator = torch.Generator().manual_seed(a.seed)
    (images, labels), steps, step, start = train_set, max(1, len(train_set[0]) // a.batch) * a.epochs, 0, time.monotonic()
    update, warm = optimiser(network, a.lr), max(1, steps // 12)
    for epoch in range(a.epochs):
        network.train()
        order, total, count = torch.randperm(len(images), generator=generator), 0.0, max(1, len(images) // a.batch)
        for i in range(count):
            rate = a.lr * min((step + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)))
            for group in update.param_groups:
                group["lr"] = rate
            chosen = order[i * a.batch:(i + 1) * a.batch]
            batch = normalised(random_crops(images[chosen].float(), a.size, a.least_area, generator))
            batch = batch.contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(network(batch), labels[chosen], label_smoothing=0.05)
            update.zero_grad()
            loss.backward()
            update.step()
            step, total = step + 1, total + loss.item()
        if not math.isfinite(total):
            raise BadData("epoch %d: the loss is not finite; try a smaller --lr than %g" % (epoch + 1, a.lr))
        say("epoch %2d  loss %.3f  val Top-1 %5.2f %%  %4.0f s" % (
            epoch + 1, total / count, accuracy(network, *val_set, a.size), time.monotonic() - start))


def store(a, names, tensors):
    """Writes the weights file through weights/convert.py."""
    import torch
    import convert
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, classes = os.path.join(folder, os.path.splitext(os.path.basename(a.out))[0] + ".pth"), os.path.join(folder, "classes")
        torch.save(tensors, checkpoint)
        with open(classes, "w", encoding="utf-8") as f:
            f.writelines("%s %s\n" % (name, name.replace("_", " ")) for name in names)
        done = convert.main([checkpoint, a.out, "--arch", a.form, "--half", "--input-size", str(a.size), "--classes", classes])
    if done != 0:
        raise BadData("%s was not written" % a.out)


def run(a, say):
    import torch
    from forms import FORMS
    if a.threads:
        torch.set_num_threads(a.threads)
    names = class_names(a.data)
    train_set = read_images(os.path.join(a.data, "train"), names, a.size)
    val_set = read_images(os.path.join(a.data, "val"), names, a.size)
    torch.manual_seed(a.seed)
    network = FORMS[a.form](len(names), a.size, a.width, a.depth).to(memory_format=torch.channels_last)  # twice as fast
    say("%s: width %d, depth %s, %d pixels, %d parameters; %d classes, %d images (val: %d); %d epochs, batch %d, lr %g, seed %d" % (
        a.form, a.width, ",".join(map(str, a.depth)), a.size, sum(v.numel() for v in network.stored().values()), len(names),
        len(train_set[0]), len(val_set[0]), a.epochs, a.batch, a.lr, a.seed))
    train(a, network, train_set, val_set, say)
    tensors = {name: value.half() for name, value in network.stored().items()}
    network.take({name: value.float() for name, value in tensors.items()})
    say("in half precision: val Top-1 %.2f %%" % accuracy(network, *val_set, a.size))
    store(a, names, tensors)


def main(argv=None):
    a = arguments(argv)
    lines = []

    def say(line):
        print(line, flush=True)
        lines.append(line)
    try:
        run(a, say)
        with open(os.path.splitext(a.out)[0] + ".log", "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
    except ImportError as e:
        print("train.py: %s; install python3-torch, python3-pil, python3-numpy and python3-h5py" % e, file=sys.stderr)
        return 2
    except (BadData, OSError, MemoryError, RuntimeError) as e:
        print("train.py: %s" % one_line(e), file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("train.py: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
