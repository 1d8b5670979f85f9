"""OpenTrackVLA's samples: one JSON object a line, beside the frames that they name.

`{"images": [≤ 31 paths], "current": path, "instruction": …, "trajectory": [[x, y, θ] × 9], "actions":
[[vx, vy, ω] × 9], "collision": false, "target_distance": 0.0}`, and optionally waypoints, valid_mask or
valid_idx, yaw_hist, yaw_curr and dt.

The way is taken from `waypoints` (1 … T as they stand), else from `trajectory`, whose row 0 is the start
and is dropped, else integrated from `actions`. Nine rows become waypoints 1 … 8; nothing is resampled,
which would put 0.4 s out of the way and (0, 0, 0) in the first place. Written are `trajectory` with the
start, as public readers expect it, and `waypoints` without.
"""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.data.formats.entries import Entry
from wayscan.data.formats.pictures import write_pictures
from wayscan.data.formats.planar import integrate
from wayscan.data.formats.reading import Records
from wayscan.data.records import Episode
from wayscan.data.windows import DT, HISTORY, HORIZON, Window, windows_of

SOURCE = "OpenTrackVLA samples"
OWN_KEYS = frozenset(
    [
        "images",
        "current",
        "instruction",
        "waypoints",
        "trajectory",
        "actions",
        "valid_mask",
        "valid_idx",
        "dt",
        "source",
        "synthetic",
    ]
)


def read_windows(
    path: Path | str,
    split: str | None = None,
    *,
    skip_bad: bool = False,
    images: Path | str | None = None,
    horizon: int = HORIZON,
    velocity_scale: Sequence[float] | None = None,
) -> Records[Window]:
    """The samples of a .jsonl file, or of a folder's `<split>.jsonl` (all its files without a split).

    Args:
        images: the folder that the pictures' paths start from; that of the file if not given.
        horizon: waypoints that are kept.
        velocity_scale: m/s, m/s, rad/s that a unit of `actions` is worth. If given, the way is integrated
            from the actions so scaled: a stored way was integrated from commands, which are no metres.
    """
    files = _files(Path(path), split)
    scale = None if velocity_scale is None else np.asarray(velocity_scale, dtype=np.float64)
    places = [(file, *line) for file in files for line in _lines(file)]
    read = partial(_read, images=images, horizon=horizon, scale=scale)
    return Records(places, read, source=f"{SOURCE} {split or 'all'} in {path}", skip_bad=skip_bad)


def write_windows(windows: Iterable[Window], path: Path | str) -> int:
    """Write samples to a .jsonl file (in a folder: train.jsonl); pictures must lie below its folder."""
    path = Path(path)
    path = path if path.suffix == ".jsonl" else path / "train.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for window in windows:
            file.write(json.dumps(_values(window, path.parent), ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def write_samples(
    episodes: Iterable[Episode],
    folder: Path | str,
    split: str = "train",
    *,
    camera: str = "front",
    history: int = HISTORY,
    horizon: int = HORIZON,
    stride: int = 1,
) -> int:
    """Make samples of episodes: `<split>.jsonl`, and the frames as `frames/<episode>/frame_00001.jpg` …"""
    folder = Path(folder)

    def samples() -> Iterable[Window]:
        for episode in episodes:
            if camera not in episode.videos:
                raise ValueError(
                    f"episode {episode.name!r} has no camera {camera!r}; there are "
                    f"{', '.join(episode.videos) or 'none'}"
                )
            place = folder / "frames" / episode.name
            write_pictures(episode.videos[camera], place, name="frame_{:05d}")
            pictures = [place / f"frame_{k + 1:05d}.jpg" for k in range(len(episode))]
            yield from windows_of(episode, pictures, history=history, horizon=horizon, stride=stride)

    return write_windows(samples(), folder / f"{split}.jsonl")


def _files(path: Path, split: str | None) -> list[Path]:
    if path.is_file():
        if split is not None:
            raise ValueError(f"split is {split!r}, but {path} is one file; give its folder, or no split")
        return [path]
    files = sorted(path.glob("*.jsonl")) or sorted(path.glob("*/*.jsonl"))
    if not files:
        raise ValueError(f"{path} holds no .jsonl file; expected samples, one JSON object a line")
    chosen = [file for file in files if split in (None, file.stem)]
    if not chosen:
        raise ValueError(
            f"split is {split!r}; {path} has {', '.join(file.stem for file in files)}; choose one of them"
        )
    return chosen


def _lines(file: Path) -> list[tuple[int, int]]:
    """(line's number, where it starts) of every line that is not empty."""
    places, offset = [], 0
    with open(file, "rb") as opened:
        for number, line in enumerate(opened, start=1):
            places += [(number, offset)] if line.strip() else []
            offset += len(line)
    if not places:
        raise ValueError(f"{file} is empty; expected one JSON object a line")
    return places


def _read(
    place: tuple[Path, int, int],
    *,
    images: Path | str | None,
    horizon: int,
    scale: NDArray[np.float64] | None,
) -> Window:
    file, number, offset = place
    with open(file, "rb") as opened:
        opened.seek(offset)
        line = opened.readline()
    return _window(_entry(line, file, number), Path(images or file.parent), horizon, scale)


def _entry(line: bytes, file: Path, number: int) -> Entry:
    try:
        values = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        shown = line.strip()[:40].decode("utf-8", "replace")
        raise ValueError(
            f"{file}, line {number}: {shown!r}… is no JSON; the file may be cut off: copy it again"
        ) from None
    return Entry(values, f"{file}, line {number}")


def _window(entry: Entry, images: Path, horizon: int, scale: NDArray[np.float64] | None) -> Window:
    paths = entry.get("images") or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise entry.fault("images", "expected a list of paths")
    dt = entry.number("dt") if "dt" in entry else DT
    if not dt > 0:
        raise entry.fault("dt", "expected seconds above 0")
    rows, dropped = _way(entry, dt, scale)
    if not len(rows):
        raise ValueError(f"{entry.where}: the way has no row after the start; expected waypoints")
    valid = _valid(entry, len(rows), dropped)
    return Window(
        current=images / entry.text("current"),
        images=tuple(images / path for path in paths),
        instruction=entry.text("instruction") if "instruction" in entry else "",
        waypoints=rows[:horizon],
        valid=valid[:horizon],
        actions=entry.numbers("actions", (None, 3))[: horizon + 1] if "actions" in entry else None,
        dt=dt,
        facts={key: value for key, value in entry.values.items() if key not in OWN_KEYS},
        source=str(entry.get("source", SOURCE)),
        synthetic=bool(entry.get("synthetic", False)),
    )


def _way(entry: Entry, dt: float, scale: NDArray[np.float64] | None) -> tuple[NDArray[np.float64], int]:
    """Waypoints 1 … T and how many rows of the source stood before them."""
    if scale is not None:
        return integrate(entry.numbers("actions", (None, 3))[:-1] * scale, dt), 1
    if "waypoints" in entry:
        return entry.numbers("waypoints", (None, 3)), 0
    if "trajectory" in entry:
        rows = entry.numbers("trajectory", (None, 3))
        starts = len(rows) > 0 and bool((rows[0] == 0).all())
        return rows[int(starts) :], int(starts)
    if "actions" in entry:
        return integrate(entry.numbers("actions", (None, 3))[:-1], dt), 1
    raise ValueError(f"{entry.where}: none of the keys waypoints, trajectory, actions; expected one of them")


def _valid(entry: Entry, count: int, dropped: int) -> NDArray[np.bool_]:
    """From valid_mask (a flag a row) or valid_idx (the rows, or the last one); all where neither is there."""
    if "valid_mask" in entry:
        flags = entry.numbers("valid_mask", (None,)) > 0
        if len(flags) not in (count, count + dropped):
            raise entry.fault("valid_mask", f"expected {count + dropped} flags, one a row")
        return flags[-count:]
    if "valid_idx" in entry:
        given = entry.value("valid_idx")
        rows = np.atleast_1d(entry.numbers("valid_idx", (None,) if isinstance(given, list) else ()))
        if not isinstance(given, list):
            rows = np.arange(rows[0] + 1)
        return np.isin(np.arange(count) + dropped, rows)
    return np.ones(count, dtype=np.bool_)


def _values(window: Window, folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = {
        "images": [_relative(path, folder) for path in window.images],
        "current": _relative(window.current, folder),
        "instruction": window.instruction,
        "trajectory": [[0.0, 0.0, 0.0], *window.waypoints.tolist()],
        "waypoints": window.waypoints.tolist(),
        "valid_mask": window.valid.tolist(),
        "dt": window.dt,
        **window.facts,
        "source": window.source,
        "synthetic": window.synthetic,
    }
    return values if window.actions is None else {**values, "actions": window.actions.tolist()}


def _relative(path: Path, folder: Path) -> str:
    try:
        return str(PurePosixPath(path.relative_to(folder)))
    except ValueError:
        raise ValueError(
            f"picture {path} does not lie below {folder}, where the samples go; expected paths that move "
            f"with them"
        ) from None
