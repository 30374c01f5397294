#!/usr/bin/env python3
"""Draws a small image of every kind that people have into images/, and beside it what its pixels are to be.

    python3 make_images.py [DIR]        needs numpy, Pillow, and jpegtran of libjpeg-turbo

DIR/NAME is the file, DIR/NAME.rgb its pixels: "WIDTH HEIGHT RULE\\n", then the bytes [height, width, 3]. RULE is pillow
where they are those of Image.open(NAME).convert("RGB"), else own: docs/IMAGES.md says what is made of the kind, and this
script makes it. tests/test_image_kinds.cpp compares; tests/fuzz/ starts from the files.
"""
import gzip
import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 19, 13


def pattern(channels=3):
    """Waves, a hard edge and a corner of noise. uint8 [HEIGHT, WIDTH, channels]."""
    rng = np.random.RandomState(7)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    waves = np.stack([128 + 127 * np.sin(x / (3 + c) + y / (6 - c) + c) for c in range(channels)], -1)
    waves[3:7, 4:9] = np.array([255, 0, 128, 60])[:channels]
    waves[9:, 13:] = rng.randint(0, 256, waves[9:, 13:].shape)
    return waves.round().clip(0, 255).astype(np.uint8)


RGB = Image.fromarray(pattern())
GREY = RGB.convert("L")
PALETTE = RGB.quantize(16)
RGBA = Image.fromarray(pattern(4))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def transformed(jpeg, *options):
    return subprocess.run(("jpegtran",) + options, input=jpeg, stdout=subprocess.PIPE, check=True).stdout


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour_type, depth, passes, interlaced=False):
    """passes: arrays [rows, bytes of a row]."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, interlaced)
    rows = b"".join(b"\0" + row.tobytes() for one in passes for row in one)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def interlaced_png():
    starts = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    pixels = np.asarray(RGB)
    passes = [pixels[top::down, left::right] for top, left, down, right in starts]
    return png(2, 8, [p.reshape(p.shape[0], -1) for p in passes if p.size], True)


def ycck():
    """The four components of a CMYK file, said to be YCCK by Adobe's marker."""
    jpeg = bytearray(saved(RGB.convert("CMYK"), "JPEG", quality=95))
    jpeg[jpeg.index(b"Adobe") + 11] = 2
    return bytes(jpeg)


def gif_on_a_screen(transparent):
    """A frame that covers only a part of its screen."""
    options = {"transparency": 3} if transparent else {}
    gif = bytearray(saved(PALETTE.crop((0, 0, 9, 6)), "GIF", **options))
    gif[6:10] = struct.pack("<HH", WIDTH, HEIGHT)
    at = gif.index(b"," + struct.pack("<HHHH", 0, 0, 9, 6))
    gif[at + 1:at + 5] = struct.pack("<HH", 5, 4)
    return bytes(gif)


def netpbm(form, maximum, values):
    values = np.asarray(values, np.int64)
    header = "P%d\n# drawn by make_images.py\n%d %d\n%d\n" % (form, WIDTH, HEIGHT, maximum)
    if form < 4:
        return header.encode() + "\n".join(" ".join(map(str, row.ravel())) for row in values).encode() + b"\n"
    return header.encode() + values.astype(">u2" if maximum > 255 else np.uint8).tobytes()


def tiff(order, entries, data):
    """A page of one strip. entries: (tag, type, values), short (3) or long (4), in order of their tags."""
    packed = {3: "H", 4: "I"}
    entries = sorted(entries + [(256, 3, [WIDTH]), (257, 3, [HEIGHT]), (278, 3, [HEIGHT]), (279, 4, [len(data)]),
                                (273, 4, [None])])
    begin = 8 + 2 + 12 * len(entries) + 4
    extra = b""
    place_of_data = begin + sum(4 * len(v) for _, _, v in entries if len(v) > 1)
    directory = struct.pack(order + "H", len(entries))
    for tag, kind, values in entries:
        values = [place_of_data if v is None else v for v in values]
        value = struct.pack(order + "%d%s" % (len(values), packed[kind]), *values)
        if len(value) > 4:
            place = begin + len(extra)
            extra += value.ljust(4 * len(values), b"\0")
            value = struct.pack(order + "I", place)
        directory += struct.pack(order + "HHI", tag, kind, len(values)) + value.ljust(4, b"\0")
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", 0) + extra.ljust(
        place_of_data - begin, b"\0") + data


def planar_tiff():
    """Big-endian, a plane a colour (one strip a plane)."""
    planes = np.moveaxis(np.asarray(RGB), -1, 0)
    size = WIDTH * HEIGHT
    entries = [(256, 3, [WIDTH]), (257, 3, [HEIGHT]), (258, 3, [8, 8, 8]), (259, 3, [1]), (262, 3, [2]),
               (273, 4, [0, 0, 0]), (277, 3, [3]), (278, 3, [HEIGHT]), (279, 4, [size] * 3), (284, 3, [2])]
    begin = 8 + 2 + 12 * len(entries) + 4
    data = begin + 8 + 12 + 12
    places = {258: (begin, ">3H", [8, 8, 8]), 273: (begin + 8, ">3I", [data + size * i for i in range(3)]),
              279: (begin + 20, ">3I", [size] * 3)}
    directory = struct.pack(">H", len(entries))
    for tag, kind, values in entries:
        value = struct.pack(">I", places[tag][0]) if tag in places else struct.pack(">H", values[0]) + b"\0\0"
        directory += struct.pack(">HHI", tag, kind, len(values)) + value
    extra = b"".join(struct.pack(form, *v).ljust(8, b"\0") for _, form, v in places.values())
    return b"MM\0*" + struct.pack(">I", 8) + directory + struct.pack(">I", 0) + extra + planes.tobytes()


def eight_bits(values, maximum):
    """Of values 0 to maximum, rounded; grey becomes three channels."""
    values = np.asarray(values, np.int64)
    if values.ndim == 2:
        values = np.stack([values] * 3, -1)
    return ((2 * 255 * values + maximum) // (2 * maximum)).astype(np.uint8)


def pillow_kinds():
    """Opaque, 8 bits or fewer: the pixels of Pillow."""
    jpeg = saved(RGB, "JPEG", quality=95, subsampling=0)
    mode1 = GREY.convert("1")
    return {
        "rgb.jpg": jpeg, "subsampled.jpeg": saved(RGB, "JPEG", quality=90, subsampling=2),
        "wide.jpe": saved(RGB, "JPEG", quality=90, subsampling=1),
        "progressive.jfif": saved(RGB, "JPEG", quality=90, progressive=True), "grey.JPG": saved(GREY, "JPEG"),
        "restart.jpg": transformed(jpeg, "-restart", "1B"), "arithmetic.jpg": transformed(jpeg, "-arithmetic"),
        "progressive_arithmetic.jpg": transformed(jpeg, "-arithmetic", "-progressive"),
        "cmyk.jpg": saved(RGB.convert("CMYK"), "JPEG", quality=95), "ycck.jpg": ycck(),
        "gzipped.JPEG": gzip.compress(jpeg, mtime=0), "gzipped.png.gz": gzip.compress(saved(RGB, "PNG"), mtime=0),
        "rgb.png": saved(RGB, "PNG"), "grey.png": saved(GREY, "PNG"), "one_bit.png": saved(mode1, "PNG"),
        "four_bits.png": saved(PALETTE, "PNG", bits=4), "palette.png": saved(RGB.quantize(200), "PNG"),
        "interlaced.png": interlaced_png(),
        "rgb.bmp": saved(RGB, "BMP"), "palette.bmp": saved(PALETTE, "BMP"), "one_bit.bmp": saved(mode1, "BMP"),
        "lossy.webp": saved(RGB, "WEBP", quality=90), "lossless.webp": saved(RGB, "WEBP", lossless=True),
        "webp_called.jpg": saved(RGB, "WEBP", quality=70),
        "animation.webp": saved(RGB, "WEBP", save_all=True, append_images=[RGB.rotate(180)], lossless=True),
        "palette.gif": saved(PALETTE, "GIF", interlace=0), "interlaced.gif": saved(PALETTE, "GIF", interlace=1),
        "grey.gif": saved(GREY, "GIF"),
        "animation.gif": saved(PALETTE, "GIF", save_all=True, append_images=[PALETTE.rotate(180)]),
        "raw.tif": saved(RGB, "TIFF"), "lzw.tiff": saved(RGB, "TIFF", compression="tiff_lzw"),
        "deflate.tif": saved(RGB, "TIFF", compression="tiff_adobe_deflate"),
        "packbits.tif": saved(RGB, "TIFF", compression="packbits"), "jpeg.tif": saved(RGB, "TIFF", compression="jpeg"),
        "grey.tif": saved(GREY, "TIFF"), "palette.tif": saved(PALETTE, "TIFF"),
        "fax.tif": saved(mode1, "TIFF", compression="group4"),
        "cmyk.tif": saved(RGB.convert("CMYK"), "TIFF", compression="tiff_lzw"), "planes.tif": planar_tiff(),
        "white_is_zero.tif": tiff(">", [(258, 3, [8]), (259, 3, [1]), (262, 3, [0]), (277, 3, [1])], GREY.tobytes()),
        "pages.tif": saved(RGB, "TIFF", save_all=True, append_images=[RGB.rotate(180)], compression="tiff_lzw"),
        "bytes.ppm": netpbm(6, 255, pattern()), "bytes.pgm": netpbm(5, 255, np.asarray(GREY)),
        "few.ppm": netpbm(6, 15, np.asarray(RGB) // 16), "few.pgm": netpbm(5, 100, np.asarray(GREY).astype(np.int64) * 100 // 255),
        "partial.gif": gif_on_a_screen(False), "partial_transparent.gif": gif_on_a_screen(True),
        **{"turned%d.tif" % turn: tiff("<", [(258, 3, [8]), (259, 3, [1]), (262, 3, [1]), (274, 3, [turn]), (277, 3, [1])],
                                       GREY.tobytes()) for turn in range(1, 9)},
    }


def own_kinds():
    """Kinds that Pillow refuses or treats as something else, with the pixels that docs/IMAGES.md promises."""
    wide = np.asarray(RGB).astype(np.int64) * 257 + np.arange(WIDTH)[None, :, None]
    wide = wide.clip(0, 65535)
    grey = wide[..., 0]
    high_byte = (wide >> 8).astype(np.uint8)
    colours = np.asarray(RGBA)[..., :3]
    kinds = {
        "wide_grey.png": (png(0, 16, [grey.astype(">u2").view(np.uint8)]), np.stack([high_byte[..., 0]] * 3, -1)),
        "wide.png": (png(2, 16, [wide.reshape(HEIGHT, -1).astype(">u2").view(np.uint8)]), high_byte),
        "alpha.png": (saved(RGBA, "PNG"), colours),
        "alpha.webp": (saved(RGBA, "WEBP", lossless=True, exact=True), colours),
        "alpha.tif": (saved(RGBA, "TIFF"), colours),
        "wide.tif": (tiff("<", [(258, 3, [16] * 3), (259, 3, [1]), (262, 3, [2]), (277, 3, [3])],
                          wide.astype("<u2").tobytes()), eight_bits(wide, 65535)),
        "wide_grey.tif": (tiff("<", [(258, 3, [16]), (259, 3, [1]), (262, 3, [1]), (277, 3, [1])],
                               grey.astype("<u2").tobytes()), np.stack([high_byte[..., 0]] * 3, -1)),
        "text.pgm": (netpbm(2, 255, np.asarray(GREY)), eight_bits(np.asarray(GREY), 255)),
        "text.ppm": (netpbm(3, 31, np.asarray(RGB) // 8), eight_bits(np.asarray(RGB) // 8, 31)),
        "wide.pgm": (netpbm(5, 1000, grey % 1001), eight_bits(grey % 1001, 1000)),
        "wide.ppm": (netpbm(6, 65535, wide), eight_bits(wide, 65535)),
    }
    grey_alpha = Image.merge("LA", (GREY, RGBA.getchannel("A")))
    kinds["grey_alpha.png"] = (saved(grey_alpha, "PNG"), np.stack([np.asarray(GREY)] * 3, -1))
    transparent = RGB.quantize(16)
    kinds["transparent.png"] = (saved(transparent, "PNG", transparency=2), np.asarray(transparent.convert("RGB")))
    kinds["transparent.gif"] = (saved(PALETTE, "GIF", transparency=2), np.asarray(PALETTE.convert("RGB")))
    return kinds


def write(folder, name, data, rule, pixels):
    pixels = np.ascontiguousarray(pixels, np.uint8)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)
    with open(os.path.join(folder, name + ".rgb"), "wb") as f:
        f.write(b"%d %d %s\n" % (pixels.shape[1], pixels.shape[0], rule) + pixels.tobytes())


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
    os.makedirs(folder, exist_ok=True)
    for name, data in pillow_kinds().items():
        plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        write(folder, name, data, b"pillow", np.asarray(Image.open(io.BytesIO(plain)).convert("RGB")))
    for name, (data, pixels) in own_kinds().items():
        write(folder, name, data, b"own", pixels)
    print(len(os.listdir(folder)) // 2, "images in", folder)


if __name__ == "__main__":
    main()
