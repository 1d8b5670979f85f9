"""Who sees whom, by geometry alone: the share of a box's points that a camera sees past other boxes.

It needs no picture: scenes are chosen by it before one is drawn.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world.cameras import Camera

Blocks = NDArray[np.float64]  # (B, 7): x, y, z of the middle, half length, half width, half height, yaw

_SAMPLES = np.stack(np.meshgrid(*[np.array([-0.95, 0.0, 0.95])] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def block(pose: ArrayLike, size: tuple[float, float, float]) -> NDArray[np.float64]:
    """The box (7,) of something of length, width and height `size` that stands at a pose (x, y, θ)."""
    x, y, yaw = np.asarray(pose, dtype=np.float64)
    length, width, height = size
    return np.array([x, y, height / 2, length / 2, width / 2, height / 2, yaw])


def points_of(body: ArrayLike) -> NDArray[np.float64]:
    """Points (27, 3) spread through a box (7,)."""
    x, y, z, *half, yaw = np.asarray(body, dtype=np.float64)
    local = _SAMPLES * half
    c, s = np.cos(yaw), np.sin(yaw)
    return np.stack(
        [x + c * local[:, 0] - s * local[:, 1], y + s * local[:, 0] + c * local[:, 1], z + local[:, 2]],
        axis=-1,
    )


def seen_share(camera: Camera, body: ArrayLike, blocks: Blocks) -> float:
    """Share of a body's (7,) points that are in the camera's view and not behind one of (B, 7) blocks."""
    points = points_of(body)
    pixels, depth = camera.project(points)
    inside = (depth > 0.1) & (pixels >= 0).all(-1) & (pixels <= (camera.width, camera.height)).all(-1)
    return float((inside & ~hidden(camera.position, points, blocks)).mean())


def hidden(eye: ArrayLike, points: NDArray[np.float64], blocks: Blocks) -> NDArray[np.bool_]:
    """Which points (N, 3) lie behind one of (B, 7) blocks, seen from the eye (3,)."""
    c, s = np.cos(blocks[:, 6]), np.sin(blocks[:, 6])

    def local(places: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 1, 3) in the frames of the blocks: (..., B, 3)."""
        offset = places - blocks[:, :3]
        x, y = offset[..., 0], offset[..., 1]
        return np.stack([c * x + s * y, c * y - s * x, offset[..., 2]], axis=-1)

    start, end = local(np.asarray(eye, dtype=np.float64)[None, None]), local(points[:, None])
    way = end - start
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    half = blocks[:, 3:6]
    first, second = (-half - start) / way, (half - start) / way
    enters, leaves = np.minimum(first, second).max(-1), np.maximum(first, second).min(-1)
    return ((enters < leaves) & (enters < 1) & (leaves > 0)).any(axis=1)
