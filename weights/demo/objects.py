"""The twelve classes of objects: each of several parts, in a frame of its own (x right, y down, about -1 to 1).

A class is a function of a plane and of `vary`, which draws a number for each image: it yields its parts from back to
front as (name, distance, slot). A slot picks one of the object's four colours, which are exchangeable: what is painted
in which colour says nothing about the class. Names in SHARED belong to two classes, drawn by the same function.
"""
from shapes import common, ring, union


# Parts of two classes -----------------------------------------------------------------------------
def wheel(p, x, y, r):
    yield "wheel", p.disc(x, y, r), 2
    yield "hub", p.disc(x, y, 0.45 * r), 3


def cab_window(p, x, y, half_x, half_y):
    yield "cab window", p.box(x, y, half_x, half_y, 0.05), 1


def handle(p, x, y, r):
    yield "handle", ring(p.ellipse(x, y, r, 1.15 * r), 0.085), 1


def saucer(p, y, r):
    yield "saucer", p.ellipse(0, y, r, 0.13), 2


# Car and lorry: wheels with hubs, cab window ------------------------------------------------------
def car(p, vary):
    r, roof, long = vary(0.19, 0.25), vary(-0.62, -0.48), vary(0.8, 0.92)
    yield "cabin", p.convex((-0.58, -0.02), (-0.36, roof), (0.24, roof), (0.56, -0.02)), 0
    yield from cab_window(p, 0.17, (roof - 0.02) / 2, 0.19, 0.13)
    yield "rear window", p.box(-0.24, (roof - 0.02) / 2, 0.15, 0.13, 0.05), 1
    yield "body", p.box(0, 0.16, long, 0.24, 0.13), 0
    yield "lamp", p.disc(long - 0.1, 0.1, 0.08), 3
    for x in (-0.48, 0.48):
        yield from wheel(p, x, 0.4, r)


def lorry(p, vary):
    r, top, back = vary(0.17, 0.22), vary(-0.7, -0.5), vary(-0.9, -0.75)
    middle, half = (back + 0.25) / 2, (0.25 - back) / 2
    yield "load", p.box(middle, (top + 0.4) / 2, half, (0.4 - top) / 2, 0.03), 1
    yield "stripe", p.box(middle, (top + 0.4) / 2, half, 0.09), 3
    yield "cab", p.box(0.58, 0.1, 0.29, 0.36, 0.1), 0
    yield from cab_window(p, 0.64, -0.04, 0.17, 0.13)
    yield "frame", p.box(0, 0.43, 0.84, 0.07, 0.03), 0
    for x in (-0.52, 0.56):
        yield from wheel(p, x, 0.52, r)


# Cup and teapot: handle, saucer -------------------------------------------------------------------
def cup(p, vary):
    top, foot, deep = vary(0.5, 0.6), vary(0.28, 0.42), vary(0.4, 0.5)
    yield from saucer(p, deep + 0.05, 0.82)
    yield from handle(p, top - 0.02, -0.05, 0.27)
    yield "bowl", p.convex((-top, -0.5), (top, -0.5), (foot, deep), (-foot, deep)), 0
    yield "drink", p.ellipse(0, -0.5, top, 0.12), 3


def teapot(p, vary):
    wide, high = vary(0.5, 0.58), vary(0.42, 0.5)
    yield from saucer(p, 0.1 + high, 0.6)
    yield from handle(p, wide + 0.05, 0.05, 0.27)
    yield "spout", union(p.bar(-0.4, 0.2, -0.8, -0.22, 0.12), p.bar(-0.8, -0.22, -0.95, -0.26, 0.08)), 1
    yield "pot", p.ellipse(0, 0.1, wide, high), 0
    yield "lid", common(p.ellipse(0, -0.28, 0.32, 0.2), p.above(-0.26)), 3
    yield "knob", p.disc(0, -0.52, 0.1), 2


# Eight classes that share nothing by construction -------------------------------------------------
def sailboat(p, vary):
    tip, lean, deep = vary(-0.95, -0.8), vary(0.55, 0.72), vary(0.62, 0.75)
    yield "mast", p.box(0, -0.2, 0.035, 0.72), 2
    yield "mainsail", p.convex((0.07, tip), (lean, 0.24), (0.07, 0.24)), 0
    yield "foresail", p.convex((-0.07, tip + 0.18), (-0.07, 0.24), (-lean + 0.08, 0.24)), 3
    yield "hull", p.convex((-0.82, 0.34), (0.82, 0.34), (0.56, deep), (-0.56, deep)), 1
    yield "rail", p.box(0, 0.36, 0.82, 0.05), 2


def house(p, vary):
    wide, ridge, door = vary(0.5, 0.6), vary(-0.85, -0.68), vary(-0.28, -0.12)
    yield "chimney", p.box(0.34, -0.5, 0.1, 0.28), 3
    yield "walls", p.box(0, 0.32, wide, 0.43), 0
    yield "roof", p.convex((0, ridge), (0.76, -0.06), (-0.76, -0.06)), 1
    yield "door", p.box(door, 0.48, 0.13, 0.27, 0.02), 2
    yield "window", p.box(0.25, 0.24, 0.15, 0.15), 3
    yield "bars", union(p.box(0.25, 0.24, 0.15, 0.025), p.box(0.25, 0.24, 0.025, 0.15)), 0


def fish(p, vary):
    high, fork, fin = vary(0.34, 0.46), vary(0.34, 0.48), vary(-0.72, -0.56)
    yield "tail", union(p.convex((0.3, 0), (0.92, -fork), (0.78, 0)), p.convex((0.3, 0), (0.78, 0), (0.92, fork))), 1
    yield "back fin", p.convex((-0.22, -0.2), (0.12, fin), (0.3, -0.2)), 2
    yield "belly fin", p.convex((-0.15, 0.2), (0.2, 0.2), (0.22, 0.6)), 2
    body = p.ellipse(-0.15, 0, 0.7, high)
    yield "body", body, 0
    yield "stripes", common(body + 0.02, union(p.box(-0.12, 0, 0.07, 1), p.box(0.16, 0, 0.07, 1))), 3
    yield "eye", p.disc(-0.56, -0.09, 0.1), 1
    yield "pupil", p.disc(-0.58, -0.09, 0.05), 2


def butterfly(p, vary):
    span, low, m = vary(0.42, 0.5), vary(0.3, 0.42), p.mirrored()
    yield "feelers", m.bar(0, -0.4, 0.24, -0.82, 0.035), 2
    yield "lower wings", m.ellipse(0.33, low, 0.34, 0.27, 0.6), 1
    yield "upper wings", m.ellipse(span, -0.28, 0.48, 0.32, -0.65), 0
    yield "lower spots", m.disc(0.37, low, 0.1), 0
    yield "upper spots", m.disc(span + 0.08, -0.36, 0.15), 3
    yield "trunk", p.bar(0, -0.42, 0, 0.5, 0.09), 2


def flower(p, vary):
    far, r, bend = vary(0.3, 0.36), vary(0.19, 0.24), vary(0.4, 0.6)
    yield "stem", p.bar(0, -0.2, 0.04, 0.95, 0.05), 2
    yield "leaves", union(p.ellipse(0.27, bend, 0.28, 0.11, -0.6), p.ellipse(-0.24, bend + 0.2, 0.28, 0.11, 0.6)), 1
    for i in range(6):  # at sixths of a circle
        x, y = ((0, -1), (0.866, -0.5), (0.866, 0.5), (0, 1), (-0.866, 0.5), (-0.866, -0.5))[i]
        yield "petal", p.disc(x * far, y * far - 0.35, r), 0
    yield "heart", p.disc(0, -0.35, 0.2), 3


def fir(p, vary):
    wide, top = vary(0.62, 0.75), vary(-0.95, -0.82)
    yield "trunk", p.box(0, 0.75, 0.11, 0.22), 2
    yield "lower boughs", p.convex((0, -0.1), (wide, 0.6), (-wide, 0.6)), 0
    yield "middle boughs", p.convex((0, -0.5), (0.8 * wide, 0.16), (-0.8 * wide, 0.16)), 1
    yield "upper boughs", p.convex((0, top), (0.58 * wide, -0.25), (-0.58 * wide, -0.25)), 0
    yield "balls", union(p.disc(-0.22, 0.42, 0.09), p.disc(0.25, 0.35, 0.09), p.disc(0.02, 0.02, 0.08)), 3


def mushroom(p, vary):
    wide, high, foot = vary(0.7, 0.82), vary(0.65, 0.85), vary(0.2, 0.32)
    yield "stalk", p.convex((-0.18, 0), (0.18, 0), (foot, 0.85), (-foot, 0.85)), 1
    yield "gills", p.ellipse(0, 0.06, wide - 0.03, 0.14), 2
    cap = common(p.ellipse(0, 0.08, wide, high), p.above(0.08))
    yield "cap", cap, 0
    spots = union(p.disc(-0.36, -0.15, 0.13), p.disc(0.05, -0.38, 0.15), p.disc(0.42, -0.1, 0.1))
    yield "spots", common(spots, cap), 3


def rocket(p, vary):
    wide, fin, fire, m = vary(0.26, 0.34), vary(0.5, 0.66), vary(0.85, 1.0), p.mirrored()
    yield "flame", p.ellipse(0, 0.5, 0.15, fire - 0.5), 3
    yield "fins", m.convex((0.15, 0.05), (fin, 0.62), (0.15, 0.5)), 1
    body = common(p.ellipse(0, 0, wide, 0.98), p.above(0.55))
    yield "body", body, 0
    yield "nose", common(body, p.above(-0.5)), 2
    yield "porthole frame", p.disc(0, -0.15, 0.17), 2
    yield "porthole", p.disc(0, -0.15, 0.11), 3


CLASSES = {f.__name__: f for f in (butterfly, car, cup, fir, fish, flower, house, lorry, mushroom, rocket, sailboat, teapot)}

# Pairs of classes and the parts that they share.
SHARED = {("car", "lorry"): ("wheel", "hub", "cab window"), ("cup", "teapot"): ("handle", "saucer")}

# By how much a class is drawn larger, so that all cover the same area on average (tests/test_demo_images.py).
SCALE = dict(butterfly=0.79, car=0.91, cup=0.85, fir=0.93, fish=0.94, flower=0.94, house=0.84, lorry=0.80, mushroom=0.91,
             rocket=1.01, sailboat=0.94, teapot=0.84)
