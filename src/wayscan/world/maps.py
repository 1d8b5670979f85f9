"""Maps of what stands on a rectangle of ground: room around each cell, ways through, cost to a goal.
Compiled.

A footprint is a row (x, y, half length, half width, cosine, sine, radius): a turned rectangle grown by the
radius, so a circle has halves of 0. Cell (i, j) of a map (I, J) has its middle at ((i + ½) cell, (j + ½)
cell).
"""

from math import hypot, sqrt
from typing import Any

import numpy as np
from numba import njit

KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "boundscheck": False}
ROUNDS = 12  # of four sweeps at most, each halves what is still to come or ends


@njit(**KERNEL)
def footprint_distance(row, x, y):
    """Metres from (x, y) to a footprint's edge, below 0 inside."""
    px, py, c, s = x - row[0], y - row[1], row[4], row[5]
    dx, dy = abs(c * px + s * py) - row[2], abs(c * py - s * px) - row[3]
    return hypot(max(dx, 0.0), max(dy, 0.0)) + min(max(dx, dy), 0.0) - row[6]


@njit(**KERNEL)
def scatter(tries, radii, gap, spans, kept):
    """Places (N, 2) for discs of radii (N,) that are `gap` apart, and whose spans (N,) stay off kept (K, 3)
    discs: the first of each one's tries (N, T, 2) that is free; NaN where none is.
    """
    places = np.full((len(radii), 2), np.nan)
    for n in range(len(radii)):
        for t in range(tries.shape[1]):
            x, y, free = tries[n, t, 0], tries[n, t, 1], True
            for k in range(len(kept)):
                if hypot(x - kept[k, 0], y - kept[k, 1]) < spans[n] + kept[k, 2]:
                    free = False
                    break
            for m in range(n):
                if not free:
                    break
                if hypot(x - places[m, 0], y - places[m, 1]) < radii[n] + radii[m] + gap:
                    free = False
            if free:
                places[n, 0], places[n, 1] = x, y
                break
    return places


@njit(**KERNEL)
def room(footprints, length, width, cell, reach):
    """(I, J) metres from cells to the nearest footprint (N, 7) or the rectangle's edge, at most `reach`."""
    rows, columns = int(np.ceil(length / cell)), int(np.ceil(width / cell))
    free = np.empty((rows, columns))
    for i in range(rows):
        x = (i + 0.5) * cell
        for j in range(columns):
            y = (j + 0.5) * cell
            free[i, j] = min(reach, x, length - x, y, width - y)
    for n in range(len(footprints)):
        row = footprints[n]
        extent = hypot(row[2], row[3]) + row[6] + reach
        low, high = max(int((row[0] - extent) / cell), 0), min(int((row[0] + extent) / cell) + 1, rows)
        left, right = max(int((row[1] - extent) / cell), 0), min(int((row[1] + extent) / cell) + 1, columns)
        for i in range(low, high):
            for j in range(left, right):
                near = footprint_distance(row, (i + 0.5) * cell, (j + 0.5) * cell)
                free[i, j] = min(free[i, j], near)
    return free


@njit(**KERNEL)
def connected(free, passage, cell, start, goal):
    """Whether cells with room for `passage` lead from start (2,) to goal (2,)."""
    rows, columns = free.shape
    seen = np.zeros((rows, columns), dtype=np.bool_)
    waiting = np.empty(rows * columns, dtype=np.int64)
    end = int(goal[0] / cell) * columns + int(goal[1] / cell)
    waiting[0] = int(start[0] / cell) * columns + int(start[1] / cell)
    count = int(free[waiting[0] // columns, waiting[0] % columns] > passage)
    seen[waiting[0] // columns, waiting[0] % columns] = True
    while count:
        count -= 1
        here = waiting[count]
        if here == end:
            return True
        i, j = here // columns, here % columns
        for k in range(4):
            a, b = i + (k == 0) - (k == 1), j + (k == 2) - (k == 3)
            if 0 <= a < rows and 0 <= b < columns and not seen[a, b] and free[a, b] > passage:
                seen[a, b] = True
                waiting[count] = a * columns + b
                count += 1
    return False


@njit(**KERNEL)
def cost_to_go(slowness, cell, goal):
    """(I, J) cost of the cheapest way from each cell to goal (2,), `slowness` (I, J) being the cost of a
    metre.

    Solves |∇T| = slowness by fast sweeping (Zhao 2005), so ways need not follow the grid's directions.
    """
    rows, columns = slowness.shape
    cost = np.full((rows, columns), 1e9)
    gi, gj = int(goal[0] / cell), int(goal[1] / cell)
    for i in range(max(gi - 1, 0), min(gi + 2, rows)):
        for j in range(max(gj - 1, 0), min(gj + 2, columns)):
            cost[i, j] = hypot((i + 0.5) * cell - goal[0], (j + 0.5) * cell - goal[1])
    for _ in range(ROUNDS):
        change = 0.0
        for sweep in range(4):
            for p in range(rows):
                i = p if sweep % 2 == 0 else rows - 1 - p
                for q in range(columns):
                    j = q if sweep < 2 else columns - 1 - q
                    a = min(cost[max(i - 1, 0), j], cost[min(i + 1, rows - 1), j])
                    b = min(cost[i, max(j - 1, 0)], cost[i, min(j + 1, columns - 1)])
                    f = slowness[i, j] * cell
                    new = min(a, b) + f
                    if abs(a - b) < f:
                        new = 0.5 * (a + b + sqrt(2 * f * f - (a - b) ** 2))
                    if new < cost[i, j] - 1e-9:
                        change = max(change, min(cost[i, j], 1e6) - new)
                        cost[i, j] = new
        if change < 0.01:
            break
    return cost


@njit(**KERNEL)
def sample(image, cell, x, y):
    """Value of a map (I, J) at (x, y), linear between the middles of cells and constant beyond the edge."""
    u = min(max(x / cell - 0.5, 0.0), image.shape[0] - 1.001)
    v = min(max(y / cell - 0.5, 0.0), image.shape[1] - 1.001)
    i, j = int(u), int(v)
    s, t = u - i, v - j
    return (1 - s) * ((1 - t) * image[i, j] + t * image[i, j + 1]) + s * (
        (1 - t) * image[i + 1, j] + t * image[i + 1, j + 1]
    )


@njit(**KERNEL)
def downhill(cost, cell, x, y, length):
    """Where the cheapest way from (x, y) has led after `length` metres, or at the goal."""
    step, done = 0.5 * cell, 0.0
    while done < length:
        right, left = sample(cost, cell, x + step, y), sample(cost, cell, x - step, y)
        above, below = sample(cost, cell, x, y + step), sample(cost, cell, x, y - step)
        dx, dy = left - right, below - above
        steep = hypot(dx, dy)
        if steep < 1e-9 or sample(cost, cell, x, y) < 2 * step:
            break
        x, y, done = x + step * dx / steep, y + step * dy / steep, done + step
    return x, y
