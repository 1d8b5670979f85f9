"""Episodes written as a DAIR-V2X-C or V2X-Seq (SPD) folder, which `cooperative.read_folder` reads back.

The lidar is put where the ego is, so lidar_to_novatel is the identity, and the roadside's virtual lidar
stands below its camera. Objects of `tracks` stand on the ground: z = height / 2.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wayscan.data.formats.cooperative import DT, Dialect
from wayscan.data.formats.entries import read_entries, write_json
from wayscan.data.formats.fit import check_fits
from wayscan.data.formats.notes import take_note, write_notes
from wayscan.data.formats.objects import Object, object_values
from wayscan.data.formats.pictures import write_picture
from wayscan.data.formats.rigid import Rigid, inverse, rigid_values, upright
from wayscan.data.records import Episode, Lens

START = 1_600_000_000.0  # seconds, of the first recording without a start of its own
APART = 60.0  # seconds between recordings, so that no two share a time
SIZE = (4.5, 1.8, 1.6)  # metres, of an object whose size nobody says

# Facts that are read from the files themselves.
PLACED = (
    "group",
    "place",
    "start",
    "frames",
    "roadside_frames",
    "heights",
    "system_error_offset",
    "types",
    "boxes",
    "box_types",
    "lacks",
)


def write_folder(episodes: Iterable[Episode], root: Path | str, dialect: Dialect) -> int:
    """Add episodes to a folder, each as a recording named like it; returns how many."""
    root = Path(root)
    lists = {side: _listed(root / side) for side in ("vehicle-side", "infrastructure-side", "cooperative")}
    taken = {str(entry.get(dialect.group)) for entry in lists["vehicle-side"]}
    notes = {}
    for episode in episodes:
        if episode.name in taken:
            raise ValueError(f"{root} already has {dialect.group} {episode.name!r}; give it another name")
        taken.add(episode.name)
        _write_episode(episode, root, dialect, lists)
        notes[episode.name] = take_note(episode, PLACED)
    for side, entries in lists.items():
        write_json(root / side / "data_info.json", entries, indent=1)
    write_notes(root, notes)
    return len(notes)


def _listed(folder: Path) -> list[Any]:
    path = folder / "data_info.json"
    return read_entries(path) if path.is_file() else []


def _write_episode(episode: Episode, root: Path, dialect: Dialect, lists: dict[str, list[Any]]) -> None:
    check_fits(episode, dialect.source, dt=DT, cameras=("vehicle", "roadside"))
    if "roadside" in episode.lenses and episode.lenses["roadside"].frame != "world":
        raise ValueError(
            f"episode {episode.name!r}: the roadside's lens is in frame "
            f"{episode.lenses['roadside'].frame!r}; {dialect.source} expects the world's"
        )
    first = len(lists["vehicle-side"])
    numbers = [f"{first + k:06d}" for k in range(len(episode))]
    start = float(episode.facts.get("start", START + APART * first * DT))
    stamps = [str(round((start + time) * 1e6)) for time in episode.times - episode.times[0]]
    heights = np.broadcast_to(episode.facts.get("heights", 0.0), len(episode))
    ways = [upright(pose, height) for pose, height in zip(episode.poses, heights, strict=True)]
    common = {
        dialect.group: episode.name,
        "intersection_loc": str(episode.facts.get("place", "")),
        "batch_start_id" if dialect.group == "batch_id" else "start_frame_id": numbers[0],
        "batch_end_id" if dialect.group == "batch_id" else "end_frame_id": numbers[-1],
    }
    for side, lens_name, to_camera in (
        ("vehicle-side", "vehicle", "lidar_to_camera"),
        ("infrastructure-side", "roadside", "virtuallidar_to_camera"),
    ):
        folder, lens = root / side, episode.lenses.get(lens_name)
        for k, (number, stamp) in enumerate(zip(numbers, stamps, strict=True)):
            names = _calibrate(folder, number, lens, to_camera, ways[k])
            paths = {f"calib_{name}_path": f"calib/{name}/{number}.json" for name in names}
            entry = {"image_path": f"image/{number}.jpg", "image_timestamp": stamp, **paths, **common}
            lists[side].append({**entry, "frame_id": number} if dialect.group == "sequence_id" else entry)
        if lens_name in episode.videos:
            (folder / "image").mkdir(parents=True, exist_ok=True)
            for number, frame in zip(numbers, episode.videos[lens_name], strict=True):
                write_picture(folder / "image" / f"{number}.jpg", frame)
    labelled = bool(episode.tracks) or any(len(boxes) for boxes in episode.facts.get("boxes", ()))
    for k, number in enumerate(numbers):
        label = f"cooperative/{dialect.label_folder}/{number}.json"
        lists["cooperative"].append(_pair(number, label, episode, k, dialect))
        if labelled:
            frame = inverse(ways[k]) if dialect.labels_in == "lidar" else np.eye(4)
            write_json(root / label, [object_values(found, frame) for found in _objects(episode, k)])


def _calibrate(folder: Path, number: str, lens: Lens | None, to_camera: str, way: Rigid) -> list[str]:
    """Write a frame's files of calibration; their names."""
    files: dict[str, Any] = {}
    if to_camera == "lidar_to_camera":
        files["novatel_to_world"] = rigid_values(way)
        files["lidar_to_novatel"] = {"transform": rigid_values(np.eye(4))}
    if lens is not None:
        files["camera_intrinsic"] = {"cam_K": lens.matrix.reshape(9).tolist(), "cam_D": [0.0] * 5}
        if to_camera == "lidar_to_camera":
            to_ego = lens.pose if lens.frame == "ego" else inverse(way) @ lens.pose
            files[to_camera] = rigid_values(inverse(to_ego))
        else:
            below = upright([lens.pose[0, 3], lens.pose[1, 3], 0.0])
            files[to_camera] = rigid_values(inverse(lens.pose) @ below)
            files["virtuallidar_to_world"] = rigid_values(below)
    for name, values in files.items():
        write_json(folder / "calib" / name / f"{number}.json", values)
    return list(files)


def _pair(number: str, label: str, episode: Episode, k: int, dialect: Dialect) -> dict[str, Any]:
    dx, dy = np.nan_to_num(episode.facts.get("system_error_offset", np.full((len(episode), 2), np.nan))[k])
    offset = {"delta_x": float(dx), "delta_y": float(dy)}
    if dialect.group == "sequence_id":
        return {
            "vehicle_frame": number,
            "infrastructure_frame": number,
            "vehicle_sequence": episode.name,
            "infrastructure_sequence": episode.name,
            "system_error_offset": offset,
        }
    return {
        "infrastructure_image_path": f"infrastructure-side/image/{number}.jpg",
        "vehicle_image_path": f"vehicle-side/image/{number}.jpg",
        "cooperative_label_path": label,
        "system_error_offset": offset,
    }


def _objects(episode: Episode, k: int) -> list[Object]:
    """Those there at time k: of the tracks, then of the boxes without one."""
    types, found = episode.facts.get("types", {}), []
    for track, poses in episode.tracks.items():
        if np.isfinite(poses[k]).all():
            size = episode.sizes.get(track, SIZE)
            centre = np.array([poses[k, 0], poses[k, 1], size[2] / 2])
            found.append(Object(types.get(track, "Car"), track, centre, float(poses[k, 2]), size))
    if "boxes" in episode.facts:
        kinds = episode.facts["box_types"][k]
        for kind, box in zip(kinds, episode.facts["boxes"][k].tolist(), strict=True):
            size = (box[3], box[4], box[5])
            found.append(Object(kind, "", np.array(box[:3]), box[6], size))
    return found
