"""How drones move and what they touch. Compiled; wayscan.world.drone says what the numbers mean.

A drone's state is a row of STATE numbers: position (3), velocity (3) in the world's frame, yaw, yaw rate,
pitch, roll. Its make is a row of MAKE numbers: lag, climb lag, yaw lag, drag (s), most acceleration (m/s²),
radius (m).
"""

from math import atan, cos, exp, hypot, inf, pi, sin, sqrt
from typing import Any

from numba import njit

STATE, MAKE = 10, 6
X, Y, Z, VX, VY, VZ, YAW, YAW_RATE, PITCH, ROLL = range(STATE)
FLYING, CRASHED, ARRIVED = 0, 1, 2
GRAVITY = 9.81
BOX, CYLINDER, SPHERE, CAPSULE = 1, 2, 3, 4
KERNEL: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "boundscheck": False}


@njit(**KERNEL)
def distance(solid, x, y, z):
    """Metres from a point to a solid's surface, below 0 inside; infinite for an empty row."""
    shape, radius = solid.shape, float(solid.radius)
    px, py, pz = x - solid.a[0], y - solid.a[1], z - solid.a[2]
    if shape == SPHERE:
        return sqrt(px * px + py * py + pz * pz) - radius
    if shape == CYLINDER:
        half = 0.5 * solid.b[2]
        beside, above = hypot(px, py) - radius, abs(pz - half) - half
        return hypot(max(beside, 0.0), max(above, 0.0)) + min(max(beside, above), 0.0)
    if shape == BOX:
        c, s = solid.turn[0], solid.turn[1]
        dx = abs(c * px + s * py) - solid.b[0]
        dy = abs(c * py - s * px) - solid.b[1]
        dz = abs(pz) - solid.b[2]
        ox, oy, oz = max(dx, 0.0), max(dy, 0.0), max(dz, 0.0)
        return sqrt(ox * ox + oy * oy + oz * oz) + min(max(dx, dy, dz), 0.0)
    if shape == CAPSULE:
        ax, ay, az = solid.b[0] - solid.a[0], solid.b[1] - solid.a[1], solid.b[2] - solid.a[2]
        share = (px * ax + py * ay + pz * az) / max(ax * ax + ay * ay + az * az, 1e-12)
        share = min(max(share, 0.0), 1.0)
        px, py, pz = px - share * ax, py - share * ay, pz - share * az
        return sqrt(px * px + py * py + pz * pz) - radius
    return inf


@njit(**KERNEL)
def clearance(solids, x, y, z, floor, ceiling):
    """Metres from a point to the nearest of solids (P,), the floor and the ceiling."""
    nearest = min(z - floor, ceiling - z)
    for p in range(len(solids)):
        nearest = min(nearest, distance(solids[p], x, y, z))
    return nearest


@njit(**KERNEL)
def share_of_way(mover, time):
    """Where between its two ends a mover is: it swings as a pendulum does."""
    return 0.5 - 0.5 * cos(2 * pi * (time / mover.period + mover.phase))


@njit(**KERNEL)
def place_movers(solids, movers, time):
    """Write where movers (M,) are into their rows of solids (P,)."""
    for m in range(len(movers)):
        mover = movers[m]
        if mover.period > 0:
            share = share_of_way(mover, time)
            for axis in range(3):
                place = mover.start[axis] + share * (mover.end[axis] - mover.start[axis])
                solids[mover.row].a[axis] = place


@njit(**KERNEL)
def move(state, make, forward, turn, climb, wind_x, wind_y, wind_z, seconds):
    """One drone (STATE,), one piece of time: lags solved exactly, the tilt's limit held for the piece."""
    lag, climb_lag, yaw_lag, drag, most = make[0], make[1], make[2], make[3], make[4]
    fade = exp(-seconds / yaw_lag)
    turned = turn * seconds + (state[YAW_RATE] - turn) * yaw_lag * (1 - fade)
    middle = state[YAW] + 0.5 * turned
    state[YAW] += turned
    state[YAW_RATE] = turn + (state[YAW_RATE] - turn) * fade

    c, s = cos(middle), sin(middle)
    pull_x, pull_y = (forward * c - state[VX]) / lag, (forward * s - state[VY]) / lag
    ease = min(1.0, most / max(hypot(pull_x, pull_y), 1e-12))
    pull_x, pull_y = ease * pull_x, ease * pull_y
    state[PITCH] = -atan((c * pull_x + s * pull_y) / GRAVITY)
    state[ROLL] = -atan((c * pull_y - s * pull_x) / GRAVITY)

    rate = 1 / lag + 1 / drag
    _lean(state, X, state[VX] / lag + pull_x + wind_x / drag, rate, seconds)
    _lean(state, Y, state[VY] / lag + pull_y + wind_y / drag, rate, seconds)
    _lean(state, Z, climb / climb_lag + wind_z / drag, 1 / climb_lag + 1 / drag, seconds)


@njit(**KERNEL)
def _lean(state, axis, push, rate, seconds):
    """v' = push − rate v, from now for so many seconds."""
    speed = state[axis + VX]
    last = push / rate
    fade = exp(-rate * seconds)
    state[axis] += last * seconds + (speed - last) * (1 - fade) / rate
    state[axis + VX] = last + (speed - last) * fade


@njit(**KERNEL)
def fly(
    states,
    make,
    commands,
    winds,
    seconds,
    pieces,
    solids,
    movers,
    times,
    goals,
    near,
    floor,
    ceiling,
    outcomes,
    nearest,
    ways,
):
    """W drones, one action each, in `pieces` pieces of time; what touches or arrives stops there.

    Changes states (W, STATE), solids (W, P) of the movers (W, M) and times (W,); writes outcomes (W,), the
    least clearance of the drone's hull (W,) and the metres flown (W,). commands (W, 3) are forward (m/s), yaw
    rate (rad/s), climb (m/s); winds and goals (W, 3).
    """
    piece = seconds / pieces
    for w in range(len(states)):
        state, outcomes[w], nearest[w], ways[w] = states[w], FLYING, inf, 0.0
        for _ in range(pieces):
            x, y, z = state[X], state[Y], state[Z]
            command, wind = commands[w], winds[w]
            move(state, make, command[0], command[1], command[2], wind[0], wind[1], wind[2], piece)
            times[w] += piece
            place_movers(solids[w], movers[w], times[w])
            ways[w] += sqrt((state[X] - x) ** 2 + (state[Y] - y) ** 2 + (state[Z] - z) ** 2)
            room = clearance(solids[w], state[X], state[Y], state[Z], floor, ceiling) - make[5]
            nearest[w] = min(nearest[w], room)
            if room < 0:
                outcomes[w] = CRASHED
                break
            goal = goals[w]
            if sqrt((state[X] - goal[0]) ** 2 + (state[Y] - goal[1]) ** 2 + (state[Z] - goal[2]) ** 2) < near:
                outcomes[w] = ARRIVED
                break
