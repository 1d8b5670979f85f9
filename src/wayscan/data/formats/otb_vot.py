"""OTB and VOT sequences: a folder of frames and one text file of boxes.

OTB: `Name/img/0001.jpg`, `groundtruth_rect.txt` (x, y, w, h by comma, tab or space;
`groundtruth_rect.2.txt` for a second target). VOT: frames beside `groundtruth.txt` (or in `color/`), 4
numbers (a box) or 8 (a polygon's corners) a line. Boxes are kept as written, also where the authors counted
pixels from 1; a polygon becomes the box that encloses it. Written: OTB with commas, VOT as
`color/00000001.jpg` and polygons; NaN or a zero size says that the target is absent.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wayscan.data.footage import ImageFiles
from wayscan.data.formats.entries import Entry
from wayscan.data.formats.notes import note_of, read_notes, take_note, write_notes
from wayscan.data.formats.pictures import QUALITY, numbered_paths, picture_number, write_pictures
from wayscan.data.formats.reading import Records
from wayscan.data.formats.rows import box_lines, known_boxes, read_rows, write_lines
from wayscan.data.records import Clip
from wayscan.geometry.boxes import enclosing_box

# OTB sequences whose first box belongs to a later frame, by the number in the frame's name.
FIRST_FRAMES = {"David": 300, "BlurCar1": 247, "BlurCar3": 3, "BlurCar4": 18}


def read_sequences(root: Path | str, *, skip_bad: bool = False) -> Records[Clip]:
    """Every sequence below a folder, or the folder's own when it is a sequence itself."""
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; expected OTB or VOT sequences; check the path")
    folders = (root, *sorted(path for path in root.iterdir() if path.is_dir()))
    places = [(folder, truth) for folder in folders for truth in _truth_files(folder)]
    if not places:
        raise ValueError(
            f"{root} holds no sequence; expected groundtruth_rect.txt or groundtruth.txt in it or one "
            f"level below"
        )
    notes = read_notes(root)
    return Records(
        places,
        partial(_read, notes=notes),
        source=f"sequences in {root}",
        skip_bad=skip_bad,
    )


def read_sequence(folder: Path | str, target: int = 1) -> Clip:
    """One sequence; `target` counts from 1 where there are several."""
    folder = Path(folder)
    truths = _truth_files(folder)
    if not truths:
        raise ValueError(
            f"{folder} has neither groundtruth_rect.txt (OTB) nor groundtruth.txt (VOT); give a sequence "
            f"folder"
        )
    if not 1 <= target <= len(truths):
        raise ValueError(f"target is {target}; {folder} has {len(truths)}: choose 1 to {len(truths)}")
    return _read((folder, truths[target - 1]), read_notes(folder.parent))


def write_otb(clips: Iterable[Clip], root: Path | str) -> int:
    """Write OTB sequences; returns how many."""
    return _write(clips, Path(root), write_otb_sequence)


def write_vot(clips: Iterable[Clip], root: Path | str) -> int:
    """Write VOT sequences and their list.txt; returns how many."""
    return _write(clips, Path(root), write_vot_sequence)


def write_otb_sequence(clip: Clip, folder: Path | str, *, quality: int = QUALITY) -> None:
    """Frames in img/ and groundtruth_rect.txt; an absent target's box is written as zeros."""
    folder = Path(folder)
    first = FIRST_FRAMES.get(folder.name, 1)
    write_pictures(clip, folder / "img", name="{:04d}", first=first, quality=quality)
    write_lines(folder / "groundtruth_rect.txt", box_lines(clip.boxes))


def write_vot_sequence(clip: Clip, folder: Path | str, *, quality: int = QUALITY) -> None:
    """Frames in color/ and groundtruth.txt of polygons; an absent target's is NaN."""
    folder = Path(folder)
    write_pictures(clip, folder / "color", quality=quality)
    x, y, w, h = clip.boxes.T
    corners = np.stack([x, y, x + w, y, x + w, y + h, x, y + h], axis=1)
    lines = (",".join("NaN" if np.isnan(value) else f"{value:.4f}" for value in row) for row in corners)
    write_lines(folder / "groundtruth.txt", lines)


def _write(clips: Iterable[Clip], root: Path, write_sequence: Callable[[Clip, Path], None]) -> int:
    root.mkdir(parents=True, exist_ok=True)
    notes = {}
    for clip in clips:
        write_sequence(clip, root / clip.name)
        notes[clip.name] = take_note(clip)
    write_lines(root / "list.txt", notes)
    write_notes(root, notes)
    return len(notes)


def _truth_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("groundtruth_rect*.txt")) or sorted(folder.glob("groundtruth.txt"))


def _read(place: tuple[Path, Path], notes: Mapping[str, Entry]) -> Clip:
    folder, truth = place
    source = "OTB" if truth.name.startswith("groundtruth_rect") else "VOT"
    rows = read_rows(truth, (4,) if source == "OTB" else (4, 8))
    boxes = known_boxes(np.stack([_box(row) for row in rows]), truth)
    paths = [
        path
        for path in numbered_paths(_frame_folder(folder))
        if picture_number(path) >= FIRST_FRAMES.get(folder.name, 0)
    ]
    if len(paths) < len(boxes):
        raise ValueError(
            f"{truth} has {len(boxes)} lines, but {_frame_folder(folder)} only {len(paths)} frames for them; "
            "copy the sequence again, or cut the file"
        )
    which = (
        truth.name.removeprefix("groundtruth_rect").removesuffix(".txt").replace(".", "-")
        if source == "OTB"
        else ""
    )
    absent = np.asarray(np.isnan(boxes).any(axis=1))
    return Clip(
        name=folder.name + which,
        frames=ImageFiles(paths[: len(boxes)]),
        boxes=boxes,
        visible=np.where(absent, 0.0, 1.0),
        absent=absent,
        **{"source": source, **note_of(notes, folder.name)},
    )


def _frame_folder(folder: Path) -> Path:
    return next((folder / name for name in ("img", "color") if (folder / name).is_dir()), folder)


def _box(row: NDArray[np.float64]) -> NDArray[np.float64]:
    return enclosing_box(row.reshape(4, 2)) if len(row) == 8 else row
