"""The visibility pass: which solid each pixel shows, and how near it is. Compiled.

Everything is computed in nearness s = 1 / planar depth, for there planes are linear in the pixel, and the two
crossings of a quadric are B ± √E with B linear and E quadratic: no division, no cancellation. Where the
camera is at the origin and pixel (i, j) has the ray d = d₀ + i x + j y with unit planar depth,

    plane n·p = h                  s = n·d / h
    quadric |p − c|² = r²          s = B ± √E,  B = d·c / C,  E = (r² d·d − |d × c|²) / C²,  C = c·c − r²

Solids are intersections of such: a ray is inside from the last entry to the first exit. A solid in which the
camera lies is not seen. Coefficients are made in float64 at the first pixel of the solid's rectangle; pixels
are float32. Images are (H, stride) with the stride a multiple of the vector's width.
"""

import numpy as np
from numba import njit, types

from wayscan.ops.simd import WIDTH, fma, load, maximum, minimum, splat, store
from wayscan.world.render.lanes import line, square_root, where_greater
from wayscan.world.render.rays import (
    TINY,
    along_axis,
    away,
    beside,
    difference_of_squares,
    dot,
    each_cross,
    plane_at,
    quadric_at,
    rays_beside,
    rays_from,
    scaled,
    scaled_rays,
    turned,
)
from wayscan.world.render.rectangles import (
    BOX,
    CAMERAS,
    CAPSULE,
    COUNT,
    CYLINDER,
    ELLIPSOID,
    EXTENTS,
    SPHERE,
    TABLES,
    rectangle,
)
from wayscan.world.render.tables import INLINE, INNER, KERNEL, eye_at, solid_at

NO_SOLID, NO_GROUND = -1.0, -2.0
NEVER = 1e30  # a nearness that no surface has


@njit(**INLINE)
def _quadric(rays, c, rr):
    """C, B and E of the sphere about c; rr is the radius squared."""
    C = away(dot(c, c) - rr)
    k = 1 / (C * C)
    return C, scaled(1 / C, along_axis(rays, c)), difference_of_squares(k * rr, rays, k, each_cross(rays, c))


@njit(**INLINE)
def _slab(low, high, plane):
    """Entry and two exits of low ≤ p ≤ high along one axis, `plane` being d along that axis."""
    never, always = (NEVER, 0.0, 0.0), (0.0, 0.0, 0.0)
    if low > 0:
        return scaled(1 / away(low), plane), scaled(1 / away(high), plane), always
    if high < 0:
        return scaled(1 / away(high), plane), scaled(1 / away(low), plane), always
    return never, scaled(1 / min(low, -TINY), plane), scaled(1 / max(high, TINY), plane)


@njit(**INNER)
def _draw_round(near, winner, mark, rectangle, B, E):
    """A whole sphere or ellipsoid, the camera outside."""
    left, top, right, bottom = rectangle
    name = splat(np.float32(mark))
    for row in range(top, bottom):
        j = row - top
        b, b1 = plane_at(B, j)
        e, e1, e2 = quadric_at(E, j)
        to, names = near[row].ctypes.data, winner[row].ctypes.data
        for x in range(left, right, WIDTH):
            k = line(np.float32(x - left), np.float32(1))
            root = square_root(fma(fma(splat(e2), k, splat(e1)), k, splat(e)))
            s = fma(splat(b1), k, splat(b)) + root
            before = load(to, x)
            store(names, x, where_greater(s, before, name, load(names, x)))
            store(to, x, where_greater(s, before, s, before))


@njit(**INNER)
def _draw_cylinder(near, winner, mark, rectangle, outside, B, E, entry, exit1, exit2):
    left, top, right, bottom = rectangle
    name = splat(np.float32(mark))
    sign, never = splat(np.float32(-1 if outside else 1)), splat(np.float32(0 if outside else NEVER))
    for row in range(top, bottom):
        j = row - top
        b, b1 = plane_at(B, j)
        e, e1, e2 = quadric_at(E, j)
        n, n1 = plane_at(entry, j)
        p, p1 = plane_at(exit1, j)
        q, q1 = plane_at(exit2, j)
        to, names = near[row].ctypes.data, winner[row].ctypes.data
        for x in range(left, right, WIDTH):
            k = line(np.float32(x - left), np.float32(1))
            root = square_root(fma(fma(splat(e2), k, splat(e1)), k, splat(e)))
            middle = fma(splat(b1), k, splat(b))
            s = minimum(middle + root + never, fma(splat(n1), k, splat(n)))
            leave = maximum(fma(splat(p1), k, splat(p)), fma(sign, root, middle))  # NaN must stay: second
            leave = maximum(fma(splat(q1), k, splat(q)), leave)
            before = load(to, x)
            s = where_greater(s, leave, s, before)
            store(names, x, where_greater(s, before, name, load(names, x)))
            store(to, x, maximum(s, before))


@njit(**INNER)
def _draw_box(near, winner, mark, rectangle, slabs):
    left, top, right, bottom = rectangle
    name = splat(np.float32(mark))
    (n0, p0, q0), (n1, p1, q1), (n2, p2, q2) = slabs
    for row in range(top, bottom):
        j = row - top
        a, a1 = plane_at(n0, j)
        b, b1 = plane_at(n1, j)
        c, c1 = plane_at(n2, j)
        d, d1 = plane_at(p0, j)
        e, e1 = plane_at(p1, j)
        f, f1 = plane_at(p2, j)
        g, g1 = plane_at(q0, j)
        h, h1 = plane_at(q1, j)
        i, i1 = plane_at(q2, j)
        to, names = near[row].ctypes.data, winner[row].ctypes.data
        for x in range(left, right, WIDTH):
            k = line(np.float32(x - left), np.float32(1))
            s = minimum(fma(splat(a1), k, splat(a)), fma(splat(b1), k, splat(b)))
            s = minimum(s, fma(splat(c1), k, splat(c)))
            leave = maximum(fma(splat(d1), k, splat(d)), fma(splat(e1), k, splat(e)))
            leave = maximum(leave, fma(splat(f1), k, splat(f)))
            leave = maximum(leave, fma(splat(g1), k, splat(g)))
            leave = maximum(leave, fma(splat(h1), k, splat(h)))
            leave = maximum(leave, fma(splat(i1), k, splat(i)))
            before = load(to, x)
            s = where_greater(s, leave, s, before)
            store(names, x, where_greater(s, before, name, load(names, x)))
            store(to, x, maximum(s, before))


@njit(**INNER)
def _draw_ground(near, winner, eye, frame, rectangle):
    """The plane z = 0, which must lie below the camera; the sky where it ends. Covers what was there."""
    left, top, right, bottom = rectangle
    rays = rays_from(eye, frame, 0, 0)
    plane = scaled(-1 / eye.position[2], along_axis(rays, (0.0, 0.0, 1.0)))
    sky, ground = splat(np.float32(NO_GROUND)), splat(np.float32(NO_SOLID))
    nothing = splat(np.float32(0))
    for row in range(top, bottom):
        a, a1 = plane_at(plane, row)
        to, names = near[row].ctypes.data, winner[row].ctypes.data
        for x in range(left - left % WIDTH, right, WIDTH):
            s = fma(splat(a1), line(np.float32(x), np.float32(1)), splat(a))
            store(names, x, where_greater(s, nothing, ground, sky))
            store(to, x, maximum(s, nothing))


@njit(**INNER)
def _draw_ellipsoid(near, winner, mark, rectangle, rays, centre, half, c, s):
    own = scaled_rays(rays, half, c, s)
    m = turned(centre, c, s)
    C, B, E = _quadric(own, (m[0] / half[0], m[1] / half[1], m[2] / half[2]), 1.0)
    if C > 0:
        _draw_round(near, winner, mark, rectangle, B, E)


@njit(**INNER)
def _draw_rod(near, winner, mark, rectangle, rays, foot, axis, length, radius):
    """A cylinder with flat ends about the unit vector `axis`."""
    low = dot(foot, axis)
    entry, exit1, exit2 = _slab(low, low + length, along_axis(rays, axis))
    C, B, E = _quadric(rays_beside(rays, axis), beside(foot, axis), radius * radius)
    if C > 0 or low > 0 or low + length < 0:
        _draw_cylinder(near, winner, mark, rectangle, C > 0, B, E, entry, exit1, exit2)


@njit(**INNER)
def _draw_solid(near, winner, mark, solid, eye, frame, rectangle):
    at, left, top = eye.position, rectangle[0], rectangle[1]
    a = (solid.a[0] - at[0], solid.a[1] - at[1], solid.a[2] - at[2])
    b, r, (c, s) = solid.b, solid.radius, solid.turn
    rays = rays_from(eye, frame, left, top)
    shape = solid.shape
    if shape == BOX:
        own, m = scaled_rays(rays, (1.0, 1.0, 1.0), c, s), turned(a, c, s)
        slabs = (
            _slab(m[0] - b[0], m[0] + b[0], along_axis(own, (1.0, 0.0, 0.0))),
            _slab(m[1] - b[1], m[1] + b[1], along_axis(own, (0.0, 1.0, 0.0))),
            _slab(m[2] - b[2], m[2] + b[2], along_axis(own, (0.0, 0.0, 1.0))),
        )
        _draw_box(near, winner, mark, rectangle, slabs)
    elif shape == CYLINDER:
        _draw_rod(near, winner, mark, rectangle, rays, a, (0.0, 0.0, 1.0), b[2], r)
    elif shape == SPHERE:
        _draw_ellipsoid(near, winner, mark, rectangle, rays, a, (r, r, r), 1.0, 0.0)
    elif shape == ELLIPSOID:
        _draw_ellipsoid(near, winner, mark, rectangle, rays, a, b, c, s)
    elif shape == CAPSULE:
        e = (b[0] - at[0], b[1] - at[1], b[2] - at[2])
        d = (e[0] - a[0], e[1] - a[1], e[2] - a[2])
        length = np.sqrt(dot(d, d))
        _draw_ellipsoid(near, winner, mark, rectangle, rays, a, (r, r, r), 1.0, 0.0)
        if length > TINY:
            axis = (d[0] / length, d[1] / length, d[2] / length)
            _draw_ellipsoid(near, winner, mark, rectangle, rays, e, (r, r, r), 1.0, 0.0)
            _draw_rod(near, winner, mark, rectangle, rays, a, axis, length, r)


_SEE = (TABLES, CAMERAS, EXTENTS, COUNT, COUNT, COUNT, COUNT, TABLES, TABLES)


@njit(_SEE, **KERNEL)
def see(tables, cameras, extents, width, height, column, row, near, winner):
    """Fill nearness and the number of the solid that is seen (W, H, stride), of each world's camera.

    `near` and `winner` are a window of the image of width × height: from (column, row) on, as high as they
    are and as wide as fits.
    """
    tall, wide = near.shape[1], min(near.shape[2], width - column)
    for world in range(len(tables)):
        solids, eye = tables[world], eye_at(cameras, world)
        integers, s, names = solids.view(np.int32), near[world], winner[world]
        frame = (width, height, column, row)
        _draw_ground(s, names, eye, frame, (0, 0, wide, tall))
        for p in range(len(solids)):
            left, top, right, bottom = extents[world, p]
            found = (left - column, top - row, right - column, bottom - row)
            left, top, right, bottom = rectangle(found, wide, tall)
            left -= left % WIDTH
            if left < right and top < bottom:
                solid = solid_at(solids, integers, p)
                _draw_solid(s, names, np.float64(p), solid, eye, frame, (left, top, right, bottom))


@njit((TABLES, types.float64, TABLES), **KERNEL)
def to_depth(near, far, out):
    """Nearness (W, H, stride) → planar depth (W, H, W'), at most `far`."""
    nearest = np.float32(1 / far)
    for world in range(len(out)):
        for row in range(out.shape[1]):
            for x in range(out.shape[2]):
                out[world, row, x] = np.float32(1) / max(near[world, row, x], nearest)
