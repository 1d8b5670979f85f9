"""DAIR-V2X-C: recordings by `batch_id`, cooperative labels in the world's frame and mostly without tracks.

What `wayscan.data.formats.cooperative` says of the layout holds. Objects without a track are in
`facts["boxes"]` (x, y, z, length, width, height, θ) and `facts["box_types"]`, one array and tuple a time.
"""

from collections.abc import Iterable
from pathlib import Path

from wayscan.data.formats.cooperative import MAX_GAP, Dialect, read_folder
from wayscan.data.formats.cooperative_writing import write_folder
from wayscan.data.formats.reading import Records
from wayscan.data.records import Episode

DAIR = Dialect(source="DAIR-V2X-C", group="batch_id", labels_in="world", label_folder="label_world")


def read_episodes(
    root: Path | str, split: str | None = None, *, skip_bad: bool = False, max_gap: float = MAX_GAP
) -> Records[Episode]:
    """The episodes of a split (by `batch_split` of the split file), or all."""
    return read_folder(root, DAIR, split=split, skip_bad=skip_bad, max_gap=max_gap)


def write_episodes(episodes: Iterable[Episode], root: Path | str) -> int:
    """Add episodes to a folder; returns how many."""
    return write_folder(episodes, root, DAIR)
