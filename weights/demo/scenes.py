"""What surrounds the objects: backgrounds, clutter behind and before them, light and noise. None of it knows the class."""
import numpy as np

from shapes import coverage, paint, ring, union

FEWEST_PIECES, MOST_PIECES, IN_FRONT = 1, 4, 1
LIGHT_GROUND, DARK_GROUND = (0.65, 1.0), (0.1, 0.42)  # lightness of a background's colours


def colours(random, count, saturation=(0.15, 0.95), value=(0.15, 1.0)):
    """float32 [N, count, 3]: colours that differ from each other: hues set apart, lightnesses in steps, in any order.

    The bounds of the lightness are numbers or [N, 1].
    """
    step = np.arange(count, dtype=np.float32)
    hue = random.uniform(0, 1, 1) + 0.38 * step + random.uniform(-0.12, 0.12, count)
    order = np.argsort(random.uniform(0, 1, count), axis=1)
    light = (order.astype(np.float32) + random.uniform(0, 1, count)) / np.float32(count)
    low, high = (np.asarray(bound, np.float32) for bound in value)
    light = low + (high - low) * light
    return _from_hsv(hue, random.uniform(*saturation, count), light)


def _from_hsv(hue, saturation, value):
    k = np.float32(6) * (hue[..., None] + np.array([5 / 6, 3 / 6, 1 / 6], np.float32))
    k = k - np.float32(6) * np.floor(k / np.float32(6))
    part = np.clip(np.minimum(k, 4 - k), 0, 1)
    return value[..., None] * (1 - saturation[..., None] * part)


def _wave(t):
    """A zigzag between 0 and 1 of period 1."""
    return np.abs(2 * (t - np.floor(t)) - 1)


def _ramp(a, b, t):
    """[N, 3, H, W] between the colours a and b [N, 3], t [N, H, W]."""
    t = np.clip(t, 0, 1)[:, None]
    return a[:, :, None, None] * (1 - t) + b[:, :, None, None] * t


def _column(values):
    return values[:, None, None]


# Backgrounds: of a plane (pixels / 16 from the centre), draws and colours [N, 3, 3] to an image [N, 3, H, W] ---------
def hills(p, random, c):
    image = _ramp(c[:, 0], 0.75 * c[:, 0] + 0.25, p.y / 4 + 0.5)
    paint(image, coverage(p.disc(*map(_column, (random.uniform(-2, 2), random.uniform(-2, -0.6), random.uniform(0.25, 0.6)))), 16),
          c[:, 2])
    for colour, low, high in ((1, 0.0, 0.5), (2, 0.7, 1.4)):
        x, y, wide, tall = (random.uniform(*r) for r in ((-2, 2), (low, high), (2.0, 4.0), (0.3, 0.9)))
        slope = p.y - _column(y) - _column(random.uniform(-0.15, 0.15)) * p.x
        bump = _column(tall) * np.maximum(0, 1 - ((p.x - _column(x)) / _column(wide)) ** 2)
        paint(image, coverage(-(slope + bump), 16), 0.75 * c[:, colour])
    return image


def stripes(p, random, c):
    t = p.moved(0, 0, _column(random.uniform(0, 3.14))).x * _column(random.uniform(0.7, 2.2)) + _column(random.uniform())
    image = _ramp(c[:, 0], 0.6 * c[:, 0] + 0.4 * c[:, 1], (_wave(t) - _column(random.uniform(0.3, 0.7))) * 8 + 0.5)
    return image


def tiles(p, random, c):
    q, density = p.moved(0, 0, _column(random.uniform(-0.5, 0.5))), _column(random.uniform(0.6, 1.4))
    a = np.floor(q.x * density + _column(random.uniform())) + np.floor(q.y * density + _column(random.uniform()))
    return _ramp(c[:, 0], 0.6 * c[:, 0] + 0.4 * c[:, 1], a - 2 * np.floor(a / 2))


def clouds(p, random, c):
    """Soft patches: values on a grid of 6 x 6, interpolated."""
    n, h, w = p.x.shape
    grid = random.uniform(0, 1, 6, 6)

    def weights(size):
        at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(5 / size)
        near = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(6, dtype=np.float32)))
        return near * near * (3 - 2 * near)
    soft = np.zeros((n, h, w), np.float32)
    down, across = weights(h), weights(w)
    for i in range(6):  # written out: a matrix product may round differently elsewhere
        row = sum(grid[:, i, j, None] * across[:, j] for j in range(6))
        soft += down[:, i, None] * row[:, None, :]
    return _ramp(c[:, 0], c[:, 1], (soft - 0.5) * 1.6 + 0.5)


def room(p, random, c):
    """A wall with boards, a floor."""
    edge = _column(random.uniform(0.5, 1.5)) + _column(random.uniform(-0.1, 0.1)) * p.x
    wall = _ramp(c[:, 0], 0.8 * c[:, 0], (_wave(p.x * _column(random.uniform(0.4, 1.2)) + _column(random.uniform())) - 0.9) * 16)
    paint(wall, coverage(edge - p.y, 16), c[:, 1])
    paint(wall, coverage(ring(edge - p.y, 0.08), 16), 0.6 * c[:, 1])
    return wall


def rings(p, random, c):
    x, y, density = (_column(random.uniform(*r)) for r in ((-2, 2), (-2, 2), (0.5, 1.4)))
    d = p.disc(x, y, 0) * density
    return _ramp(c[:, 0], 0.65 * c[:, 0] + 0.35 * c[:, 1], (_wave(d) - 0.5) * _column(random.uniform(1, 8)) + 0.5)


BACKGROUNDS = (hills, stripes, tiles, clouds, room, rings)


def background(plane, random, dark):
    """float32 [N, 3, H, W] in [0, 1]; dark or light [N]."""
    n, h, w = plane.x.shape
    kind, image = random.whole(len(BACKGROUNDS)), np.empty((n, 3, h, w), np.float32)
    value = [np.where(dark, dim, bright)[:, None] for dim, bright in zip(DARK_GROUND, LIGHT_GROUND)]
    palette = colours(random, 3, (0.05, 0.6), value)
    for i, draw in enumerate(BACKGROUNDS):
        chosen = np.flatnonzero(kind == i)
        if len(chosen):
            image[chosen] = draw(plane.only(chosen), random.only(chosen), palette[chosen])
    return image


# Clutter: pieces about a point, of radius 1 -----------------------------------------------------------
def _cross(p):
    return union(p.box(0, 0, 1, 0.25), p.box(0, 0, 0.25, 1))


PIECES = (lambda p: p.disc(0, 0, 0.8), lambda p: p.box(0, 0, 0.9, 0.55, 0.1), lambda p: p.bar(-1, 0, 1, 0, 0.16),
          lambda p: p.convex((0, -0.9), (0.8, 0.7), (-0.8, 0.7)), lambda p: ring(p.disc(0, 0, 0.75), 0.18),
          lambda p: p.ellipse(0, 0, 1, 0.5), _cross,
          lambda p: p.convex((-0.9, -0.4), (0.9, -0.4), (0.6, 0.4), (-0.6, 0.4)))


def pieces(plane, random, count, least, most, radius):
    """Yields (shares [N, H, W], colours [N, 3]) of `count` pieces; an image has `least` to `most` of them. Radii in
    pixels, the plane's too."""
    how_many = least + random.whole(most - least + 1)
    for i in range(count):
        kind, at = random.whole(len(PIECES)), random.uniform(-36, 36, 2)
        size, angle, colour = random.uniform(*radius), random.uniform(0, 6.28), colours(random, 1)[:, 0]
        share = np.zeros(plane.x.shape, np.float32)
        for k, piece in enumerate(PIECES):
            chosen = np.flatnonzero((kind == k) & (i < how_many))
            if len(chosen):
                p = plane.only(chosen).moved(_column(at[chosen, 0]), _column(at[chosen, 1]), _column(angle[chosen]))
                r = _column(size[chosen])
                share[chosen] = coverage(piece(type(p)(p.x / r, p.y / r)), r)
        yield share, colour


def behind(image, plane, random):
    for share, colour in pieces(plane, random, MOST_PIECES, FEWEST_PIECES, MOST_PIECES, (2.5, 8)):
        paint(image, share, colour)


def in_front(image, plane, random):
    """Paints over the image; returns what share of each pixel stays visible."""
    visible = np.ones(plane.x.shape, np.float32)
    for share, colour in pieces(plane, random, IN_FRONT, 0, IN_FRONT, (2, 4.5)):
        paint(image, share, colour)
        visible *= 1 - share
    return visible


# Camera ----------------------------------------------------------------------------------------------
def camera(image, share, random, noise=(0.005, 0.06)):
    """Light, blur and noise: image [N, 3, H, W] to uint8, and the object's share of each pixel [N, H, W], blurred alike."""
    contrast, light = random.uniform(0.75, 1.05, 1, 1, 1), random.uniform(-0.06, 0.06, 1, 1, 1)
    soft = np.clip(random.uniform(-0.6, 0.7, 1, 1, 1), 0, 1) * np.float32(0.25)  # many are sharp
    image = _blurred((image - np.float32(0.5)) * contrast + np.float32(0.5) + light, soft)
    grain = random.uniform(0, 1, 1, 1, 1) ** 2  # its square: a few images are grainy
    image += (noise[0] + (noise[1] - noise[0]) * grain * grain) * random.noise(*image.shape[1:])
    return np.clip(image * 255 + np.float32(0.5), 0, 255).astype(np.uint8), _blurred(share[:, None], soft)[:, 0]


def _blurred(image, part):
    """Every pixel gives `part` to each neighbour, down and across; what lies outside is as the edge."""
    for axis in (2, 3):
        padded = np.pad(image, [(0, 0)] * axis + [(1, 1)] + [(0, 0)] * (3 - axis), mode="edge")
        before, after = (padded[:, :, b:b + image.shape[2]] if axis == 2 else padded[..., b:b + image.shape[3]] for b in (0, 2))
        image = image * (1 - 2 * part) + part * (before + after)
    return image
