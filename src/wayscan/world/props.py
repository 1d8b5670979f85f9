"""Things that stand around, made of solids: trees, walls, houses, lamp posts and what is parked.

Each takes its place on the ground and the number of its instance and returns solids; `forest_tree` and what
takes an `rng` differ from one to the next.
"""

from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from wayscan.world.colours import COLOURS, Colour
from wayscan.world.scene import GREY, Look, Solids, Texture, box, capsule, cylinder, ellipsoid, solids, sphere

BARK = Look((0.36, 0.27, 0.18), Texture.BARK, 0.9, 0.6)
BRICKS = Look((0.62, 0.36, 0.28), Texture.BRICKS, 1.6, 0.55)
PLASTER = Look((0.84, 0.80, 0.70), Texture.WINDOWS, 6.0, 0.75)
ROOF = Look((0.50, 0.24, 0.18), Texture.STRIPES, 1.4, 0.25)
IRON = Look((0.24, 0.26, 0.28), Texture.PLAIN)
WOOD = Look((0.48, 0.34, 0.20), Texture.BARK, 0.8, 0.4)
LAMP = Look((1.0, 0.95, 0.78), Texture.PLAIN)
GREENS: tuple[Colour, ...] = ((0.24, 0.42, 0.14), (0.32, 0.48, 0.16), (0.18, 0.36, 0.16), (0.44, 0.46, 0.14))
NEEDLES: tuple[Colour, ...] = ((0.12, 0.29, 0.17), (0.15, 0.33, 0.15), (0.10, 0.25, 0.18))


def tree(x: float, y: float, height: float, rng: np.random.Generator, *, instance: int) -> Solids:
    """A broad-leaved tree: a trunk under a crown of three to five clumps."""
    trunk, crown = 0.42 * height, 0.27 * height
    look = Look(GREENS[int(rng.integers(len(GREENS)))], Texture.LEAVES, 0.35 * height, 0.75)
    parts = [cylinder((x, y, 0), 0.035 * height, 0.6 * height, BARK, instance=instance)]
    parts.append(ellipsoid((x, y, height - crown), (crown, crown, crown), look, instance=instance))
    start, count = rng.uniform(0, 2 * pi), int(rng.integers(2, 5))
    for k in range(count):
        angle, size = start + 2 * pi * k / count, crown * rng.uniform(0.62, 0.8)
        away = 0.62 * crown
        centre = (x + away * cos(angle), y + away * sin(angle), trunk + size * rng.uniform(0.75, 1.1))
        shade = float(rng.uniform(0.86, 1.12))
        leaves = look._replace(colour=_times(look.colour, shade))
        parts.append(ellipsoid(centre, (size, size, 0.82 * size), leaves, yaw=angle, instance=instance))
    return solids(parts)


def fir(x: float, y: float, height: float, rng: np.random.Generator, *, instance: int) -> Solids:
    """A conifer: flat tiers, smaller towards the top."""
    look = Look(NEEDLES[int(rng.integers(len(NEEDLES)))], Texture.LEAVES, 0.25 * height, 0.8)
    parts = [cylinder((x, y, 0), 0.025 * height, 0.5 * height, BARK, instance=instance)]
    for k in range(7):
        up, size = 0.2 + 0.115 * k, 0.2 - 0.026 * k
        half = (size * height, size * height, 0.085 * height)
        shade = look._replace(colour=_times(look.colour, 0.85 + 0.05 * k))
        parts.append(ellipsoid((x, y, up * height), half, shade, yaw=k * 0.7, instance=instance))
    tip = (0.03 * height, 0.03 * height, 0.1 * height)
    parts.append(ellipsoid((x, y, 0.92 * height), tip, look, instance=instance))
    return solids(parts)


def trunk(x: float, y: float, radius: float, height: float, *, instance: int) -> Solids:
    """A bare trunk: one cylinder."""
    return cylinder((x, y, 0), radius, height, BARK, instance=instance)


def bush(x: float, y: float, height: float, rng: np.random.Generator, *, instance: int) -> Solids:
    """Two or three clumps of leaves on the ground."""
    colour = GREENS[int(rng.integers(len(GREENS)))]
    parts = []
    for _ in range(int(rng.integers(2, 4))):
        size = 0.5 * height * float(rng.uniform(0.8, 1.15))
        dx, dy = rng.uniform(-0.5, 0.5, 2) * height
        look = Look(_times(colour, rng.uniform(0.85, 1.1)), Texture.LEAVES, 1.4 * height, 0.75)
        parts.append(ellipsoid((x + dx, y + dy, 0.8 * size), (size, size, size), look, instance=instance))
    return solids(parts)


def wall(
    start: tuple[float, float],
    end: tuple[float, float],
    height: float = 2.5,
    look: Look = BRICKS,
    *,
    thickness: float = 0.25,
    instance: int,
) -> Solids:
    """A straight wall from one point to another."""
    (x0, y0), (x1, y1) = start, end
    length = float(np.hypot(x1 - x0, y1 - y0))
    centre = ((x0 + x1) / 2, (y0 + y1) / 2, height / 2)
    yaw = float(np.arctan2(y1 - y0, x1 - x0))
    return box(centre, (length / 2, thickness / 2, height / 2), look, yaw=yaw, instance=instance)


def house(
    x: float,
    y: float,
    size: tuple[float, float, float] = (10.0, 8.0, 6.0),
    look: Look = PLASTER,
    *,
    yaw: float = 0.0,
    instance: int,
) -> Solids:
    """A house of size (length, width, height of the walls) with windows, a stepped roof and a door."""
    length, width, height = (side / 2 for side in size)
    parts = [box((x, y, height), (length, width, height), look, yaw=yaw, instance=instance)]
    for k in range(4):
        half = (length * (1.06 - 0.05 * k), width * (1.08 - 0.27 * k), 0.055 * width * 2)
        up = 2 * height + half[2] * (2 * k + 1)
        parts.append(box((x, y, up), half, ROOF, yaw=yaw, instance=instance))
    chimney = _turned(x, y, 0.5 * length, 0.35 * width, yaw)
    parts.append(
        box(
            (*chimney, 2 * height + 0.45 * width),
            (0.3, 0.3, 0.45 * width),
            BRICKS,
            yaw=yaw,
            instance=instance,
        )
    )
    door = _turned(x, y, 0.0, -width, yaw)
    parts.append(box((*door, 1.05), (0.5, 0.06, 1.05), WOOD, yaw=yaw, instance=instance))
    return solids(parts)


def lamp_post(x: float, y: float, height: float = 5.0, *, yaw: float = 0.0, instance: int) -> Solids:
    """A post with an arm towards yaw and a lamp at its end."""
    reach = 0.22 * height
    ex, ey = x + reach * cos(yaw), y + reach * sin(yaw)
    return solids(
        [
            cylinder((x, y, 0), 0.12, 0.6, IRON, instance=instance),
            cylinder((x, y, 0), 0.06, height, IRON, instance=instance),
            capsule((x, y, height), (ex, ey, height + 0.15), 0.05, IRON, instance=instance),
            ellipsoid((ex, ey, height + 0.05), (0.28, 0.14, 0.09), LAMP, yaw=yaw, instance=instance),
        ]
    )


def bench(x: float, y: float, *, yaw: float = 0.0, instance: int) -> Solids:
    """A bench that is looked at from where yaw points."""
    parts = [box((x, y, 0.45), (0.22, 0.8, 0.04), WOOD, yaw=yaw, instance=instance)]
    back = _turned(x, y, -0.24, 0.0, yaw)
    parts.append(box((*back, 0.75), (0.03, 0.8, 0.2), WOOD, yaw=yaw, instance=instance))
    for side in (-0.65, 0.65):
        foot = (*_turned(x, y, 0.0, side, yaw), 0.2)
        parts += [box(foot, (0.2, 0.04, 0.22), IRON, yaw=yaw, instance=instance)]
    return solids(parts)


def cone(x: float, y: float, *, instance: int) -> Solids:
    """A traffic cone."""
    orange, white = Look(COLOURS["orange"]), Look(COLOURS["white"])
    rings = ((0.16, 0.0, 0.28, orange), (0.12, 0.28, 0.16, white), (0.08, 0.44, 0.26, orange))
    parts = [box((x, y, 0.03), (0.22, 0.22, 0.03), orange, instance=instance)]
    parts += [
        cylinder((x, y, foot), radius, tall, look, instance=instance) for radius, foot, tall, look in rings
    ]
    return solids(parts)


def sign(x: float, y: float, look: Look, *, yaw: float = 0.0, height: float = 2.4, instance: int) -> Solids:
    """A board on a post that is read from where yaw points."""
    board = _turned(x, y, 0.06, 0.0, yaw)
    return solids(
        [
            cylinder((x, y, 0), 0.04, height, IRON, instance=instance),
            box((*board, height - 0.4), (0.02, 0.45, 0.4), look, yaw=yaw, instance=instance),
        ]
    )


def ball(x: float, y: float, radius: float, look: Look = GREY, *, instance: int) -> Solids:
    """A ball that lies on the ground."""
    return sphere((x, y, radius), radius, look, instance=instance)


def forest(
    places: NDArray[np.float64], rng: np.random.Generator, *, first_instance: int, firs: float = 0.4
) -> Solids:
    """Trees at (N, 2), one instance each; a share of them are firs."""
    parts = []
    for k, (x, y) in enumerate(places):
        plant = fir if rng.random() < firs else tree
        parts.append(plant(float(x), float(y), float(rng.uniform(5, 9)), rng, instance=first_instance + k))
    return solids(parts)


def _turned(x: float, y: float, along: float, across: float, yaw: float) -> tuple[float, float]:
    """The point (along, across) in the frame of something at (x, y, yaw)."""
    return x + along * cos(yaw) - across * sin(yaw), y + along * sin(yaw) + across * cos(yaw)


def _times(colour: Colour, k: float) -> Colour:
    red, green, blue = (min(1.0, float(k) * part) for part in colour)
    return red, green, blue
