"""Signed distances to shapes, negative inside, for N images side by side.

A Plane holds the coordinates x (to the right) and y (down), float32 [N, H, W]; sizes are numbers or float32 [N, 1, 1].
Distances are exact near the edge, which is where they are used: the share of a pixel that a shape covers.
"""
import numpy as np


def _float32(function, angle):
    """In double precision and then rounded: processors differ in the last bit of a sine."""
    return function(np.asarray(angle, np.float64)).astype(np.float32)


class Plane:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def only(self, chosen):
        return Plane(self.x[chosen], self.y[chosen])

    def moved(self, x, y, angle=0.0):
        """Coordinates about the point (x, y), turned by an angle in radians."""
        c, s = _float32(np.cos, angle), _float32(np.sin, angle)
        a, b = self.x - x, self.y - y
        return Plane(c * a + s * b, c * b - s * a)

    def mirrored(self):
        """Both halves become the right one."""
        return Plane(np.abs(self.x), self.y)

    def disc(self, x, y, r):
        return np.sqrt((self.x - x) ** 2 + (self.y - y) ** 2) - r

    def ellipse(self, x, y, rx, ry, angle=0.0):
        p = self.moved(x, y, angle)
        a, b = p.x / rx, p.y / ry
        k = np.sqrt(a * a + b * b)
        return k * (k - 1) / np.maximum(np.sqrt((a / rx) ** 2 + (b / ry) ** 2), np.float32(1e-6))

    def box(self, x, y, half_x, half_y, corner=0.0):
        """Around (x, y), with corners of that radius."""
        a, b = np.abs(self.x - x) - half_x + corner, np.abs(self.y - y) - half_y + corner
        zero = np.float32(0)
        return np.sqrt(np.maximum(a, zero) ** 2 + np.maximum(b, zero) ** 2) + np.minimum(np.maximum(a, b), zero) - corner

    def bar(self, x0, y0, x1, y1, r):
        """Round-ended, from (x0, y0) to (x1, y1)."""
        a, b, ex, ey = self.x - x0, self.y - y0, np.float32(x1 - x0), np.float32(y1 - y0)
        t = np.clip((a * ex + b * ey) / (ex * ex + ey * ey), 0, 1)
        return np.sqrt((a - t * ex) ** 2 + (b - t * ey) ** 2) - r

    def convex(self, *points):
        """The convex polygon of the points, clockwise as seen (y points down)."""
        most = None
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1]):
            ex, ey = np.asarray(x1 - x0, np.float32), np.asarray(y1 - y0, np.float32)
            length = np.sqrt(ex * ex + ey * ey)
            d = (self.x - x0) * (ey / length) - (self.y - y0) * (ex / length)
            most = d if most is None else np.maximum(most, d)
        return most

    def above(self, y):
        return self.y - y

    def below(self, y):
        return y - self.y


def ring(distance, half_width):
    """The outline of a shape, so thick on either side."""
    return np.abs(distance) - half_width


def union(*distances):
    return np.minimum.reduce(distances)


def common(*distances):
    return np.maximum.reduce(distances)


def coverage(distance, pixels=1.0):
    """Share of a pixel inside; `pixels` is the unit of the distance."""
    return np.clip(np.float32(0.5) - distance * pixels, 0, 1)


def paint(image, share, colour):
    """image [N, 3, H, W], share [N, H, W], colour [N, 3]: paints over in place."""
    image += share[:, None] * (colour[:, :, None, None] - image)
