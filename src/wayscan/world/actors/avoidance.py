"""Velocities that avoid each other: each walker takes half of what is needed (reciprocal avoidance, ORCA).

What a walker may do is a set of half planes of velocities, (nx, ny, c): nx · vx + ny · vy ≥ c. Among the
allowed velocities it takes the one nearest to what it would like.
"""

from collections.abc import Sequence
from math import hypot, sqrt

HalfPlane = tuple[float, float, float]
Pair = tuple[float, float]

PART = 0.4  # seconds in which those who are too near to each other part
SLACKS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # m/s that crowded walkers forgive each other, in turn


def half_plane_between(
    offset: Pair, own: Pair, other: Pair, reach: float, horizon: float, share: float
) -> HalfPlane:
    """Velocities that do not bring a walker within `reach` of another in the next `horizon` seconds.

    Args:
        offset: from the walker to the other.
        own, other: their velocities.
        share: of the avoiding that the walker does: 0.5 when the other does as much, 1 when it does nothing.
    """
    px, py = offset
    vx, vy = own[0] - other[0], own[1] - other[1]
    square = px * px + py * py
    close = square <= reach * reach
    time = PART if close else horizon
    wx, wy = vx - px / time, vy - py / time
    length = hypot(wx, wy)
    dot = wx * px + wy * py
    if close or (dot < 0 and dot * dot > reach * reach * length * length):
        # Nearest to the round end of the forbidden cone.
        nx, ny = (wx / length, wy / length) if length > 1e-9 else _away(px, py)
        far = reach / time - length
    else:
        leg = sqrt(square - reach * reach)
        if px * wy - py * wx > 0:
            nx, ny = (-(px * reach + py * leg) / square, (px * leg - py * reach) / square)
        else:
            nx, ny = ((py * leg - px * reach) / square, -(py * reach + px * leg) / square)
        far = -(vx * nx + vy * ny)
    return nx, ny, nx * own[0] + ny * own[1] + share * far


def _away(px: float, py: float) -> Pair:
    length = hypot(px, py)
    return (-px / length, -py / length) if length > 1e-9 else (1.0, 0.0)


def allowed_velocity(
    wish: Pair, fastest: float, fixed: Sequence[HalfPlane], soft: Sequence[HalfPlane]
) -> Pair:
    """The velocity nearest to `wish` in all half planes; if there is none, the soft ones give way, as little
    as needed; if there is still none, stand.
    """
    for slack in SLACKS:
        planes = [*fixed, *((nx, ny, c - slack) for nx, ny, c in soft)]
        found = _nearest(wish, fastest, planes)
        if found is not None:
            return found
    return 0.0, 0.0


def _nearest(wish: Pair, fastest: float, planes: Sequence[HalfPlane]) -> Pair | None:
    """The point of the disc of radius `fastest` and the half planes that is nearest to `wish`; plane by
    plane: whenever the last one cuts off the best point so far, the new one lies on its edge.
    """
    length = hypot(*wish)
    x, y = wish if length <= fastest else (wish[0] * fastest / length, wish[1] * fastest / length)
    for k, (nx, ny, c) in enumerate(planes):
        if nx * x + ny * y >= c - 1e-9:
            continue
        room = fastest * fastest - c * c
        if room < 0:
            return None
        high = sqrt(room)
        low = -high
        for mx, my, d in planes[:k]:
            rate, need = my * nx - mx * ny, d - c * (mx * nx + my * ny)
            if abs(rate) < 1e-9:
                if need > 1e-9:
                    return None
            elif rate > 0:
                low = max(low, need / rate)
            else:
                high = min(high, need / rate)
        if low > high:
            return None
        along = min(max(wish[1] * nx - wish[0] * ny, low), high)
        x, y = c * nx - along * ny, c * ny + along * nx
    return x, y
