"""Scenes: solids, a painted ground and light, as plain arrays that the renderer reads.

The world's frame is metres, z up, the ground at z = 0; angles are radians, counter-clockwise seen from above.
A scene is a table of solids: what moves is moved by writing other rows, so that thousands of frames share
what stands still. Several solids may be one instance: a walker is a dozen of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from math import cos, inf, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world.colours import Colour

GROUND, SKY = -1, -2  # in images of instances


class Shape(IntEnum):
    """What `a`, `b` and `radius` of a solid mean."""

    NOTHING = 0  # an empty row: batches of scenes are padded with it
    BOX = 1  # centre a, half sizes b, turned about z
    CYLINDER = 2  # upright: foot a, radius, height b[2]
    SPHERE = 3  # centre a, radius
    CAPSULE = 4  # from a to b, radius
    ELLIPSOID = 5  # centre a, half axes b, turned about z


class Texture(IntEnum):
    """Tiles of the atlas that colours are modulated with (wayscan.world.atlas)."""

    PLAIN = -1
    LEAVES = 0  # dead leaves
    NOISE = 1  # 1/f
    FINE = 2  # 1/f, little power in large waves: asphalt, cloth
    STRIPES = 3
    CHECKS = 4
    BRICKS = 5
    BARK = 6
    LETTERS = 7
    GRASS = 8
    WINDOWS = 9


SOLID = np.dtype(
    [
        ("shape", np.int32),
        ("instance", np.int32),
        ("a", np.float32, 3),
        ("b", np.float32, 3),
        ("radius", np.float32),
        ("turn", np.float32, 2),  # cosine and sine of the yaw
        ("colour", np.float32, 3),
        ("texture", np.int32),
        ("tile", np.float32),  # metres that one tile of the texture covers
        ("contrast", np.float32),  # 0: the plain colour
    ]
)
"""One row of a scene."""

PAINT = np.dtype(
    [
        ("centre", np.float32, 2),
        ("half", np.float32, 2),  # half length and half width
        ("turn", np.float32, 2),
        ("colour", np.float32, 3),
        ("period", np.float32),  # metres of one dash and gap along the length; 0: no dashes
        ("duty", np.float32),  # share of the period that is painted
        ("texture", np.int32),
        ("tile", np.float32),
        ("contrast", np.float32),
    ]
)
"""One rectangle painted on the ground: a road, a lane's line, a crossing. Later rows cover earlier ones."""

Solids = NDArray[np.void]
Paints = NDArray[np.void]


class Look(NamedTuple):
    """How a surface looks."""

    colour: Colour = (0.6, 0.6, 0.6)
    texture: Texture = Texture.PLAIN
    tile: float = 1.0
    contrast: float = 0.4


GREY = Look()
MEADOW = Look((0.35, 0.45, 0.22), Texture.GRASS, 4.0, 0.5)


def box(centre: ArrayLike, half: ArrayLike, look: Look = GREY, *, yaw: float = 0.0, instance: int) -> Solids:
    """An upright box turned by yaw: (1,) solids."""
    return _row(Shape.BOX, look, instance, a=centre, b=half, turn=(cos(yaw), sin(yaw)))


def cylinder(foot: ArrayLike, radius: float, height: float, look: Look = GREY, *, instance: int) -> Solids:
    """An upright cylinder with flat ends."""
    return _row(Shape.CYLINDER, look, instance, a=foot, b=(0, 0, height), radius=radius)


def sphere(centre: ArrayLike, radius: float, look: Look = GREY, *, instance: int) -> Solids:
    return _row(Shape.SPHERE, look, instance, a=centre, radius=radius)


def capsule(start: ArrayLike, end: ArrayLike, radius: float, look: Look = GREY, *, instance: int) -> Solids:
    """A rod with round ends, in any direction."""
    return _row(Shape.CAPSULE, look, instance, a=start, b=end, radius=radius)


def ellipsoid(
    centre: ArrayLike, half: ArrayLike, look: Look = GREY, *, yaw: float = 0.0, instance: int
) -> Solids:
    return _row(Shape.ELLIPSOID, look, instance, a=centre, b=half, turn=(cos(yaw), sin(yaw)))


def paint(
    centre: ArrayLike,
    half: ArrayLike,
    look: Look,
    *,
    yaw: float = 0.0,
    period: float = 0.0,
    duty: float = 0.5,
) -> Paints:
    """A rectangle on the ground, `half` = (half length, half width): (1,) paints."""
    row = np.zeros(1, dtype=PAINT)
    row["centre"], row["half"], row["turn"] = centre, half, (cos(yaw), sin(yaw))
    row["period"], row["duty"] = period, duty
    _give_look(row, look)
    return row


def solids(parts: Sequence[Solids]) -> Solids:
    """One table of several."""
    return np.concatenate([np.zeros(0, dtype=SOLID), *parts])


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """The plane z = 0."""

    look: Look = MEADOW
    paints: Paints = field(default_factory=lambda: np.zeros(0, dtype=PAINT))


@dataclass(frozen=True, kw_only=True)
class Light:
    """Sun, sky and fog."""

    sun: tuple[float, float, float] = (0.45, 0.3, 0.84)  # direction towards it
    strength: float = 0.65  # of sunlight on a surface that faces it
    ambient: float = 0.5
    shadows: bool = True  # of solids on the ground
    zenith: Colour = (0.36, 0.56, 0.86)
    horizon: Colour = (0.78, 0.85, 0.92)  # also the fog's colour
    fog: float = inf  # metres after which 1/e of the contrast is left


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What is to be seen: (P,) solids, the ground, the light, and what each instance is."""

    solids: Solids
    ground: Ground = field(default_factory=Ground)
    light: Light = field(default_factory=Light)
    names: tuple[str, ...] = ()  # of instance 0, 1, …: "tree", "walker", "car", …

    def __post_init__(self) -> None:
        check_solids(self.solids)

    def with_movers(self, *parts: Solids) -> "Scene":
        """The same scene with more solids: where everybody is at this moment."""
        return replace(self, solids=np.concatenate([self.solids, *parts]))


def check_solids(table: Solids) -> None:
    """Refuse solids that cannot be: not finite, or without extent."""
    if table.dtype != SOLID or table.ndim != 1:
        raise ValueError(
            f"solids are {table.dtype} {table.shape}; expected a (P,) table of scene.SOLID; make rows with "
            f"scene.box, cylinder, sphere, capsule, ellipsoid"
        )
    for name in ("a", "b", "radius"):
        finite = np.isfinite(table[name])
        for k in np.flatnonzero(~(finite if finite.ndim == 1 else finite.all(axis=1))):
            raise ValueError(f"solid {k}: {name} is {table[name][k].tolist()}; expected finite metres")
    round_ = np.isin(table["shape"], (Shape.CYLINDER, Shape.SPHERE, Shape.CAPSULE))
    flat = np.isin(table["shape"], (Shape.BOX, Shape.ELLIPSOID)) & (table["b"] <= 0).any(axis=1)
    low = (table["shape"] == Shape.CYLINDER) & (table["b"][:, 2] <= 0)
    for k in np.flatnonzero((round_ & (table["radius"] <= 0)) | flat | low):
        kind = Shape(int(table["shape"][k])).name.lower()
        raise ValueError(
            f"solid {k}: a {kind} of radius {table['radius'][k]:g} and sizes {table['b'][k].tolist()}; "
            f"expected sizes above 0"
        )
    if len(table) and not np.isin(table["shape"], list(Shape)).all():
        raise ValueError(
            f"solids have shapes {sorted(set(table['shape'].tolist()))}; expected 0 to {max(Shape)}"
        )


def _row(shape: Shape, look: Look, instance: int, **values: ArrayLike) -> Solids:
    row = np.zeros(1, dtype=SOLID)
    row["shape"], row["instance"], row["turn"] = shape, instance, (1, 0)
    for name, value in values.items():
        row[name] = value
    _give_look(row, look)
    return row


def _give_look(row: NDArray[np.void], look: Look) -> None:
    row["colour"], row["texture"] = look.colour, look.texture
    row["tile"], row["contrast"] = look.tile, 0.0 if look.texture == Texture.PLAIN else look.contrast
