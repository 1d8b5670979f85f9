"""What DAIR-V2X-C and V2X-Seq (SPD) share: a vehicle, a roadside post and the pairs of their frames.

`vehicle-side/`, `infrastructure-side/` and `cooperative/`, each with a data_info.json that lists frames.
Frames are grouped by recording and sorted by time stamp (numbers have gaps), cut where more than `max_gap`
seconds are missing, and put on a grid of 10 Hz: poses are interpolated, pictures and labels are the nearest
in time.

The chain: a point of the vehicle's camera goes by the inverse of lidar_to_camera to the lidar, by
lidar_to_novatel to the ego's frame (that of its Novatel receiver), by novatel_to_world to the world; θ of
the ego is atan2(R₁₀, R₀₀) of the last. One of the roadside's goes by the inverse of virtuallidar_to_camera
to the virtual lidar and by virtuallidar_to_world to the world. `system_error_offset`, a correction of that
last step in metres, differs from frame to frame: it is kept in `facts` and not applied.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from wayscan.data.footage import Footage, ImageFiles
from wayscan.data.formats.entries import Entry, entries_in, entry_at, read_entries, read_entry
from wayscan.data.formats.notes import facts_of, note_of, read_notes
from wayscan.data.formats.objects import Object, boxes_on_grid, objects_in, tracks_on_grid
from wayscan.data.formats.planar import nearest, sample
from wayscan.data.formats.reading import Records
from wayscan.data.formats.rigid import Rigid, inverse, planar_pose, read_rigid
from wayscan.data.records import Episode, Lens
from wayscan.names import expect_one_of

DT = 0.1  # seconds between the times of an episode
MAX_GAP = 0.5  # seconds between frames above which a recording is cut


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Where the two differ."""

    source: str
    group: str  # the key that names a recording
    labels_in: Literal["world", "lidar"]  # the frame of the cooperative labels
    label_folder: str  # below cooperative/


class Moment(NamedTuple):
    """One frame of the vehicle."""

    entry: Entry
    group: str  # the recording it belongs to
    number: str
    time: float  # seconds, absolute


class Piece(NamedTuple):
    """Moments of one recording without a gap."""

    name: str
    group: str
    moments: list[Moment]


class Folder(NamedTuple):
    """What a data set's lists say."""

    root: Path
    dialect: Dialect
    pairs: dict[str, Entry]  # by the vehicle's frame
    roadside: dict[str, Entry]  # by the roadside's frame
    notes: dict[str, Entry]


def read_folder(
    root: Path | str,
    dialect: Dialect,
    *,
    split: str | None = None,
    skip_bad: bool = False,
    max_gap: float = MAX_GAP,
) -> Records[Episode]:
    """One episode for each recording, or for each piece of it between gaps; single frames are left out."""
    root = Path(root)
    listing = root / "vehicle-side" / "data_info.json"
    pairs = root / "cooperative" / "data_info.json"
    roadside = root / "infrastructure-side" / "data_info.json"
    if not listing.is_file():
        raise ValueError(
            f"{root} is no {dialect.source} folder: {listing} does not exist; expected vehicle-side/, "
            f"cooperative/ and infrastructure-side/; give the folder that holds them"
        )
    folder = Folder(
        root,
        dialect,
        {frame_number(entry, "vehicle"): entry for entry in entries_in(pairs)} if pairs.is_file() else {},
        {frame_number(entry): entry for entry in entries_in(roadside)} if roadside.is_file() else {},
        read_notes(root),
    )
    chosen = None if split is None else groups_of(root, split)
    return Records(
        list(_pieces(listing, dialect, chosen, max_gap)),
        partial(_episode, folder),
        source=f"{dialect.source} {split or 'all'}",
        skip_bad=skip_bad,
    )


def groups_of(root: Path, split: str) -> set[str]:
    """The recordings of a split, from the split file in the folder, in split_datas/ or beside it."""
    places = (root, root / "split_datas", root.parent)
    path = next((path for place in places for path in sorted(place.glob("*split-data*.json"))), None)
    if path is None:
        raise ValueError(
            f"split is {split!r}, but {root} has no cooperative-split-data*.json in it, in split_datas/ or "
            f"beside it; put it there, or read all"
        )
    splits = read_entry(path).entry("batch_split")
    return {str(group) for group in splits.value(expect_one_of(f"{path}: split", split, splits.values))}


def frame_number(entry: Entry, side: str = "") -> str:
    """The number of an entry's frame: by its own key, or from the name of its picture."""
    key, path_key = (f"{side}_frame", f"{side}_image_path") if side else ("frame_id", "image_path")
    return entry.text(key) if key in entry else Path(entry.text(path_key)).stem


def _pieces(
    listing: Path, dialect: Dialect, chosen: set[str] | None, max_gap: float
) -> Iterator[Piece | ValueError]:
    """Pieces in the order of their names, after the faults of entries that say no group or time."""
    groups: dict[str, list[Moment]] = {}
    values = read_entries(listing)
    for index in range(len(values)):
        moment = _moment(values, index, listing, dialect)
        if isinstance(moment, ValueError):
            yield moment
        elif chosen is None or moment.group in chosen:
            groups.setdefault(moment.group, []).append(moment)
    for group in sorted(groups, key=lambda name: (len(name), name) if name.isdecimal() else (99, name)):
        moments = sorted(groups[group], key=lambda moment: moment.time)
        steps = np.diff([moment.time for moment in moments])
        if (steps <= 0).any():
            k = int(np.argmax(steps <= 0))
            yield ValueError(
                f"{listing}, {dialect.group} {group}: frames {moments[k].number} and {moments[k + 1].number} "
                f"have the same image_timestamp; expected rising ones"
            )
            continue
        cuts = [0, *(np.flatnonzero(steps > max_gap) + 1).tolist(), len(moments)]
        pieces = [moments[a:b] for a, b in pairwise(cuts) if b - a > 1]
        for number, piece in enumerate(pieces, start=1):
            yield Piece(group if len(cuts) == 2 else f"{group}.{number}", group, piece)


def _moment(values: list[Any], index: int, listing: Path, dialect: Dialect) -> Moment | ValueError:
    try:
        entry = entry_at(values, index, listing)
        seconds = entry.number("image_timestamp") / 1e6
        return Moment(entry, entry.text(dialect.group), frame_number(entry), seconds)
    except ValueError as fault:
        return fault


def _episode(folder: Folder, piece: Piece) -> Episode:
    moments, lacks = piece.moments, []
    start = moments[0].time
    times = np.array([moment.time for moment in moments]) - start
    grid = np.arange(int(times[-1] / DT + 1e-3) + 1, dtype=np.float64) * DT
    pick = nearest(times, grid)
    ways = np.stack([_calibration(folder, "vehicle", moment, "novatel_to_world") for moment in moments])
    pairs = [folder.pairs.get(moment.number) for moment in moments]
    partners = [frame_number(pair, "infrastructure") if pair else "" for pair in pairs]
    videos = {
        "vehicle": _video(
            [folder.root / "vehicle-side" / moment.entry.text("image_path") for moment in moments],
            times,
            grid,
            "vehicle",
            lacks,
        ),
        "roadside": _video(
            [_partner_image(folder, number) for number in partners], times, grid, "roadside", lacks
        ),
    }
    objects = [
        _objects(folder, moment, pair, way) for moment, pair, way in zip(moments, pairs, ways, strict=True)
    ]
    if not any(found is not None for found in objects):
        lacks.append("cooperative labels")
    tracks, sizes, types = tracks_on_grid(objects, times, grid)
    boxes, kinds = boxes_on_grid(objects, times, grid, within=DT / 2)
    lenses = {"vehicle": _vehicle_lens(folder, moments[0]), "roadside": _roadside_lens(folder, partners)}
    lacks += [f"{side} calibration" for side, lens in lenses.items() if lens is None]
    facts = {
        "group": piece.group,
        "place": moments[0].entry.get("intersection_loc", ""),
        "start": start,
        "frames": tuple(moments[k].number for k in pick),
        "roadside_frames": tuple(partners[k] for k in pick),
        "heights": np.interp(grid, times, ways[:, 2, 3]),
        "system_error_offset": np.array([_offset(pairs[k]) for k in pick]),
        "types": types,
        "boxes": boxes,
        "box_types": kinds,
        "lacks": tuple(lacks),
    }
    return Episode(
        name=piece.name,
        times=grid,
        poses=sample(times, np.stack([planar_pose(way) for way in ways]), grid),
        videos={side: video for side, video in videos.items() if video is not None},
        lenses={side: lens for side, lens in lenses.items() if lens is not None},
        tracks=tracks,
        sizes=sizes,
        facts={**facts_of(folder.notes, piece.group), **facts},
        **{"source": folder.dialect.source, **note_of(folder.notes, piece.group)},
    )


def _video(
    paths: list[Path | None], times: np.ndarray, grid: np.ndarray, side: str, lacks: list[str]
) -> Footage | None:
    """The nearest picture for each time of the grid; what is missing is added to `lacks`."""
    known = [k for k, path in enumerate(paths) if path is not None and path.is_file()]
    if len(known) < len(paths):
        some = f" of {len(paths) - len(known)} of {len(paths)} frames" if known else ""
        lacks.append(f"{side} images{some}")
    if not known:
        return None
    return ImageFiles([paths[known[j]] for j in nearest(times[known], grid)])  # type: ignore[misc]


def _partner_image(folder: Folder, number: str) -> Path | None:
    if not number:
        return None
    entry = folder.roadside.get(number)
    image = entry.text("image_path") if entry else f"image/{number}.jpg"
    return folder.root / "infrastructure-side" / image


def _calibration(folder: Folder, side: str, moment: Moment, name: str) -> Rigid:
    return read_rigid(read_entry(_calibration_path(folder, side, moment.entry, moment.number, name)))


def _calibration_path(folder: Folder, side: str, entry: Entry | None, number: str, name: str) -> Path:
    given = entry.get(f"calib_{name}_path") if entry else None
    return folder.root / f"{side}-side" / (given or f"calib/{name}/{number}.json")


def _objects(folder: Folder, moment: Moment, pair: Entry | None, way: Rigid) -> list[Object] | None:
    """What a moment's cooperative label holds, in the world's frame; None where there is none."""
    path = _label_path(folder, moment, pair)
    if path is None:
        return None
    if folder.dialect.labels_in == "lidar":
        return objects_in(path, way @ _calibration(folder, "vehicle", moment, "lidar_to_novatel"))
    return objects_in(path, np.eye(4))


def _vehicle_lens(folder: Folder, moment: Moment) -> Lens | None:
    """From the first frame's files; None where one is missing."""
    paths = [
        _calibration_path(folder, "vehicle", moment.entry, moment.number, name)
        for name in ("camera_intrinsic", "lidar_to_camera", "lidar_to_novatel")
    ]
    if not all(path.is_file() for path in paths):
        return None
    to_camera, to_ego = (read_rigid(read_entry(path)) for path in paths[1:])
    return Lens(matrix=_intrinsics(paths[0]), pose=to_ego @ inverse(to_camera), frame="ego")


def _roadside_lens(folder: Folder, partners: list[str]) -> Lens | None:
    """From the files of the first frame with a partner; None where one is missing."""
    number = next((number for number in partners if number), "")
    names = ("camera_intrinsic", "virtuallidar_to_camera", "virtuallidar_to_world")
    entry = folder.roadside.get(number)
    paths = [_calibration_path(folder, "infrastructure", entry, number, name) for name in names]
    if not number or not all(path.is_file() for path in paths):
        return None
    to_camera, to_world = (read_rigid(read_entry(path)) for path in paths[1:])
    return Lens(matrix=_intrinsics(paths[0]), pose=to_world @ inverse(to_camera), frame="world")


def _intrinsics(path: Path) -> np.ndarray:
    entry = read_entry(path)
    flat = np.asarray(entry.value("cam_K"), dtype=object).ndim == 1
    return entry.numbers("cam_K", (9,) if flat else (3, 3)).reshape(3, 3)


def _label_path(folder: Folder, moment: Moment, pair: Entry | None) -> Path | None:
    if pair is None:
        return None
    given = pair.get("cooperative_label_path")
    path = folder.root / (given or f"cooperative/{folder.dialect.label_folder}/{moment.number}.json")
    return path if path.is_file() else None


def _offset(pair: Entry | None) -> tuple[float, float]:
    """NaN where the pair says none."""
    given = pair.get("system_error_offset") if pair else None
    if pair is None or not given:
        return np.nan, np.nan
    offset = pair.entry("system_error_offset")
    return offset.number("delta_x"), offset.number("delta_y")
