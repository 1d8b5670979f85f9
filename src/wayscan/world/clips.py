"""The `clips` data set for trackers: sprite clips and films of the 3-D world in turn, by (seed, index)."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from wayscan.data.records import Clip
from wayscan.world.films import FilmSpec, make_film
from wayscan.world.sprites.clips import ClipSpec, make_clip


@dataclass(frozen=True, kw_only=True)
class ClipsSpec:
    """What clips look like."""

    sprites: ClipSpec = field(default_factory=ClipSpec)
    films: FilmSpec = field(default_factory=FilmSpec)


def tracking_clip(seed: int, index: int, spec: ClipsSpec | None = None) -> Clip:
    """Clip `index` of a seed: of sprites where the index is even, a film where it is odd."""
    spec = spec or ClipsSpec()
    if index % 2:
        return make_film(seed, index, spec.films)
    return make_clip(seed, index, spec.sprites)


def stream_clips(seed: int, count: int, spec: ClipsSpec | None = None) -> Iterator[Clip]:
    """The first `count` clips of a seed, made when they are asked for."""
    return (tracking_clip(seed, index, spec) for index in range(count))
