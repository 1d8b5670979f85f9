"""Pinhole cameras.

A camera's frame is x right, y down, z forward; pixel (column i, row j) covers [i, i + 1] × [j, j + 1], and
its ray goes through its centre. `depth` of a point is its z: metres along the optical axis (planar depth);
`ray length` is its distance from the camera. `ray_length(depth, camera)` turns one into the other.
"""

from dataclasses import dataclass, replace
from math import cos, pi, sin, tan

import numpy as np
from numpy.typing import ArrayLike, NDArray

CAMERA = np.dtype(
    [
        ("position", np.float64, 3),
        ("right", np.float64, 3),
        ("down", np.float64, 3),
        ("forward", np.float64, 3),
        ("focal", np.float64),  # pixels
    ]
)
"""One camera of a batch, as kernels read it; the principal point is the middle of the image."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Where a camera stands and what it sees."""

    width: int
    height: int
    position: tuple[float, float, float] = (0.0, 0.0, 1.5)
    yaw: float = 0.0
    pitch: float = 0.0  # up is positive
    roll: float = 0.0  # to the right is positive
    field: float = pi / 2  # horizontal angle of view
    name: str = "front"

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"camera {self.name!r}: width, height are {(self.width, self.height)}; expected at least 1 "
                f"pixel each"
            )
        if not 0 < self.field < pi:
            raise ValueError(
                f"camera {self.name!r}: field is {self.field:g}; expected an angle between 0 and π"
            )
        if not np.isfinite([*self.position, self.yaw, self.pitch, self.roll]).all():
            raise ValueError(
                f"camera {self.name!r}: position, yaw, pitch, roll are "
                f"{(*self.position, self.yaw, self.pitch, self.roll)}; expected finite numbers"
            )

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.width / (2 * tan(self.field / 2))

    @property
    def axes(self) -> NDArray[np.float64]:
        """Rows right, down, forward (3, 3) in the world's frame: takes world directions to the camera's."""
        cos_yaw, sin_yaw, cos_pitch, sin_pitch = (
            cos(self.yaw),
            sin(self.yaw),
            cos(self.pitch),
            sin(self.pitch),
        )
        c, s = cos(self.roll), sin(self.roll)
        level = (sin_yaw, -cos_yaw, 0.0)
        below = (sin_pitch * cos_yaw, sin_pitch * sin_yaw, -cos_pitch)
        return np.array(
            [
                [c * x + s * y for x, y in zip(level, below, strict=True)],
                [c * y - s * x for x, y in zip(level, below, strict=True)],
                [cos_yaw * cos_pitch, sin_yaw * cos_pitch, sin_pitch],
            ]
        )

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Intrinsic matrix (3, 3)."""
        return np.array([[self.focal, 0, self.width / 2], [0, self.focal, self.height / 2], [0, 0, 1]])

    @property
    def pose(self) -> NDArray[np.float64]:
        """(4, 4), from the camera's frame to the world's."""
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = self.axes.T, self.position
        return pose

    def at(self, x: float, y: float, yaw: float) -> "Camera":
        """This camera mounted on something at (x, y) that is turned by yaw."""
        forward, left, up = self.position
        position = (
            x + cos(yaw) * forward - sin(yaw) * left,
            y + sin(yaw) * forward + cos(yaw) * left,
            up,
        )
        return replace(self, position=position, yaw=self.yaw + yaw)

    def project(self, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """World points (..., 3) → pixels (..., 2) and depths (...,); NaN pixels behind the camera."""
        relative = (np.asarray(points, dtype=np.float64) - self.position) @ self.axes.T
        depth = relative[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = self.focal * relative[..., :2] / depth[..., None]
        pixels += np.array([self.width / 2, self.height / 2])
        return np.where(depth[..., None] > 0, pixels, np.nan), depth

    def record(self) -> NDArray[np.void]:
        """() of CAMERA."""
        row = np.zeros((), dtype=CAMERA)
        row["position"], row["focal"] = self.position, self.focal
        row["right"], row["down"], row["forward"] = self.axes
        return row


def ray_length(depth: NDArray, camera: Camera) -> NDArray:
    """Planar depth (H, W) → distance from the camera along each pixel's ray."""
    x = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal
    y = (np.arange(camera.height) + 0.5 - camera.height / 2) / camera.focal
    return depth * np.sqrt(1 + np.square(x)[None, :] + np.square(y)[:, None]).astype(depth.dtype)
