"""`wayscan runs`: the run folders below a folder, newest last."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wayscan.data.runs.folder import Run, is_run

_DEPTH = 4


class Row(NamedTuple):
    """One run in a list. `metric` is the value that `best` names, or None before the first evaluation."""

    path: Path
    state: str
    step: int
    steps: int | None
    metric: str | None
    best: float | None
    best_step: int | None
    created: str


def list_runs(root: Path) -> list[Row]:
    """Every run folder at or below `root` (four levels deep), oldest first; unreadable ones say so."""
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; expected the folder that holds your runs: check the path")
    return sorted(
        (_row(path) for path in _run_folders(root, _DEPTH)), key=lambda row: (row.created, str(row.path))
    )


def table(rows: Sequence[Row]) -> str:
    """The rows as text, aligned, with a head line."""
    cells = [("run", "state", "step", "best", "created")]
    for row in rows:
        step = f"{row.step}" if row.steps is None else f"{row.step}/{row.steps}"
        best = "-" if row.best is None else f"{row.metric} {row.best:.5g} @ {row.best_step}"
        cells.append((str(row.path), row.state, step, best, row.created))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _run_folders(folder: Path, depth: int) -> Iterator[Path]:
    if is_run(folder):
        yield folder
        return
    if depth == 0:
        return
    try:
        below = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in below:
        if not os.path.basename(path).startswith("."):
            yield from _run_folders(Path(path), depth - 1)


def _row(path: Path) -> Row:
    try:
        run = Run.open(path)
    except ValueError:  # made by a newer wayscan
        return Row(path, "unreadable", 0, None, None, None, None, "")
    state = run.state()
    best = state.best or {}
    return Row(
        path, state.state, state.step, state.steps, best.get("metric"), best.get("value"), best.get("step"),
        str(run.about.get("created", "")),
    )  # fmt: skip
