"""The vocabulary of training: what a task gives, what a data set gives, who may look on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn


class Outcome(NamedTuple):
    """What a task makes of one batch of B records.

    The last three are what an onlooker needs to say whether the training is healthy; they may stay None.
    """

    loss: "Tensor"  # (), the mean over the batch's items
    parts: Mapping[str, "Tensor | float"] = {}  # named shares of the loss and other scalars, () each
    prediction: "Tensor | None" = None  # (B, ...)
    target: "Tensor | None" = None  # (B, ...), as prediction
    features: "Tensor | None" = None  # (B, D), what the head is given


class Task(Protocol):
    """A loss. It may also have `count(batch) -> float`: how many items the loss averages over, when these are
    not the records (masked tokens, valid pixels); pieces and processes are then weighted by it."""

    def __call__(self, model: Any, batch: Any, /) -> Outcome: ...


class TrainingSet(Protocol):
    """Records by index. It may also have `collate(list of records) -> batch`, and `order(rng) -> indices`,
    for the (always equally many) records of an epoch when these are not all of them, shuffled."""

    def __len__(self) -> int: ...

    def record(self, index: int, rng: np.random.Generator, /) -> Any:
        """The record; all its randomness comes from `rng`, which depends on (seed, epoch, index) alone."""
        ...

    def fingerprint(self) -> str:
        """A hash of the data, to notice on resuming that they changed."""
        ...


class Batch(NamedTuple):
    """What one process works on at once: the records' indices and their collated data."""

    indices: Sequence[int]
    data: Any


class BatchSource(Protocol):
    """Where a step's batches come from: this process's share of step `step`, in pieces."""

    def draw(self, step: int) -> list[Batch]: ...

    def close(self) -> None: ...


@runtime_checkable
class Resumable(Protocol):
    """Something with a state that must survive: a replay store, environments, a curriculum.

    `on_checkpoint` is called at every planned checkpoint of every run, killed or not, before `state_dict`.
    What cannot be written down (an environment) is reset there from (seed, step), and so is alike in both.
    A store that keeps writing into mapped memory has its cursor in `state_dict`, and spare room for the rows
    of one checkpoint interval, so that rows before the cursor are still there after a crash.
    An attribute `only_planned = True` says that the state is exact at planned checkpoints alone: an
    interrupted run then goes on from the last of these.
    """

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> None: ...

    def on_checkpoint(self, step: int, /) -> None: ...


class StepReport(NamedTuple):
    """What happened in one optimiser step."""

    step: int
    loss: float
    parts: dict[str, float]
    norms: dict[str, float]  # gradient norm before clipping, by clipped group ("model" when all are one)
    clipped: float  # share of these groups that were clipped
    rates: dict[str, float]  # learning rate by parameter group
    skipped: tuple[int, ...]  # records blamed when the step was skipped, else empty
    was_skipped: bool
    outcomes: tuple[Outcome, ...]  # of this process, detached; empty when nobody looks on


class Observer:
    """Looks on: override what you need. Nothing seen here may be changed."""

    def after_backward(self, step: int, model: "nn.Module", outcomes: Sequence[Outcome]) -> None:
        """Gradients are there, unscaled and unclipped; weights are those from before the step."""

    def after_step(self, report: StepReport, model: "nn.Module") -> str | None:
        """Weights are updated. A text returned here stops the run, as its reason."""

    def after_evaluation(self, step: int, metrics: Mapping[str, float]) -> str | None:
        """As `after_step`, with the evaluation's metrics."""


class Result(NamedTuple):
    """How a run ended: "finished", or "stopped" for the reason given."""

    path: "Path"
    state: str
    step: int
    best: dict[str, Any] | None
    reason: str | None


class TrainingFailedError(RuntimeError):
    """The run cannot go on; its last checkpoint is where it was."""
