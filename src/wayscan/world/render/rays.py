"""Rays of pixels, and what is linear or quadratic in them. Compiled; vectors are tuples of three.

`rays` is (d at some first pixel, its step to the next column, its step to the next row), each a vector in the
world's axes with planar depth 1 along d. A plane is (value, step, step), a quadric's E has coefficients
of (1, i, j, i², ij, j²).
"""

import numpy as np
from numba import njit

from wayscan.world.render.tables import INLINE

TINY = 1e-12


@njit(**INLINE)
def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(**INLINE)
def cross(a, b):
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


@njit(**INLINE)
def away(value):
    """The value, or something tiny: a divisor."""
    return value if abs(value) > TINY else TINY


@njit(**INLINE)
def rays_from(eye, frame, column, row):
    """Rays from the pixel (column, row) of a window on; frame is the image's width, height and the window's
    place in it."""
    width, height, left, top = frame
    f, r, d, z = eye.focal, eye.right, eye.down, eye.forward
    u, v = (left + column + 0.5 - 0.5 * width) / f, (top + row + 0.5 - 0.5 * height) / f
    return (
        (z[0] + u * r[0] + v * d[0], z[1] + u * r[1] + v * d[1], z[2] + u * r[2] + v * d[2]),
        (r[0] / f, r[1] / f, r[2] / f),
        (d[0] / f, d[1] / f, d[2] / f),
    )


@njit(**INLINE)
def turned(v, c, s):
    """World axes → a solid's own."""
    return (c * v[0] + s * v[1], c * v[1] - s * v[0], v[2])


@njit(**INLINE)
def beside(v, axis):
    """The part of v at right angles to a unit vector."""
    k = dot(v, axis)
    return (v[0] - k * axis[0], v[1] - k * axis[1], v[2] - k * axis[2])


@njit(**INLINE)
def scaled(k, plane):
    return (k * plane[0], k * plane[1], k * plane[2])


@njit(**INLINE)
def along_axis(rays, axis):
    """The plane of d · axis."""
    return (dot(rays[0], axis), dot(rays[1], axis), dot(rays[2], axis))


@njit(**INLINE)
def plane_at(plane, j):
    """Value at row j and step along it, in float32."""
    return np.float32(plane[0] + j * plane[2]), np.float32(plane[1])


@njit(**INLINE)
def quadric_at(E, j):
    """Coefficients 1, i, i² at row j, in float32."""
    return (
        np.float32(E[0] + j * (E[2] + j * E[5])),
        np.float32(E[1] + j * E[4]),
        np.float32(E[3]),
    )


@njit(**INLINE)
def difference_of_squares(k, a, m, b):
    """k a·a − m b·b of vectors linear in the pixel, each (value, step, step): an E."""
    return (
        k * dot(a[0], a[0]) - m * dot(b[0], b[0]),
        2 * (k * dot(a[0], a[1]) - m * dot(b[0], b[1])),
        2 * (k * dot(a[0], a[2]) - m * dot(b[0], b[2])),
        k * dot(a[1], a[1]) - m * dot(b[1], b[1]),
        2 * (k * dot(a[1], a[2]) - m * dot(b[1], b[2])),
        k * dot(a[2], a[2]) - m * dot(b[2], b[2]),
    )


@njit(**INLINE)
def each_cross(rays, c):
    return (cross(rays[0], c), cross(rays[1], c), cross(rays[2], c))


@njit(**INLINE)
def _shrunk(v, half, c, s):
    x, y, z = turned(v, c, s)
    return (x / half[0], y / half[1], z / half[2])


@njit(**INLINE)
def scaled_rays(rays, half, c, s):
    """Rays on axes turned by an angle (its cosine and sine), in units of `half`."""
    return (_shrunk(rays[0], half, c, s), _shrunk(rays[1], half, c, s), _shrunk(rays[2], half, c, s))


@njit(**INLINE)
def rays_beside(rays, axis):
    return (beside(rays[0], axis), beside(rays[1], axis), beside(rays[2], axis))
