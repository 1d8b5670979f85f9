"""OpenTrackVLA's recordings: `sim_data/<split>/seed_X/<scene>/{k.mp4, k_info.json, k.json}`.

`k_info.json` lists a step a frame: dis_to_human (m), facing (1 or 0) and base_velocity (vx, vy, ω);
`k.json` says how the episode went and what the instruction was. Base velocities are commands:
`velocity_scale` says how many m/s, m/s and rad/s one unit of each is worth (1 if not given; the public
simulation does not say). `actions` keep them as they are; poses are integrated from them at 0.1 s, unless
the steps carry a `pose`, as those written here do.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from wayscan.data.footage import Footage, Image
from wayscan.data.formats.entries import Entry, entry_at, read_entries, read_entry, write_json
from wayscan.data.formats.fit import check_fits
from wayscan.data.formats.notes import facts_of, note_of, read_notes, take_note, write_notes
from wayscan.data.formats.planar import integrate
from wayscan.data.formats.reading import Records
from wayscan.data.records import Episode
from wayscan.data.video import VideoFile, write_video
from wayscan.names import expect_one_of

SOURCE = "OpenTrackVLA"
DT = 0.1
CRF = 16  # of the videos written: hardly a loss
INFO = "_info.json"
STATUS = ("finish", "status", "success", "following_rate", "following_step", "total_step", "collision")
PLACED = (*STATUS, "dis_to_human", "facing", "velocity_scale", "split", "seed", "scene", "lacks")
"""Facts that are read from the files themselves."""


class FirstFrames:
    """The first K frames of footage."""

    def __init__(self, footage: Footage, count: int) -> None:
        self._footage, self._count = footage, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, k: int) -> Image:
        if not -self._count <= k < self._count:
            raise IndexError(f"frame {k} of {self._count}")
        return self._footage[k % self._count]

    def __iter__(self) -> Iterator[Image]:
        return (frame for frame, _ in zip(self._footage, range(self._count), strict=False))


def read_episodes(
    root: Path | str,
    split: str | None = None,
    *,
    skip_bad: bool = False,
    velocity_scale: Sequence[float] = (1.0, 1.0, 1.0),
) -> Records[Episode]:
    """The episodes of a split, or all; `root` is sim_data or any folder around or in it."""
    root = Path(root)
    infos = sorted(root.rglob(f"*{INFO}"), key=lambda path: (path.parent, _order(path)))
    if not infos:
        raise ValueError(
            f"{root} holds no {SOURCE} recording; expected <split>/seed_X/<scene>/0{INFO}; give the sim_data "
            f"folder"
        )
    if split is not None:
        expect_one_of(f"{root}: split", split, sorted({_parts(path)[0] for path in infos}))
        infos = [path for path in infos if _parts(path)[0] == split]
    scale = np.asarray(velocity_scale, dtype=np.float64)
    notes = read_notes(root)
    return Records(
        infos,
        partial(read_episode, velocity_scale=scale, notes=notes),
        source=f"{SOURCE} {split or 'all'}",
        skip_bad=skip_bad,
    )


def read_episode(
    info: Path | str,
    *,
    velocity_scale: Sequence[float] | np.ndarray = (1.0, 1.0, 1.0),
    notes: dict[str, Entry] | None = None,
) -> Episode:
    """The episode of one k_info.json, with what lies beside it. A missing video is said in facts["lacks"]."""
    info = Path(info)
    values = read_entries(info)
    steps = [entry_at(values, k, info) for k in range(len(values))]
    if not steps:
        raise ValueError(f"{info} lists no step; expected one for each frame; leave the episode out")
    outcome = info.with_name(info.name.removesuffix(INFO) + ".json")
    status = read_entry(outcome) if outcome.is_file() else Entry({}, str(outcome))
    actions = np.stack([step.numbers("base_velocity", (3,)) for step in steps])
    if all("pose" in step for step in steps):
        poses = np.stack([step.numbers("pose", (3,)) for step in steps])
    else:
        moved = integrate(actions[:-1] * np.asarray(velocity_scale), DT)
        poses = np.concatenate([np.zeros((1, 3)), moved])
    split, seed, scene = _parts(info)
    name = "/".join((split, seed, scene, info.name.removesuffix(INFO)))
    lacks = [] if outcome.is_file() else ["outcome and instruction"]
    videos = _video(info, len(steps), lacks)
    return Episode(
        name=name,
        times=np.arange(len(steps), dtype=np.float64) * DT,
        poses=poses,
        videos=videos,
        actions=actions,
        facts={
            **facts_of(notes or {}, name),
            **{key: value for key, value in status.values.items() if key != "instruction"},
            **{key: _series(steps, key) for key in ("dis_to_human", "facing") if key in steps[0]},
            "velocity_scale": tuple(np.asarray(velocity_scale, dtype=float).tolist()),
            "split": split,
            "seed": seed,
            "scene": scene,
            "lacks": tuple(lacks),
        },
        **{
            "source": SOURCE,
            **note_of(notes or {}, name),
            "text": status.text("instruction") if "instruction" in status else "",
        },
    )


def write_episodes(episodes: Iterable[Episode], root: Path | str) -> int:
    """Write episodes with actions; a name `split/seed/scene/k` is kept, another made train/seed_0/NAME/0."""
    root, notes = Path(root), {}
    for episode in episodes:
        parts = episode.name.split("/")
        split, seed, scene, number = parts if len(parts) == 4 else ("train", "seed_0", parts[-1], "0")
        _write(episode, root / split / seed / scene, number)
        notes["/".join((split, seed, scene, number))] = take_note(episode, PLACED)
    write_notes(root, notes)
    return len(notes)


def _write(episode: Episode, folder: Path, number: str) -> None:
    if episode.actions is None or episode.actions.shape[1:] != (3,):
        raise ValueError(
            f"episode {episode.name!r} has no actions (K, 3); {SOURCE} expects base velocities vx, vy, ω a "
            f"step"
        )
    check_fits(episode, SOURCE, dt=DT, cameras=("front",))
    series = {key: episode.facts[key] for key in ("dis_to_human", "facing") if key in episode.facts}
    steps: list[dict[str, Any]] = []
    for k in range(len(episode)):
        said = {key: float(values[k]) for key, values in series.items()}
        velocity, pose = episode.actions[k].tolist(), episode.poses[k].tolist()
        steps.append({"step": k + 1, **said, "base_velocity": velocity, "pose": pose})
    status = {key: episode.facts[key] for key in STATUS if key in episode.facts}
    write_json(folder / f"{number}{INFO}", steps)
    write_json(folder / f"{number}.json", {**status, "instruction": episode.text})
    if "front" in episode.videos:
        write_video(folder / f"{number}.mp4", episode.videos["front"], 1 / DT, crf=CRF)


def _video(info: Path, count: int, lacks: list[str]) -> dict[str, Footage]:
    path = info.with_name(info.name.removesuffix(INFO) + ".mp4")
    if not path.is_file():
        lacks.append("video")
        return {}
    video = VideoFile(path)
    if len(video) < count:
        raise ValueError(
            f"{path} has {len(video)} frames for the {count} steps of {info.name}; expected as many; it may "
            f"be cut off"
        )
    return {"front": video if len(video) == count else FirstFrames(video, count)}


def _series(steps: list[Entry], key: str) -> np.ndarray:
    return np.array([step.number(key) for step in steps])


def _parts(info: Path) -> tuple[str, str, str]:
    """Split, seed and scene, from the folders around a file."""
    scene, seed, split = (parent.name for parent in list(info.resolve().parents)[:3])
    return split, seed, scene


def _order(info: Path) -> tuple[int, str]:
    stem = info.name.removesuffix(INFO)
    return (int(stem), stem) if stem.isdecimal() else (-1, stem)
