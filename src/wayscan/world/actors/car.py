"""Cars, vans, buses and trucks: boxes on flat wheels, with dark windows and lights.

    scene.with_movers(car_solids("car", "red", x, y, yaw, instance))

A vehicle's pose is the middle of its box: `car_size` gives length, width and height.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import cos, sin
from typing import Literal, get_args

import numpy as np

from wayscan.names import expect_one_of
from wayscan.world.colours import Colour, colour
from wayscan.world.scene import Look, Solids, Texture, box, ellipsoid, solids

CarKind = Literal["car", "suv", "van", "truck", "bus"]
CAR_KINDS: tuple[CarKind, ...] = get_args(CarKind)
PAINTS = ("white", "black", "grey", "red", "blue", "green", "yellow", "orange", "beige", "cyan")
EGO_SIZE = (4.084, 1.85, 1.47)  # the metric's box

_SIZES: dict[str, tuple[float, float, float]] = {
    "car": EGO_SIZE,
    "suv": (4.6, 1.95, 1.75),
    "van": (5.3, 2.0, 2.3),
    "truck": (7.6, 2.4, 3.1),
    "bus": (10.5, 2.5, 3.0),
}
_GLASS: Colour = (0.12, 0.15, 0.19)
_TYRE: Colour = (0.05, 0.05, 0.05)
_RIM: Colour = (0.55, 0.55, 0.57)
_HEADLIGHT: Colour = (1.0, 0.97, 0.80)
_TAIL_LIGHT: Colour = (0.75, 0.03, 0.03)
_BRAKE_LIGHT: Colour = (1.0, 0.12, 0.06)
_BUMPER: Colour = (0.13, 0.13, 0.14)
_LORRY_GREY: Colour = (0.72, 0.73, 0.74)
_OUT = 0.012  # metres that windows and lights stand out of the body, so that one sees them


def car_size(kind: str) -> tuple[float, float, float]:
    """Length, width, height in metres."""
    return _SIZES[expect_one_of("kind of car", kind, _SIZES)]


def car_solids(
    kind: str, paint: str, x: float, y: float, yaw: float, instance: int, *, braking: bool = False
) -> Solids:
    """One vehicle with its middle at (x, y), heading yaw; its brake lights shine if it is braking."""
    table = _model(kind, paint, braking).copy()
    c, s = cos(yaw), sin(yaw)
    forward, left = table["a"][:, 0].copy(), table["a"][:, 1].copy()
    table["a"][:, 0], table["a"][:, 1] = x + c * forward - s * left, y + s * forward + c * left
    table["turn"], table["instance"] = (c, s), instance
    return table


@lru_cache(maxsize=256)
def _model(kind: str, paint: str, braking: bool) -> Solids:
    """A vehicle at the origin that looks along x."""
    size = car_size(kind)
    body = Look(colour(paint))
    build = {"car": _saloon, "suv": _estate, "van": _van, "truck": _truck, "bus": _bus}[kind]
    return solids([*build(size, body), *_wheels(kind, size), *_lights(kind, size, braking)])


def _block(back: float, front: float, width: float, low: float, high: float, look: Look) -> Solids:
    """A box from `back` to `front`, as wide as `width`, between two heights."""
    centre = ((back + front) / 2, 0, (low + high) / 2)
    return box(centre, ((front - back) / 2, width / 2, (high - low) / 2), look, instance=0)


def _cabin(
    back: float, front: float, width: float, low: float, high: float, body: Look, slope: float
) -> list[Solids]:
    """Windows in steps, so that they lean, a roof, and pillars in the body's colour."""
    glass, rise = Look(_GLASS), (high - low - 0.07) / 3
    steps = [
        _block(
            back + 0.6 * slope * k,
            front - slope * k,
            width - 0.1 * k,
            low + rise * k,
            low + rise * (k + 1),
            glass,
        )
        for k in range(3)
    ]
    roof = _block(back + 1.3 * slope, front - 2.3 * slope, width - 0.2, high - 0.08, high, body)
    middle = (back + front) / 2 - 0.25 * slope
    pillars = [
        _block(at - 0.05, at + 0.05, width - 0.1 + 2 * _OUT, low, high - 0.05, body)
        for at in (middle, back + 1.6 * slope)
    ]
    return [*steps, roof, *pillars]


def _saloon(size: tuple[float, float, float], body: Look) -> list[Solids]:
    length, width, height = size
    half = length / 2
    return [
        _block(-half + 0.06, half - 0.06, width - 0.08, 0.24, 0.62, body),
        _block(-half + 0.12, half - 0.22, width, 0.42, 0.78, body),
        _block(-half + 0.22, half - 0.75, width - 0.1, 0.74, 0.88, body),
        _block(-half, half, width - 0.16, 0.26, 0.46, Look(_BUMPER)),
        *_cabin(-half + 0.42, half - 1.02, width - 0.14, 0.88, height, body, 0.24),
    ]


def _estate(size: tuple[float, float, float], body: Look) -> list[Solids]:
    length, width, height = size
    half = length / 2
    return [
        _block(-half + 0.06, half - 0.06, width - 0.06, 0.32, 0.95, body),
        _block(-half + 0.1, half - 0.3, width, 0.5, 1.05, body),
        _block(-half, half, width - 0.12, 0.32, 0.58, Look(_BUMPER)),
        *_cabin(-half + 0.1, half - 1.15, width - 0.12, 1.05, height, body, 0.16),
    ]


def _van(size: tuple[float, float, float], body: Look) -> list[Solids]:
    length, width, height = size
    half = length / 2
    glass = Look(_GLASS)
    return [
        _block(-half, half - 0.85, width, 0.35, height, body),
        _block(half - 0.9, half - 0.04, width - 0.04, 0.35, 1.2, body),
        _block(half - 0.9, half - 0.45, width - 0.12, 1.2, height - 0.35, glass),
        _block(half - 0.9, half - 0.65, width - 0.12, height - 0.35, height - 0.08, body),
        _block(half - 1.85, half - 0.95, width + 2 * _OUT, 1.25, height - 0.45, glass),
        _block(-half - _OUT, -half + 0.1, width - 0.5, 1.3, height - 0.4, glass),
        _block(-half - 0.02, half, width - 0.1, 0.34, 0.58, Look(_BUMPER)),
    ]


def _truck(size: tuple[float, float, float], body: Look) -> list[Solids]:
    """The cab has the colour; the load stands in a light box."""
    length, width, height = size
    half = length / 2
    glass, load = Look(_GLASS), Look(_LORRY_GREY, Texture.STRIPES, 1.2, 0.12)
    cab = half - 1.75
    return [
        _block(-half, cab - 0.15, width, 0.95, height, load),
        _block(-half, half - 0.1, width - 0.06, 0.3, 0.95, Look(_BUMPER)),  # skirts: no legs seen below
        _block(cab, half, width - 0.06, 0.55, height - 0.55, body),
        _block(half - 0.4, half + _OUT, width - 0.3, 1.5, height - 0.8, glass),
        _block(half - 1.0, half - 0.25, width - 0.06 + 2 * _OUT, 1.5, height - 0.85, glass),
        _block(half - 0.3, half + 0.03, width - 0.1, 0.4, 0.75, Look(_BUMPER)),
    ]


def _bus(size: tuple[float, float, float], body: Look) -> list[Solids]:
    length, width, height = size
    half = length / 2
    glass = Look(_GLASS)
    pillars = [
        _block(at - 0.06, at + 0.06, width + 3 * _OUT, 1.25, height - 0.6, body)
        for at in np.linspace(-half + 1.6, half - 1.6, 6).tolist()
    ]
    return [
        _block(-half, half, width, 0.28, height, body),
        _block(-half + 0.3, half - 0.3, width + 2 * _OUT, 1.25, height - 0.6, glass),
        _block(half - 0.3, half + _OUT, width - 0.25, 1.0, height - 0.45, glass),
        _block(-half - _OUT, -half + 0.3, width - 0.5, 1.5, height - 0.5, glass),
        *pillars,
    ]


def _wheels(kind: str, size: tuple[float, float, float]) -> list[Solids]:
    """Four flat ellipsoids with bright hubs."""
    length, width, _ = size
    radius = {"truck": 0.5, "bus": 0.5, "van": 0.37, "suv": 0.37}.get(kind, 0.32)
    front, back = length / 2 - 0.19 * min(length, 6.5), -length / 2 + 0.19 * min(length, 6.5)
    parts = []
    for along in (front, back):
        for side in (-1, 1):
            tyre, hub = (along, side * (width / 2 - 0.1), radius), (along, side * (width / 2 - 0.07), radius)
            parts.append(ellipsoid(tyre, (radius, 0.13, radius), Look(_TYRE), instance=0))
            parts.append(ellipsoid(hub, (radius * 0.5, 0.115, radius * 0.5), Look(_RIM), instance=0))
    return parts


def _lights(kind: str, size: tuple[float, float, float], braking: bool) -> list[Solids]:
    length, width, _ = size
    half = length / 2
    height = {"truck": 0.85, "bus": 0.8, "van": 0.85, "suv": 0.82}.get(kind, 0.66)
    rear, tall = Look(_BRAKE_LIGHT if braking else _TAIL_LIGHT), 0.11 if braking else 0.08
    places: Sequence[tuple[float, Look, float]] = (
        (half - 0.03, Look(_HEADLIGHT), 0.08),
        (-half + 0.03, rear, tall),
    )
    return [
        box((along, side * (width / 2 - 0.28), height), (0.05, 0.19, tall_), look, instance=0)
        for along, look, tall_ in places
        for side in (-1, 1)
    ]
