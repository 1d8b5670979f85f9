"""OTB and VOT sequences: a folder of frames and one text file of boxes.

OTB: `Name/img/0001.jpg`, `groundtruth_rect.txt` (x, y, w, h by comma, tab or space; `groundtruth_rect.2.txt`
for a second
target). VOT: frames beside `groundtruth.txt` (or in `color/`), 4 numbers (a box) or 8 (a polygon's corners)
a line.
Boxes are kept as written, also where the authors counted pixels from 1; a polygon becomes the box that
encloses it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wayscan.data.footage import ImageFiles
from wayscan.data.formats.rows import known_boxes, read_rows
from wayscan.data.images import image_paths
from wayscan.data.records import Clip
from wayscan.geometry.boxes import enclosing_box

# OTB sequences whose first box belongs to a later frame, by the number in the frame's name.
FIRST_FRAMES = {"David": 300, "BlurCar1": 247, "BlurCar3": 3, "BlurCar4": 18}


def read_sequences(root: Path | str) -> Iterator[Clip]:
    """Every sequence below a folder, or the folder's own when it is a sequence itself."""
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; expected OTB or VOT sequences; check the path")
    found = False
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        for truth in _truth_files(folder):
            found = True
            yield _read(folder, truth)
    if not found:
        raise ValueError(
            f"{root} holds no sequence; expected groundtruth_rect.txt or groundtruth.txt in it or one "
            f"level below"
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
    return _read(folder, truths[target - 1])


def _truth_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("groundtruth_rect*.txt")) or sorted(folder.glob("groundtruth.txt"))


def _read(folder: Path, truth: Path) -> Clip:
    source = "OTB" if truth.name.startswith("groundtruth_rect") else "VOT"
    rows = read_rows(truth, (4,) if source == "OTB" else (4, 8))
    boxes = known_boxes(np.stack([_box(row) for row in rows]), truth)
    paths = [
        path
        for path in image_paths(_frame_folder(folder))
        if _number(path) >= FIRST_FRAMES.get(folder.name, 0)
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
        source=source,
    )


def _frame_folder(folder: Path) -> Path:
    return next((folder / name for name in ("img", "color") if (folder / name).is_dir()), folder)


def _number(path: Path) -> int:
    digits = "".join(character for character in path.stem if character.isdigit())
    return int(digits) if digits else 0


def _box(row: NDArray[np.float64]) -> NDArray[np.float64]:
    return enclosing_box(row.reshape(4, 2)) if len(row) == 8 else row
