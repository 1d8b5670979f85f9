"""Neutral records: what every format is read into and every generator makes. NumPy only.

Images are RGB uint8 (H, W, 3); boxes float (x, y, w, h) in pixels from the top-left corner; poses (x, y, θ)
in metres and radians, x forward and y left in a vehicle's own frame; times in seconds; K frames.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.data.footage import Footage, Image


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture of one camera at one moment, with what else is known of its pixels."""

    image: Image
    time: float = 0.0
    camera: str = "front"
    depth: NDArray[np.float32] | None = None  # (H, W) metres along the optical axis; inf for the sky
    ids: NDArray[np.int32] | None = None  # (H, W) instance in each pixel; -1 ground, -2 sky or nothing

    def __post_init__(self) -> None:
        check_image(self.image, "image")
        for name, plane in (("depth", self.depth), ("ids", self.ids)):
            if plane is not None and plane.shape != self.image.shape[:2]:
                raise ValueError(
                    f"{name} has shape {plane.shape}; expected the image's {self.image.shape[:2]}; resize "
                    f"one of them"
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """A video with one target, and the target's box in each frame.

    `boxes` are the whole target's extent, cut at the image's edge but not by what occludes it. A row of NaN
    says that no box is known. `visible` is the share of the target that can be seen; `absent` marks frames
    without it.
    """

    name: str
    frames: Footage  # K
    boxes: NDArray[np.float64]  # (K, 4)
    visible: NDArray[np.float64] = None  # type: ignore[assignment]  # (K,) in [0, 1]; 1 if not given
    absent: NDArray[np.bool_] = None  # type: ignore[assignment]  # (K,); where the box is NaN if not given
    text: str = ""  # the target in words, where the source has them
    source: str = ""
    synthetic: bool = False

    def __post_init__(self) -> None:
        length = len(self.frames)
        if self.boxes.shape != (length, 4) or length == 0:
            raise ValueError(
                f"clip {self.name!r}: boxes have shape {self.boxes.shape}; expected ({length}, 4), one row a "
                f"frame and at least one frame; fill unknown rows with NaN"
            )
        if isinstance(self.frames, np.ndarray):
            check_image(self.frames[0], f"clip {self.name!r}: a frame")
        unknown = np.isnan(self.boxes).any(axis=1)
        object.__setattr__(self, "absent", unknown if self.absent is None else self.absent)
        object.__setattr__(self, "visible", np.ones(length) if self.visible is None else self.visible)
        for label in ("visible", "absent"):
            if getattr(self, label).shape != (length,):
                raise ValueError(
                    f"clip {self.name!r}: {label} has shape {getattr(self, label).shape}; expected "
                    f"({length},)"
                )

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.frames)

    def frame(self, k: int) -> Image:
        """Frame k, RGB (H, W, 3)."""
        return self.frames[k]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lens:
    """A pinhole camera: what a camera's file of calibration says.

    `matrix` is the 3 × 3 of focal lengths and principal point in pixels; `pose` the 4 × 4 that takes points
    in the camera's frame (x right, y down, z forward) to `frame`: a vehicle's own frame or the world's.
    """

    matrix: NDArray[np.float64]
    pose: NDArray[np.float64]
    frame: str = "ego"

    def __post_init__(self) -> None:
        for name, shape in (("matrix", (3, 3)), ("pose", (4, 4))):
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"lens: {name} has shape {getattr(self, name).shape}; expected {shape}; see data.Lens"
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """A recorded drive or walk: cameras, the ego's path, those around it, and what it was told to do."""

    name: str
    times: NDArray[np.float64]  # (K,)
    poses: NDArray[np.float64]  # (K, 3) of the ego in the world's frame
    videos: Mapping[str, Footage] = field(default_factory=dict)  # by camera, K frames each
    lenses: Mapping[str, Lens] = field(default_factory=dict)  # by camera
    tracks: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # (K, 3) poses; NaN: not there
    sizes: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)  # length, width, height
    actions: NDArray[np.float64] | None = None  # (K, A) in the source's units, which `facts` may name
    text: str = ""  # the prompt or instruction
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else the source says: kind, outcome, seed
    source: str = ""
    synthetic: bool = False

    def __post_init__(self) -> None:
        length = len(self.times)
        parts = {"poses": self.poses, "actions": self.actions, **self.videos, **self.tracks}
        for name, part in parts.items():
            if part is not None and len(part) != length:
                raise ValueError(
                    f"episode {self.name!r}: {name} has {len(part)} rows; expected one for each of the "
                    f"{length} times"
                )

    def __len__(self) -> int:
        return len(self.times)


def check_image(image: NDArray, name: str) -> None:
    """Refuse what is not RGB uint8 (H, W, 3)."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(
            f"{name} is {image.dtype} {image.shape}; expected RGB uint8 (H, W, 3); convert it, e.g. by "
            f"data.read_image"
        )
