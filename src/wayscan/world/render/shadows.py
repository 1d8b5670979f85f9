"""Shadows of solids on the ground, from the sun. Compiled.

The ray from a pixel's ground point p towards the sun L meets a solid or not. Multiplied by the ground's
nearness s, c − p becomes e = s c − d, linear in the pixel, and the tests are those of the visibility pass
with L in the place of d: the line meets a quadric where D = r² L·L s² − |L × e|² > 0. How far inside the
shadow's outline a pixel lies decides how dark it is: the edges are soft.
"""

import numpy as np
from numba import njit, types

from wayscan.ops.simd import WIDTH, fma, load, maximum, minimum, reciprocal, splat, store
from wayscan.world.render.lanes import line, square_root, where_greater
from wayscan.world.render.rays import (
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
    SOLIDS,
    SPHERE,
    rectangle,
)
from wayscan.world.render.tables import INLINE, INNER, KERNEL, PLACE, SHAPE, SIZE, eye_at, solid_at

EDGE = 0.25  # share of a round solid's shadow, from its outline inwards, that is its soft edge
EDGE_METRES = 0.12  # of sunbeam inside a flat solid, for full shadow


@njit(**INNER)
def _shade_round(lit, rectangle, plane, E):
    """E is D / (r² L·L), which is s² on the shadow's axis."""
    left, top, right, bottom = rectangle
    edge, one, nothing = splat(np.float32(1 / EDGE)), splat(np.float32(1)), splat(np.float32(0))
    for row in range(top, bottom):
        s, s1 = plane_at(plane, row - top)
        e, e1, e2 = quadric_at(E, row - top)
        to = lit[row].ctypes.data
        for x in range(left, right, WIDTH):
            k = line(np.float32(x - left), np.float32(1))
            t = reciprocal(fma(splat(s1), k, splat(s)))
            depth = fma(fma(splat(e2), k, splat(e1)), k, splat(e)) * t * t
            store(to, x, minimum(load(to, x), maximum(one - depth * edge, nothing)))


@njit(**INNER)
def _shade_rod(lit, rectangle, plane, B, E, first, last):
    """The sunbeam is inside the round side from B − √E to B + √E, between the ends from `first` to `last`."""
    left, top, right, bottom = rectangle
    edge, one, nothing = splat(np.float32(1 / EDGE_METRES)), splat(np.float32(1)), splat(np.float32(0))
    for row in range(top, bottom):
        s, s1 = plane_at(plane, row - top)
        b, b1 = plane_at(B, row - top)
        f, f1 = plane_at(first, row - top)
        g, g1 = plane_at(last, row - top)
        e, e1, e2 = quadric_at(E, row - top)
        to = lit[row].ctypes.data
        for x in range(left, right, WIDTH):
            k = line(np.float32(x - left), np.float32(1))
            t = reciprocal(fma(splat(s1), k, splat(s)))
            E_here = fma(fma(splat(e2), k, splat(e1)), k, splat(e))
            root = square_root(maximum(E_here, nothing))
            middle = fma(splat(b1), k, splat(b))
            enter = maximum(middle - root, fma(splat(f1), k, splat(f)))
            leave = minimum(middle + root, fma(splat(g1), k, splat(g)))
            light = maximum(one - (leave - enter) * t * edge, nothing)
            light = where_greater(E_here, nothing, minimum(light, one), one)
            store(to, x, minimum(load(to, x), light))


@njit(**INNER)
def _shade_box(lit, rectangle, plane, first, last):
    left, top, right, bottom = rectangle
    edge, one, nothing = splat(np.float32(1 / EDGE_METRES)), splat(np.float32(1)), splat(np.float32(0))
    for row in range(top, bottom):
        s, s1 = plane_at(plane, row - top)
        a, a1 = plane_at(first[0], row - top)
        b, b1 = plane_at(first[1], row - top)
        c, c1 = plane_at(first[2], row - top)
        d, d1 = plane_at(last[0], row - top)
        e, e1 = plane_at(last[1], row - top)
        f, f1 = plane_at(last[2], row - top)
        to = lit[row].ctypes.data
        for x in range(left, right, WIDTH):
            k = line(np.float32(x - left), np.float32(1))
            t = reciprocal(fma(splat(s1), k, splat(s)))
            enter = maximum(fma(splat(a1), k, splat(a)), fma(splat(b1), k, splat(b)))
            enter = maximum(enter, fma(splat(c1), k, splat(c)))
            leave = minimum(fma(splat(d1), k, splat(d)), fma(splat(e1), k, splat(e)))
            leave = minimum(leave, fma(splat(f1), k, splat(f)))
            light = minimum(maximum(one - (leave - enter) * t * edge, nothing), one)
            store(to, x, minimum(load(to, x), light))


@njit(**INLINE)
def _towards(rays, plane, c):
    """e = s c − d, from the camera's rays and the ground's nearness s."""
    return (
        (plane[0] * c[0] - rays[0][0], plane[0] * c[1] - rays[0][1], plane[0] * c[2] - rays[0][2]),
        (plane[1] * c[0] - rays[1][0], plane[1] * c[1] - rays[1][1], plane[1] * c[2] - rays[1][2]),
        (plane[2] * c[0] - rays[2][0], plane[2] * c[1] - rays[2][1], plane[2] * c[2] - rays[2][2]),
    )


@njit(**INLINE)
def _one_axis(plane):
    """A plane as a vector linear in the pixel."""
    return ((plane[0], 0.0, 0.0), (plane[1], 0.0, 0.0), (plane[2], 0.0, 0.0))


@njit(**INLINE)
def _between(plane, low, high, along, sun):
    """Where sunbeams come between low and high along an axis and where they leave: planes."""
    sun = away(sun)
    first = (
        (low * plane[0] - along[0]) / sun,
        (low * plane[1] - along[1]) / sun,
        (low * plane[2] - along[2]) / sun,
    )
    last = (
        (high * plane[0] - along[0]) / sun,
        (high * plane[1] - along[1]) / sun,
        (high * plane[2] - along[2]) / sun,
    )
    return (first, last) if sun > 0 else (last, first)


@njit(**INNER)
def _cast_ellipsoid(lit, rectangle, rays, plane, sun, centre, half, c, s):
    own = scaled_rays(rays, half, c, s)
    m, L = turned(centre, c, s), turned(sun, c, s)
    m = (m[0] / half[0], m[1] / half[1], m[2] / half[2])
    L = (L[0] / half[0], L[1] / half[1], L[2] / half[2])
    e = each_cross(_towards(own, plane, m), L)
    _shade_round(lit, rectangle, plane, difference_of_squares(1.0, _one_axis(plane), 1 / dot(L, L), e))


@njit(**INNER)
def _cast_rod(lit, rectangle, rays, plane, sun, foot, axis, length, radius):
    L, m = beside(sun, axis), beside(foot, axis)
    low = dot(foot, axis)
    first, last = _between(plane, low, low + length, along_axis(rays, axis), dot(sun, axis))
    e = _towards(rays_beside(rays, axis), plane, m)
    LL = away(dot(L, L))
    B = scaled(1 / LL, along_axis(e, L))
    k = 1 / (LL * LL)
    E = difference_of_squares(k * radius * radius * LL, _one_axis(plane), k, each_cross(e, L))
    _shade_rod(lit, rectangle, plane, B, E, first, last)


@njit(**INNER)
def _cast_box(lit, rectangle, rays, plane, sun, centre, half, c, s):
    own = scaled_rays(rays, (1.0, 1.0, 1.0), c, s)
    m, L = turned(centre, c, s), turned(sun, c, s)
    x = _between(plane, m[0] - half[0], m[0] + half[0], along_axis(own, (1.0, 0.0, 0.0)), L[0])
    y = _between(plane, m[1] - half[1], m[1] + half[1], along_axis(own, (0.0, 1.0, 0.0)), L[1])
    z = _between(plane, m[2] - half[2], m[2] + half[2], along_axis(own, (0.0, 0.0, 1.0)), L[2])
    _shade_box(lit, rectangle, plane, (x[0], y[0], z[0]), (x[1], y[1], z[1]))


@njit(**INNER)
def _cast(lit, solid, eye, sun, frame, rectangle):
    """The shadow of one solid."""
    at, b, r, (c, s) = eye.position, solid.b, solid.radius, solid.turn
    a = (solid.a[0] - at[0], solid.a[1] - at[1], solid.a[2] - at[2])
    rays = rays_from(eye, frame, rectangle[0], rectangle[1])
    plane = scaled(-1 / at[2], along_axis(rays, (0.0, 0.0, 1.0)))
    if solid.shape == BOX:
        _cast_box(lit, rectangle, rays, plane, sun, a, b, c, s)
    elif solid.shape == CYLINDER:
        _cast_rod(lit, rectangle, rays, plane, sun, a, (0.0, 0.0, 1.0), b[2], r)
    elif solid.shape == SPHERE:
        _cast_ellipsoid(lit, rectangle, rays, plane, sun, a, (r, r, r), 1.0, 0.0)
    elif solid.shape == ELLIPSOID:
        _cast_ellipsoid(lit, rectangle, rays, plane, sun, a, b, c, s)
    elif solid.shape == CAPSULE:
        e = (b[0] - at[0], b[1] - at[1], b[2] - at[2])
        d = (e[0] - a[0], e[1] - a[1], e[2] - a[2])
        length = away(np.sqrt(dot(d, d)))
        _cast_ellipsoid(lit, rectangle, rays, plane, sun, a, (r, r, r), 1.0, 0.0)
        _cast_ellipsoid(lit, rectangle, rays, plane, sun, e, (r, r, r), 1.0, 0.0)
        _cast_rod(
            lit, rectangle, rays, plane, sun, a, (d[0] / length, d[1] / length, d[2] / length), length, r
        )


@njit((SOLIDS, types.float32[::1], SOLIDS), **KERNEL)
def shadow_balls(solids, sun, balls):
    """Balls on the ground, as solids, in which shadows of solids lie; the other columns are left alone."""
    integers, kinds = solids.view(np.int32), balls.view(np.int32)
    for p in range(len(solids)):
        solid = solid_at(solids, integers, p)
        a, b, r = solid.a, solid.b, solid.radius
        middle, reach = a, np.sqrt(dot(b, b))
        if solid.shape == CYLINDER:
            middle, reach = (a[0], a[1], a[2] + 0.5 * b[2]), np.sqrt(r * r + 0.25 * b[2] * b[2])
        elif solid.shape == SPHERE:
            reach = r
        elif solid.shape == CAPSULE:
            d = (0.5 * (b[0] - a[0]), 0.5 * (b[1] - a[1]), 0.5 * (b[2] - a[2]))
            middle, reach = (a[0] + d[0], a[1] + d[1], a[2] + d[2]), r + np.sqrt(dot(d, d))
        k = middle[2] / sun[2]
        kinds[p, SHAPE] = SPHERE if solid.shape > 0 else 0
        balls[p, PLACE], balls[p, PLACE + 1] = middle[0] - k * sun[0], middle[1] - k * sun[1]
        balls[p, PLACE + 2], balls[p, SIZE] = 0.0, reach / sun[2]


@njit((SOLIDS, CAMERAS, EXTENTS, COUNT, COUNT, types.float32[::1], SOLIDS), **KERNEL)
def cast_shadows(solids, cameras, extents, width, height, sun, lit):
    """Fill lit (H, stride): the share of sunlight on the ground in each pixel of the first camera."""
    eye, integers, frame = eye_at(cameras, 0), solids.view(np.int32), (width, height, 0, 0)
    towards = (np.float64(sun[0]), np.float64(sun[1]), np.float64(sun[2]))
    lit[:] = np.float32(1)
    for p in range(len(solids)):
        left, top, right, bottom = rectangle(extents[0, p], width, height)
        left -= left % WIDTH
        if left < right and top < bottom:
            solid = solid_at(solids, integers, p)
            _cast(lit, solid, eye, towards, frame, (left, top, right, bottom))
