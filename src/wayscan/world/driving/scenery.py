"""What stands beside a road: houses, trees, lamp posts, traffic lights, and the roadside camera's mast."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2, cos, pi, sin

import numpy as np
from numpy.typing import NDArray

from wayscan.geometry.poses import boxes_overlap
from wayscan.world.actors.traffic import Signals
from wayscan.world.roads import PAVEMENT, Road
from wayscan.world.scene import (
    Light,
    Look,
    Solids,
    Texture,
    box,
    capsule,
    cylinder,
    ellipsoid,
    solids,
    sphere,
)

FAR = 72.0  # metres along an arm up to which houses stand

WALLS = ((0.72, 0.66, 0.55), (0.62, 0.35, 0.27), (0.70, 0.70, 0.68), (0.80, 0.74, 0.62), (0.55, 0.57, 0.60))
_METAL = Look((0.32, 0.34, 0.36))
_LAMPS = {"red": (1.0, 0.10, 0.06), "amber": (1.0, 0.65, 0.05), "green": (0.10, 0.95, 0.35)}
_OFF = {"red": (0.20, 0.05, 0.05), "amber": (0.20, 0.15, 0.04), "green": (0.04, 0.18, 0.08)}

Blocks = NDArray[np.float64]  # (B, 7): x, y, z of the middle, half length, half width, half height, yaw


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenery:
    """What does not move: solids, the name of each instance, and the boxes that nobody looks through."""

    solids: Solids
    names: tuple[str, ...]
    blocks: Blocks
    built_up: float  # share of the frontage with houses


def draw_scenery(
    rng: np.random.Generator, road: Road, mast: tuple[float, float], *, corner: int = 0
) -> Scenery:
    """Houses and trees along all arms; those beside arm 0 on the side `corner` (1 left, -1 right, as one
    looks outwards; 0: neither) stand up to the corner.
    """
    share = float(rng.uniform(0.45, 1.0))
    rows = [
        _row_of_houses(rng, road, arm, side, share, certain=arm == 0 and side == corner)
        for arm in road.arms
        for side in (corner or 1, -(corner or 1))
    ]
    plots = np.concatenate([*rows, _opposite_the_stem(rng, road, share)])
    wide = 2 * (road.half_width + PAVEMENT) - 0.1
    strips = np.array(
        [(*road.place(arm, 60.0, 0.0), road.angles[arm], 120 + wide, wide) for arm in road.arms]
    )
    plots = _with_room(plots, strips)
    houses = [_house(rng, plot) for plot in plots]
    trees = _with_room(_places_for_trees(rng, road), np.concatenate([strips, plots]))
    parts = [
        *(table for table, _ in houses),
        *(_tree(rng, x, y) for x, y in trees[:, :2]),
        *_lamps(rng, road),
    ]
    parts.append(mast_solids(mast))
    names = ["house"] * len(houses) + ["tree"] * len(trees)
    names += ["lamp post"] * (len(parts) - 1 - len(names)) + ["mast"]
    for number, table in enumerate(parts):
        table["instance"] = number
    return Scenery(
        solids=solids(parts),
        names=tuple(names),
        blocks=np.array([body for _, body in houses]).reshape(-1, 7),
        built_up=share,
    )


def mast_solids(mast: tuple[float, float]) -> Solids:
    """A thin mast that carries the roadside camera: it ends below it."""
    return cylinder((*mast, 0), 0.09, 6.0, _METAL, instance=0)


Plots = NDArray[np.float64]  # (P, 5): x, y, yaw, length, width


def _with_room(plots: Plots, taken: Plots) -> Plots:
    """The plots that overlap neither what is taken nor a plot before them."""
    everything = np.concatenate([taken, plots])
    overlap = boxes_overlap(
        plots[:, None, :3], plots[:, None, 3:], everything[None, :, :3], everything[None, :, 3:]
    )
    kept = [True] * len(taken) + [False] * len(plots)
    for number in range(len(plots)):
        kept[len(taken) + number] = not overlap[number][kept].any()
    return plots[kept[len(taken) :]]


def _row_of_houses(
    rng: np.random.Generator, road: Road, arm: int, side: int, share: float, *, certain: bool
) -> Plots:
    """Plots along one side of an arm; the first reaches to the corner if that is `certain`."""
    edge = road.half_width + PAVEMENT
    along = edge + float(rng.uniform(0.2, 1.2)) if len(road.arms) > 2 else -6.0 if arm == 0 else 8.0
    if not certain and rng.random() > share:
        along += float(rng.uniform(12, 30))
    plots = []
    while along < FAR:
        first = certain and not plots
        length, depth, back = rng.uniform((10, 8, 0.3), (19, 12, 3.0)).tolist()
        if first or rng.random() < share:
            out = edge + (0.3 if first else back) + depth / 2
            place = road.place(arm, along + length / 2, side * out)
            plots.append((*place.tolist(), road.angles[arm], length, depth))
        along += length + float(rng.uniform(0.5, 7.0))
    return np.array(plots).reshape(-1, 5)


def _opposite_the_stem(rng: np.random.Generator, road: Road, share: float) -> Plots:
    """At a T-junction, the house that the stem's end looks at."""
    missing = [
        road.heading + q * pi / 2
        for q in range(4)
        if np.cos(np.array(road.angles) - road.heading - q * pi / 2).max() < 0.8
    ]
    if len(road.arms) != 3 or rng.random() > share:
        return np.zeros((0, 5))
    length, depth, back = rng.uniform((12, 8, 1.5), (22, 12, 6.0)).tolist()
    out = road.half_width + PAVEMENT + back + depth / 2
    return np.array([(out * cos(missing[0]), out * sin(missing[0]), missing[0] + pi / 2, length, depth)])


def _house(rng: np.random.Generator, plot: NDArray) -> tuple[Solids, tuple[float, ...]]:
    """Walls with windows under a roof, and the box that hides what is behind."""
    x, y, yaw, length, depth = plot.tolist()
    height = float(rng.choice([4.0, 6.5, 9.5, 13.0], p=[0.25, 0.35, 0.25, 0.15]) + rng.uniform(0, 1))
    tone = np.clip(np.array(WALLS[int(rng.integers(len(WALLS)))]) * rng.uniform(0.85, 1.1), 0, 1).tolist()
    wall = Look((tone[0], tone[1], tone[2]), Texture.WINDOWS, 3.2, 0.8)
    roof = Look((0.42, 0.26, 0.21) if rng.random() < 0.5 else (0.33, 0.33, 0.35), Texture.STRIPES, 1.0, 0.2)
    half = (length / 2, depth / 2, height / 2)
    parts = [
        box((x, y, height / 2), half, wall, yaw=yaw, instance=0),
        box((x, y, height + 0.2), (half[0] + 0.3, half[1] + 0.3, 0.2), roof, yaw=yaw, instance=0),
        box((x, y, height + 0.8), (half[0] * 0.8, half[1] * 0.55, 0.6), roof, yaw=yaw, instance=0),
    ]
    return solids(parts), (x, y, height / 2, *half, yaw)


def _places_for_trees(rng: np.random.Generator, road: Road) -> Plots:
    """Beside and behind the pavements, none near the junction."""
    edge, begin = road.half_width + PAVEMENT, road.mouth + 16
    plots = []
    for arm in road.arms:
        for side in (1, -1):
            density = float(rng.uniform(0.1, 0.8))
            for along in np.arange(begin, FAR, 9.0).tolist():
                aside, out, chance = rng.uniform((-2, 0.6, 0), (2, 9.0, 1)).tolist()
                if chance < density:
                    place = road.place(arm, along + aside, side * (edge + out))
                    plots.append((*place.tolist(), 0.0, 1.2, 1.2))
    return np.array(plots).reshape(-1, 5)


def _tree(rng: np.random.Generator, x: float, y: float) -> Solids:
    high, wide = rng.uniform((3.6, 1.2), (5.2, 2.0)).tolist()
    bark = Look((0.30, 0.22, 0.15), Texture.BARK, 1.0, 0.5)
    tone = np.clip(np.array((0.22, 0.40, 0.15)) + rng.normal(0, 0.04, 3), 0, 1).tolist()
    leaves = Look((tone[0], tone[1], tone[2]), Texture.LEAVES, 1.8, 0.6)
    trunk = cylinder((x, y, 0), 0.16, high, bark, instance=0)
    return solids([trunk, ellipsoid((x, y, high), (wide, wide, wide * 0.85), leaves, instance=0)])


def _lamps(rng: np.random.Generator, road: Road) -> list[Solids]:
    """Lamp posts at the outer edges of the pavements."""
    edge, posts = road.half_width + PAVEMENT - 0.35, []
    for arm in road.arms:
        for side in (1, -1):
            for along in np.arange(road.mouth + 12, FAR, float(rng.uniform(20, 28))).tolist():
                foot, tip = road.place(arm, along, side * edge), road.place(arm, along, side * edge * 0.72)
                post = cylinder((*foot, 0), 0.08, 6.3, _METAL, instance=0)
                posts.append(solids([post, capsule((*foot, 6.3), (*tip, 6.6), 0.05, _METAL, instance=0)]))
    return posts


def signal_solids(road: Road, signals: Signals, time: float, first: int) -> Solids:
    """The lights of all arms as they are at a time, large as they are in fairy tales, so that few pixels show
    them; instances from `first` on.
    """
    return solids(
        [
            part
            for number, arm in enumerate(road.arms)
            for part in _signal(road, signals, time, arm, first + number)
        ]
    )


def _signal(road: Road, signals: Signals, time: float, arm: int, instance: int) -> Iterator[Solids]:
    own = abs(cos(road.angles[arm] - road.angles[0])) > 0.7
    state = signals.state(own, time)
    outwards, foot = road.angles[arm], road.place(arm, road.stop_line - 0.8, road.half_width + 0.7)
    yield cylinder((*foot, 0), 0.09, 2.9, _METAL, instance=instance)
    black = Look((0.05, 0.05, 0.06))
    yield box((*foot, 3.75), (0.2, 0.36, 0.95), black, yaw=outwards, instance=instance)
    front = foot + 0.2 * np.array([cos(outwards), sin(outwards)])
    for name, height in (("red", 4.35), ("amber", 3.75), ("green", 3.15)):
        shining = Look(_LAMPS[name] if state == name else _OFF[name])
        yield sphere((*front, height), 0.27, shining, instance=instance)


def draw_light(rng: np.random.Generator) -> tuple[Light, str]:
    """Daylight of some kind, and its name."""
    azimuth, height = float(rng.uniform(0, 2 * pi)), float(rng.uniform(0.45, 1.2))
    sun = (cos(azimuth) * cos(height), sin(azimuth) * cos(height), sin(height))
    weather = str(rng.choice(["clear", "overcast", "hazy"], p=[0.6, 0.25, 0.15]))
    if weather == "clear":
        strength, ambient = float(rng.uniform(0.45, 0.6)), float(rng.uniform(0.5, 0.62))
        return Light(sun=sun, strength=strength, ambient=ambient), weather
    grey = (0.72, 0.75, 0.78)
    fog = float(rng.uniform(90, 160)) if weather == "hazy" else float("inf")
    light = Light(
        sun=sun,
        strength=0.12,
        ambient=float(rng.uniform(0.75, 0.9)),
        shadows=False,
        zenith=grey,
        horizon=grey,
        fog=fog,
    )
    return light, weather


def looking_at(place: tuple[float, float, float], target: tuple[float, float, float]) -> tuple[float, float]:
    """Yaw and pitch of a camera at a place that looks at a target."""
    dx, dy, dz = (b - a for a, b in zip(place, target, strict=True))
    return atan2(dy, dx), atan2(dz, (dx * dx + dy * dy) ** 0.5)
