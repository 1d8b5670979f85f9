"""Every format by name: how it is read and written, and how its folders are recognised.

    FORMATS["got10k"].read(path, split="val")    FORMATS["lasot"].write(clips, path)

A format's code is imported when it is used.
"""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wayscan.data.formats.reading import Records
from wayscan.names import nearest

FormatName = Literal[
    "got10k", "lasot", "trackingnet", "otb", "vot", "v2x_seq", "dair_v2x", "trackvla", "trackvla_windows"
]

MARK_WITHIN = 20_000  # letters


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format.

    `signs` are patterns of files below its folder: any of them tells it, if `mark` stands in that file.
    """

    name: FormatName
    record: Literal["Clip", "Episode", "Window"]
    folder: str  # its name below $WAYSCAN_DATA
    signs: tuple[str, ...]
    room: str  # the module below wayscan.data.formats
    reader: str
    writer: str
    splits: bool = True
    mark: str = ""  # to be found near the beginning of the file

    def read(
        self, path: Path | str, split: str | None = None, *, skip_bad: bool = False, **options: Any
    ) -> Records:
        """The records of a folder; without a split the format's own choice, mostly all."""
        if split is not None and not self.splits:
            raise ValueError(f"split is {split!r}, but {self.name} has no splits; give the folder you want")
        chosen = {"split": split} if split is not None else {}
        return self._function(self.reader)(path, **chosen, skip_bad=skip_bad, **options)

    def write(self, records: Iterable[Any], path: Path | str, **options: Any) -> int:
        """Write records to a folder, which `read` reads back; returns how many."""
        return self._function(self.writer)(records, path, **options)

    def is_at(self, path: Path) -> bool:
        """Whether a folder (or file) looks like this format."""
        if path.is_file():
            return any(path.match(sign) for sign in self.signs)
        found = (next(path.glob(sign), None) for sign in self.signs)
        return any(sign is not None and (not self.mark or self._marked(sign)) for sign in found)

    def _marked(self, path: Path) -> bool:
        with open(path, encoding="utf-8", errors="replace") as file:
            return self.mark in file.read(MARK_WITHIN)

    def _function(self, name: str) -> Any:
        return getattr(importlib.import_module(f"wayscan.data.formats.{self.room}"), name)


# In the order in which they are tried: what is told by more comes first.
FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format(
            name="got10k",
            record="Clip",
            folder="GOT-10k",
            signs=("val/list.txt", "train/list.txt", "test/list.txt", "*/cover.label"),
            room="got10k",
            reader="read_split",
            writer="write_split",
        ),
        Format(
            name="trackingnet",
            record="Clip",
            folder="TrackingNet",
            signs=("TRAIN_*/anno", "TEST/anno"),
            room="trackingnet",
            reader="read_split",
            writer="write_split",
        ),
        Format(
            name="otb",
            record="Clip",
            folder="OTB",
            signs=("groundtruth_rect*.txt", "*/groundtruth_rect*.txt"),
            room="otb_vot",
            reader="read_sequences",
            writer="write_otb",
            splits=False,
        ),
        Format(
            name="lasot",
            record="Clip",
            folder="LaSOT",
            signs=(
                "*/*/full_occlusion.txt",
                "*/full_occlusion.txt",
                "*/*/img/00000001.jpg",
                "testing_set.txt",
            ),
            room="lasot",
            reader="read_split",
            writer="write_split",
        ),
        Format(
            name="vot",
            record="Clip",
            folder="VOT",
            signs=("groundtruth.txt", "*/groundtruth.txt"),
            room="otb_vot",
            reader="read_sequences",
            writer="write_vot",
            splits=False,
        ),
        Format(
            name="v2x_seq",
            record="Episode",
            folder="V2X-Seq-SPD",
            signs=("vehicle-side/data_info.json",),
            mark='"sequence_id"',
            room="v2x_seq",
            reader="read_episodes",
            writer="write_episodes",
        ),
        Format(
            name="dair_v2x",
            record="Episode",
            folder="DAIR-V2X-C",
            signs=("vehicle-side/data_info.json",),
            room="dair_v2x",
            reader="read_episodes",
            writer="write_episodes",
        ),
        Format(
            name="trackvla",
            record="Episode",
            folder="OpenTrackVLA",
            signs=(
                "*_info.json",
                "*/*_info.json",
                "*/*/*_info.json",
                "*/*/*/*_info.json",
                "sim_data/*/*/*/*_info.json",
            ),
            room="trackvla",
            reader="read_episodes",
            writer="write_episodes",
        ),
        Format(
            name="trackvla_windows",
            record="Window",
            folder="OpenTrackVLA-samples",
            signs=("*.jsonl", "*/*.jsonl"),
            room="trackvla_windows",
            reader="read_windows",
            writer="write_windows",
        ),
    )
}


def format_named(name: str) -> Format:
    """The format of a name, or an error with the nearest ones."""
    if name not in FORMATS:
        raise ValueError(f"format is {name!r}; {nearest(name, FORMATS)} ('auto' looks at the files)")
    return FORMATS[name]
