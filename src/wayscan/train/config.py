"""What a training run can be told. Needs no torch."""

from dataclasses import dataclass, field
from typing import Literal

from wayscan.data.runs.settings import MAY_CHANGE

Logger = Literal["tensorboard", "wandb", "trackio"]


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW, its learning rates and their course, clipping and averaging."""

    learning_rate: float = 1e-3
    """Peak rate of everything that is not the backbone."""
    backbone: tuple[str, ...] = ()
    """Modules that learn at `backbone_learning_rate`, as name patterns: ("encoder", "blocks.*")."""
    backbone_learning_rate: float = 1e-4
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = 0
    final_rate_share: float = 0.0
    """Where the cosine ends, as a share of the peak."""
    clip_norm: float | None = 1.0
    """Longest gradient let through; None lets all through."""
    clip_modules: tuple[str, ...] = ()
    """Modules whose gradients are clipped on their own, as name patterns; the rest is clipped together."""
    average_decay: float | None = None
    """Decay of the moving average of the weights (EMA), which is then what is evaluated; None for none."""

    def __post_init__(self) -> None:
        _positive("learning_rate", self.learning_rate)
        _positive("backbone_learning_rate", self.backbone_learning_rate)
        _not_negative("weight_decay", self.weight_decay)
        _not_negative("warmup_steps", self.warmup_steps)
        _in_unit("final_rate_share", self.final_rate_share)
        if self.clip_norm is not None:
            _positive("clip_norm", self.clip_norm)
        if self.average_decay is not None:
            _in_unit("average_decay", self.average_decay)
        if self.clip_modules and self.clip_norm is None:
            raise ValueError("clip_modules is given but clip_norm is None: give the norm to clip them at")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run. Give either `steps` or `epochs`."""

    seed: int = 0
    steps: int | None = None
    """Optimiser steps."""
    epochs: float | None = None
    """Passes over the training set; rounded up to whole steps."""
    batch_size: int = 32
    """Records in one optimiser step, over all processes and pieces together."""
    accumulate: int = 1
    """Pieces that each process cuts its share of the batch into, to save memory."""

    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """What torch.autocast computes in; weights stay in fp32."""
    threads: int | None = None
    """Torch's threads in each process; sums differ with it. None keeps what is set."""
    workers: int = field(default=0, metadata=MAY_CHANGE)
    """Processes that load records; the records are the same for any number."""
    unused_parameters: bool = False
    """Some steps leave parameters without gradient (matters to several processes only)."""

    frozen: tuple[str, ...] = ()
    """Modules that do not learn and stay in eval mode, as name patterns; they are left out of checkpoints."""
    gradient_checkpointing: tuple[str, ...] = ()
    """Modules that recompute their activations in the backward pass, as name patterns: ("blocks.*",)."""
    optim: OptimConfig = field(default_factory=OptimConfig)

    evaluate_every: int | None = None
    """Steps between evaluations; None evaluates at the end only."""
    monitor: str = "validation/loss"
    """The metric that decides what is best."""
    better: Literal["lower", "higher"] = "lower"
    patience: int | None = None
    """Evaluations without a better value after which to stop; None never stops early."""
    not_finite: Literal["stop", "skip"] = "stop"
    """What to do when a loss or gradient is NaN or infinite."""

    checkpoint_every: int = 500
    keep_checkpoints: int = field(default=2, metadata=MAY_CHANGE)
    log_every: int = 10
    loggers: tuple[Logger, ...] = field(default=(), metadata=MAY_CHANGE)
    progress: bool = field(default=True, metadata=MAY_CHANGE)
    """A progress bar on a terminal, plain lines elsewhere; on standard error."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"steps is {self.steps} and epochs is {self.epochs}: give exactly one of them")
        for name in ("steps", "epochs", "batch_size", "accumulate", "threads", "evaluate_every", "patience",
                     "checkpoint_every", "keep_checkpoints", "log_every"):  # fmt: skip
            if (value := getattr(self, name)) is not None:
                _positive(name, value)
        _not_negative("workers", self.workers)

    def steps_for(self, records: int) -> int:
        """Optimiser steps of the whole run over a training set of this many records."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, -int(-self.epochs * records // self.batch_size))


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} is {value}; expected a number above 0")


def _not_negative(name: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{name} is {value}; expected 0 or more")


def _in_unit(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}; expected a number between 0 and 1")
