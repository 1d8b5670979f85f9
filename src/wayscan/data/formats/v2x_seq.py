"""V2X-Seq's sequential perception set (SPD): recordings by `sequence_id`, tracks in the lidar's frame.

What `wayscan.data.formats.cooperative` says of the layout holds. Tracks and sizes are brought to the world's
frame; objects without a track (traffic cones) are in `facts["boxes"]`.
"""

from collections.abc import Iterable
from pathlib import Path

from wayscan.data.formats.cooperative import MAX_GAP, Dialect, read_folder
from wayscan.data.formats.cooperative_writing import write_folder
from wayscan.data.formats.reading import Records
from wayscan.data.records import Episode

SPD = Dialect(source="V2X-Seq-SPD", group="sequence_id", labels_in="lidar", label_folder="label")


def read_episodes(
    root: Path | str, split: str | None = None, *, skip_bad: bool = False, max_gap: float = MAX_GAP
) -> Records[Episode]:
    """The episodes of a split (by `batch_split` of the split file), or all."""
    return read_folder(root, SPD, split=split, skip_bad=skip_bad, max_gap=max_gap)


def write_episodes(episodes: Iterable[Episode], root: Path | str) -> int:
    """Add episodes to a folder; returns how many."""
    return write_folder(episodes, root, SPD)
