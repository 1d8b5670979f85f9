"""Rows of the world's tables as tuples of numbers, for kernels. Compiled.

Kernels get tables as plain arrays of 4 or 8 byte numbers (`as_numbers`), for numba handles those best; solids
and paints also hold integers, which are read through a second view of the same memory.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wayscan.world.cameras import CAMERA
from wayscan.world.scene import PAINT, SOLID

# How kernels are compiled: what Python calls with a signature, what kernels call without. They allocate
# nothing and so need no reference counts, which would cost more than a pixel.
KERNEL: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",
    "boundscheck": False,
    "_nrt": False,
}
INNER: dict[str, Any] = {"error_model": "numpy", "boundscheck": False, "_nrt": False}
INLINE: dict[str, Any] = INNER | {"forceinline": True}
# Colours may be rounded otherwise on another processor; what is nearest may not.
COLOURS: dict[str, Any] = INNER | {"fastmath": {"nnan", "nsz", "arcp", "contract"}}
COLOURS_INLINE: dict[str, Any] = COLOURS | {"forceinline": True}


class Eye(NamedTuple):
    """A row of CAMERA."""

    position: tuple[float, float, float]
    right: tuple[float, float, float]
    down: tuple[float, float, float]
    forward: tuple[float, float, float]
    focal: float


class Solid(NamedTuple):
    """A row of SOLID: where it is, in float64."""

    shape: int
    a: tuple[float, float, float]
    b: tuple[float, float, float]
    radius: float
    turn: tuple[float, float]


class Skin(NamedTuple):
    """How a solid or a paint looks."""

    colour: tuple[float, float, float]
    texture: int
    tile: float
    contrast: float


class Paint(NamedTuple):
    """A row of PAINT: where it is."""

    centre: tuple[float, float]
    half: tuple[float, float]
    turn: tuple[float, float]
    period: float
    duty: float


def as_numbers(table: NDArray[np.void]) -> NDArray:
    """A contiguous table (..., rows) as (..., rows, numbers): float64 (CAMERA) or float32, not copied."""
    number = np.float64 if table.dtype == CAMERA else np.float32
    return table.view(number).reshape(*table.shape, table.dtype.itemsize // np.dtype(number).itemsize)


def _columns(table: np.dtype, size: int) -> dict[str, int]:
    return {name: int(table.fields[name][1]) // size for name in table.names or ()}  # type: ignore[index]


_C, _S, _P = _columns(CAMERA, 8), _columns(SOLID, 4), _columns(PAINT, 4)
_POSITION, _RIGHT, _DOWN, _FORWARD, _FOCAL = (
    _C[name] for name in ("position", "right", "down", "forward", "focal")
)
SHAPE, INSTANCE = _S["shape"], _S["instance"]
PLACE, SIZE = _A, _RADIUS = _S["a"], _S["radius"]
_B, _TURN = _S["b"], _S["turn"]
SOLID_SKIN, PAINT_SKIN = (
    (columns["colour"], columns["texture"], columns["tile"], columns["contrast"]) for columns in (_S, _P)
)
_CENTRE, _HALF, _PAINT_TURN, _PERIOD, _DUTY = (
    _P[name] for name in ("centre", "half", "turn", "period", "duty")
)


@njit(**INLINE)
def _three(row, k):
    return (row[k], row[k + 1], row[k + 2])


@njit(**INLINE)
def _two(row, k):
    return (row[k], row[k + 1])


@njit(**INNER)
def eye_at(cameras, k):
    row = cameras[k]
    return Eye(
        _three(row, _POSITION), _three(row, _RIGHT), _three(row, _DOWN), _three(row, _FORWARD), row[_FOCAL]
    )


@njit(**INNER)
def solid_at(solids, integers, k):
    row = solids[k]
    return Solid(
        integers[k, SHAPE],
        (np.float64(row[_A]), np.float64(row[_A + 1]), np.float64(row[_A + 2])),
        (np.float64(row[_B]), np.float64(row[_B + 1]), np.float64(row[_B + 2])),
        np.float64(row[_RADIUS]),
        (np.float64(row[_TURN]), np.float64(row[_TURN + 1])),
    )


@njit(**INLINE)
def skin_at(table, integers, k, columns):
    """Of row k of solids (columns SOLID_SKIN) or paints (PAINT_SKIN)."""
    row = table[k]
    return Skin(_three(row, columns[0]), integers[k, columns[1]], row[columns[2]], row[columns[3]])


@njit(**INLINE)
def paint_at(paints, k):
    row = paints[k]
    return Paint(_two(row, _CENTRE), _two(row, _HALF), _two(row, _PAINT_TURN), row[_PERIOD], row[_DUTY])
