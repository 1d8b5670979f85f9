"""Frames written as numbered JPEG files, and found again in numeric order."""

from collections.abc import Iterable
from pathlib import Path

from wayscan.data.footage import Image
from wayscan.data.images import image_paths

QUALITY = 95  # of the JPEG files that writers make


def write_picture(path: Path, frame: Image, quality: int = QUALITY) -> None:
    """One JPEG file; its folder must be there."""
    import cv2

    packed = cv2.imencode(
        ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1]
    path.write_bytes(packed.tobytes())


def write_pictures(
    frames: Iterable[Image], folder: Path, *, name: str = "{:08d}", first: int = 1, quality: int = QUALITY
) -> int:
    """One JPEG file a frame, numbered from `first`; the folder is made. Returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for frame in frames:
        write_picture(folder / f"{name.format(first + count)}.jpg", frame, quality)
        count += 1
    return count


def numbered_paths(folder: Path) -> tuple[Path, ...]:
    """The image files of a folder by the number in their names: 2.jpg before 10.jpg."""
    return tuple(sorted(image_paths(folder), key=lambda path: (picture_number(path), path.name)))


def picture_number(path: Path) -> int:
    """The number in a file's name; 0 where there is none."""
    digits = "".join(character for character in path.stem if character.isdecimal())
    return int(digits) if digits else 0
