"""The model with all that makes it learn, and one step of it: backward over the pieces, clipping, update."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wayscan.train.average import ExponentialAverage
from wayscan.train.checkpoint import put_weights
from wayscan.train.config import TrainConfig
from wayscan.train.determinism import seed_everything
from wayscan.train.distributed import Processes
from wayscan.train.loader import map_tensors
from wayscan.train.modules import Frozen, recompute_activations, running_statistics
from wayscan.train.not_finite import blamed_records
from wayscan.train.optim import adamw, clip, clip_groups, gradient_norms, learning_rate_factor, set_rates
from wayscan.train.task import Batch, Observer, Outcome, StepReport, Task

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Loss(nn.Module):
    """Model and task as one module: a task may then call any part of the model, also under DDP."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, data: Any) -> Outcome:
        return self.task(self.model, data)


class Learner:
    """The model and its frozen parts, optimiser, loss scaler and average; calling it does one step.

    Args:
        model: moved to the device, frozen and wrapped as `config` says.
        steps: of the whole run, for the course of the learning rate.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        config: TrainConfig,
        *,
        steps: int,
        processes: Processes,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.model, self.task, self.config, self.steps = model.to(processes.device), task, config, steps
        self.processes, self.observers = processes, observers
        self.frozen = Frozen(model, config.frozen)
        self.frozen.train(model)
        recompute_activations(model, config.gradient_checkpointing)
        self.optimiser = adamw(model, config.optim)
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=config.precision == "fp16")
        decay = config.optim.average_decay
        self.average = None if decay is None else ExponentialAverage(model, decay, self.frozen)
        self._loss = processes.share_gradients(Loss(model, task), unused_parameters=config.unused_parameters)
        self._count = getattr(task, "count", None)
        self._clip_groups = clip_groups(model, config.optim.clip_modules)
        self._statistics = running_statistics(model) if config.not_finite == "skip" else []

    def __call__(self, step: int, pieces: Sequence[Batch]) -> StepReport:
        self.optimiser.zero_grad(set_to_none=True)
        rates = set_rates(self.optimiser, learning_rate_factor(step, self.steps, self.config.optim))
        statistics = [buffer.clone() for buffer in self._statistics]
        pieces = [self.moved(piece) for piece in pieces]
        outcomes, weights = self._backward(step, pieces)
        for observer in self.observers:
            observer.after_backward(step, self.model, outcomes)
        loss, parts = self._summed(outcomes, weights)
        values = gradient_norms(self._clip_groups).tolist()
        norms = {group.name: norm for group, norm in zip(self._clip_groups, values, strict=True)}

        clipped, blamed = 0.0, ()
        # A scaler finds gradients that are not finite by itself: they are how it finds its scale.
        good = math.isfinite(loss) and (self.scaler.is_enabled() or all(map(math.isfinite, values)))
        if good:
            clipped = clip(self._clip_groups, values, self.config.optim.clip_norm)
            self.scaler.step(self.optimiser)
            if self.average is not None:
                self.average.update()
        else:
            blamed = self._blame(pieces, outcomes)
            for buffer, value in zip(self._statistics, statistics, strict=True):
                buffer.copy_(value)
        self.scaler.update()
        seen = tuple(outcomes) if self.observers else ()
        return StepReport(step, loss, parts, norms, clipped, rates, blamed, not good, seen)

    @contextmanager
    def evaluating(self) -> Iterator[nn.Module]:
        """The model as it is evaluated: in eval mode, with averaged weights if there are any."""
        self.model.eval()
        try:
            with self.average.in_place() if self.average is not None else nullcontext():
                yield self.model
        finally:
            self.frozen.train(self.model)

    def weights(self) -> dict[str, Tensor]:
        """The weights as they are now, without the frozen ones."""
        return {name: value for name, value in self.model.state_dict().items() if not self.frozen.holds(name)}

    def sizes(self) -> tuple[int, int]:
        """Bytes of a checkpoint with the moments that the optimiser will make, and of the weights alone."""
        weights = list(self.weights().values())
        learning = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        averaged = 0 if self.average is None else 1
        rounding = 64 * (len(weights) + 4 * len(learning))  # each tensor begins at a multiple of 64
        size = sum(value.nbytes for value in weights)
        moments = (2 + averaged) * sum(parameter.nbytes for parameter in learning)
        return size + moments + rounding, size + rounding

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.weights(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any], origin: Path) -> None:
        frozen = [name for name in self.model.state_dict() if self.frozen.holds(name)]
        put_weights(self.model, state["model"], origin, frozen)
        self.optimiser.load_state_dict(state["optimiser"])
        _lay_out_like_weights(self.optimiser)
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def autocast(self) -> AbstractContextManager[Any]:
        precision, device = self.config.precision, self.processes.device.type
        return torch.autocast(device, dtype=_AUTOCAST.get(precision), enabled=precision in _AUTOCAST)

    def weigh(self, piece: Batch) -> float:
        """How many items the loss of a piece averages over."""
        return float(self._count(piece.data)) if self._count is not None else float(len(piece.indices))

    def _backward(self, step: int, pieces: Sequence[Batch]) -> tuple[list[Outcome], list[float]]:
        """Backward over all pieces, each weighted by its share of the items of all processes."""
        counts = [self.weigh(piece) for piece in pieces]
        weights = self._weights(counts)
        outcomes = []
        for number, (piece, weight) in enumerate(zip(pieces, weights, strict=True)):
            seed_everything(self.config.seed, "step", step, self.processes.rank, number)
            with self.processes.last_piece(self._loss, number == len(pieces) - 1):
                with self.autocast():
                    outcome = self._loss(piece.data)
                weighted = outcome.loss if weight == 1.0 else outcome.loss * weight
                self.scaler.scale(weighted).backward()
            outcomes.append(_detached(outcome))
        self.scaler.unscale_(self.optimiser)
        return outcomes, weights

    def _weights(self, counts: list[float]) -> list[float]:
        if len(counts) == 1 and self.processes.count == 1:
            return [1.0]
        local = torch.tensor(sum(counts), device=self.processes.device)
        total = self.processes.sum(local).item()
        # Gradients are averaged over the processes, so the number of processes has to be put back in.
        return [count * self.processes.count / max(total, 1e-12) for count in counts]

    def _summed(
        self, outcomes: Sequence[Outcome], weights: Sequence[float]
    ) -> tuple[float, dict[str, float]]:
        """The loss and its parts over all pieces and processes."""
        names = list(outcomes[0].parts)
        rows = []
        for outcome, weight in zip(outcomes, weights, strict=True):
            numbers = [outcome.loss, *(torch.as_tensor(outcome.parts[name]) for name in names)]
            row = torch.stack(
                [number.detach().to(self.processes.device, torch.float32) for number in numbers]
            )
            rows.append(row * (weight / self.processes.count))
        loss, *parts = self.processes.sum(torch.stack(rows).sum(dim=0)).tolist()
        return loss, dict(zip(names, parts, strict=True))

    def _blame(self, pieces: Sequence[Batch], outcomes: Sequence[Outcome]) -> tuple[int, ...]:
        everyone = self.processes.gather(blamed_records(pieces, outcomes))
        return tuple(sorted({index for ours in everyone for index in ours}))

    def moved(self, piece: Batch) -> Batch:
        device = self.processes.device
        if device.type == "cpu":
            return piece
        return Batch(
            piece.indices, map_tensors(piece.data, lambda tensor: tensor.to(device, non_blocking=True))
        )


def _detached(outcome: Outcome) -> Outcome:
    return map_tensors(outcome, lambda tensor: tensor.detach())


def _lay_out_like_weights(optimiser: torch.optim.Optimizer) -> None:
    """Give each restored moment its weight's strides: a fused optimiser reads both in the same order."""
    for weight, moments in optimiser.state.items():
        for name, moment in moments.items():
            if moment.shape == weight.shape and moment.stride() != weight.stride():
                moments[name] = torch.empty_like(weight).copy_(moment)
