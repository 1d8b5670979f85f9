"""Looking up the atlas. Compiled."""

import numpy as np
from numba import njit

from wayscan.world.atlas import LEVELS, SIZE
from wayscan.world.render.tables import COLOURS, COLOURS_INLINE

HALF, ONE, TWO, NOUGHT = np.float32(0.5), np.float32(1), np.float32(2), np.float32(0)
TEXELS, LAST_LEVEL = np.float32(SIZE), np.float32(LEVELS - 1)
NEUTRAL, STRETCH = np.float32(128), np.float32(0.01)


@njit(**COLOURS_INLINE)
def _between(a, b, k):
    return a + k * (b - a)


@njit(**COLOURS_INLINE)
def _bilinear(atlas, texture, level, u, v):
    """One level at (u, v) in tiles, blended between its four nearest texels."""
    size = np.int64(SIZE >> level)
    start = (4 * SIZE * SIZE - 4 * size * size) // 3
    x, y = u * np.float32(size) - HALF, v * np.float32(size) - HALF
    left, top = np.floor(x), np.floor(y)
    p, q, last = np.int64(left), np.int64(top), size - 1
    x0, x1 = p & last, (p + 1) & last
    upper, lower = start + (q & last) * size, start + ((q + 1) & last) * size
    one = _between(np.float32(atlas[texture, upper + x0]), np.float32(atlas[texture, upper + x1]), x - left)
    two = _between(np.float32(atlas[texture, lower + x0]), np.float32(atlas[texture, lower + x1]), x - left)
    return _between(one, two, y - top)


@njit(**COLOURS_INLINE)
def _level(texels):
    """log₂, by the exponent and a straight line between powers of two."""
    bits = np.float32(texels).view(np.int32)
    whole = (bits >> 23) - 127
    return np.float32(whole - 1) + np.int32((bits & 0x7FFFFF) | 0x3F800000).view(np.float32)


@njit(**COLOURS)
def modulation(atlas, skin, u, v, footprint):
    """What a colour at (u, v) metres is multiplied with, where a pixel covers `footprint` metres."""
    level = min(_level(max(footprint * TEXELS / skin.tile, ONE)), LAST_LEVEL)
    whole = min(np.int64(level), LEVELS - 2)
    share = min(max((level - np.float32(whole)) * TWO - HALF, NOUGHT), ONE)  # of the coarser level
    u, v, value = u / skin.tile, v / skin.tile, NOUGHT
    if share < ONE:
        value = _bilinear(atlas, skin.texture, whole, u, v)
    if share > NOUGHT:
        value += share * (_bilinear(atlas, skin.texture, whole + 1, u, v) - value)
    return ONE + skin.contrast * (value - NEUTRAL) * STRETCH
