"""The shading pass: what the visibility pass saw becomes colours, planar depth and instances. Compiled.

Rows are taken run by run, a run being neighbours whose centres show the same solid. Where a pass of twice the
width and height finds another solid in one of a pixel's quarters, the colours of its quarters are averaged:
outlines are smooth, while depth and ids are those of centres.
"""

import numpy as np
from numba import njit, types

from wayscan.world.render.rays import rays_from
from wayscan.world.render.rectangles import CAMERAS, SOLIDS
from wayscan.world.render.surfaces import (
    Lamp,
    as_float32,
    ground_colour,
    in_fog,
    sky_colour,
    solid_colour,
    surface_at,
)
from wayscan.world.render.tables import COLOURS, COLOURS_INLINE, INSTANCE, KERNEL, eye_at, paint_at
from wayscan.world.render.texels import HALF, NOUGHT, ONE
from wayscan.world.render.visibility import NO_GROUND, NO_SOLID

GROUND_ID, SKY_ID = -1, -2
QUARTER, FULL = np.float32(0.25), np.float32(255)


@njit(**COLOURS_INLINE)
def _ray(rays, x):
    """The ray at column x of the row where the rays begin."""
    d, i = rays[0], rays[1]
    return (d[0] + x * i[0], d[1] + x * i[1], d[2] + x * i[2])


@njit(**COLOURS_INLINE)
def _to_byte(value):
    return np.uint8(min(max(value, NOUGHT), ONE) * FULL + HALF)


@njit(**COLOURS_INLINE)
def _put(image, row, x, colour):
    image[row, x, 0], image[row, x, 1] = _to_byte(colour[0]), _to_byte(colour[1])
    image[row, x, 2] = _to_byte(colour[2])


@njit(**COLOURS)
def _shade_sky(image, row, left, right, lamp, rays):
    for x in range(left, right):
        _put(image, row, x, sky_colour(lamp, _ray(rays, np.float32(x))))


@njit(**COLOURS)
def _shade_ground(image, row, left, right, lamp, rays, near, lit, paints, chosen, count, atlas, position):
    integers = paints.view(np.int32)
    for x in range(left, right):
        d, t = _ray(rays, np.float32(x)), ONE / near[row, x]
        colour = ground_colour(
            *(paints, integers, chosen, count, lamp, atlas, position, d, t, rays[1], rays[2], lit[row, x])
        )
        _put(image, row, x, in_fog(colour, lamp, d, t))


@njit(**COLOURS)
def _shade_solid(image, row, left, right, lamp, rays, near, surface, atlas, pixel):
    for x in range(left, right):
        d, t = _ray(rays, np.float32(x)), ONE / near[row, x]
        _put(image, row, x, in_fog(solid_colour(surface, lamp, atlas, d, t, pixel), lamp, d, t))


@njit(**COLOURS)
def _choose_paints(paints, chosen, position, rays, pixel, near, winner, row, width):
    """Which paints may show on a row's ground: their number, and they themselves in `chosen`."""
    first, last = 0, width - 1
    while first < width and winner[row, first] != NO_SOLID:
        first += 1
    while last > first and winner[row, last] != NO_SOLID:
        last -= 1
    chosen[0] = 0
    if first == width:
        return 1
    d, e = _ray(rays, np.float32(first)), _ray(rays, np.float32(last))
    t, r = ONE / near[row, first], ONE / near[row, last]
    x0, y0 = position[0] + t * d[0], position[1] + t * d[1]
    x1, y1 = position[0] + r * e[0], position[1] + r * e[1]
    t = max(t, r)
    margin = (t * t / position[2] + t) * pixel  # more than a pixel on the ground
    count = 1
    for k in range(1, len(paints)):
        paint = paint_at(paints, k)
        c, s = paint.turn
        a, b = x0 - paint.centre[0], y0 - paint.centre[1]
        u0, v0 = c * a + s * b, c * b - s * a
        a, b = x1 - paint.centre[0], y1 - paint.centre[1]
        u1, v1 = c * a + s * b, c * b - s * a
        half, wide = paint.half[0] + margin, paint.half[1] + margin
        if min(u0, u1) < half and max(u0, u1) > -half and min(v0, v1) < wide and max(v0, v1) > -wide:
            chosen[count] = k
            count += 1
    return count


@njit(**COLOURS)
def _smooth(
    image, row, x, lamp, rays, fine_near, fine_winner, lit, solids, paints, chosen, count, atlas, eye, pixel
):
    """The mean colour of a pixel's quarters."""
    red = green = blue = NOUGHT
    position = as_float32(eye.position)
    for k in range(4):
        y, z = 2 * row + k // 2, 2 * x + k % 2
        down, right = QUARTER * np.float32(2 * (k // 2) - 1), QUARTER * np.float32(2 * (k % 2) - 1)
        d, j = _ray(rays, np.float32(x) + right), rays[2]
        d = (d[0] + down * j[0], d[1] + down * j[1], d[2] + down * j[2])
        mark = fine_winner[y, z]
        if mark == NO_GROUND:
            colour = sky_colour(lamp, d)
        else:
            t = ONE / fine_near[y, z]
            if mark == NO_SOLID:
                colour = ground_colour(
                    *(paints, paints.view(np.int32), chosen, count, lamp, atlas, position, d, t),
                    *(rays[1], j, lit[row, x]),
                )
            else:
                surface = surface_at(solids, solids.view(np.int32), np.int64(mark), eye.position)
                colour = solid_colour(surface, lamp, atlas, d, t, pixel)
            colour = in_fog(colour, lamp, d, t)
        red, green, blue = red + colour[0], green + colour[1], blue + colour[2]
    _put(image, row, x, (QUARTER * red, QUARTER * green, QUARTER * blue))


@njit(**COLOURS_INLINE)
def _is_edge(fine_winner, row, x, mark):
    y, z = 2 * row, 2 * x
    return (
        fine_winner[y, z] != mark
        or fine_winner[y, z + 1] != mark
        or fine_winner[y + 1, z] != mark
        or fine_winner[y + 1, z + 1] != mark
    )


@njit(**COLOURS_INLINE)
def _lamp(light):
    return Lamp(
        (light[0], light[1], light[2]),
        *(light[3], light[4]),
        (light[5], light[6], light[7]),
        (light[8], light[9], light[10]),
        light[11],
    )


_ARGUMENTS = (
    *(SOLIDS, CAMERAS, SOLIDS, types.float32[::1], types.uint8[:, ::1], types.int64[::1]),
    *(SOLIDS, SOLIDS, SOLIDS, SOLIDS, SOLIDS, types.uint8[:, :, ::1], SOLIDS, types.int32[:, ::1]),
)


@njit(_ARGUMENTS, **KERNEL)
def shade(
    solids,
    cameras,
    paints,
    light,
    atlas,
    chosen,
    near,
    winner,
    fine_near,
    fine_winner,
    lit,
    image,
    depth,
    ids,
):
    """Fill image (H, W, 3), depth (H, W) and ids (H, W).

    paints[0] is the bare ground; `chosen` is scratch for as many; `fine_…` are (2 H, stride) of a camera with
    twice the pixels; the first camera is meant; `lit` is the share of sunlight on the ground.
    """
    eye, lamp, integers = eye_at(cameras, 0), _lamp(light), solids.view(np.int32)
    position, pixel = as_float32(eye.position), np.float32(1 / eye.focal)
    height, width = depth.shape
    for row in range(height):
        a, i, j = rays_from(eye, (width, height, 0, 0), 0, row)
        rays = (as_float32(a), as_float32(i), as_float32(j))
        count = _choose_paints(paints, chosen, position, rays, pixel, near, winner, row, width)
        left = 0
        while left < width:
            mark, right = winner[row, left], left + 1
            while right < width and winner[row, right] == mark:
                right += 1
            instance = GROUND_ID
            if mark == NO_GROUND:
                instance = SKY_ID
                _shade_sky(image, row, left, right, lamp, rays)
            elif mark == NO_SOLID:
                _shade_ground(
                    image, row, left, right, lamp, rays, near, lit, paints, chosen, count, atlas, position
                )
            else:
                instance = integers[np.int64(mark), INSTANCE]
                surface = surface_at(solids, integers, np.int64(mark), eye.position)
                _shade_solid(image, row, left, right, lamp, rays, near, surface, atlas, pixel)
            for x in range(left, right):
                depth[row, x], ids[row, x] = ONE / near[row, x], instance
                if _is_edge(fine_winner, row, x, mark):
                    _smooth(
                        *(
                            image,
                            row,
                            x,
                            lamp,
                            rays,
                            fine_near,
                            fine_winner,
                            lit,
                            solids,
                            paints,
                            chosen,
                            count,
                        ),
                        *(atlas, eye, pixel),
                    )
            left = right
