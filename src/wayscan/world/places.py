"""Places where people walk: a plaza, a park, a hall; what stands there to be seen and to be walked round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Literal

import numpy as np

from wayscan.names import expect_one_of
from wayscan.world.actors.floor import Floor
from wayscan.world.colours import COLOURS, Colour
from wayscan.world.scene import (
    Ground,
    Light,
    Look,
    Paints,
    Solids,
    Texture,
    box,
    cylinder,
    ellipsoid,
    paint,
    solids,
)

PlaceKind = Literal["plaza", "park", "hall"]

HALF = 12.0  # metres from the middle to the edge that people walk up to
GAP = 1.7  # metres that people have between any two things
CLEARANCE = 0.7  # metres that ways keep from things: who follows cuts corners
HIDES = 1.2  # metres: what is lower does not hide a person
ATTEMPTS = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """A square of ground with things on it. `screens` are those of the floor's things that hide a person."""

    kind: PlaceKind
    floor: Floor
    screens: Floor
    solids: Solids
    names: tuple[str, ...]  # of the solids' instances, from the first
    ground: Ground
    light: Light
    half: float = HALF


Maker = Callable[[float, float, int], Solids]  # x, y and instance → what stands there


class _Builder:
    """Things that find a free spot and are put there."""

    def __init__(self, rng: np.random.Generator, first_instance: int) -> None:
        self.rng, self.first = rng, first_instance
        self.circles: list[tuple[float, float, float]] = []
        self.boxes: list[tuple[float, float, float, float, float]] = []
        self.high_circles: list[tuple[float, float, float]] = []
        self.high_boxes: list[tuple[float, float, float, float, float]] = []
        self.parts: list[Solids] = []
        self.names: list[str] = []

    @property
    def instance(self) -> int:
        return self.first + len(self.names)

    def spot(self, radius: float, gap: float = GAP) -> tuple[float, float] | None:
        """A free circle; None if there is none left."""
        floor = Floor(self.circles, self.boxes)
        for x, y in self.rng.uniform(-HALF + 1.2, HALF - 1.2, (ATTEMPTS, 2)).tolist():
            if floor.distance((x, y))[0] >= radius + gap:
                return x, y
        return None

    def round(self, name: str, radius: float, make: Maker, *, high: bool = True) -> None:
        """Something round; it hides people if it is high."""
        spot = self.spot(radius)
        if spot is not None:
            self.circles.append((*spot, radius))
            if high:
                self.high_circles.append((*spot, radius))
            self.add(name, make(*spot, self.instance))

    def block(self, name: str, half: tuple[float, float], height: float, look: Look, yaw: float) -> None:
        """A box; it hides people if it is higher than they are."""
        spot = self.spot(float(np.hypot(*half)))
        if spot is not None:
            x, y = spot
            self.boxes.append((x, y, *half, yaw))
            if height > HIDES:
                self.high_boxes.append((x, y, *half, yaw))
            middle, sizes = (x, y, height / 2), (*half, height / 2)
            self.add(name, box(middle, sizes, look, yaw=yaw, instance=self.instance))

    def add(self, name: str, part: Solids) -> None:
        self.parts.append(part)
        self.names.append(name)

    def border(self, look: Look, low: float, high: float) -> None:
        """Four walls round the place."""
        for turn in range(4):
            height, thick = self.rng.uniform(low, high), 0.5
            x, y = (HALF + thick) * cos(turn * pi / 2), (HALF + thick) * sin(turn * pi / 2)
            side = HALF + 2 * thick
            half = (thick, side) if turn % 2 == 0 else (side, thick)
            self.boxes.append((x, y, *half, 0.0))
            self.high_boxes.append((x, y, *half, 0.0))
            tinted = look._replace(colour=_near(self.rng, look.colour, 0.08))
            self.add("wall", box((x, y, height / 2), (*half, height / 2), tinted, instance=self.instance))

    def place(self, kind: PlaceKind, ground: Ground, light: Light) -> Place:
        return Place(
            kind=kind,
            floor=Floor(self.circles, self.boxes, clearance=CLEARANCE),
            screens=Floor(self.high_circles, self.high_boxes),
            solids=solids(self.parts),
            names=tuple(self.names),
            ground=ground,
            light=light,
        )


def draw_place(rng: np.random.Generator, *, kind: PlaceKind | None = None, first_instance: int = 0) -> Place:
    """Somewhere; its things are instances from `first_instance` on."""
    if kind is not None:
        expect_one_of("place", kind, _KINDS)
    drawn = str(rng.choice(list(_KINDS)))
    return _KINDS[kind or drawn](rng, first_instance)


# ---- the kinds ------------------------------------------------------------------------------------------


def _plaza(rng: np.random.Generator, first: int) -> Place:
    """Paving between houses, with trees, pillars, kiosks and benches."""
    make = _Builder(rng, first)
    facade = Look((0.62, 0.54, 0.45), Texture.WINDOWS, 3.0, 0.7)
    make.border(facade, 5.0, 8.0)
    for _ in range(int(rng.integers(1, 4))):
        half = (float(rng.uniform(0.8, 1.6)), float(rng.uniform(0.6, 1.2)))
        make.block("kiosk", half, 2.6, _dull(rng, Texture.STRIPES), float(rng.uniform(0, pi)))
        make.block("bench", (1.0, 0.25), 0.5, _dull(rng, Texture.BARK), float(rng.uniform(0, pi)))
    for _ in range(int(rng.integers(2, 5))):
        make.round("tree", 0.2, _tree(rng, 0.2))
        make.round("pillar", 0.32, _pillar(rng, 0.32, 3.6))
    for _ in range(int(rng.integers(1, 4))):
        make.round("tub", 0.5, _tub(rng), high=False)
    paving = Look(_near(rng, (0.56, 0.53, 0.50), 0.06), Texture.CHECKS, 2.4, 0.18)
    return make.place("plaza", Ground(look=paving), _daylight(rng))


def _park(rng: np.random.Generator, first: int) -> Place:
    """A lawn with trees, bushes, hedges and a path."""
    make = _Builder(rng, first)
    hedge = Look((0.17, 0.31, 0.13), Texture.LEAVES, 1.6, 0.5)
    make.border(hedge, 2.5, 4.0)
    for _ in range(int(rng.integers(2, 4))):
        half = (float(rng.uniform(1.0, 2.0)), 0.35)
        make.block("hedge", half, 2.0, hedge, float(rng.uniform(0, pi)))
    for _ in range(int(rng.integers(5, 10))):
        radius = float(rng.uniform(0.17, 0.32))
        make.round("tree", radius, _tree(rng, radius))
    for _ in range(int(rng.integers(2, 5))):
        make.round("bush", 0.55, _bush(rng), high=False)
    lawn = Look(_near(rng, (0.33, 0.45, 0.20), 0.05), Texture.GRASS, 4.0, 0.5)
    path = Look((0.66, 0.60, 0.48), Texture.FINE, 2.0, 0.3)
    return make.place("park", Ground(look=lawn, paints=_crossing_paths(rng, path)), _daylight(rng))


def _hall(rng: np.random.Generator, first: int) -> Place:
    """A light hall with columns, partitions and crates."""
    make = _Builder(rng, first)
    wall = _near(rng, (0.74, 0.72, 0.68), 0.08)
    make.border(Look(wall, Texture.BRICKS, 2.0, 0.12), 4.0, 4.0)
    for _ in range(int(rng.integers(2, 5))):
        half = (float(rng.uniform(1.2, 2.2)), 0.12)
        yaw = float(rng.integers(2)) * pi / 2
        make.block("partition", half, 2.6, _dull(rng, Texture.PLAIN), yaw)
    for _ in range(int(rng.integers(3, 7))):
        make.round("column", 0.36, _pillar(rng, 0.36, 4.0))
    for _ in range(int(rng.integers(2, 5))):
        half = (float(rng.uniform(0.3, 0.6)), float(rng.uniform(0.3, 0.6)))
        make.block("crate", half, 0.8, _dull(rng, Texture.STRIPES), float(rng.uniform(0, pi)))
    tiles = Look(_near(rng, (0.55, 0.54, 0.55), 0.1), Texture.CHECKS, 3.0, 0.12)
    ceiling, far = (0.90, 0.90, 0.88), (0.85, 0.85, 0.84)
    light = Light(sun=(0.2, 0.1, 0.97), strength=0.4, ambient=0.65, zenith=ceiling, horizon=far)
    return make.place("hall", Ground(look=tiles), light)


_KINDS: Mapping[str, Callable[[np.random.Generator, int], Place]] = {
    "plaza": _plaza,
    "park": _park,
    "hall": _hall,
}


# ---- the things -----------------------------------------------------------------------------------------


def _near(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    shift = rng.normal(0, spread / 2) + rng.normal(0, spread / 3, 3)
    red, green, blue = np.clip(np.array(colour) + shift, 0, 1)
    return float(red), float(green), float(blue)


def _dull(rng: np.random.Generator, texture: Texture) -> Look:
    """A colour of things, duller than clothes."""
    red, green, blue = 0.45 * np.array(COLOURS[str(rng.choice(list(COLOURS)))]) + 0.55 * 0.5
    return Look((float(red), float(green), float(blue)), texture, 1.2, 0.35)


def _tree(rng: np.random.Generator, radius: float) -> Maker:
    high, wide = float(rng.uniform(3.4, 4.6)), float(rng.uniform(1.2, 1.9))
    bark = Look((0.30, 0.22, 0.15), Texture.BARK, 1.0, 0.5)
    leaves = Look(_near(rng, (0.20, 0.38, 0.14), 0.1), Texture.LEAVES, 1.6, 0.6)

    def make(x: float, y: float, instance: int) -> Solids:
        trunk = cylinder((x, y, 0), radius, high, bark, instance=instance)
        crown = ellipsoid((x, y, high), (wide, wide, 0.75 * wide), leaves, instance=instance)
        return solids([trunk, crown])

    return make


def _pillar(rng: np.random.Generator, radius: float, height: float) -> Maker:
    look = Look(_near(rng, (0.70, 0.68, 0.64), 0.1), Texture.NOISE, 1.5, 0.2)
    return lambda x, y, instance: cylinder((x, y, 0), radius, height, look, instance=instance)


def _tub(rng: np.random.Generator) -> Maker:
    clay = Look((0.52, 0.33, 0.24), Texture.FINE, 0.6, 0.3)
    leaves = Look(_near(rng, (0.24, 0.42, 0.17), 0.1), Texture.LEAVES, 0.9, 0.6)

    def make(x: float, y: float, instance: int) -> Solids:
        tub = cylinder((x, y, 0), 0.4, 0.5, clay, instance=instance)
        return solids([tub, ellipsoid((x, y, 0.65), (0.5, 0.5, 0.35), leaves, instance=instance)])

    return make


def _bush(rng: np.random.Generator) -> Maker:
    leaves = Look(_near(rng, (0.20, 0.36, 0.14), 0.1), Texture.LEAVES, 1.0, 0.6)
    return lambda x, y, instance: ellipsoid((x, y, 0.3), (0.55, 0.55, 0.5), leaves, instance=instance)


def _crossing_paths(rng: np.random.Generator, look: Look) -> Paints:
    yaw = float(rng.uniform(0, pi))
    return np.concatenate(
        [
            paint(rng.uniform(-4, 4, 2), (20.0, 1.2), look, yaw=turn)
            for turn in (yaw, yaw + float(rng.uniform(0.8, 2.2)))
        ]
    )


def _daylight(rng: np.random.Generator) -> Light:
    """A sun at 30 to 70 degrees, from any side."""
    azimuth, height = rng.uniform(0, 2 * pi), rng.uniform(0.5, 1.2)
    sun = (cos(azimuth) * cos(height), sin(azimuth) * cos(height), sin(height))
    return Light(sun=sun, strength=float(rng.uniform(0.35, 0.6)), ambient=float(rng.uniform(0.55, 0.68)))
