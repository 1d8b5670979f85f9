"""LaSOT: `cls/cls-N/img/00000001.jpg` (or without the `cls/` level).

A sequence holds groundtruth.txt (x, y, w, h a line), full_occlusion.txt and out_of_view.txt (all frames'
flags in one line, comma) and nlp.txt (the target in words). `absent` are the frames out of view; `visible`
is 0 there and where the target is fully occluded, otherwise 1, because LaSOT says no more. testing_set.txt,
in the root or beside it, names the test sequences; all others are for training.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from wayscan.data.footage import ImageFiles
from wayscan.data.formats.entries import Entry
from wayscan.data.formats.notes import note_of, read_notes, take_note, write_notes
from wayscan.data.formats.pictures import QUALITY, numbered_paths, write_pictures
from wayscan.data.formats.reading import Records
from wayscan.data.formats.rows import box_lines, known_boxes, read_flag_line, read_rows, write_lines
from wayscan.data.records import Clip
from wayscan.names import expect_one_of

SOURCE = "LaSOT"
SPLITS = ("train", "test")
TEST_LIST = "testing_set.txt"


def sequence_folders(root: Path | str, split: str | None = None) -> list[Path]:
    """The sequences of a split, or all, sorted by class and number."""
    root = Path(root)
    found = [path.parent for pattern in ("*/img", "*/*/img") for path in root.glob(pattern)]
    folders = sorted((path for path in found if (path / "groundtruth.txt").is_file()), key=_place)
    if not folders:
        raise ValueError(
            f"{root} holds no LaSOT sequence; expected airplane/airplane-1/img and groundtruth.txt; give the "
            f"folder of the classes"
        )
    if split is None:
        return folders
    expect_one_of("split", split, SPLITS)
    tested = _test_names(root)
    return [folder for folder in folders if (folder.name in tested) == (split == "test")]


def read_split(root: Path | str, split: str | None = None, *, skip_bad: bool = False) -> Records[Clip]:
    """The clips of a split, or all."""
    folders, notes = sequence_folders(root, split), read_notes(Path(root))
    return Records(
        folders,
        partial(read_sequence, notes=notes),
        source=f"{SOURCE} {split or 'all'}",
        skip_bad=skip_bad,
    )


def read_sequence(folder: Path | str, *, notes: Mapping[str, Entry] | None = None) -> Clip:
    """One sequence; frames are read when they are asked for."""
    folder = Path(folder)
    truth, paths = folder / "groundtruth.txt", numbered_paths(folder / "img")
    boxes = known_boxes(np.stack(read_rows(truth, (4,))), truth)
    if len(boxes) != len(paths):
        raise ValueError(
            f"{truth} has {len(boxes)} lines for {len(paths)} frames; expected one a frame; copy the "
            f"sequence again"
        )
    flags = {
        name: read_flag_line(folder / f"{name}.txt", len(paths)) > 0
        for name in ("out_of_view", "full_occlusion")
        if (folder / f"{name}.txt").is_file()
    }
    nobody = np.zeros(len(paths), dtype=np.bool_)
    absent = flags.get("out_of_view", nobody) | np.isnan(boxes).any(axis=1)
    words = folder / "nlp.txt"
    note = note_of(read_notes(folder.parent) if notes is None else notes, folder.name)
    return Clip(
        name=folder.name,
        frames=ImageFiles(paths),
        boxes=boxes,
        visible=np.where(absent | flags.get("full_occlusion", nobody), 0.0, 1.0),
        absent=absent,
        **{
            "source": SOURCE,
            **note,
            "text": words.read_text(encoding="utf-8-sig").strip() if words.is_file() else "",
        },
    )


def write_sequence(clip: Clip, folder: Path | str, *, quality: int = QUALITY) -> None:
    """Write frames, boxes, flags and words; partial visibility has no place and is written as visible."""
    folder = Path(folder)
    write_pictures(clip, folder / "img", quality=quality)
    write_lines(folder / "groundtruth.txt", box_lines(clip.boxes))
    hidden = (clip.visible == 0) & ~clip.absent
    for name, flags in (("out_of_view", clip.absent), ("full_occlusion", hidden)):
        write_lines(folder / f"{name}.txt", [",".join(str(int(flag)) for flag in flags)])
    if clip.text:
        write_lines(folder / "nlp.txt", [clip.text])


def write_split(clips: Iterable[Clip], root: Path | str, split: str = "test") -> int:
    """Write clips as `cls/cls-N`; a name without `-N` becomes its class's first. Returns how many."""
    root, notes = Path(root), {}
    for clip in clips:
        group, _, number = clip.name.rpartition("-")
        name = clip.name if group and number.isdecimal() else f"{clip.name}-1"
        write_sequence(clip, root / name.rpartition("-")[0] / name)
        notes[name] = take_note(clip)
    before = sorted(_test_names(root)) if (root / TEST_LIST).is_file() else []
    write_lines(root / TEST_LIST, [*before, *notes] if split == "test" else before)
    write_notes(root, notes)
    return len(notes)


def _test_names(root: Path) -> set[str]:
    for path in (root / TEST_LIST, root.parent / TEST_LIST):
        if path.is_file():
            return set(path.read_text(encoding="utf-8-sig").split())
    raise ValueError(
        f"{root} has no {TEST_LIST} in it or beside it, which tells test from train; put it there, or read "
        f"all"
    )


def _place(folder: Path) -> tuple[str, int]:
    group, _, number = folder.name.rpartition("-")
    return group, int(number) if number.isdecimal() else 0
