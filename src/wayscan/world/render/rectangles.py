"""Where solids lie in the image: exact extents by closed forms. Compiled.

A solid is the hull of at most eight parts: points (corners of a box), discs (ends of a cylinder), balls or an
ellipsoid. A part is a centre c and a matrix Σ with the support function n·c ± √(nᵀΣn). Along one axis of the
image, the planes through the camera's centre that touch it are the roots u of

    (c_x − u c_z)² = Σ_xx − 2 u Σ_xz + u² Σ_zz

and the solid's extent is that of its parts together. Where a solid reaches behind the camera's plane, planes
are angles: the solid fills the angles between its outermost parts.
"""

from math import atan2, inf, pi, sqrt, tan

import numpy as np
from numba import njit, types

from wayscan.world.render.tables import INLINE, INNER, KERNEL, eye_at, solid_at

BOX, CYLINDER, SPHERE, CAPSULE, ELLIPSOID = 1, 2, 3, 4, 5
NOWHERE = (inf, inf, -inf, -inf)
MARGIN = 0.01  # pixels that rectangles are larger than extents

PARTS, PART = 8, 8  # the scratch for parts: rows of x, y, z, Σxx, Σyy, Σzz, Σxz, Σyz

SOLIDS, TABLES = types.float32[:, ::1], types.float32[:, :, ::1]
CAMERAS, EXTENTS, COUNT = types.float64[:, ::1], types.float64[:, :, ::1], types.int64


@njit(**INNER)
def _put_part(part, x, y, z):
    part[0], part[1], part[2] = x, y, z
    for k in range(3, PART):
        part[k] = 0.0


@njit(**INNER)
def _add_axis(part, x, y, z):
    """Widen a part along a vector: Σ += w wᵀ."""
    part[3] += x * x
    part[4] += y * y
    part[5] += z * z
    part[6] += x * z
    part[7] += y * z


@njit(**INNER)
def _in_camera(camera, x, y, z):
    """A world vector on the camera's axes."""
    r, d, f = camera.right, camera.down, camera.forward
    return (
        r[0] * x + r[1] * y + r[2] * z,
        d[0] * x + d[1] * y + d[2] * z,
        f[0] * x + f[1] * y + f[2] * z,
    )


@njit(**INNER)
def _add_ball(part, x, y, z):
    part[3] += x
    part[4] += y
    part[5] += z


@njit(**INNER)
def _find_parts(solid, camera, parts):
    """Fill `parts`, on the camera's axes and from its centre; their number."""
    eye, (c, s) = camera.position, solid.turn
    a, b, shape, rr = solid.a, solid.b, solid.shape, solid.radius * solid.radius
    cx, cy, cz = _in_camera(camera, a[0] - eye[0], a[1] - eye[1], a[2] - eye[2])
    if shape in (SPHERE, CAPSULE):
        _put_part(parts[0], cx, cy, cz)
        _add_ball(parts[0], rr, rr, rr)
        if shape == SPHERE:
            return 1
        ex, ey, ez = _in_camera(camera, b[0] - eye[0], b[1] - eye[1], b[2] - eye[2])
        _put_part(parts[1], ex, ey, ez)
        _add_ball(parts[1], rr, rr, rr)
        return 2
    if shape == CYLINDER:
        ux, uy, uz = _in_camera(camera, 0.0, 0.0, 1.0)
        for k in range(2):
            h = k * b[2]
            _put_part(parts[k], cx + h * ux, cy + h * uy, cz + h * uz)
            _add_ball(parts[k], rr * (1 - ux * ux), rr * (1 - uy * uy), rr * (1 - uz * uz))
            parts[k, 6] = -rr * ux * uz
            parts[k, 7] = -rr * uy * uz
        return 2
    px, py, pz = _in_camera(camera, b[0] * c, b[0] * s, 0.0)
    qx, qy, qz = _in_camera(camera, -b[1] * s, b[1] * c, 0.0)
    ux, uy, uz = _in_camera(camera, 0.0, 0.0, b[2])
    if shape == ELLIPSOID:
        _put_part(parts[0], cx, cy, cz)
        _add_axis(parts[0], px, py, pz)
        _add_axis(parts[0], qx, qy, qz)
        _add_axis(parts[0], ux, uy, uz)
        return 1
    if shape != BOX:
        return 0
    for k in range(8):
        f, g, h = 2.0 * (k & 1) - 1, (k & 2) - 1.0, 0.5 * (k & 4) - 1
        _put_part(
            parts[k],
            cx + f * px + g * qx + h * ux,
            cy + f * py + g * qy + h * uy,
            cz + f * pz + g * qz + h * uz,
        )
    return 8


@njit(**INNER)
def _touching(x, z, xx, zz, xz):
    """The two roots u, in order of size where the part is in front; NaN if the camera looks from within."""
    A, B, C = z * z - zz, x * z - xz, x * x - xx
    if xx == 0 and zz == 0:
        return x / z, x / z
    square = B * B - A * C
    if A > 0:
        square = max(square, 0.0)  # a disc seen edge-on
    root = sqrt(square) if square >= 0 else np.nan
    large = B + root if B > 0 else B - root
    first, second = (C / large if large != 0 else 0.0), large / A
    return min(first, second), max(first, second)


@njit(**INNER)
def _angles(x, z, xx, zz, xz):
    """The part's lowest and highest angle atan2(x, z), within π of its centre's; NaN if all of them."""
    centre = atan2(x, z)
    if xx == 0 and zz == 0:
        return centre, centre
    first, second = _touching(x, z, xx, zz, xz)
    low = high = 0.0
    for u in (first, second):
        width = xx - 2 * u * xz + u * u * zz
        k = (x - u * z) / width if width > 0 else 0.0
        angle = atan2(x - (xx - u * xz) * k, z - (xz - u * zz) * k) - centre
        angle -= 2 * pi * np.round(angle / (2 * pi))
        low, high = min(low, angle), max(high, angle)
    if np.isnan(first):
        return np.nan, np.nan
    return centre + low, centre + high


@njit(**INNER)
def _span_of_angles(parts, count, axis):
    """Extent along one axis of what reaches behind the camera's plane."""
    low, high = inf, -inf
    for k in range(count):
        part = parts[k]
        first, last = _angles(part[axis], part[2], part[3 + axis], part[5], part[6 + axis])
        if np.isnan(first):
            return -inf, inf
        if k == 0:
            low, high = first, last
        else:  # the same way round as those before
            turn = 2 * pi * np.round(((low + high) - (first + last)) / (4 * pi))
            low, high = min(low, first + turn), max(high, last + turn)
    if high - low >= pi:
        return -inf, inf
    turn = 2 * pi * np.round((low + high) / (4 * pi))
    low, high = low - turn, high - turn
    if low >= pi / 2 or high <= -pi / 2:
        return inf, -inf
    return (tan(low) if low > -pi / 2 else -inf), (tan(high) if high < pi / 2 else inf)


@njit(**INNER)
def _extent_of_parts(parts, count, camera, width, height):
    in_front = behind = 0
    for k in range(count):
        z, zz = parts[k, 2], parts[k, 5]
        if z * z > zz:
            in_front += z > 0
            behind += z < 0
    if behind == count:
        return NOWHERE
    f, u0, v0 = camera.focal, 0.5 * width, 0.5 * height
    left, top, right, bottom = NOWHERE
    if in_front < count:
        left, right = _span_of_angles(parts, count, 0)
        top, bottom = _span_of_angles(parts, count, 1)
    else:
        for k in range(count):
            x, y, z, xx, yy, zz, xz, yz = parts[k]
            low, high = _touching(x, z, xx, zz, xz)
            left, right = min(left, low), max(right, high)
            low, high = _touching(y, z, yy, zz, yz)
            top, bottom = min(top, low), max(bottom, high)
    return f * left + u0, f * top + v0, f * right + u0, f * bottom + v0


@njit(**INLINE)
def rectangle(extent, width, height):
    """(left, top, right, bottom), the ends excluded: pixels whose centres may lie in an extent."""
    first, last = 0.5 + MARGIN, 0.5 - MARGIN
    return (
        np.int64(np.ceil(min(max(extent[0] - first, 0.0), width))),
        np.int64(np.ceil(min(max(extent[1] - first, 0.0), height))),
        np.int64(np.floor(min(max(extent[2] - last, -1.0), width - 1.0))) + 1,
        np.int64(np.floor(min(max(extent[3] - last, -1.0), height - 1.0))) + 1,
    )


@njit((TABLES, CAMERAS, COUNT, COUNT, CAMERAS, EXTENTS), **KERNEL)
def extents(tables, cameras, width, height, parts, out):
    """Extents (W, P, 4) of each world's solids: left, top, right, bottom in pixels, beyond the image too."""
    for world in range(len(tables)):
        solids, eye = tables[world], eye_at(cameras, world)
        integers = solids.view(np.int32)
        for p in range(len(solids)):
            count = _find_parts(solid_at(solids, integers, p), eye, parts)
            left, top, right, bottom = _extent_of_parts(parts, count, eye, width, height)
            found = out[world, p]
            found[0], found[1], found[2], found[3] = left, top, right, bottom
