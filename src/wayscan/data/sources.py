"""Where frames come from when a person names it: a video, a folder of images, an image, a camera, a stream.

`open_source("clip.mp4")`, `("frames/")`, `("0")` (the first camera), `("rtsp://…")`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wayscan.data.footage import Image, ImageFiles
from wayscan.data.images import IMAGE_SUFFIXES, image_paths
from wayscan.data.video import FPS, VideoFile, read_frames
from wayscan.names import near_names

MISSES = 50  # frames in a row that a camera may fail to give before it counts as gone


class Source:
    """Frames in order, each once.

    `fps` is what the source says (30 where it says nothing), `count` how many frames come (None for a camera,
    which may never end). Closes itself after the last frame, or by `close()` or `with`.
    """

    name: str
    fps: float = FPS
    count: int | None = None

    def __iter__(self) -> Iterator[Image]:
        raise NotImplementedError

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the camera go."""


class _Files(Source):
    def __init__(self, name: str, paths: tuple[Path, ...]) -> None:
        self.name, self.count = name, len(paths)
        self._footage = ImageFiles(paths)

    def __iter__(self) -> Iterator[Image]:
        return iter(self._footage)


class _Video(Source):
    def __init__(self, path: Path) -> None:
        self.name = path.name
        video = VideoFile(path)
        self.fps, self.count = video.fps, len(video)
        self._path = path

    def __iter__(self) -> Iterator[Image]:
        return read_frames(self._path)


class Camera(Source):
    """A camera or stream through OpenCV; frames that fail to come are passed over until too many do."""

    def __init__(self, place: int | str) -> None:
        import cv2

        self.name = f"camera {place}" if isinstance(place, int) else place
        self._capture: Any = cv2.VideoCapture(place)
        if not self._capture.isOpened():
            raise ValueError(
                f"{self.name} cannot be opened; expected a camera's number (0 is the first), a stream's "
                f"address, a video or a folder; is it plugged in, and may this user read it?"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(fps) if np.isfinite(fps) and 0 < fps < 1000 else FPS

    def __iter__(self) -> Iterator[Image]:
        misses = 0
        while misses < MISSES and self._capture.isOpened():
            came, image = self._capture.read()
            misses = 0 if came else misses + 1
            if came:
                yield _rgb(image)
        self.close()

    def close(self) -> None:
        """Let the camera go."""
        self._capture.release()


def open_source(place: str | int | Path) -> Source:
    """The frames of a video, folder of images, image, camera (by number) or stream (by address)."""
    words = str(place)
    if words.isdecimal():
        return Camera(int(words))
    if "://" in words:
        return Camera(words)
    path = Path(words)
    if path.is_dir():
        paths = image_paths(path)
        if not paths:
            raise ValueError(f"folder {path} holds no image; expected files in {', '.join(IMAGE_SUFFIXES)}")
        return _Files(path.name, paths)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        return _Files(path.name, (path,))
    if not path.exists():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        near = near_names(path.name, beside)
        raise ValueError(
            f"source {words!r} does not exist; expected a video, a folder of images, an image, a camera's "
            f"number or a stream's address{f'; did you mean {near[0]}?' if near else ''}"
        )
    return _Video(path)


def _rgb(image: Any) -> Image:
    """OpenCV's grey or BGR(A) picture as RGB."""
    import cv2

    code = {2: cv2.COLOR_GRAY2RGB}.get(image.ndim) or {
        1: cv2.COLOR_GRAY2RGB,
        3: cv2.COLOR_BGR2RGB,
        4: cv2.COLOR_BGRA2RGB,
    }[image.shape[2]]
    return np.asarray(cv2.cvtColor(image, code), dtype=np.uint8)
