"""Which sequences an evaluation runs over: generated clips whose seeds nobody learns from, or files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, get_args

from wayscan.data.records import Clip
from wayscan.track.config import JUDGING_SEEDS, TUNING_SEEDS
from wayscan.world.clips import ClipsSpec, tracking_clip
from wayscan.world.films import FILM_VERSION, FilmSpec, make_film
from wayscan.world.sprites import GENERATOR_VERSION
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import Sources, library_for

Purpose = Literal["judging", "tuning"]
Embedded = Literal["sprites", "films", "clips"]
EMBEDDED: tuple[Embedded, ...] = get_args(Embedded)


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


def embedded_clips(
    kind: Embedded, count: int, purpose: Purpose = "judging", seed: int = 0, frames: int = 90, **sources: Any
) -> Sequences:
    """Clips 0 … count - 1 of a judging or tuning seed of the embedded world.

    Args:
        kind: "sprites", "films" of the 3-D world, or "clips", both in turn.
        seed: counts from the first one of that purpose.
        sources: of `wayscan.world.sprites.Sources`, such as photographs of one's own.
    """
    seeds = JUDGING_SEEDS if purpose == "judging" else TUNING_SEEDS
    if not 0 <= seed < len(seeds) or count < 1:
        raise ValueError(f"seed, count are {(seed, count)}; expected 0 to {len(seeds) - 1}, and 1 or more")
    sprites = ClipSpec(frames=frames, sources=Sources(**sources))
    spec = ClipsSpec(sprites=sprites, films=FilmSpec(frames=frames))
    library = library_for(sprites.sources)
    made: dict[Embedded, Callable[[int], Clip]] = {
        "sprites": lambda index: make_clip(seeds[seed], index, sprites, library),
        "films": lambda index: make_film(seeds[seed], index, spec.films),
        "clips": lambda index: tracking_clip(seeds[seed], index, spec),
    }
    natural = len(library.scenes_by_nature[True])
    textures = len(library.scenes) - natural
    of_sprites = f"sprites v{GENERATOR_VERSION} from {natural} photographs and {textures} textures"
    of_films = f"films v{FILM_VERSION}"
    contents = {"sprites": of_sprites, "films": of_films, "clips": f"{of_sprites}, and {of_films}, in turn"}
    return Sequences(
        name=f"{purpose} seed {seeds[seed]} of {contents[kind]}",
        clips=map(made[kind], range(count)),
        count=count,
        synthetic=True,
    )


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
