"""Draws images of a class: an object on a scene, and the mask of the pixels in which it is seen.

Place, size, rotation, side, colours, scene, clutter and noise come from the seed, the split and the image's number, and
from nothing that the class decides, except that each class has draws of its own.
"""
import numpy as np

import scenes
from counter import Random, keys
from objects import CLASSES, SCALE
from shapes import Plane, coverage, paint, union

# nad_run evaluates at 64 pixels what it has resized to a shorter side of 64 * 256 / 224 = 73: nothing is resized.
SIZE, INPUT = 73, 64
RADIUS = (17.0, 26.5)      # pixels; an object reaches about so far from its middle
REACH, MARGIN = 1.12, 2.0  # no object reaches further than REACH radii; pixels from there to the edge of the middle crop
TILT = 0.6                 # radians to either side


def pixels(n):
    """The plane of n images in pixels from the centre."""
    at = np.arange(SIZE, dtype=np.float32) - np.float32((SIZE - 1) / 2)
    shape = (n, SIZE, SIZE)
    return Plane(np.broadcast_to(at[None, None, :], shape), np.broadcast_to(at[None, :, None], shape))


class Pose:
    """Where the objects are: centre (x, y) in pixels from the image's, radius in pixels, angle, mirrored or not; [N]."""

    def __init__(self, random):
        self.radius = random.uniform(*RADIUS)
        room = np.maximum(INPUT / 2 - MARGIN - np.float32(REACH) * self.radius, 0).astype(np.float32)
        self.x, self.y = room * random.uniform(-1, 1), room * random.uniform(-1, 1)
        self.angle = random.uniform(-TILT, TILT)
        self.side = np.where(random.uniform() < 0.5, np.float32(-1), np.float32(1))

    def frame(self, plane, unit):
        """The plane in the objects' own coordinates; `unit` pixels [N] are 1."""
        p = plane.moved(*(v[:, None, None] for v in (self.x, self.y, self.angle)))
        return Plane(p.x * (self.side / unit)[:, None, None], p.y / unit[:, None, None])


def paint_object(image, plane, name, key, dark):
    """Paints an object of the class into image [N, 3, H, W] in place; returns its share of each pixel [N, H, W].

    Its outline stands out: light on the grounds that are dark [N] and dark on the others.
    """
    pose = Pose(Random(keys(key, "pose")))
    unit = pose.radius * np.float32(SCALE[name])
    p, shape, look = pose.frame(plane, unit), Random(keys(key, "shape")), Random(keys(key, "look"))
    parts = [(distance, slot) for _, distance, slot in CLASSES[name](p, lambda a, b: shape.uniform(a, b, 1, 1))]
    per_unit = unit[:, None, None]

    palette = scenes.colours(look, 4, value=(0.2, 1.0))
    rim = coverage(union(*(d for d, _ in parts)) - look.uniform(0.03, 0.07, 1, 1), per_unit)
    deep = palette[:, 0] * look.uniform(0.15, 0.4, 1)
    paint(image, rim, np.where(dark[:, None], 1 - np.float32(0.25) * (1 - palette[:, 0]), deep))
    slope, strength = look.uniform(-1, 1, 2, 1, 1), look.uniform(0, 0.3, 1, 1)
    shade = (1 + strength * (slope[:, 0] * p.x + slope[:, 1] * p.y))[:, None]
    covered = rim
    for distance, slot in parts:
        share = coverage(distance, per_unit)
        colour = np.clip(palette[:, slot, :, None, None] * shade, 0, 1)
        image += share[:, None] * (colour - image)
        covered = np.maximum(covered, share)
    return covered


def draw(name, numbers, seed, split="train", with_object=True):
    """(images uint8 [N, SIZE, SIZE, 3], masks bool [N, SIZE, SIZE]) of a class, images number `numbers` of a split.

    with_object=False leaves out the object and nothing else; the masks are then empty.
    """
    key = keys(seed, split, name, np.asarray(numbers))
    plane = pixels(len(key))
    scaled = Plane(plane.x / 16, plane.y / 16)
    dark = Random(keys(key, "tone")).uniform() < 0.5
    image = scenes.background(scaled, Random(keys(key, "scene")), dark)
    scenes.behind(image, plane, Random(keys(key, "behind")))
    covered = np.zeros(plane.x.shape, np.float32)
    if with_object:
        covered = paint_object(image, plane, name, key, dark)
    visible = scenes.in_front(image, plane, Random(keys(key, "front")))
    pictures, share = scenes.camera(image, covered * visible, Random(keys(key, "camera")))
    return np.moveaxis(pictures, 1, 3), share > 0
