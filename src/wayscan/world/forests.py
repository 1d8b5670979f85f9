"""Forests: trees, boulders and crates between a start and a goal, and what moves among them, by seed.

A forest is laid out on a rectangle, start on the left and goal on the right, then turned by any angle, so
that the world's axes tell nothing. Hedges close it in on four sides. From the start a way leads to the goal
that is `passage` clear of everything that stands: layouts without one are thrown away.
"""

from dataclasses import dataclass
from math import cos, inf, isfinite, pi, sin

import numpy as np
from numpy.typing import NDArray

from wayscan.world import kernels
from wayscan.world.colours import Colour
from wayscan.world.drone import MOVER
from wayscan.world.scene import SOLID, Ground, Light, Look, Scene, Shape, Solids, Texture

DENSITY = 2.0  # obstacles on 100 m²
DENSER = 1.5 * DENSITY  # the variant that is denser by half
TRIES = 30  # places that an obstacle may try
LAYOUTS = 20  # that are drawn before obstacles are left out
CELL = 0.25  # m, of maps
HEDGE, FENCE = 0.5, 0.1  # m, half the thickness
TREE, BALL, CRATE, POCKET = 0, 1, 2, 3

BARK = Look((0.36, 0.25, 0.15), Texture.BARK, 1.0, 0.5)
LEAVES = Look((0.20, 0.40, 0.14), Texture.LEAVES, 1.5, 0.5)
PLANKS = Look((0.62, 0.48, 0.30), Texture.STRIPES, 0.6, 0.4)
WATTLE = Look((0.50, 0.40, 0.28), Texture.STRIPES, 0.4, 0.5)
SIGNAL = Look((0.85, 0.35, 0.10), Texture.CHECKS, 0.8, 0.4)
GREEN = Look((0.15, 0.30, 0.12), Texture.LEAVES, 2.0, 0.5)

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ForestSpec:
    """What forests are like. The defaults are frozen as version 1 of Forest-v0."""

    density: float = DENSITY
    distance: tuple[float, float] = (30.0, 40.0)  # m from start to goal
    width: float = 20.0
    margin: float = 4.0  # m behind the start and beyond the goal
    kinds: tuple[float, float, float, float] = (
        0.62,
        0.1,
        0.1,
        0.18,
    )  # shares of trees, balls, crates, pockets
    trunk: tuple[float, float] = (0.2, 0.5)  # m, radius of trees
    bulk: tuple[float, float] = (0.4, 0.8)  # m, radius of balls, half sides of crates
    pocket: tuple[float, float] = (
        3.0,
        5.5,
    )  # m, width: a fence across the way with two wings towards the start
    wing: tuple[float, float] = (2.0, 3.2)  # m, length of the wings
    slant: float = 0.6  # rad, how far off across a pocket's fence is at most
    gap: float = 0.5  # m between two obstacles
    clear: tuple[float, float] = (3.0, 2.0)  # m around start and goal
    heights: tuple[float, float] = (1.0, 2.5)  # m of start and goal
    ceiling: float = 4.0
    passage: float = 0.45  # m around the way that is promised
    moving: int = 0  # things that swing across the way, half of them pillars, half balls
    mover_speed: tuple[float, float] = (0.4, 1.0)  # m/s in the middle of the swing
    heading: float = pi / 6  # the drone starts towards the goal, off by at most this

    def __post_init__(self) -> None:
        for name in ("density", "width", "margin", "slant", "gap", "ceiling", "passage", "heading"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 0):
                raise ValueError(f"forest: {name} is {value!r}; expected a finite number of at least 0")
        for name in ("distance", "trunk", "bulk", "pocket", "wing", "clear", "heights", "mover_speed"):
            low, high = getattr(self, name)
            if not (0 < low < inf and 0 < high < inf and (low <= high or name == "clear")):
                raise ValueError(
                    f"forest: {name} is {(low, high)}; expected two lengths above 0, low to high"
                )
        if min(self.kinds) < 0 or sum(self.kinds) <= 0:
            raise ValueError(f"forest: kinds are {self.kinds}; expected shares of at least 0, not all 0")
        if self.moving < 0 or self.density > 1000:
            raise ValueError(
                f"forest: moving, density are {(self.moving, self.density)}; expected at least 0, and at "
                f"most 1000 obstacles on 100 m²"
            )
        if self.heights[1] > self.ceiling - 0.5:
            raise ValueError(
                f"forest: heights, ceiling are {(self.heights, self.ceiling)}; expected 0.5 m of air above"
            )
        least = max(self.clear) + self.passage
        if self.width < 2 * least or self.margin < self.passage + CELL:
            raise ValueError(
                f"forest: width, margin are {(self.width, self.margin)}; expected at least {2 * least:g} m "
                f"and {self.passage + CELL:g} m: start and goal stand free"
            )


@dataclass(frozen=True, eq=False)
class Forest:
    """One forest. Its own frame has x from 0 to `length` and y from 0 to `width`."""

    solids: Solids  # (P,) in the world's frame: obstacles, hedges, then movers
    movers: NDArray[np.void]  # (M,) of MOVER
    footprints: Array  # (N, 7) of what stands, in the forest's frame (wayscan.world.maps)
    start: Array  # (3,) in the world's frame
    goal: Array
    yaw: float  # of the drone at the start
    length: float
    width: float
    ceiling: float
    turn: float  # angle of the forest's frame
    wanted: int  # obstacles
    placed: int

    @property
    def straight(self) -> float:
        """Metres from start to goal."""
        return float(np.linalg.norm(self.goal - self.start))

    @property
    def complaint(self) -> str:
        """What could not be placed; empty where everything could."""
        if self.placed == self.wanted:
            return ""
        return (
            f"{self.wanted - self.placed} of {self.wanted} obstacles found no place; expected a density that "
            f"leaves gaps; lower density or gap"
        )

    def inside(self, points: Array) -> Array:
        """World points (..., 2) in the forest's frame."""
        c, s = cos(self.turn), sin(self.turn)
        x, y = points[..., 0], points[..., 1]
        return np.stack([c * x + s * y + self.length / 2, c * y - s * x + self.width / 2], axis=-1)

    def outside(self, points: Array) -> Array:
        """Points (..., 2) of the forest's frame in the world's."""
        return _turned(points - np.array([self.length / 2, self.width / 2]), self.turn)

    def scene(self) -> Scene:
        """What a camera sees, everything that moves where `solids` has it."""
        names = {Shape.CYLINDER: "tree", Shape.SPHERE: "ball", Shape.BOX: "crate"}
        kinds = tuple(names[Shape(int(shape))] for shape in self.solids["shape"])
        return Scene(solids=self.solids, ground=Ground(), light=Light(fog=60.0), names=kinds)


def make_forest(rng: np.random.Generator, spec: ForestSpec | None = None, level: float = 1.0) -> Forest:
    """Draw a forest.

    Args:
        level: of the curriculum, in [0, 1]: at 0 a quarter of the density, half the way, nothing moves.
    """
    spec = spec or ForestSpec()
    if not 0 <= level <= 1:
        raise ValueError(f"forest: level is {level!r}; expected a number from 0 to 1")
    away = (0.5 + 0.5 * level) * rng.uniform(*spec.distance)
    length = away + 2 * spec.margin
    inset = max(spec.clear) + spec.passage
    ends = np.array([[spec.margin, 0], [spec.margin + away, 0]])
    ends[:, 1] = rng.uniform(inset, spec.width - inset, 2)
    heights = rng.uniform(*spec.heights, 2)
    wanted = round((0.25 + 0.75 * level) * spec.density / 100 * length * spec.width)
    footprints, kinds, placed = _layout(rng, spec, wanted, ends, length)
    turn = rng.uniform(-pi, pi)
    solids, middle = _solids(rng, spec, footprints, kinds, turn, length), np.array([length, spec.width]) / 2
    movers, moving = _movers(rng, spec, round(level * spec.moving), ends, len(solids), turn, middle)
    (sx, sy), (gx, gy) = _turned(ends - middle, turn)
    return Forest(
        solids=np.concatenate([solids, moving]),
        movers=movers,
        footprints=footprints,
        start=np.array([sx, sy, heights[0]]),
        goal=np.array([gx, gy, heights[1]]),
        yaw=float(np.arctan2(gy - sy, gx - sx) + rng.uniform(-1, 1) * spec.heading),
        length=length,
        width=spec.width,
        ceiling=spec.ceiling,
        turn=turn,
        wanted=wanted,
        placed=placed,
    )


def _layout(
    rng: np.random.Generator, spec: ForestSpec, wanted: int, ends: Array, length: float
) -> tuple[Array, NDArray[np.int64], int]:
    """Footprints (N, 7) and kinds (N,) through which a way leads, and of how many obstacles they are."""
    maps = kernels.compiled("maps")

    def leads(footprints: Array) -> bool:
        free = maps.room(footprints, length, spec.width, CELL, spec.passage + 2 * CELL)
        return maps.connected(free, spec.passage, CELL, ends[0], ends[1])

    shares = np.array(spec.kinds) / sum(spec.kinds)
    kept = np.column_stack([ends, spec.clear])
    rows, kinds, wings = np.zeros((0, 7)), np.zeros(0, dtype=np.int64), np.zeros((0, 2, 7))
    for _ in range(LAYOUTS):
        kinds = rng.choice(len(shares), size=wanted, p=shares)
        rows = _footprints(rng, spec, kinds)
        size = np.where(kinds == POCKET, 0.6, 1.0)  # trees may stand in pockets and before their ends
        extents = np.hypot(rows[:, 2], rows[:, 3]) * size + rows[:, 6]
        wings = _wings(rng, spec, rows)
        spans = np.where(kinds == POCKET, np.hypot(rows[:, 2], 2 * wings[:, 0, 2]) + FENCE, extents)
        tries = rng.uniform(0, 1, (wanted, TRIES, 2)) * [length, spec.width]
        places = maps.scatter(tries, extents, spec.gap, spans, kept)
        rows[:, :2], wings[:, :, :2] = places, wings[:, :, :2] + places[:, None]
        placed = ~np.isnan(places[:, 0])
        rows, kinds, wings = rows[placed], kinds[placed], wings[placed]
        if leads(_with_wings(rows, kinds, wings)[0]):
            return *_with_wings(rows, kinds, wings), len(rows)
    while not leads(_with_wings(rows, kinds, wings)[0]):
        fewer = len(rows) * 9 // 10
        rows, kinds, wings = rows[:fewer], kinds[:fewer], wings[:fewer]
    return *_with_wings(rows, kinds, wings), len(rows)


def _with_wings(rows: Array, kinds: NDArray[np.int64], wings: Array) -> tuple[Array, NDArray[np.int64]]:
    """Footprints and kinds with the wings (N, 2, 7) of those that are pockets after them."""
    more = wings[kinds == POCKET].reshape(-1, 7)
    return np.concatenate([rows, more]), np.concatenate([kinds, np.full(len(more), POCKET)])


def _footprints(rng: np.random.Generator, spec: ForestSpec, kinds: NDArray[np.int64]) -> Array:
    """(N, 7), all at the origin."""
    count = len(kinds)
    rows = np.zeros((count, 7))
    trunks, bulks = rng.uniform(*spec.trunk, count), rng.uniform(*spec.bulk, (count, 2))
    angles, chance = rng.uniform(-pi, pi, count), rng.uniform(0, 1, count)
    crates, fences = kinds == CRATE, kinds == POCKET
    angles[fences] = pi / 2 + angles[fences] / pi * spec.slant
    rows[:, 4], rows[:, 5] = np.cos(angles), np.sin(angles)
    rows[:, 6] = np.where(kinds == TREE, trunks, np.where(kinds == BALL, bulks[:, 0], 0))
    rows[crates, 2:4] = bulks[crates]
    rows[fences, 2] = (spec.pocket[0] + chance[fences] * (spec.pocket[1] - spec.pocket[0])) / 2
    rows[fences, 3] = FENCE
    return rows


def _wings(rng: np.random.Generator, spec: ForestSpec, rows: Array) -> Array:
    """(N, 2, 7): two wings for each footprint, from its ends towards the start."""
    depth = rng.uniform(*spec.wing, len(rows)) / 2
    wings = np.repeat(rows[:, None], 2, axis=1)
    c, s, half = rows[:, 4], rows[:, 5], rows[:, 2]
    for side, sign in enumerate((-1.0, 1.0)):
        wings[:, side, 0] += sign * half * c - depth * s
        wings[:, side, 1] += sign * half * s + depth * c
    wings[:, :, 2] = depth[:, None]
    wings[:, :, 4], wings[:, :, 5] = -s[:, None], c[:, None]
    return wings


def _solids(
    rng: np.random.Generator,
    spec: ForestSpec,
    footprints: Array,
    kinds: NDArray[np.int64],
    turn: float,
    length: float,
) -> Solids:
    """Obstacles (N,) and four hedges, in the world's frame."""
    count, tall = len(kinds), spec.ceiling + 2.0
    rows = np.zeros(count + 4, dtype=SOLID)
    rows["instance"], rows["turn"] = np.arange(count + 4), (1, 0)
    middle = np.array([length, spec.width]) / 2
    trees, balls, crates, fences = (kinds == kind for kind in (TREE, BALL, CRATE, POCKET))
    boxes = crates | fences
    own = rows[:count]
    own["a"][:, :2] = _turned(footprints[:, :2] - middle, turn)
    own["radius"] = footprints[:, 6]
    lift = rng.uniform(0, 1, count)
    own["shape"] = np.choose(kinds, [Shape.CYLINDER, Shape.SPHERE, Shape.BOX, Shape.BOX])
    own["b"][trees, 2] = tall
    own["a"][balls, 2] = (spec.heights[0] + lift * (spec.heights[1] - spec.heights[0]))[balls]
    half = (
        np.where(fences, 1, 0.5 + 0.5 * lift)[boxes] * spec.ceiling / 2
    )  # crates: half the ceiling to all of it
    own["a"][boxes, 2] = half
    own["b"][boxes] = np.column_stack([footprints[boxes, 2:4], half])
    angles = np.arctan2(footprints[boxes, 5], footprints[boxes, 4]) + turn
    own["turn"][boxes] = np.column_stack([np.cos(angles), np.sin(angles)])
    for some, look in ((trees, BARK), (balls, LEAVES), (crates, PLANKS), (fences, WATTLE)):
        _give_look(own, some, look)
    own["colour"] *= (0.8 + 0.4 * lift)[:, None]

    hedges = rows[count:]
    (x, y), t = middle, HEDGE
    centres = np.array([[0, -y - t], [0, y + t], [-x - t, 0], [x + t, 0]])
    hedges["shape"], hedges["turn"] = Shape.BOX, (cos(turn), sin(turn))
    hedges["a"][:, :2], hedges["a"][:, 2] = _turned(centres, turn), tall / 2
    hedges["b"] = np.array([[x + 2 * t, t, tall / 2]] * 2 + [[t, y, tall / 2]] * 2)
    _give_look(hedges, slice(None), GREEN)
    return rows


def _movers(
    rng: np.random.Generator,
    spec: ForestSpec,
    count: int,
    ends: Array,
    first: int,
    turn: float,
    middle: Array,
) -> tuple[NDArray[np.void], Solids]:
    """Movers (M,) and their solids: they swing across the straight way between start and goal."""
    movers, rows = np.zeros(count, dtype=MOVER), np.zeros(count, dtype=SOLID)
    along, across = rng.uniform(0.25, 0.85, count), rng.uniform(-1, 1, (count, 2))
    reach, radii = rng.uniform(2.0, 4.0, count), rng.uniform(0.3, 0.5, count)
    ways = ends[0] + along[:, None] * (ends[1] - ends[0]) + across * [1.0, 1.5]
    heights = rng.uniform(*spec.heights, count)
    balls = np.arange(count) % 2 == 1
    for name, sign in (("start", -1), ("end", 1)):
        tips = ways + sign * reach[:, None] * [0, 1]
        tips[:, 1] = np.clip(tips[:, 1], radii, spec.width - radii)
        movers[name][:, :2] = _turned(tips - middle, turn)
        movers[name][:, 2] = np.where(balls, heights, 0)
    swing = np.linalg.norm(movers["end"] - movers["start"], axis=-1)
    movers["period"] = pi * swing / rng.uniform(*spec.mover_speed, count)
    movers["phase"], movers["row"] = rng.uniform(0, 1, count), first + np.arange(count)
    rows["shape"] = np.where(balls, Shape.SPHERE, Shape.CYLINDER)
    rows["instance"], rows["radius"], rows["turn"] = movers["row"], radii, (1, 0)
    rows["a"], rows["b"][:, 2] = movers["start"], spec.ceiling + 2.0
    _give_look(rows, slice(None), SIGNAL)
    return movers, rows


def _give_look(rows: Solids, some: NDArray[np.bool_] | slice, look: Look) -> None:
    colour: Colour = look.colour
    rows["colour"][some], rows["texture"][some] = colour, look.texture
    rows["tile"][some], rows["contrast"][some] = look.tile, look.contrast


def _turned(points: Array, angle: float) -> Array:
    c, s = cos(angle), sin(angle)
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
