"""Poses in the plane: (x, y, θ) in metres and radians, x forward and y left in a body's own frame.

Every function keeps leading shapes and computes in float64. Boxes of cars lie about their pose's point.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Poses = NDArray[np.float64]


def wrap_angle(angle: ArrayLike) -> NDArray[np.float64]:
    """The same angle in [-π, π).

    >>> wrap_angle(np.pi * 1.5).round(4).item()
    -1.5708
    """
    return np.mod(np.asarray(angle, dtype=np.float64) + np.pi, 2 * np.pi) - np.pi


def to_ego(points: ArrayLike, ego: ArrayLike) -> NDArray[np.float64]:
    """Points (..., 2) or poses (..., 3) of the world, as seen from the ego poses (..., 3).

    >>> to_ego([0.0, 3.0], [0.0, 1.0, np.pi / 2]).round(4).tolist()  # two metres ahead
    [2.0, 0.0]
    """
    points, ego = _points(points), _poses(ego)
    cosine, sine = np.cos(ego[..., 2]), np.sin(ego[..., 2])
    x, y = points[..., 0] - ego[..., 0], points[..., 1] - ego[..., 1]
    moved = [cosine * x + sine * y, cosine * y - sine * x]
    if points.shape[-1] == 3:
        moved.append(wrap_angle(points[..., 2] - ego[..., 2]))
    return np.stack(np.broadcast_arrays(*moved), axis=-1)


def from_ego(points: ArrayLike, ego: ArrayLike) -> NDArray[np.float64]:
    """Inverse of `to_ego`."""
    points, ego = _points(points), _poses(ego)
    cosine, sine = np.cos(ego[..., 2]), np.sin(ego[..., 2])
    x, y = points[..., 0], points[..., 1]
    moved = [ego[..., 0] + cosine * x - sine * y, ego[..., 1] + sine * x + cosine * y]
    if points.shape[-1] == 3:
        moved.append(wrap_angle(points[..., 2] + ego[..., 2]))
    return np.stack(np.broadcast_arrays(*moved), axis=-1)


def integrate_unicycle(start: ArrayLike, speeds: ArrayLike, yaw_rates: ArrayLike, dt: float) -> Poses:
    """From poses (..., 3), T steps of speed (..., T) and yaw rate (..., T), each held for dt seconds: poses
    (..., T, 3) after each step, exactly on the arcs.
    """
    start = _poses(start)
    speeds, rates = np.broadcast_arrays(
        np.asarray(speeds, dtype=np.float64), np.asarray(yaw_rates, dtype=np.float64)
    )
    after = start[..., 2:] + np.cumsum(rates, axis=-1) * dt
    half = rates * dt / 2
    chord = speeds * dt * np.sinc(half / np.pi)
    x = start[..., :1] + np.cumsum(chord * np.cos(after - half), axis=-1)
    y = start[..., 1:2] + np.cumsum(chord * np.sin(after - half), axis=-1)
    return np.stack([x, y, wrap_angle(after)], axis=-1)


def corners(poses: ArrayLike, sizes: ArrayLike) -> NDArray[np.float64]:
    """Corners (..., 4, 2) of boxes of length and width (..., 2) about poses (..., 3), counter-clockwise."""
    half = np.asarray(sizes, dtype=np.float64)[..., None, :2] / 2
    return from_ego(half * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]), _poses(poses)[..., None, :])


def boxes_overlap(
    first: ArrayLike, first_sizes: ArrayLike, second: ArrayLike, second_sizes: ArrayLike
) -> NDArray[np.bool_]:
    """Whether boxes of length and width (..., 2) about poses (..., 3) overlap; those that touch do not.

    Two rectangles are apart where one of their four sides separates them. NaN poses overlap nothing.
    """
    a, b = corners(first, first_sizes), corners(second, second_sizes)
    apart = np.zeros(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), dtype=bool)
    for pose in (_poses(first), _poses(second)):
        for turn in (0.0, np.pi / 2):
            axis = np.stack([np.cos(pose[..., 2] + turn), np.sin(pose[..., 2] + turn)], axis=-1)
            along_a, along_b = ((part * axis[..., None, :]).sum(-1) for part in (a, b))
            apart |= along_a.max(-1) <= along_b.min(-1)
            apart |= along_b.max(-1) <= along_a.min(-1)
    known = np.isfinite(a).all((-1, -2)) & np.isfinite(b).all((-1, -2))
    return known & ~apart


def _points(points: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64)
    if array.shape[-1:] not in ((2,), (3,)):
        raise ValueError(f"points have shape {array.shape}; expected (..., 2) points or (..., 3) poses")
    return array


def _poses(poses: ArrayLike) -> Poses:
    array = np.asarray(poses, dtype=np.float64)
    if array.shape[-1:] != (3,):
        raise ValueError(f"poses have shape {array.shape}; expected (..., 3): x, y, θ; add the heading")
    return array
