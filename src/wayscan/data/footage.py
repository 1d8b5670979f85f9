"""Footage: anything that gives RGB frames by number, so that records need not know where frames lie.

An array (K, H, W, 3) is footage as it is; `ImageFiles` reads files when they are asked for, and
`wayscan.data.video.VideoFile` decodes a video.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # RGB (H, W, 3)


class Footage(Protocol):
    """K frames, each RGB uint8 (H, W, 3)."""

    def __len__(self) -> int: ...

    def __getitem__(self, k: int, /) -> Image: ...

    def __iter__(self) -> Iterator[Image]: ...


class ImageFiles:
    """One image file a frame, read when it is asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, k: int) -> Image:
        from wayscan.data.images import read_image

        return read_image(self.paths[k])

    def __iter__(self) -> Iterator[Image]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"ImageFiles({len(self)} in {self.paths[0].parent if self.paths else None})"
