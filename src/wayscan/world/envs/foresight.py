"""How an expert flies that knows the map and the future: the cheapest way, and round what it foresees.

Compiled.
"""

from math import atan2, cos, hypot, inf, pi

import numpy as np
from numba import njit

from wayscan.world.flight import KERNEL, YAW, X, Y, Z, clearance, move, place_movers
from wayscan.world.maps import downhill

AHEAD = 1.8  # m along the cheapest way that the nose points at
EAGER = 2.5  # yaw rate (1/s) for each radian off
FORESEEN = 12  # actions
SAFE = 0.12  # m of the hull in what is foreseen
# Turns off the way (rad) and shares of the speed, the ones that are liked first.
_TURNS = [0, 0.35, -0.35, 0, 0.35, -0.35, 0.7, -0.7, 0.7, -0.7, 0, 1.2, -1.2, 1.2, -1.2, 0, 0.7, -0.7, 0]
_SHARES = [1, 1, 1, 0.5, 0.5, 0.5, 1, 1, 0.5, 0.5, 0, 1, 1, 0.5, 0.5, -0.5, -0.5, -0.5, -1]
_LAST = [(1.2, 0.0), (-1.2, 0.0), (2.2, 0.5), (-2.2, 0.5)]
CHOICES = np.array([*zip(_TURNS, _SHARES, strict=True), *_LAST])


@njit(**KERNEL)
def off(angle):
    """An angle in [−π, π)."""
    return (angle + pi) % (2 * pi) - pi


@njit(**KERNEL)
def towards(state, heading, speed, scale, command):
    """Write the command that turns to a heading: slower the farther off the nose is."""
    wrong = off(heading - state[YAW])
    command[1] = min(max(EAGER * wrong, -scale[1]), scale[1])
    command[0] = scale[0] * speed * (max(cos(wrong), 0.15) if speed > 0 else 1.0)


@njit(**KERNEL)
def foreseen_room(
    state, make, scale, wind, solids, movers, time, seconds, heading, speed, climb, ceiling, enough
):
    """Least clearance of the hull if a heading and a speed are held; ends early below what is enough."""
    ghost, command, least = state.copy(), np.zeros(3), inf
    for k in range(FORESEEN):
        towards(ghost, heading, speed, scale, command)
        move(ghost, make, command[0], command[1], climb, wind[0], wind[1], wind[2], seconds)
        place_movers(solids, movers, time + (k + 1) * seconds)
        least = min(least, clearance(solids, ghost[X], ghost[Y], ghost[Z], 0.0, ceiling) - make[5])
        if least < enough:
            break
    return least


@njit(**KERNEL)
def pilot(state, make, scale, wind, solids, movers, time, seconds, cost, cell, frame, goal, ceiling, command):
    """Write the expert's command (3,) for one drone (STATE,).

    solids (P,) and movers (M,) are scratch copies of the world's; frame is the forest's (cosine, sine, half
    length, half width), `cost` (I, J) its map.
    """
    c, s = frame[0], frame[1]
    x = c * state[X] + s * state[Y] + frame[2]
    y = c * state[Y] - s * state[X] + frame[3]
    to_x, to_y = downhill(cost, cell, x, y, AHEAD)
    dx, dy = to_x - x, to_y - y
    way = atan2(s * dx + c * dy, c * dx - s * dy)
    if hypot(goal[0] - state[X], goal[1] - state[Y]) < AHEAD or hypot(dx, dy) < cell:
        way = atan2(goal[1] - state[Y], goal[0] - state[X])
    climb = min(max(1.5 * (goal[2] - state[Z]), -scale[2]), scale[2])

    best, liked = -inf, 0
    for k in range(len(CHOICES)):
        turn, speed = CHOICES[k, 0], CHOICES[k, 1]
        enough = min(best, SAFE)
        room = foreseen_room(
            state, make, scale, wind, solids, movers, time, seconds, way + turn, speed, climb, ceiling, enough
        )
        if room > best:
            best, liked = room, k
        if room >= SAFE:
            break
    towards(state, way + CHOICES[liked, 0], CHOICES[liked, 1], scale, command)
    command[2] = climb
