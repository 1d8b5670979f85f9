"""Poses (x, y, θ) that were recorded at some times, wanted at others. Metres, radians, seconds."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.geometry.poses import Poses, integrate_unicycle, wrap_angle

SAME_TIME = 1e-3  # seconds within which a sample is taken as it is instead of mixed with the next


def integrate(velocities: ArrayLike, dt: float) -> Poses:
    """Where a body is after each step of velocities (T, 3) = (vx, vy, ω) in its own frame; from the origin.

    >>> integrate([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], 0.5).round(6).tolist()
    [[0.5, 0.0, 0.0], [0.5, 1.0, 0.0]]
    """
    vx, vy, turn = np.asarray(velocities, dtype=np.float64).reshape(-1, 3).T
    poses = integrate_unicycle([0, 0, 0], vx, turn, dt)
    poses[:, :2] += integrate_unicycle([0, 0, np.pi / 2], vy, turn, dt)[:, :2]
    return poses


def sample(times: ArrayLike, poses: ArrayLike, wanted: ArrayLike) -> Poses:
    """Poses (K, 3) known at rising `times`, mixed linearly at the `wanted` times; NaN beside a NaN."""
    times, poses = np.asarray(times, dtype=np.float64), np.asarray(poses, dtype=np.float64)
    wanted = np.asarray(wanted, dtype=np.float64)
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    span = np.where(after > before, times[after] - times[before], 1.0)
    share = np.clip((wanted - times[before]) / span, 0, 1)[:, None]
    step = poses[after] - poses[before]
    step[:, 2] = wrap_angle(step[:, 2])
    mixed = poses[before] + share * step
    mixed[:, 2] = wrap_angle(mixed[:, 2])
    near = nearest(times, wanted)
    exact = np.abs(times[near] - wanted) <= SAME_TIME
    mixed[exact] = poses[near[exact]]
    return mixed


def nearest(times: ArrayLike, wanted: ArrayLike) -> NDArray[np.intp]:
    """For each wanted time the number of the nearest of rising `times`; the earlier one of two equals."""
    times, wanted = np.asarray(times, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    before_is = np.abs(times[before] - wanted) <= np.abs(times[after] - wanted) + SAME_TIME
    return np.where(before_is & (np.abs(times[after] - wanted) > SAME_TIME), before, after)
