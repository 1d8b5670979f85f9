"""Rigid motions in space as 4 × 4 matrices, as calibration files give them.

A file holds rotation (3 × 3) and translation (3 × 1, or 3), some inside "transform".
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.data.formats.entries import Entry
from wayscan.geometry.poses import Poses

Rigid = NDArray[np.float64]  # (4, 4)


def read_rigid(entry: Entry) -> Rigid:
    """The matrix that takes points from the file's first frame to its second."""
    if "transform" in entry:
        entry = entry.entry("transform")
    matrix = np.eye(4)
    matrix[:3, :3] = entry.numbers("rotation", (3, 3))
    translation = np.asarray(entry.value("translation"), dtype=object)
    shape = (3, 1) if translation.ndim == 2 else (3,)
    matrix[:3, 3] = entry.numbers("translation", shape).reshape(3)
    gram = matrix[:3, :3] @ matrix[:3, :3].T
    if np.abs(gram - np.eye(3)).max() > 1e-2 or np.linalg.det(matrix[:3, :3]) < 0:
        raise entry.fault("rotation", "expected a rotation: rows of length 1, at right angles")
    return matrix


def rigid_values(matrix: Rigid) -> dict[str, list]:
    """What a calibration file holds."""
    return {"rotation": matrix[:3, :3].tolist(), "translation": matrix[:3, 3:].tolist()}


def inverse(matrix: Rigid) -> Rigid:
    """Of a rigid motion."""
    result = np.eye(4)
    result[:3, :3] = matrix[:3, :3].T
    result[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return result


def planar_pose(matrix: Rigid) -> Poses:
    """(x, y, θ) of a frame in its parent's, θ = atan2(R₁₀, R₀₀)."""
    return np.array([matrix[0, 3], matrix[1, 3], np.arctan2(matrix[1, 0], matrix[0, 0])])


def upright(pose: ArrayLike, height: float = 0.0) -> Rigid:
    """The matrix of a pose (x, y, θ) at a height."""
    x, y, heading = np.asarray(pose, dtype=np.float64)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
    matrix[:3, 3] = x, y, height
    return matrix
