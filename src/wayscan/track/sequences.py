"""Which sequences an evaluation runs over: generated clips whose seeds nobody learns from, or files."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from wayscan.data.records import Clip
from wayscan.track.config import JUDGING_SEEDS, TUNING_SEEDS

Purpose = Literal["judging", "tuning"]
SPRITES = "sprites"


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """Clips with one name for all of them.

    Attributes:
        count: how many, broken ones included.
    """

    name: str
    clips: Iterable[Clip]
    count: int
    synthetic: bool


def sprite_clips(
    count: int, purpose: Purpose = "judging", seed: int = 0, frames: int = 90, **sources: Any
) -> Sequences:
    """Clips 0 … count - 1 of a judging or tuning seed of the sprite world.

    Args:
        seed: counts from the first one of that purpose.
        sources: of `wayscan.world.sprites.Sources`, such as photographs of one's own.
    """
    from wayscan.world.sprites import GENERATOR_VERSION
    from wayscan.world.sprites.clips import ClipSpec, make_clip
    from wayscan.world.sprites.library import Sources, library_for

    seeds = JUDGING_SEEDS if purpose == "judging" else TUNING_SEEDS
    if not 0 <= seed < len(seeds) or count < 1:
        raise ValueError(f"seed, count are {(seed, count)}; expected 0 to {len(seeds) - 1}, and 1 or more")
    spec = ClipSpec(frames=frames, sources=Sources(**sources))
    library = library_for(spec.sources)
    natural = len(library.scenes_by_nature[True])
    name = (
        f"sprites v{GENERATOR_VERSION}, {purpose} seed {seeds[seed]}, from {natural} photographs and "
        f"{len(library.scenes) - natural} textures"
    )
    clips = (make_clip(seeds[seed], index, spec, library) for index in range(count))
    return Sequences(name=name, clips=clips, count=count, synthetic=True)


def sequences(
    data: str,
    *,
    format: str = "auto",
    split: str | None = None,
    count: int | None = None,
    skip_bad: bool = False,
) -> Sequences:
    """Sequences of a data set in any format of `wayscan.data.formats`, the first `count` of them.

    Args:
        data: a folder, or a name below $WAYSCAN_DATA.
        skip_bad: leave broken sequences out, with a warning at the end, instead of stopping at the first.
    """
    from wayscan.data.locate import open_data

    records = open_data(data, format, split=split, skip_bad=skip_bad, record="Clip")
    there = len(records) if count is None else min(count, len(records))
    return Sequences(name=data, clips=islice(records, count), count=there, synthetic=False)
