"""Neutral records: what every format is read into and every generator makes. NumPy only.

Frames are RGB uint8 (H, W, 3); boxes float (x, y, w, h) in pixels from the top-left corner; K frames.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture of one camera at one moment, with what else is known of its pixels."""

    image: NDArray[np.uint8]  # (H, W, 3)
    time: float = 0.0  # seconds
    camera: str = "front"
    depth: NDArray[np.float32] | None = None  # (H, W) metres along the optical axis
    ids: NDArray[np.int32] | None = None  # (H, W) instance in each pixel, -1 for none

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
    """A video with one target: its frames in memory or as paths, and the target's box in each frame.

    `boxes` are the whole target's extent, cut at the image's edge but not by what occludes it. A row of NaN
    says
    that no box is known. `visible` is the share of the target that can be seen; `absent` marks frames
    without it.
    """

    name: str
    boxes: NDArray[np.float64]  # (K, 4)
    frames: NDArray[np.uint8] | None = None  # (K, H, W, 3)
    paths: tuple[Path, ...] | None = None  # K image files
    visible: NDArray[np.float64] = None  # type: ignore[assignment]  # (K,) in [0, 1]; 1 if not given
    absent: NDArray[np.bool_] = None  # type: ignore[assignment]  # (K,); where the box is NaN if not given
    source: str = ""
    synthetic: bool = False

    def __post_init__(self) -> None:
        if (self.frames is None) == (self.paths is None):
            raise ValueError(
                f"clip {self.name!r} needs its frames either in memory or as paths: give exactly one of them"
            )
        frames = 0 if self.frames is None else len(self.frames)
        length = len(self.paths) if self.paths is not None else frames
        if self.boxes.shape != (length, 4) or length == 0:
            raise ValueError(
                f"clip {self.name!r}: boxes have shape {self.boxes.shape}; expected ({length}, 4), one "
                f"row a frame and "
                "at least one frame; fill unknown rows with NaN"
            )
        if self.frames is not None:
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

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (self.frame(k) for k in range(len(self)))

    def frame(self, k: int) -> NDArray[np.uint8]:
        """Frame k, RGB (H, W, 3); read from its file when the clip holds paths."""
        if self.frames is not None:
            return self.frames[k]
        from wayscan.data.images import read_image

        assert self.paths is not None
        return read_image(self.paths[k])


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """A recorded drive or walk: cameras, the ego's path, and what it was told to do.

    `videos` maps a camera's name to its frames (K, H, W, 3); `poses` are (x, y, θ) in metres and radians in
    the
    world's frame; `tracks` maps other road users or people to their (K, 3) poses, NaN where they are not
    there.
    """

    name: str
    times: NDArray[np.float64]  # (K,) seconds
    poses: NDArray[np.float64]  # (K, 3)
    videos: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    tracks: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    actions: NDArray[np.float64] | None = None  # (K, A)
    text: str = ""
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
