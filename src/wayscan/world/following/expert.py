"""The expert: it knows where everybody is, and keeps the target in sight from a good place."""

from math import pi

import numpy as np
from numpy.typing import NDArray

from wayscan.world.following.pursuit import ACCELERATIONS, DT, LIMITS, ROBOT_RADIUS, Pursuit

DISTANCE = 1.8  # metres it would like to the target
PLACES = 32  # round the target that it weighs
AHEAD = 0.4  # seconds it looks ahead
GAIN = 1.6  # 1/s
TRAIL = 0.5  # of the target's velocity that is matched at once: the rest draws the robot behind it
TURN_GAIN = 4.0
LEFT_BEHIND, GLANCE = 2.3, 0.55  # metres, radians
SOON = np.array([0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.2])  # seconds for which it foresees where a command leads
OPTIONS = LIMITS[:2] * np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 2), axis=-1).reshape(-1, 2)
LEAST_GAP = 0.66  # metres between middles, of robot and people, that it foresees to keep
LEAST_ROOM = ROBOT_RADIUS + 0.08  # metres from its middle to things
CLEAR_OF_PEOPLE, CLEAR_OF_THINGS = 0.72, 0.1  # metres


class Expert:
    """`expert(pursuit)` is a command (3,) in m/s and rad/s. It has no memory."""

    def __call__(self, pursuit: Pursuit) -> NDArray[np.float64]:
        goal = pursuit.crowd.positions[0] + AHEAD * pursuit.crowd.velocities[0]
        wish = self._wish(pursuit, self._best_place(pursuit, goal))
        return foreseeing(pursuit, _command(pursuit, wish))

    def _best_place(self, pursuit: Pursuit, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """The place round the target that is near, keeps it in sight and is free."""
        place, here = pursuit.task.place, pursuit.robot[:2]
        turns = np.arange(PLACES) * 2 * pi / PLACES
        around = np.stack([np.cos(turns), np.sin(turns)], axis=-1)
        spots = np.concatenate([target + DISTANCE * around, target + 1.35 * around])
        cost = np.linalg.norm(spots - here, axis=1)
        cost += 0.3 * (1 + np.cos(np.tile(turns, 2) - pursuit.crowd.headings[0]))  # behind is better
        cost += np.repeat([0.0, 0.3], PLACES)
        cost += 3.0 * ~place.floor.clear(here, spots, ROBOT_RADIUS)
        cost += 5.0 * ~place.screens.clear(spots, target, 0.25)
        cost += 20.0 * (place.floor.distance(spots) < ROBOT_RADIUS + CLEAR_OF_THINGS)
        later = pursuit.crowd.positions[1:] + AHEAD * pursuit.crowd.velocities[1:]
        gaps = np.linalg.norm(spots[:, None] - later, axis=-1)
        cost += 1.5 * (_to_segments(later, spots, target) < 0.4).sum(axis=1)
        cost += 4.0 * (gaps < CLEAR_OF_PEOPLE).sum(axis=1)
        return spots[int(np.argmin(cost))]

    def _wish(self, pursuit: Pursuit, spot: NDArray[np.float64]) -> NDArray[np.float64]:
        """The velocity (2,) that would take the robot there."""
        floor, here = pursuit.task.place.floor, pursuit.robot[:2]
        if floor.clear(here[None], spot[None], ROBOT_RADIUS)[0]:
            wish = TRAIL * pursuit.crowd.velocities[0] + GAIN * (spot - here)
            return wish * min(1.0, LIMITS[0] / max(float(np.linalg.norm(wish)), 1e-9))
        route = floor.route(here, spot)
        way = (spot if route is None else route[0]) - here
        return LIMITS[0] * way / max(float(np.linalg.norm(way)), 1e-6)


def foreseeing(pursuit: Pursuit, command: NDArray[np.float64]) -> NDArray[np.float64]:
    """The command (3,) nearest to a wanted one with which the robot, as quick as it is, hits nothing soon.

    People are thought to walk on as they do.
    """
    options = np.concatenate([command[None, :2], OPTIONS])
    crowd, floor = pursuit.crowd, pursuit.task.place.floor
    places = _places(pursuit, options, float(command[2]))
    later = crowd.positions + SOON[:, None, None] * crowd.velocities
    gaps = np.linalg.norm(places[:, :, None] - later, axis=-1).min(axis=1)
    rooms = floor.distance(places.reshape(-1, 2)).reshape(len(options), -1).min(axis=1)
    cost = np.linalg.norm(options - command[:2], axis=1)
    cost += (20 * np.maximum(LEAST_GAP - gaps, 0)).sum(axis=1)
    cost += 60 * np.maximum(LEAST_ROOM - rooms, 0)
    return np.append(options[int(np.argmin(cost))], command[2])


def _places(pursuit: Pursuit, options: NDArray[np.float64], turning: float) -> NDArray[np.float64]:
    """Where each of (O, 2) commands leads: (O, moments, 2)."""
    change = (options - pursuit.velocity[:2])[:, None]
    ramp = np.abs(change) / ACCELERATIONS[:2]  # seconds until the command is reached
    soon = np.minimum(ramp, SOON[:, None])
    moved = options[:, None] * SOON[:, None] - change * (soon - soon**2 / np.maximum(2 * ramp, 1e-9))
    yaw = pursuit.robot[2] + 0.5 * turning * SOON
    cosine, sine = np.cos(yaw), np.sin(yaw)
    x = cosine * moved[..., 0] - sine * moved[..., 1]
    y = sine * moved[..., 0] + cosine * moved[..., 1]
    return pursuit.robot[:2] + np.stack([x, y], axis=-1)


def _command(pursuit: Pursuit, velocity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drive with a velocity (2,) of the world, facing the target; who is left behind looks where it drives,
    as far as the target stays in view.
    """
    off = pursuit.bearing
    if pursuit.distance > LEFT_BEHIND:
        drives = float(np.arctan2(velocity[1], velocity[0])) - pursuit.robot[2] - off
        off += float(np.clip(np.mod(drives + pi, 2 * pi) - pi, -GLANCE, GLANCE))
    turning = float(np.clip(TURN_GAIN * off, -LIMITS[2], LIMITS[2]))
    yaw = pursuit.robot[2] + turning * DT / 2
    cosine, sine = np.cos(yaw), np.sin(yaw)
    forward, left = cosine * velocity[0] + sine * velocity[1], cosine * velocity[1] - sine * velocity[0]
    return np.clip([forward, left, turning], -LIMITS, LIMITS)


def _to_segments(
    points: NDArray[np.float64], starts: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distances (N, M) of points (M, 2) from the segments of (N, 2) to one end."""
    way = (end - starts)[:, None]
    offset = points - starts[:, None]
    along = (offset * way).sum(axis=-1) / np.maximum(np.square(way).sum(axis=-1), 1e-12)
    return np.linalg.norm(np.clip(along, 0, 1)[..., None] * way - offset, axis=-1)
