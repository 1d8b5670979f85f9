"""How a tracker is trained, and what each preset and stage say where nothing is asked. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from wayscan.data.runs.settings import MAY_CHANGE
from wayscan.names import expect_one_of
from wayscan.track.config import (
    ABLATIONS,
    TRAINING_SEEDS,
    Encoder,
    LossConfig,
    TrackConfig,
    preset,
)
from wayscan.train.config import Logger

TrainPreset = Literal["seed", "base", "small", "tiny", "nano"]
Stage = Literal["pair", "sequence"]
LossWeights = Literal["reference", "small"]
Ablation = Literal["no-local-conv", "no-search-pos-bias", "one-direction", "no-trajectory", "no-correlation"]


@dataclass(frozen=True, kw_only=True)
class TrackTrainConfig:
    """One training run of a tracker; what is None is what the preset says for the stage."""

    run: Path = field(default=Path("runs/track"), metadata=MAY_CHANGE)
    """The run folder."""
    resume: bool = field(default=False, metadata=MAY_CHANGE)
    """Go on in the run folder, to the same numbers as a run that never stopped."""
    preset: TrainPreset = "nano"
    """Network and schedule; `seed` is `base` with the seed's values."""
    stage: Stage = "pair"
    """Learn from single moments, or from whole clips on which the tracker follows its own predictions."""
    init: str | None = None
    """Saved tracker to begin with: a folder, the name of a model in the package, or a hub id."""
    grow: bool = False
    """`init` is narrower or shallower than the preset: grow it."""

    encoder: Encoder | None = None
    """What mixes the tokens."""
    width: int | None = None
    depth: int | None = None
    states: int | None = None
    stem_width: int | None = None
    dense_width: int | None = None
    template_size: int | None = None
    search_size: int | None = None
    fusion: Literal["mean", "gated"] | None = None
    """How the two directions of a shared encoder are joined."""
    layer_scale: float | None = None
    """Initial scale of each block's branch; None leaves it out."""
    drop_path: float | None = None
    ablation: Ablation | None = None
    """One part to leave out."""

    pairs_per_epoch: int = 60_000
    """Samples in an epoch of the pair stage."""
    clips_per_epoch: int = 1_000
    """Clips in an epoch of the sequence stage."""
    epochs: float | None = None
    batch_size: int | None = None
    """Pairs or clips in a step."""
    learning_rate: float | None = None
    backbone_share: float = 1.0
    """Rate of stem and blocks over that of the rest."""
    scheduler: Literal["warmup_cosine", "constant"] = "warmup_cosine"
    warmup_epochs: float | None = None
    clip_norm: float | None = None
    """Longest gradient that is let through."""
    weight_decay: float | None = None
    beta2: float | None = None
    """Decay of AdamW's second moment."""
    average_decay: float | None = None
    """Decay of the moving average of the weights, 0 for none."""
    losses: LossWeights | None = None
    """`reference` are the weights of the seed's lineage, `small` ours for small budgets."""
    light: float = 0.15
    """Share by which brightness and contrast of a sample vary in the pair stage."""

    got10k: Path | None = None
    """Root folder of GOT-10k, whose train split is learnt from."""
    lasot: Path | None = None
    """Folder of LaSOT's classes; its training sequences."""
    trackingnet: Path | None = None
    """Root folder of TrackingNet; the TRAIN parts that are there."""
    sequences: Path | None = None
    """Folder of OTB or VOT sequences to learn from."""
    sprites_weight: float = 1.0
    """How often a sample comes from the embedded sprites, over the sum of all weights in use."""
    films_weight: float | None = None
    """The same of films of the 3-D world. Small presets take half of their clips from there."""
    got10k_weight: float = 1.0
    lasot_weight: float = 1.0
    trackingnet_weight: float = 1.0
    sequences_weight: float = 1.0
    images: Path | None = None
    """Folder of photographs for the sprites."""
    segments: Path | None = None
    """Folder of the photographs' label images."""
    cache: Path | None = field(default=None, metadata=MAY_CHANGE)
    """File for the sprite library."""
    data_seed: int = TRAINING_SEEDS[0]
    """Seed of sprites and films."""
    films: int = 200
    """Different films, about 6 MB each in memory."""
    clip_frames: int = 32
    """Frames of a clip that the sequence stage follows."""
    reversed_share: float = 0.5
    """Share of these clips that run backwards."""
    absent_frames: Literal["keep", "cut"] | None = None
    """Frames of these clips without the target: the score learns from them, or a window ends before them."""

    seed: int = 0
    """Of the weights, the order and all randomness of training."""
    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    accumulate: int = 1
    """Pieces of a step's batch, to save memory."""
    threads: int | None = None
    workers: int = field(default=0, metadata=MAY_CHANGE)
    """Processes that draw samples."""
    evaluate_every: int | None = None
    """Steps between evaluations on the tuning seeds."""
    held_out: int = 512
    """Samples of an evaluation in the pair stage."""
    held_out_clips: int = 10
    """Clips of an evaluation in the sequence stage."""
    checkpoint_every: int | None = None
    log_every: int | None = None
    loggers: tuple[Logger, ...] = field(default=(), metadata=MAY_CHANGE)
    progress: bool = field(default=True, metadata=MAY_CHANGE)
    """A progress bar, on standard error."""

    def __post_init__(self) -> None:
        for name, names in (("preset", TrainPreset), ("stage", Stage), ("ablation", Ablation)):
            if (value := getattr(self, name)) is not None:
                expect_one_of(name, value, get_args(names))
        if self.data_seed not in TRAINING_SEEDS:
            raise ValueError(
                f"data_seed is {self.data_seed}; expected one of {TRAINING_SEEDS.start} to "
                f"{TRAINING_SEEDS.stop - 1}: the others tune and judge"
            )
        if self.grow and self.init is None:
            raise ValueError("grow is set but init is None; expected a smaller tracker to grow: give init")
        if self.clip_frames < 2:
            raise ValueError(f"clip_frames is {self.clip_frames}; expected at least 2, a start and a step")
        names = ("sprites", "films", "got10k", "lasot", "trackingnet", "sequences")
        weights = [getattr(self, f"{name}_weight") or 0.0 for name in names]
        if min(weights) < 0 or not 0 <= self.reversed_share <= 1:
            raise ValueError(
                f"weights of the data are {weights}, reversed_share {self.reversed_share}; expected weights "
                ">= 0 and a share in [0, 1]"
            )

    def resolved(self) -> "TrackTrainConfig":
        """With all that the preset says filled in."""
        said = {**_INTERVALS[self.stage], **_SCHEDULES[self.preset]}
        if self.stage == "sequence":
            said |= _SEQUENCE[self.preset]
        return replace(self, **{name: value for name, value in said.items() if getattr(self, name) is None})

    def network(self) -> TrackConfig:
        """The network that is trained."""
        changes = {name: getattr(self, name) for name in _NETWORK if getattr(self, name) is not None}
        left_out = ABLATIONS[self.ablation] if self.ablation else {}
        return preset("base" if self.preset == "seed" else self.preset, **{**left_out, **changes})

    def loss_phases(self) -> tuple[tuple[float, LossConfig], ...]:
        """Weights of the losses, each with the share of the run from which they hold."""
        if self.losses != "reference":
            return ((0.0, LossConfig()),)
        first = LossConfig(
            coordinates=2, label_spread=0, box=2, l1=0, score=1, score_loss="l1", reconstruction=1
        )
        if self.stage == "pair":
            return ((0.0, first),)
        second = replace(first, coordinates=0, score=0.1, reconstruction=0.1)
        return ((0.0, first), (1 / 3, second), (2 / 3, replace(second, score=0, reconstruction=0)))


_NETWORK = (
    "encoder", "width", "depth", "states", "stem_width", "dense_width", "template_size", "search_size",
    "fusion", "layer_scale", "drop_path",
)  # fmt: skip
_INTERVALS: Mapping[Stage, Mapping[str, Any]] = {
    "pair": {"evaluate_every": 500, "checkpoint_every": 200, "log_every": 20},
    "sequence": {"evaluate_every": 50, "checkpoint_every": 20, "log_every": 5},
}
_PLAIN: Mapping[str, Any] = {
    "epochs": 100, "batch_size": 32, "learning_rate": 5e-5, "warmup_epochs": 5.0, "clip_norm": 0.1,
    "weight_decay": 1e-4, "beta2": 0.999, "average_decay": 0.0, "losses": "reference", "drop_path": 0.1,
    "absent_frames": "cut", "films_weight": 0.0,
}  # fmt: skip
_SMALL: Mapping[str, Any] = {
    "epochs": 5, "batch_size": 32, "learning_rate": 1e-3, "warmup_epochs": 0.15, "clip_norm": 1.0,
    "weight_decay": 0.05, "beta2": 0.98, "average_decay": 0.998, "losses": "small", "absent_frames": "keep",
    "films_weight": 0.0,
}  # fmt: skip
_SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "seed": _PLAIN,
    "base": {**_PLAIN, "average_decay": 0.9998},
    "small": {**_SMALL, "epochs": 60, "learning_rate": 5e-4, "warmup_epochs": 2.0},
    "tiny": _SMALL,
    "nano": {**_SMALL, "learning_rate": 1.2e-3},
}
_CLIPS: Mapping[str, Any] = {
    "epochs": 1, "batch_size": 4, "learning_rate": 2e-4, "warmup_epochs": 0.1, "average_decay": 0.98,
    "films_weight": 1.0,
}  # fmt: skip
_SEQUENCE: Mapping[str, Mapping[str, Any]] = {
    "seed": {"epochs": 40, "batch_size": 8, "weight_decay": 0.05},
    "base": {"epochs": 40, "batch_size": 8, "weight_decay": 0.05},
    "small": {**_CLIPS, "epochs": 10},
    "tiny": _CLIPS,
    "nano": _CLIPS,
}

assert set(get_args(Ablation)) == set(ABLATIONS)
assert {each.name for each in fields(TrackTrainConfig)} >= set(_PLAIN) | set(_SMALL)
