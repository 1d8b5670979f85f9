"""Labelled objects of cooperative data: boxes in space, frame by frame, and the tracks they make."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.data.formats.entries import Entry, entries_in
from wayscan.data.formats.planar import nearest, sample
from wayscan.data.formats.rigid import Rigid

Size = tuple[float, float, float]  # length, width, height


class Object(NamedTuple):
    """One box, in the world's frame."""

    kind: str
    track: str  # "" where the source follows nobody
    centre: NDArray[np.float64]  # (3,)
    heading: float
    size: Size


def objects_in(path: Path, to_world: Rigid) -> list[Object]:
    """The objects of a label file, whose own frame `to_world` leaves."""
    return [_object(entry, to_world) for entry in entries_in(path)]


def object_values(found: Object, from_world: Rigid) -> dict[str, Any]:
    """What a label file holds of an object, in the frame that `from_world` leads to."""
    x, y, z = (from_world @ np.append(found.centre, 1.0))[:3].tolist()
    length, width, height = found.size
    heading = _turned(found.heading, from_world)
    values = {
        "type": found.kind,
        "3d_dimensions": {"h": height, "w": width, "l": length},
        "3d_location": {"x": x, "y": y, "z": z},
        "rotation": heading,
    }
    return {**values, "track_id": found.track} if found.track else values


def tracks_on_grid(
    frames: Sequence[list[Object] | None], times: NDArray[np.float64], grid: NDArray[np.float64]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Size], dict[str, str]]:
    """Poses (K, 3) on the grid, size (median) and kind of each object that has a track."""
    poses: dict[str, NDArray[np.float64]] = {}
    sizes: dict[str, list[Size]] = {}
    kinds: dict[str, str] = {}
    for k, frame in enumerate(frames):
        for found in frame or ():
            if found.track:
                way = poses.setdefault(found.track, np.full((len(frames), 3), np.nan))
                way[k] = found.centre[0], found.centre[1], found.heading
                sizes.setdefault(found.track, []).append(found.size)
                kinds[found.track] = found.kind
    typical = {track: tuple(np.median(seen, axis=0).tolist()) for track, seen in sizes.items()}
    return {track: sample(times, way, grid) for track, way in poses.items()}, typical, kinds  # type: ignore[return-value]


def boxes_on_grid(
    frames: Sequence[list[Object] | None],
    times: NDArray[np.float64],
    grid: NDArray[np.float64],
    *,
    within: float,
) -> tuple[tuple[NDArray[np.float64], ...], tuple[tuple[str, ...], ...]]:
    """Boxes (N, 7) = x, y, z, length, width, height, θ and kinds of those without a track, at each time."""
    boxes, kinds = [], []
    for time, k in zip(grid, nearest(times, grid), strict=True):
        near = abs(times[k] - time) <= within + 1e-6
        chosen = [found for found in frames[k] or () if near and not found.track]
        rows = [(*found.centre, *found.size, found.heading) for found in chosen]
        boxes.append(np.array(rows, dtype=np.float64).reshape(-1, 7))
        kinds.append(tuple(found.kind for found in chosen))
    return tuple(boxes), tuple(kinds)


def _object(entry: Entry, to_world: Rigid) -> Object:
    size, place = entry.entry("3d_dimensions"), entry.entry("3d_location")
    length, width, height = (size.number(key) for key in "lwh")
    if min(length, width, height) < 0:
        raise entry.fault("3d_dimensions", "expected l, w, h of 0 or more")
    centre, heading = np.array([place.number(key) for key in "xyz"]), entry.number("rotation")
    if "world_8_points" in entry:
        corners = entry.numbers("world_8_points", (8, 3))
        return Object(
            entry.text("type"),
            _track(entry),
            corners.mean(axis=0),
            _heading_of(corners, length, heading),
            (length, width, height),
        )
    centre = (to_world @ np.append(centre, 1.0))[:3]
    return Object(
        entry.text("type"), _track(entry), centre, _turned(heading, to_world), (length, width, height)
    )


def _track(entry: Entry) -> str:
    return entry.text("track_id") if entry.get("track_id") not in (None, "", -1) else ""


def _turned(heading: float, way: Rigid) -> float:
    """A heading on the plane, in the frame that `way` leads to."""
    ahead = way[:3, :3] @ (np.cos(heading), np.sin(heading), 0.0)
    return float(np.arctan2(ahead[1], ahead[0]))


def _heading_of(corners: NDArray[np.float64], length: float, hint: float) -> float:
    """Along the edge that is as long as the box; of its two senses the one nearer to `hint`."""
    edges = np.stack([corners[1] - corners[0], corners[2] - corners[1]])[:, :2]
    edge = edges[np.argmin(np.abs(np.linalg.norm(edges, axis=1) - length))]
    heading = np.arctan2(edge[1], edge[0])
    return float(heading if np.cos(heading - hint) >= 0 else np.arctan2(-edge[1], -edge[0]))
