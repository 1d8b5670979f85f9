"""What a tracker is made of and how it is trained and run. Needs no torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from wayscan.names import expect_one_of
from wayscan.world.splits import JUDGING, TRAINING, TUNING

# Seeds of the generators, by what they are for: the world's splits under the tracker's names.
TRAINING_SEEDS, TUNING_SEEDS, JUDGING_SEEDS = TRAINING, TUNING, JUDGING

# Of box corners as words, in units of the search crop: half a crop beyond each edge.
COORDINATE_SPAN = (-0.5, 1.5)

# Beside the graphs of an exported tracker: its settings, and what tells such a folder from a model's.
EXPORTED = "track.json"

Encoder = Literal["shared", "separate", "forward", "vit"]
Preset = Literal["base", "small", "tiny", "nano"]


@dataclass(frozen=True, kw_only=True)
class TrackConfig:
    """The network. The defaults are those of `base`, the plain ARTrackMamba."""

    width: int = 768
    """D."""
    depth: int = 24
    states: int = 16
    """N of each channel's scan."""
    encoder: Encoder = "shared"
    """One set of weights for both directions, two sets, one direction only, or attention (half as many
    blocks, each with an MLP, which is about as many parameters)."""
    fusion: Literal["mean", "gated"] = "mean"
    """How the directions of `shared` are joined."""
    layer_scale: float | None = None
    """Initial scale of each block's branch; None leaves it out."""
    local_conv: bool = True
    """A depthwise convolution before each scan."""
    drop_path: float = 0.0

    template_size: int = 128
    search_size: int = 256
    template_factor: float = 2.0
    """Side of the template's crop over the target's √(w · h)."""
    search_factor: float = 4.0
    stem: Literal["patch", "conv"] = "patch"
    """One linear map of 16 × 16 patches, or convolutions to stride 8 and then 2 × 2 of these cells a
    token.
    """
    stem_width: int = 128
    """Channels of the convolutional stem at stride 8."""
    correlation: bool = False
    """Compare every search cell with every cell of the two templates."""
    search_pos_bias: bool = True
    """A learnt bias on the search tokens only, beside the positions that templates and search share."""

    past: int = 7
    """Boxes of the trajectory prompt; 0 leaves the prompt out."""
    bins: int = 400
    """Bins of a coordinate in a length of one crop; the vocabulary spans [-0.5, 1.5], two crops."""
    mask_decoder: bool = True
    """Reconstruct the dynamic template from a quarter of its tokens, as a second task in training."""
    dense_head: bool = False
    """A heat map of the target's centre with a box at each place, beside the coordinate tokens."""
    dense_width: int = 64
    box_from: Literal["tokens", "dense"] = "tokens"
    """Which head gives the final box."""

    def __post_init__(self) -> None:
        for name in ("template_size", "search_size"):
            if getattr(self, name) % 16 or getattr(self, name) < 16:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; expected a multiple of 16, a token's side"
                )
        if self.search_size % self.template_size:
            raise ValueError(
                f"search_size is {self.search_size}; expected a multiple of template_size "
                f"{self.template_size}, because both share their positions"
            )
        if self.box_from == "dense" and not self.dense_head:
            raise ValueError(
                "box_from is 'dense' but dense_head is False; set dense_head, or box_from='tokens'"
            )
        if self.fusion == "gated" and self.encoder != "shared":
            raise ValueError(f"fusion is 'gated', which encoder 'shared' has; encoder is {self.encoder!r}")
        if self.layer_scale is not None and self.encoder == "vit":
            raise ValueError("layer_scale is set, which only scans have; encoder is 'vit'; leave it out")
        if self.past < 0 or min(self.width, self.depth, self.bins) < 1:
            raise ValueError(
                f"past, width, depth, bins are {(self.past, self.width, self.depth, self.bins)}; expected "
                "past >= 0, the others >= 1"
            )

    @property
    def template_grid(self) -> int:
        """Tokens along one side of a template."""
        return self.template_size // 16

    @property
    def search_grid(self) -> int:
        return self.search_size // 16

    @property
    def coordinate_bins(self) -> int:
        """V: all bins of one coordinate."""
        return 2 * self.bins

    @property
    def vocabulary(self) -> int:
        """The bins, four commands (x1, y1, x2, y2), end, score."""
        return self.coordinate_bins + 6

    @property
    def tokens(self) -> int:
        """L: first template, dynamic template, past boxes, search, four commands and the score's."""
        return 2 * self.template_grid**2 + 4 * self.past + self.search_grid**2 + 5


PRESETS: Mapping[Preset, TrackConfig] = {
    "base": TrackConfig(),
    "small": TrackConfig(width=384, mask_decoder=False, dense_head=True, box_from="dense"),
    "tiny": TrackConfig(
        width=192,
        depth=8,
        states=8,
        template_size=64,
        search_size=128,
        stem="conv",
        stem_width=128,
        correlation=True,
        mask_decoder=False,
        dense_head=True,
        box_from="dense",
    ),
    "nano": TrackConfig(
        width=128,
        depth=3,
        states=8,
        template_size=64,
        search_size=128,
        stem="conv",
        stem_width=64,
        correlation=True,
        mask_decoder=False,
        dense_head=True,
        dense_width=32,
        box_from="dense",
    ),
}

# What is switched off, one thing at a time, to see what it is worth.
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "no-local-conv": {"local_conv": False},
    "no-search-pos-bias": {"search_pos_bias": False},
    "one-direction": {"encoder": "forward"},
    "no-trajectory": {"past": 0},
    "no-correlation": {"correlation": False},
}


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the losses; a part that the model lacks costs nothing. The defaults are for small
    budgets.
    """

    coordinates: float = 1.0
    """Cross-entropy of the coordinate tokens."""
    label_spread: float = 2.0
    """Standard deviation of the soft labels, in bins; 0 gives one-hot labels."""
    box: float = 2.0
    """IoU loss of the coordinate tokens' expected values."""
    box_loss: Literal["siou", "giou"] = "siou"
    l1: float = 5.0
    score: float = 1.0
    score_loss: Literal["bce", "l1"] = "bce"
    """The score learns the IoU of the final box, 0 where the target is absent."""
    heat: float = 1.0
    dense_box: float = 2.0
    dense_l1: float = 5.0
    reconstruction: float = 1.0


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How a tracker follows: chosen on clips of the tuning seeds."""

    size_rate: float = 0.4
    """Share of the way from the last size to the predicted one; boxes that grow by mistake enlarge the next
    crop.
    """
    window: float = 0.25
    """Weight of the cosine window that the centre's heat map is multiplied with: 0 trusts the map alone."""
    size_penalty: float = 0.1
    """How much a place counts less for a box whose sides differ from the last one's."""
    update_every: int = 15
    """Frames between updates of the dynamic template; 0 never updates."""
    update_score: float = 0.7
    """Least score of a frame that becomes the dynamic template."""
    lost_score: float = 0.2
    """A score below it, `patience` frames in a row, means lost; then the box stays and the search widens."""
    found_score: float = 0.4
    """A score that ends being lost."""
    patience: int = 3
    widening: float = 1.1
    """Factor by which the search side grows in each frame while lost."""
    widest: float = 2.5
    """Largest factor of the search side."""
    margin: float = 2.0
    """Pixels of the box that stay inside the image."""

    def __post_init__(self) -> None:
        for name in ("size_rate", "window", "update_score", "lost_score", "found_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a share in [0, 1]")
        if self.found_score < self.lost_score:
            raise ValueError(
                f"found_score is {self.found_score}; expected at least lost_score, which is {self.lost_score}"
            )
        if self.size_penalty < 0 or self.margin < 0:
            raise ValueError(f"size_penalty, margin are {(self.size_penalty, self.margin)}; expected >= 0")
        if self.widening < 1 or self.widest < 1 or self.patience < 1 or self.update_every < 0:
            raise ValueError(
                f"widening, widest, patience, update_every are "
                f"{(self.widening, self.widest, self.patience, self.update_every)}; expected the first three "
                ">= 1 and update_every >= 0"
            )


@dataclass(frozen=True, kw_only=True)
class TrackerConfig:
    """What a saved tracker's config.json holds."""

    model: TrackConfig = field(default_factory=TrackConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def as_dict(self) -> dict[str, Any]:
        return {"system": "track", "model": asdict(self.model), "loop": asdict(self.loop)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "TrackerConfig":
        """The inverse of `as_dict`; a setting that is not known is refused."""
        if stored.get("system") != "track":
            raise ValueError(
                f"this model's system is {stored.get('system')!r}; expected 'track'; choose a tracker"
            )
        return cls(
            model=_filled(TrackConfig, stored.get("model", {})),
            loop=_filled(LoopConfig, stored.get("loop", {})),
        )


def preset(name: str, **changes: Any) -> TrackConfig:
    """A preset by name, with changes."""
    return replace(PRESETS[expect_one_of("preset", name, PRESETS)], **changes)


def _filled(kind: type, stored: Mapping[str, Any]) -> Any:
    known = {each.name for each in fields(kind)}
    if unknown := sorted(set(stored) - known):
        raise ValueError(
            f"{kind.__name__} has no {', '.join(unknown)}; expected {', '.join(sorted(known))}; the file may "
            "come from a newer wayscan"
        )
    return kind(**stored)
