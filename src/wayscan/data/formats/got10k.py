"""GOT-10k: `{train,val,test}/list.txt` and one folder a sequence.

A sequence holds 00000001.jpg …, groundtruth.txt (x, y, w, h a line; only the first in the test split),
meta_info.ini, and in train and val absence.label (1: absent), cover.label (0 … 8: eighths that are visible)
and cut_by_image.label.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from wayscan.data.footage import ImageFiles
from wayscan.data.formats.entries import Entry
from wayscan.data.formats.notes import note_of, read_notes, take_note, write_notes
from wayscan.data.formats.pictures import QUALITY, write_pictures
from wayscan.data.formats.reading import Records
from wayscan.data.formats.rows import box_lines, known_boxes, read_flags, read_rows, write_lines
from wayscan.data.images import image_paths
from wayscan.data.records import Clip
from wayscan.names import nearest

SOURCE = "GOT-10k"
COVER_LEVELS = 8
SPLITS = ("train", "val", "test")


def sequence_folders(root: Path | str, split: str = "val") -> list[Path]:
    """The folders that the split's list.txt names, in its order."""
    listing = Path(root) / split / "list.txt"
    if not listing.is_file():
        if there := [name for name in SPLITS if (Path(root) / name / "list.txt").is_file()]:
            raise ValueError(f"{root} has no split {split!r}; {nearest(split, there)}")
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


def read_split(root: Path | str, split: str | None = None, *, skip_bad: bool = False) -> Records[Clip]:
    """The clips of a split, one after the other or by number; without a name "val", or what root is."""
    root = Path(root)
    if split is None and (root / "list.txt").is_file():
        root, split = root.parent, root.name
    split = split or "val"
    folders, notes = sequence_folders(root, split), read_notes(root / split)
    return Records(
        folders,
        partial(read_sequence, notes=notes),
        source=f"{SOURCE} {split}",
        skip_bad=skip_bad,
    )


def read_sequence(folder: Path | str, *, notes: Mapping[str, Entry] | None = None) -> Clip:
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
    note = note_of(read_notes(folder.parent) if notes is None else notes, folder.name)
    return Clip(
        name=folder.name,
        frames=ImageFiles(paths),
        boxes=boxes,
        visible=visible,
        absent=absent,
        **{"source": SOURCE, **note},
    )


def write_sequence(clip: Clip, folder: Path | str, *, quality: int = QUALITY) -> None:
    """Write frames, boxes and labels; an absent target's box is written as zeros."""
    folder = Path(folder)
    write_pictures(clip, folder, quality=quality)
    height, width = clip.frame(0).shape[:2]
    boxes = np.nan_to_num(clip.boxes, nan=0.0)
    cut = (boxes[:, :2] <= 0).any(axis=1) | (boxes[:, :2] + boxes[:, 2:] >= [width, height]).any(axis=1)
    write_lines(folder / "groundtruth.txt", box_lines(clip.boxes))
    write_lines(folder / "absence.label", (str(int(flag)) for flag in clip.absent))
    write_lines(folder / "cover.label", (str(round(share * COVER_LEVELS)) for share in clip.visible))
    write_lines(folder / "cut_by_image.label", (str(int(flag)) for flag in cut & ~clip.absent))
    write_lines(
        folder / "meta_info.ini",
        ["[METAINFO]", f"url: {clip.source}", "anno_fps: 10Hz", f"resolution: ({width}, {height})"],
    )


def write_split(clips: Iterable[Clip], root: Path | str, split: str = "val") -> int:
    """Write clips and the split's list.txt; returns how many."""
    folder = Path(root) / split
    folder.mkdir(parents=True, exist_ok=True)
    notes = {}
    for clip in clips:
        write_sequence(clip, folder / clip.name)
        notes[clip.name] = take_note(clip)
    write_lines(folder / "list.txt", notes)
    write_notes(folder, notes)
    return len(notes)


def _checked_cover(cover: np.ndarray, folder: Path) -> np.ndarray:
    for number in np.flatnonzero((cover < 0) | (cover > COVER_LEVELS)):
        raise ValueError(
            f"{folder / 'cover.label'}, line {number + 1}: {cover[number]:g}; expected 0 to {COVER_LEVELS}"
        )
    return cover
