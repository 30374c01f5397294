#!/usr/bin/env python3
"""Makes images.bin, what Pillow and torchvision make of a few synthetic images; tests/test_images.cpp compares.

    python3 make_images.py [OUT]        needs numpy, Pillow, torch, torchvision

The file: "NADGOLD1", then records until its end: name (uint32 length, bytes), kind ('u' uint8, 'i' int32,
'f' float32), uint32 number of dimensions, uint32 dimensions, the values. Little-endian throughout.
Every case stores its parameters beside its result, so the test has no table of its own.
"""
import io
import os
import struct
import sys

import numpy as np
import PIL
import torch
import torchvision
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
BILINEAR = InterpolationMode.BILINEAR
KINDS = {"uint8": b"u", "int32": b"i", "float32": b"f"}


def write(out, name, values):
    values = np.ascontiguousarray(values)
    out.write(struct.pack("<I", len(name)) + name.encode() + KINDS[values.dtype.name])
    out.write(struct.pack("<I", values.ndim) + struct.pack(f"<{values.ndim}I", *values.shape))
    out.write(values.astype(values.dtype.newbyteorder("<")).tobytes())


def synthetic(width, height, seed):
    """Smooth waves, hard edges and noise: [height, width, 3] uint8 with values 0 and 255 among them."""
    rng = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [128 + 127 * np.sin(x / (3 + 2 * c) + y / (7 - c) + c) for c in range(3)]
    pixels = np.stack(waves, -1) + rng.normal(0, 20, (height, width, 3))
    pixels[height // 4:height // 2, width // 4:width // 2] = [255, 0, 128]
    pixels[height // 2:, :width // 5] = rng.randint(0, 2, (height - height // 2, width // 5, 3)) * 255
    return np.clip(pixels, 0, 255).astype(np.uint8)


def write_encoded(out):
    """encoded/<name>: the bytes of a file; decoded/<name>: [height, width, 3] as Pillow decodes it."""
    rgb = Image.fromarray(synthetic(19, 13, 5))
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(synthetic(19, 13, 6)[..., 0]))
    smooth = Image.fromarray(synthetic(40, 24, 7)).resize((19, 13), Image.BILINEAR)
    grey = smooth.convert("L")
    cases = {
        "rgb.png": (rgb, {}), "grey.png": (grey, {}), "rgba.png": (rgba, {}), "palette.png": (rgb.convert("P"), {}),
        "grey_alpha.png": (rgba.convert("LA"), {}), "rgb.bmp": (rgb, {}), "grey.bmp": (grey, {}),
        "rgba.bmp": (rgba, {}), "rgb.jpg": (smooth, {"quality": 95, "subsampling": 0}),
        "subsampled.jpg": (smooth, {"quality": 90, "subsampling": 2}),
        "progressive.jpg": (smooth, {"quality": 95, "subsampling": 0, "progressive": True}),
        "grey.jpg": (grey, {"quality": 95}),
    }
    for name, (image, options) in cases.items():
        buffer = io.BytesIO()
        image.save(buffer, {"jpg": "JPEG", "png": "PNG", "bmp": "BMP"}[name.split(".")[1]], **options)
        write(out, "encoded/" + name, np.frombuffer(buffer.getvalue(), np.uint8))
        write(out, "decoded/" + name, np.asarray(Image.open(buffer).convert("RGB")))


def write_resized(out, image):
    """resize/<n>/box: crop left, top, width, height, output width, height; resize/<n>/rgb; bicubic/<n>/rgb."""
    width, height = image.size
    whole = (0, 0, width, height)
    cases = [(whole, 20, 30), (whole, width, 17), (whole, 23, height), (whole, 90, 80), (whole, 1, 1), (whole, 3, 71),
             ((5, 7, 40, 33), 24, 24), ((width - 31, height - 22, 31, 22), 16, 16), ((0, 0, 9, 8), 32, 32),
             ((10, 3, 1, 1), 4, 5), ((width - 1, 0, 1, height), 6, 7), ((2, 2, 24, 24), 24, 24)]
    for n, ((left, top, w, h), ow, oh) in enumerate(cases):
        crop = image.crop((left, top, left + w, top + h))
        write(out, f"resize/{n:02d}/box", np.array([left, top, w, h, ow, oh], np.int32))
        write(out, f"resize/{n:02d}/rgb", np.asarray(crop.resize((ow, oh), Image.BILINEAR)))
        write(out, f"bicubic/{n:02d}/rgb", np.asarray(crop.resize((ow, oh), Image.BICUBIC)))


def normalized(image):
    return F.normalize(F.to_tensor(image), MEAN, STD).permute(1, 2, 0).numpy()


def write_preprocessed(out, images):
    """evaluate/<n>: [size, size, 3] of source n; augment/<n>/box: left, top, width, height, flip, size."""
    for n, (image, size) in enumerate(images):
        short = F.resize(image, size * 256 // 224, BILINEAR)
        write(out, f"evaluate/{n:02d}", normalized(F.center_crop(short, size)))
        for ratio in (0.9, 1):  # as timm does, with another share and bicubic
            short = F.resize(image, int(size / ratio), InterpolationMode.BICUBIC)
            write(out, f"evaluate_bicubic/{n:02d}/{int(size / ratio)}", normalized(F.center_crop(short, size)))
    image = images[0][0]
    cases = [(3, 4, 50, 30, 0, 24), (10, 0, 25, 45, 1, 24), (60, 40, 9, 11, 1, 20)]
    for n, (left, top, w, h, flip, size) in enumerate(cases):
        cut = F.resized_crop(image, top, left, h, w, [size, size], BILINEAR)
        write(out, f"augment/{n:02d}/box", np.array([left, top, w, h, flip, size], np.int32))
        write(out, f"augment/{n:02d}/f32", normalized(F.hflip(cut) if flip else cut))


def write_crop_statistics(out):
    """crops/<width>x<height>: over torchvision's draws, mean and standard deviation of the area share, of the log
    ratio and of the centre's x and y share, and the share of draws that are the whole image."""
    torch.manual_seed(1)
    for width, height in [(500, 375), (128, 128), (90, 400)]:
        image = Image.new("RGB", (width, height))
        draws = []
        for _ in range(20000):
            top, left, h, w = RandomResizedCrop.get_params(image, (0.08, 1.25), (3 / 4, 4 / 3))
            draws.append((w * h / (width * height), np.log(w / h), (left + w / 2) / width, (top + h / 2) / height,
                          w == width and h == height))
        draws = np.array(draws, np.float64)
        write(out, f"crops/{width}x{height}", np.stack([draws.mean(0), draws.std(0)]).astype(np.float32))


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "images.bin")
    source = synthetic(97, 61, 1)
    upright = synthetic(37, 58, 2)
    tiny = synthetic(7, 5, 3)
    with open(path, "wb") as out:
        out.write(b"NADGOLD1")
        versions = f"Pillow {PIL.__version__}, torchvision {torchvision.__version__}"
        write(out, "versions", np.frombuffer(versions.encode(), np.uint8))
        for n, pixels in enumerate([source, upright, tiny]):
            write(out, f"source/{n:02d}", pixels)
        write_encoded(out)
        write_resized(out, Image.fromarray(source))
        write_preprocessed(out, [(Image.fromarray(source), 32), (Image.fromarray(upright), 27),
                                 (Image.fromarray(tiny), 16)])
        write_crop_statistics(out)
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    main()
