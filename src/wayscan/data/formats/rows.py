"""Numbers in text files, with the file and the line named for every fault."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEPARATORS = re.compile(r"[,\s;]+")


def read_rows(path: Path, counts: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """One array a line; a line has one of `counts` numbers between commas, tabs or spaces."""
    if not path.is_file():
        raise ValueError(
            f"{path} does not exist; expected {_either(counts)} numbers a line; check the folder"
        )
    rows = []
    lines = path.read_text(encoding="utf-8-sig", errors="replace").rstrip().splitlines()
    for number, line in enumerate(lines, start=1):
        words = [word for word in SEPARATORS.split(line.strip()) if word]
        try:
            row = np.array([float(word) for word in words])
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: {line.strip()!r} is not {_either(counts)} numbers"
            ) from None
        if len(row) not in counts:
            raise ValueError(
                f"{path}, line {number}: {len(row)} numbers in {line.strip()!r}; expected {_either(counts)}"
            )
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} is empty; expected {_either(counts)} numbers a line")
    return rows


def read_flags(path: Path, count: int) -> NDArray[np.float64]:
    """A label file of `count` lines with one number each."""
    flags = np.concatenate(read_rows(path, (1,)))
    if len(flags) != count:
        raise ValueError(f"{path} has {len(flags)} lines; expected {count}, one for each frame")
    return flags


def known_boxes(boxes: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Boxes (K, 4) with NaN for "absent": not finite, or of zero size. A negative size is a fault."""
    boxes = boxes.copy()
    for number in np.flatnonzero((boxes[:, 2:] < 0).any(axis=1)):
        raise ValueError(
            f"{path}, line {number + 1}: box {boxes[number].tolist()} has a negative size; expected x, y, "
            f"w, h with w, h >= 0"
        )
    unknown = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] == 0).any(axis=1)
    boxes[unknown] = np.nan
    return boxes


def box_lines(boxes: NDArray[np.float64]) -> Iterator[str]:
    """Boxes (K, 4) as lines `x,y,w,h`; one that is not known as zeros, which `known_boxes` reads as NaN."""
    return (",".join(f"{value:.4f}" for value in box) for box in np.nan_to_num(boxes, nan=0.0))


def read_flag_line(path: Path, count: int) -> NDArray[np.float64]:
    """A label file with all `count` numbers in one line, or one a line."""
    if not path.is_file():
        raise ValueError(f"{path} does not exist; expected {count} numbers in one line; check the folder")
    words = [word for word in SEPARATORS.split(path.read_text(encoding="utf-8-sig").strip()) if word]
    try:
        flags = np.array([float(word) for word in words])
    except ValueError:
        bad = next(word for word in words if not word.replace(".", "", 1).isdecimal())
        raise ValueError(f"{path}, number {words.index(bad) + 1}: {bad!r} is no number") from None
    if len(flags) != count:
        raise ValueError(f"{path} has {len(flags)} numbers; expected {count}, one for each frame")
    return flags


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """A text file of lines."""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _either(counts: tuple[int, ...]) -> str:
    return " or ".join(str(count) for count in counts)
