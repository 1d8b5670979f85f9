"""The colour of a solid, of the ground and of the sky along one ray. Compiled, float32.

A ray is (x, y, z) with planar depth 1 along it; t is planar depth.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from wayscan.world.render.rectangles import BOX, CAPSULE, CYLINDER, ELLIPSOID
from wayscan.world.render.tables import (
    COLOURS,
    COLOURS_INLINE,
    PAINT_SKIN,
    SOLID_SKIN,
    Skin,
    paint_at,
    skin_at,
    solid_at,
)
from wayscan.world.render.texels import HALF, NOUGHT, ONE, modulation

LEAST_SLANT = np.float32(0.2)  # cosine, for the footprint of a pixel on a surface
SKY_BELOW, SKY_ABOVE = np.float32(0.88), np.float32(0.12)  # of the ambient light: on walls, more on roofs
ZENITH_AT, TWO = np.float32(1.6), np.float32(2)
SMALL = np.float32(1e-12)
ALMOST_COVERED = np.float32(1e-3)
LOG2E, LN2, LARGEST_POWER = np.float32(1.4426950), np.float32(0.6931472), np.float32(120)
QUARTER, SIXTH = np.float32(0.25), np.float32(1 / 6)


Three = tuple[np.float32, np.float32, np.float32]


class Lamp(NamedTuple):
    """scene.Light, in float32."""

    sun: Three
    strength: np.float32
    ambient: np.float32
    zenith: Three
    horizon: Three
    fog: np.float32  # per metre


class Surface(NamedTuple):
    """A solid from the camera's position, in float32."""

    shape: int
    to: Three  # from the solid to the camera, on the world's axes
    turn: tuple[np.float32, np.float32]
    half: Three
    radius: np.float32
    along: Three  # of a capsule: from end to end
    skin: Skin


@njit(**COLOURS_INLINE)
def as_float32(v):
    return (np.float32(v[0]), np.float32(v[1]), np.float32(v[2]))


@njit(**COLOURS)
def surface_at(solids, integers, k, position):
    solid = solid_at(solids, integers, k)
    a, b, r = solid.a, as_float32(solid.b), np.float32(solid.radius)
    turn, half = (ONE, NOUGHT), (r, r, r)
    if solid.shape == BOX or solid.shape == ELLIPSOID:
        turn, half = (np.float32(solid.turn[0]), np.float32(solid.turn[1])), b
    elif solid.shape == CYLINDER:
        half = (r, r, b[2])
    to = (np.float32(position[0] - a[0]), np.float32(position[1] - a[1]), np.float32(position[2] - a[2]))
    e = solid.b
    along = (np.float32(e[0] - a[0]), np.float32(e[1] - a[1]), np.float32(e[2] - a[2]))
    return Surface(solid.shape, to, turn, half, r, along, skin_at(solids, integers, k, SOLID_SKIN))


@njit(**COLOURS_INLINE)
def _normal(surface, q):
    """Outward unit normal at q, both on the solid's own axes."""
    shape, half, along = surface.shape, surface.half, surface.along
    if shape == BOX:
        gx, gy, gz = half[0] - abs(q[0]), half[1] - abs(q[1]), half[2] - abs(q[2])
        if gz <= gx and gz <= gy:
            return NOUGHT, NOUGHT, (ONE if q[2] > 0 else -ONE)
        if gy <= gx:
            return NOUGHT, (ONE if q[1] > 0 else -ONE), NOUGHT
        return (ONE if q[0] > 0 else -ONE), NOUGHT, NOUGHT
    if shape == CYLINDER:
        around = np.sqrt(q[0] * q[0] + q[1] * q[1])
        side = surface.radius - around
        if half[2] - q[2] < side:
            return NOUGHT, NOUGHT, ONE
        if q[2] < side:
            return NOUGHT, NOUGHT, -ONE
        return q[0] / around, q[1] / around, NOUGHT
    x, y, z = q
    if shape == CAPSULE:
        length = along[0] * along[0] + along[1] * along[1] + along[2] * along[2]
        share = q[0] * along[0] + q[1] * along[1] + q[2] * along[2]
        share = min(max(share / max(length, SMALL), NOUGHT), ONE)
        x, y, z = x - share * along[0], y - share * along[1], z - share * along[2]
    elif shape == ELLIPSOID:
        x, y, z = x / (half[0] * half[0]), y / (half[1] * half[1]), z / (half[2] * half[2])
    k = ONE / np.sqrt(x * x + y * y + z * z)
    return k * x, k * y, k * z


@njit(**COLOURS_INLINE)
def _on_surface(q, n):
    """Texture coordinates in metres, read upright from outside, on the face that n looks at most."""
    x, y, z = abs(n[0]), abs(n[1]), abs(n[2])
    if z > x and z > y:
        return q[0], -q[1]
    if x > y:
        return (q[1] if n[0] > 0 else -q[1]), -q[2]
    return (-q[0] if n[1] > 0 else q[0]), -q[2]


@njit(**COLOURS_INLINE)
def solid_colour(surface, lamp, atlas, d, t, pixel):
    """Of a solid; `pixel` is 1 / focal length."""
    c, s = surface.turn
    x, y = surface.to[0] + t * d[0], surface.to[1] + t * d[1]
    q = (c * x + s * y, c * y - s * x, surface.to[2] + t * d[2])
    n = _normal(surface, q)
    skin, k = surface.skin, ONE
    if skin.contrast > 0:
        u, v = _on_surface(q, n)
        slant = (c * d[0] + s * d[1]) * n[0] + (c * d[1] - s * d[0]) * n[1] + d[2] * n[2]
        footprint = t * pixel / np.sqrt(max(abs(slant), LEAST_SLANT))
        k = modulation(atlas, skin, u, v, footprint)
    sun = lamp.sun[0] * (c * n[0] - s * n[1]) + lamp.sun[1] * (s * n[0] + c * n[1]) + lamp.sun[2] * n[2]
    k *= lamp.ambient * (SKY_BELOW + SKY_ABOVE * n[2]) + lamp.strength * max(sun, NOUGHT)
    return k * skin.colour[0], k * skin.colour[1], k * skin.colour[2]


@njit(**COLOURS_INLINE)
def _share_within(u, half, width):
    """Share of a pixel of this width about u that lies within ±half."""
    inside = half - abs(u)
    if inside + inside >= width:
        return ONE
    return max(inside / width + HALF, NOUGHT)


@njit(**COLOURS_INLINE)
def _painted_until(x, duty):
    """Integral of dashes from 0 to x, in periods."""
    whole = np.floor(x)
    return whole * duty + min(x - whole, duty)


@njit(**COLOURS_INLINE)
def _coverage(paint, u, v, du, dv):
    """Share of a pixel, du × dv metres on the rectangle's axes, that shows the rectangle."""
    share = _share_within(u, paint.half[0], du) * _share_within(v, paint.half[1], dv)
    if share > 0 and paint.period > 0:
        x, w = (u + paint.half[0]) / paint.period, HALF * du / paint.period
        share *= (_painted_until(x + w, paint.duty) - _painted_until(x - w, paint.duty)) / (w + w)
    return share


@njit(**COLOURS)
def ground_colour(paints, integers, chosen, count, lamp, atlas, position, d, t, across, along, lit):
    """Of the ground under the camera at `position`: the paints `chosen[:count]`, later over earlier.

    `across` and `along` are steps (x, y, z) of d to the next column and row, `lit` the share of sunlight.
    """
    gx, gy = position[0] + t * d[0], position[1] + t * d[1]
    k = t * t / position[2]  # the ground's depth grows by k × the step in d_z
    ix, iy = t * across[0] + k * across[2] * d[0], t * across[1] + k * across[2] * d[1]
    jx, jy = t * along[0] + k * along[2] * d[0], t * along[1] + k * along[2] * d[1]
    footprint = np.sqrt(abs(ix * jy - iy * jx))
    reach = abs(ix) + abs(iy) + abs(jx) + abs(jy)
    red = green = blue = NOUGHT
    bare = ONE
    for index in range(count - 1, -1, -1):
        paint = paint_at(paints, chosen[index])
        c, s = paint.turn
        x, y = gx - paint.centre[0], gy - paint.centre[1]
        u, v, share = c * x + s * y, c * y - s * x, bare
        if abs(u) > paint.half[0] + reach or abs(v) > paint.half[1] + reach:
            continue
        if index > 0:
            du = abs(c * ix + s * iy) + abs(c * jx + s * jy)
            dv = abs(c * iy - s * ix) + abs(c * jy - s * jx)
            share *= _coverage(paint, u, v, du, dv)
        if share > 0:
            skin, m = skin_at(paints, integers, chosen[index], PAINT_SKIN), share
            if skin.contrast > 0:
                m *= modulation(atlas, skin, u, v, footprint)
            red, green, blue = red + m * skin.colour[0], green + m * skin.colour[1], blue + m * skin.colour[2]
            bare -= share
            if bare < ALMOST_COVERED:
                break
    k = lamp.ambient + lit * lamp.strength * max(lamp.sun[2], NOUGHT)
    return k * red, k * green, k * blue


@njit(**COLOURS_INLINE)
def sky_colour(lamp, d):
    """Between horizon and zenith."""
    h, z = lamp.horizon, lamp.zenith
    up = d[2] / np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
    k = min(max(ZENITH_AT * up, NOUGHT), ONE)
    k = k * (TWO - k)
    return h[0] + k * (z[0] - h[0]), h[1] + k * (z[1] - h[1]), h[2] + k * (z[2] - h[2])


@njit(**COLOURS_INLINE)
def _falling(x):
    """e^−x for x ≥ 0, to 1e-4: a power of two by its bits, the rest by a polynomial."""
    y = min(x * LOG2E, LARGEST_POWER)
    whole = np.int32(y)
    k = (np.float32(whole) - y) * LN2
    power = np.int32((127 - whole) << 23).view(np.float32)
    return power * (ONE + k * (ONE + k * (HALF + k * (SIXTH + k * SIXTH * QUARTER))))


@njit(**COLOURS_INLINE)
def in_fog(colour, lamp, d, t):
    """What is left of a colour after t metres of planar depth along d."""
    if lamp.fog <= 0:
        return colour
    clear = _falling(lamp.fog * t * np.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]))
    h = lamp.horizon
    return (
        h[0] + clear * (colour[0] - h[0]),
        h[1] + clear * (colour[1] - h[1]),
        h[2] + clear * (colour[2] - h[2]),
    )
