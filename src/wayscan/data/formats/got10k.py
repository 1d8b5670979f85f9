"""GOT-10k: `{train,val,test}/list.txt` and one folder a sequence.

A sequence holds 00000001.jpg …, groundtruth.txt (x, y, w, h a line; only the first in the test split),
meta_info.ini,
and in train and val absence.label (1: absent), cover.label (0 … 8: eighths that are visible) and
cut_by_image.label.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from wayscan.data.footage import ImageFiles
from wayscan.data.formats.rows import known_boxes, read_flags, read_rows
from wayscan.data.images import image_paths
from wayscan.data.records import Clip

SOURCE = "GOT-10k"
COVER_LEVELS = 8


def sequence_folders(root: Path | str, split: str = "val") -> list[Path]:
    """The folders that the split's list.txt names, in its order."""
    listing = Path(root) / split / "list.txt"
    if not listing.is_file():
        raise ValueError(
            f"{listing} does not exist; expected the names of the split's sequences; give GOT-10k's root "
            f"folder"
        )
    names = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    folders = []
    for number, name in enumerate(names, start=1):
        if name and not (listing.parent / name).is_dir():
            raise ValueError(
                f"{listing}, line {number}: sequence {name!r} has no folder beside the list; copy it again"
            )
        if name:
            folders.append(listing.parent / name)
    return folders


def read_split(root: Path | str, split: str = "val") -> Iterator[Clip]:
    """The clips of a split, one after the other."""
    return (read_sequence(folder) for folder in sequence_folders(root, split))


def read_sequence(folder: Path | str) -> Clip:
    """One sequence; frames are read when they are asked for. Boxes that are not given are NaN."""
    folder = Path(folder)
    paths = image_paths(folder)
    truth = folder / "groundtruth.txt"
    rows = np.stack(read_rows(truth, (4,)))
    if not paths:
        raise ValueError(
            f"{folder} holds no frames; expected 00000001.jpg and so on; copy the sequence again"
        )
    if len(rows) not in (1, len(paths)):
        raise ValueError(
            f"{truth} has {len(rows)} lines for {len(paths)} frames; expected one a frame (or one alone: "
            f"the first box)"
        )
    boxes = np.full((len(paths), 4), np.nan)
    boxes[: len(rows)] = known_boxes(rows, truth)
    absent = np.asarray(np.isnan(boxes).any(axis=1) & (len(rows) == len(paths)))
    visible = np.where(absent, 0.0, 1.0)
    if (folder / "cover.label").is_file():
        visible = _checked_cover(read_flags(folder / "cover.label", len(paths)), folder) / COVER_LEVELS
    if (folder / "absence.label").is_file():
        absent = absent | (read_flags(folder / "absence.label", len(paths)) > 0)
    visible = np.where(absent, 0.0, visible)
    return Clip(
        name=folder.name,
        frames=ImageFiles(paths),
        boxes=boxes,
        visible=visible,
        absent=absent,
        source=SOURCE,
    )


def write_sequence(clip: Clip, folder: Path | str, *, quality: int = 95) -> None:
    """Write frames, boxes and labels; an absent target's box is written as zeros."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    height, width = clip.frame(0).shape[:2]
    for k, frame in enumerate(clip):
        path = folder / f"{k + 1:08d}.jpg"
        packed = cv2.imencode(
            ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )[1]
        path.write_bytes(packed.tobytes())
    boxes = np.nan_to_num(clip.boxes, nan=0.0)
    cut = (boxes[:, :2] <= 0).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] >= [width, height]).any(axis=1)
    _write_lines(folder / "groundtruth.txt", (",".join(f"{value:.4f}" for value in box) for box in boxes))
    _write_lines(folder / "absence.label", (str(int(flag)) for flag in clip.absent))
    _write_lines(folder / "cover.label", (str(round(share * COVER_LEVELS)) for share in clip.visible))
    _write_lines(folder / "cut_by_image.label", (str(int(flag)) for flag in cut & ~clip.absent))
    _write_lines(
        folder / "meta_info.ini",
        ["[METAINFO]", f"url: {clip.source}", "anno_fps: 10Hz", f"resolution: ({width}, {height})"],
    )


def write_split(clips: Iterable[Clip], root: Path | str, split: str) -> int:
    """Write clips and the split's list.txt; returns how many."""
    folder = Path(root) / split
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for clip in clips:
        write_sequence(clip, folder / clip.name)
        names.append(clip.name)
    _write_lines(folder / "list.txt", names)
    return len(names)


def _checked_cover(cover: np.ndarray, folder: Path) -> np.ndarray:
    for number in np.flatnonzero((cover < 0) | (cover > COVER_LEVELS)):
        raise ValueError(
            f"{folder / 'cover.label'}, line {number + 1}: {cover[number]:g}; expected 0 to {COVER_LEVELS}"
        )
    return cover


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
