"""Where training records come from: the embedded sprites, people's data sets, and mixtures of both by weight.

Everything here is a function of a seed and an index. Needs no torch.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wayscan.data.formats import got10k, lasot, otb_vot, trackingnet
from wayscan.data.formats.reading import Records
from wayscan.data.records import Clip
from wayscan.track.clip_pairs import ClipPairSpec, pair_from_clip, usable_frames
from wayscan.track.config import TrackConfig
from wayscan.track.train_config import TrackTrainConfig
from wayscan.world.films import FILM_VERSION, FilmSpec, make_film
from wayscan.world.sprites import GENERATOR_VERSION
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import Sources, library_for
from wayscan.world.sprites.pairs import PAIR_VERSION, PairSpec, training_sample

Sample = dict[str, NDArray]
FILM_SLACK = 8  # frames of a film beyond a window's, so that windows differ
_ENDLESS = 2**40  # how many samples a seed of the sprites is taken to have


class PairSource(Protocol):
    """Samples as `wayscan.world.sprites.training_sample` describes them."""

    def pair(self, rng: np.random.Generator) -> Sample:
        """Any sample; all its randomness is the generator's."""
        ...

    def fingerprint(self) -> str:
        """What the samples are made of."""
        ...


class ClipSource(Protocol):
    """Clips by number: sprites, a data set, a rendered world."""

    def clip(self, seed: int, index: int) -> Clip:
        """Clip `index` of a seed, a function of both alone."""
        ...

    def fingerprint(self) -> str:
        """What the clips are made of."""
        ...


class SpritePairs:
    """Samples of the embedded sprites; every draw is a new one."""

    def __init__(self, seed: int, spec: PairSpec) -> None:
        self.seed, self.spec = seed, spec
        library_for(spec.sources)  # before worker processes are forked, so that they share it

    def pair(self, rng: np.random.Generator) -> Sample:
        return training_sample(
            self.seed, int(rng.integers(_ENDLESS)), self.spec, library_for(self.spec.sources)
        )

    def fingerprint(self) -> str:
        return f"sprite pairs {PAIR_VERSION} {self.seed} {_known(self.spec)}"


class SpriteClips:
    """Clips of the embedded sprites, without end."""

    def __init__(self, spec: ClipSpec) -> None:
        self.spec = spec
        library_for(spec.sources)

    def clip(self, seed: int, index: int) -> Clip:
        return make_clip(seed, index, self.spec, library_for(self.spec.sources))

    def fingerprint(self) -> str:
        return f"sprite clips {GENERATOR_VERSION} {_known(self.spec)}"


class RecordedClips:
    """A data set's clips, over and over; also a source of pairs.

    Args:
        name: says what it is in a run's fingerprint.
        clips: by number, each read when it is drawn; one with fewer than two frames that show the target is
            passed over for the next.
        spec: how pairs are cut from them.
    """

    def __init__(self, name: str, clips: "Records[Clip] | Sequence[Clip]", spec: ClipPairSpec) -> None:
        self.name, self.clips, self.spec = name, clips, spec
        if len(clips) == 0:
            raise ValueError(f"{name} has no clip; expected at least one; check the folder")

    def clip(self, seed: int, index: int) -> Clip:
        return self._drawn(np.random.default_rng((seed, index, 2)))

    def pair(self, rng: np.random.Generator) -> Sample:
        return pair_from_clip(rng, self._drawn(rng), self.spec)

    def fingerprint(self) -> str:
        return f"{self.name} {len(self.clips)} {self.spec}"

    def _drawn(self, rng: np.random.Generator) -> Clip:
        start = int(rng.integers(len(self.clips)))
        for k in range(start, start + len(self.clips)):
            clip = self.clips[k % len(self.clips)]
            if len(usable_frames(clip)) >= 2:
                return clip
        raise ValueError(
            f"{self.name} has no clip with two frames that show the target; expected at least one; check its "
            "labels"
        )


class Films(Sequence[Clip]):
    """Films 0 … count - 1 of a seed of the 3-D world, each kept in memory once it has been rendered: that
    takes 10 ms a frame, as long as learning from it.
    """

    def __init__(self, seed: int, count: int, frames: int) -> None:
        self.seed, self.number, self.spec = seed, count, FilmSpec(frames=frames)
        self._rendered: dict[int, Clip] = {}

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> Clip:  # type: ignore[override]
        if index not in self._rendered:
            self._rendered[index] = make_film(self.seed, index, self.spec)
        return self._rendered[index]

    def prepare(self) -> None:
        """Render all of them now: before processes are forked, so that they share them."""
        for index in range(self.number):
            self[index]


@lru_cache(maxsize=1)
def films_of(seed: int, count: int, frames: int) -> Films:
    """Films of a seed, the same ones for all runs of a process."""
    return Films(seed, count, frames)


class Share(NamedTuple):
    """A source and how often it is drawn from, over the sum of all weights."""

    weight: float
    source: "SpritePairs | SpriteClips | RecordedClips"


class Mixture:
    """Several sources by weight; itself a source of pairs or of clips, as its parts are."""

    def __init__(self, shares: Sequence[Share]) -> None:
        self.shares = [share for share in shares if share.weight > 0]
        if not self.shares:
            raise ValueError("no data has a weight above 0; expected some to learn from; raise one")
        weights = np.array([share.weight for share in self.shares])
        self._reach = np.cumsum(weights / weights.sum())

    def prepare(self) -> None:
        """Make now what would be made when it is drawn."""
        for share in self.shares:
            if isinstance(share.source, RecordedClips) and isinstance(share.source.clips, Films):
                share.source.clips.prepare()

    def pair(self, rng: np.random.Generator) -> Sample:
        return self._drawn(rng).pair(rng)  # type: ignore[union-attr]

    def clip(self, seed: int, index: int) -> Clip:
        return self._drawn(np.random.default_rng((seed, index, 3))).clip(seed, index)  # type: ignore[union-attr]

    def fingerprint(self) -> str:
        return "; ".join(f"{share.weight:g} {share.source.fingerprint()}" for share in self.shares)

    def _drawn(self, rng: np.random.Generator) -> "SpritePairs | SpriteClips | RecordedClips":
        place = int(np.searchsorted(self._reach, rng.random(), side="right"))
        return self.shares[min(place, len(self.shares) - 1)].source


class Pairs:
    """A training set of the pair stage: `count` new samples in every epoch."""

    def __init__(self, source: PairSource, count: int) -> None:
        self.source, self.count = source, count

    def __len__(self) -> int:
        return self.count

    def record(self, index: int, rng: np.random.Generator) -> Sample:
        return self.source.pair(rng)

    def fingerprint(self) -> str:
        return f"{self.count} of {self.source.fingerprint()}"


def pair_source(config: TrackTrainConfig) -> Mixture:
    """The pairs that a run learns from."""
    return _mixed(config, lambda: SpritePairs(config.data_seed, pair_crops(config)))


def pair_crops(config: TrackTrainConfig) -> PairSpec:
    """Samples of the sprites in the sizes that the network takes."""
    return PairSpec(**_crops(config.network()), sources=sprite_sources(config))


def clip_source(config: TrackTrainConfig) -> Mixture:
    """The clips that a run learns from."""
    return _mixed(config, lambda: SpriteClips(ClipSpec(sources=sprite_sources(config))))


def sprite_sources(config: TrackTrainConfig) -> Sources:
    """What the sprites of a run are cut from."""
    return Sources(images=config.images, segments=config.segments, cache=config.cache)


def _mixed(config: TrackTrainConfig, sprites: Callable[[], SpritePairs | SpriteClips]) -> Mixture:
    """The embedded world and whatever data sets a run is given, each by its weight."""
    folders: tuple[tuple[str, Path | None, float, Callable[[Path], Records[Clip]]], ...] = (
        ("GOT-10k", config.got10k, config.got10k_weight, lambda root: got10k.read_split(root, "train")),
        ("LaSOT", config.lasot, config.lasot_weight, lambda root: lasot.read_split(root, "train")),
        ("TrackingNet", config.trackingnet, config.trackingnet_weight,
         lambda root: trackingnet.read_split(root, "TRAIN")),
        ("sequences", config.sequences, config.sequences_weight, otb_vot.read_sequences),
    )  # fmt: skip
    spec = ClipPairSpec(**_crops(config.network()))
    shares = [
        Share(weight, RecordedClips(name, read(root), spec))
        for name, root, weight, read in folders
        if root is not None and weight > 0
    ]
    if config.films_weight:
        films = films_of(config.data_seed, config.films, config.clip_frames + FILM_SLACK)
        name = f"films v{FILM_VERSION} {films.seed} {films.spec}"
        shares.insert(0, Share(config.films_weight, RecordedClips(name, films, spec)))
    if config.sprites_weight:
        shares.insert(0, Share(config.sprites_weight, sprites()))
    return Mixture(shares)


def _crops(network: TrackConfig) -> dict[str, Any]:
    names = ("template_size", "search_size", "template_factor", "search_factor")
    return {name: getattr(network, name) for name in names}


def _known(spec: PairSpec | ClipSpec) -> str:
    """A spec in words, without where its library is kept."""
    return str(spec).replace(f", cache={spec.sources.cache!r}", "")
