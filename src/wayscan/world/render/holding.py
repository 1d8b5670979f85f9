"""Which solid a point lies in. Compiled."""

import numpy as np
from numba import njit, types

from wayscan.world.render.rays import dot, turned
from wayscan.world.render.rectangles import BOX, CAPSULE, CYLINDER, ELLIPSOID, SOLIDS, SPHERE
from wayscan.world.render.tables import INNER, KERNEL, solid_at


@njit(**INNER)
def _holds(solid, x, y, z):
    a, b, rr = solid.a, solid.b, solid.radius * solid.radius
    p = (x - a[0], y - a[1], z - a[2])
    if solid.shape == BOX:
        q = turned(p, solid.turn[0], solid.turn[1])
        return abs(q[0]) < b[0] and abs(q[1]) < b[1] and abs(q[2]) < b[2]
    if solid.shape == CYLINDER:
        return p[0] * p[0] + p[1] * p[1] < rr and 0 < p[2] < b[2]
    if solid.shape == ELLIPSOID:
        q = turned(p, solid.turn[0], solid.turn[1])
        q = (q[0] / b[0], q[1] / b[1], q[2] / b[2])
        return dot(q, q) < 1
    if solid.shape == CAPSULE:
        axis = (b[0] - a[0], b[1] - a[1], b[2] - a[2])
        k = min(max(dot(p, axis) / max(dot(axis, axis), 1e-12), 0.0), 1.0)
        p = (p[0] - k * axis[0], p[1] - k * axis[1], p[2] - k * axis[2])
        return dot(p, p) < rr
    return solid.shape == SPHERE and dot(p, p) < rr


@njit((SOLIDS, types.float64, types.float64, types.float64), **KERNEL)
def first_holding(solids, x, y, z):
    """The first solid that a point lies in, or -1."""
    integers = solids.view(np.int32)
    for p in range(len(solids)):
        if _holds(solid_at(solids, integers, p), x, y, z):
            return p
    return -1
