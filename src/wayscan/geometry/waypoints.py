"""Ways: points (T, 2) or (..., T, 2) at equal steps of time, and what can be said of them.

A way from the ego's own frame starts at (0, 0), which is not among its points: point k is where the ego is
after (k + 1) dt seconds. Letters: T points.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.geometry.poses import wrap_angle

Way = NDArray[np.float64]


def steps(way: ArrayLike) -> NDArray[np.float64]:
    """Displacement of each step (..., T, 2), the first one from the origin."""
    way = _way(way)
    return np.diff(way, axis=-2, prepend=np.zeros((*way.shape[:-2], 1, 2)))


def speeds(way: ArrayLike, dt: float) -> NDArray[np.float64]:
    """m/s during each step (..., T)."""
    return np.linalg.norm(steps(way), axis=-1) / dt


def accelerations(way: ArrayLike, dt: float) -> NDArray[np.float64]:
    """m/s² between steps (..., T - 1): the change of speed along the way."""
    return np.diff(speeds(way, dt), axis=-1) / dt


def headings(way: ArrayLike, *, still: float = 0.05) -> NDArray[np.float64]:
    """Direction of each step (..., T); who moves less than `still` metres keeps the last one (at first 0)."""
    moved = steps(way)
    angles = np.arctan2(moved[..., 1], moved[..., 0])
    known = np.linalg.norm(moved, axis=-1) >= still
    index = np.where(known, np.arange(known.shape[-1]), -1)
    last = np.maximum.accumulate(index, axis=-1)
    return np.where(last >= 0, np.take_along_axis(angles, np.maximum(last, 0), axis=-1), 0.0)


def turned(way: ArrayLike) -> NDArray[np.float64]:
    """Radians (...,) that the heading has changed by at the end, to the left above 0."""
    return wrap_angle(headings(way)[..., -1])


def resample(times: ArrayLike, way: ArrayLike, at: ArrayLike) -> Way:
    """Points (T, n) at known times (T,), linearly interpolated at other times (S,) within them: (S, n)."""
    times, at = np.asarray(times, dtype=np.float64), np.asarray(at, dtype=np.float64)
    way = np.asarray(way, dtype=np.float64)
    if len(times) != len(way) or (np.diff(times) <= 0).any():
        raise ValueError(
            f"{len(times)} times and {len(way)} points; expected as many, at times that increase; sort them"
        )
    if len(at) and (at.min() < times[0] - 1e-9 or at.max() > times[-1] + 1e-9):
        raise ValueError(
            f"asked for times {at.min():g} to {at.max():g}; expected within {times[0]:g} to {times[-1]:g}; a "
            f"way is not continued beyond what is known"
        )
    return np.stack([np.interp(at, times, column) for column in way.T], axis=-1)


def resample_by_length(way: ArrayLike, step: float) -> Way:
    """A polyline (P, n) at equal steps of its length in the plane, ends included as near as that goes."""
    way = np.asarray(way, dtype=np.float64)
    far = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(way[:, :2], axis=0), axis=-1))])
    count = max(round(far[-1] / step), 1)
    return np.stack([np.interp(np.linspace(0, far[-1], count + 1), far, column) for column in way.T], axis=-1)


def l2(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Metres between ways at each point (..., T)."""
    return np.linalg.norm(_way(predicted) - _way(truth), axis=-1)


def _way(way: ArrayLike) -> Way:
    array = np.asarray(way, dtype=np.float64)
    if array.ndim < 2 or array.shape[-1] != 2 or array.shape[-2] < 1:
        raise ValueError(f"a way has shape {array.shape}; expected (..., T, 2) with at least one point")
    return array
