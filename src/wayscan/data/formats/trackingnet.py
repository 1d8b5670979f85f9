"""TrackingNet: `TRAIN_0 … TRAIN_11` and `TEST`, each with `frames/<id>/N.jpg` and `anno/<id>.txt`.

An annotation has x, y, w, h a line. N counts from 0 and is not padded, so frames are put in numeric order.
TEST gives the first box alone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from wayscan.data.footage import ImageFiles
from wayscan.data.formats.entries import Entry
from wayscan.data.formats.notes import note_of, read_notes, take_note, write_notes
from wayscan.data.formats.pictures import QUALITY, numbered_paths, write_pictures
from wayscan.data.formats.reading import Records
from wayscan.data.formats.rows import box_lines, known_boxes, read_rows, write_lines
from wayscan.data.records import Clip
from wayscan.names import expect_one_of, nearest

SOURCE = "TrackingNet"
SPLITS = (*(f"TRAIN_{part}" for part in range(12)), "TEST")


def split_folders(root: Path | str, split: str | None = None) -> list[Path]:
    """The folder of a split; "TRAIN" names every part that is there, None everything."""
    root = Path(root)
    there = [name for name in SPLITS if (root / name / "anno").is_dir()]
    wanted = [name for name in there if split in (None, name) or (split == "TRAIN" and name != "TEST")]
    if not there:
        raise ValueError(f"{root} holds no TrackingNet; expected TRAIN_0/anno and TRAIN_0/frames, or TEST/…")
    if not wanted:
        raise ValueError(
            f"split is {split!r}, which {root} does not have; {nearest(split, ('TRAIN', *there))}"
        )
    return [root / name for name in wanted]


def read_split(root: Path | str, split: str | None = None, *, skip_bad: bool = False) -> Records[Clip]:
    """The clips of a split ("TRAIN_3", "TRAIN", "TEST"), or all."""
    folders = split_folders(root, split)
    places = [
        (folder, truth.stem, notes)
        for folder, notes in ((folder, read_notes(folder)) for folder in folders)
        for truth in sorted(folder.glob("anno/*.txt"))
    ]
    return Records(places, _read, source=f"{SOURCE} {split or 'all'}", skip_bad=skip_bad)


def read_sequence(split_folder: Path | str, name: str, *, notes: Mapping[str, Entry] | None = None) -> Clip:
    """One sequence of a split's folder; boxes that are not given are NaN, and not absent for that."""
    folder = Path(split_folder)
    truth, paths = folder / "anno" / f"{name}.txt", numbered_paths(folder / "frames" / name)
    rows = known_boxes(np.stack(read_rows(truth, (4,))), truth)
    if not paths or len(rows) not in (1, len(paths)):
        raise ValueError(
            f"{truth} has {len(rows)} lines for {len(paths)} frames; expected one a frame (or one alone: the "
            f"first)"
        )
    boxes = np.full((len(paths), 4), np.nan)
    boxes[: len(rows)] = rows
    absent = np.asarray(np.isnan(boxes).any(axis=1) & (len(rows) == len(paths)))
    return Clip(
        name=name,
        frames=ImageFiles(paths),
        boxes=boxes,
        visible=np.where(absent, 0.0, 1.0),
        absent=absent,
        **{"source": SOURCE, **note_of(read_notes(folder) if notes is None else notes, name)},
    )


def write_sequence(clip: Clip, split_folder: Path | str, *, quality: int = QUALITY) -> None:
    """Write frames and boxes (in TEST the first box alone); an absent target's box is written as zeros."""
    folder = Path(split_folder)
    write_pictures(clip, folder / "frames" / clip.name, name="{}", first=0, quality=quality)
    (folder / "anno").mkdir(exist_ok=True)
    boxes = clip.boxes[:1] if folder.name == "TEST" else clip.boxes
    write_lines(folder / "anno" / f"{clip.name}.txt", box_lines(boxes))


def write_split(clips: Iterable[Clip], root: Path | str, split: str = "TRAIN_0") -> int:
    """Write clips into a split; returns how many."""
    expect_one_of("split", split, SPLITS)
    folder, notes = Path(root) / split, {}
    for clip in clips:
        write_sequence(clip, folder)
        notes[clip.name] = take_note(clip)
    write_notes(folder, notes)
    return len(notes)


def _read(place: tuple[Path, str, Mapping[str, Entry]]) -> Clip:
    return read_sequence(place[0], place[1], notes=place[2])
