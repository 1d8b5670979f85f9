"""The training loop, and training as a run folder that can be killed and resumed.

`Learner` is the loop in memory, which `compare` and `Forecaster.fit` use; `train_run` gives it a folder.
"""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

from wayscan.data.runs.checkpoints import CheckpointFolder
from wayscan.data.runs.folder import Run, RunState
from wayscan.data.runs.settings import build_settings, difference_table, differences, plain
from wayscan.data.tensor_file import RawTensor, read_header
from wayscan.forecast.cells.layer import Array
from wayscan.forecast.config import ForecastConfig
from wayscan.forecast.data import Part, Series, batches
from wayscan.forecast.model import Network, mean_squared_error
from wayscan.forecast.optimisers import clip, make_optimiser, rate_at, regularise
from wayscan.forecast.series.source import say

_KINDS = {"float32": "F32", "float64": "F64"}
_DIVERGED = 1e3  # times the loss of forecasting the training mean


class DivergedError(RuntimeError):
    """Training has left all measure; says when, and what to change."""


class Epoch(NamedTuple):
    """What one pass over the training windows gave; losses are MSE of what the network gives."""

    epoch: int
    step: int
    loss: float
    validation_loss: float
    rate: float
    gradient_norm: float
    better: bool


class Learner:
    """A network that learns one epoch at a time.

    The numbers depend on the configuration and the series alone: weights come from (seed), batches from
    (seed, epoch), so that a checkpoint needs no state of a generator.
    """

    def __init__(self, series: Series, config: ForecastConfig) -> None:
        self.series, self.config = series, config
        self.network = Network(config, series.scaling.features, np.random.default_rng(config.seed))
        self.optimiser = make_optimiser(config, self.network.weights)
        self.epoch, self.step = 0, 0
        self.best = math.inf
        self.best_epoch = 0
        self.best_weights = self._copy()
        self._worst = _DIVERGED * max(float(np.mean(series.train.y.astype(np.float64) ** 2)), 1e-12)

    @property
    def updates(self) -> int:
        """In the whole run."""
        return self.config.n_epochs * -(-len(self.series.train) // self.config.batch_size)

    @property
    def finished(self) -> bool:
        return self.epoch >= self.config.n_epochs or self.out_of_patience

    @property
    def out_of_patience(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.epoch - self.best_epoch >= patience

    def run_epoch(self) -> Epoch:
        """Learn from every training window once, then look at the validation windows."""
        config, losses, norms, rate = self.config, [], [], 0.0
        for x, y in batches(self.series.train, config.batch_size, config.seed, self.epoch):
            rate = rate_at(config, self.step, self.updates)
            loss, norm = self._update(x, y, rate)
            self.step += 1
            if not loss < self._worst:
                raise DivergedError(
                    f"diverged: loss {loss:.3g} at update {self.step}, epoch {self.epoch + 1}; expected less "
                    f"than {self._worst:.3g}: lower --learning-rate (it is {config.learning_rate:g}), or set "
                    "--clip-norm"
                )
            losses.append(loss)
            norms.append(norm)
        self.epoch += 1
        validation = self.loss_on(self.series.validation)
        better = validation < self.best
        if better:
            self.best, self.best_epoch, self.best_weights = validation, self.epoch, self._copy()
        return Epoch(
            self.epoch, self.step, float(np.mean(losses)), validation, rate, float(np.mean(norms)), better
        )

    def _update(self, x: Array, y: Array, rate: float) -> tuple[float, float]:
        """Forward, backward, one step of the optimiser; the loss and the gradient's norm before clipping."""
        with np.errstate(over="ignore", invalid="ignore"):  # a loss out of measure is told in words
            loss, dy = mean_squared_error(self.network.forward(x), y)
            self.network.backward(dy)
            gradients = self.network.gradients
            regularise(gradients, self.network.weights, self.config.weight_decay, self.config.l1)
            norm = clip(gradients, self.config.clip_norm, self.config.clip_value)
            self.optimiser.update(gradients, rate)
        return loss, norm

    def fit(self) -> list[Epoch]:
        """All epochs, then the weights that the configuration keeps."""
        history = []
        while not self.finished:
            history.append(self.run_epoch())
        self.finish()
        return history

    def finish(self) -> Network:
        if self.config.keep == "best":
            self.network.load(self.best_weights)
        return self.network

    def loss_on(self, part: Part) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.mean((self.network.predict(part.x) - part.y).astype(np.float64) ** 2))

    def _copy(self) -> dict[str, Array]:
        return {name: weight.copy() for name, weight in self.network.weights.items()}

    # ---- checkpoints -----------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, Array], dict[str, str]]:
        """Arrays and text that a checkpoint holds."""
        arrays = {f"weights.{name}": weight for name, weight in self.network.weights.items()}
        arrays |= {f"best.{name}": weight for name, weight in self.best_weights.items()}
        arrays |= {f"memory.{name}": array for name, array in self.optimiser.memory.items()}
        facts = {"epoch": self.epoch, "step": self.step, "best": self.best, "best_epoch": self.best_epoch}
        return arrays, {name: repr(value) for name, value in facts.items()}

    def take_up(self, arrays: Mapping[str, Array], facts: Mapping[str, str]) -> None:
        """Go on from a checkpoint."""
        self.network.load(_below("weights.", arrays))
        self.best_weights = _below("best.", arrays)
        self.optimiser.memory = _below("memory.", arrays)
        self.epoch, self.step = int(facts["epoch"]), int(facts["step"])
        self.best, self.best_epoch = float(facts["best"]), int(facts["best_epoch"])
        self.optimiser.updates = self.step


def _below(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array.copy() for name, array in arrays.items() if name.startswith(prefix)
    }


def train_run(
    series: Series,
    config: ForecastConfig,
    folder: Path,
    *,
    resume: bool = False,
    after_epoch: Callable[[Epoch], None] = lambda _: None,
) -> tuple[Run, Network]:
    """Train in a run folder: metrics and a checkpoint after each epoch.

    Args:
        resume: go on from the folder's last checkpoint, to the same numbers as a run that never stopped.
        after_epoch: told of every epoch, for a progress bar.
    """
    about = {"system": "forecast", "data": series.table.about(), "threads": 1}
    run = _reopen(folder, config, series) if resume else Run.create(folder, config=config, **about)
    learner, checkpoints = Learner(series, config), run.checkpoints()
    with run.lock():
        if resume:
            _go_on(run, learner, checkpoints)
        try:
            _learn(run, learner, checkpoints, after_epoch)
        except DivergedError as error:
            run.write_state(_state(learner, "failed", reason=str(error)))
            raise
        except KeyboardInterrupt:
            run.write_state(_state(learner, "interrupted"))
            raise
        patience = learner.out_of_patience and learner.epoch < config.n_epochs
        reason = f"no better validation error in {config.patience} epochs" if patience else None
        network = learner.finish()
        run.write_state(_state(learner, "finished", reason=reason))
    return run, network


def _learn(
    run: Run, learner: Learner, checkpoints: CheckpointFolder, after_epoch: Callable[[Epoch], None]
) -> None:
    while not learner.finished:
        run.write_state(_state(learner, "running"))
        begun = time.perf_counter()
        epoch = learner.run_epoch()
        values = {
            "epoch": epoch.epoch,
            "loss": epoch.loss,
            "validation/loss": epoch.validation_loss,
            "rate/all": epoch.rate,
            "gradient_norm": epoch.gradient_norm,
        }
        run.metrics.append(epoch.step, values)
        run.timings.append(epoch.step, {"seconds": time.perf_counter() - begun})
        arrays, facts = learner.state()
        checkpoints.write(epoch.step, {name: _raw(array) for name, array in arrays.items()}, facts)
        after_epoch(epoch)


def _reopen(folder: Path, config: ForecastConfig, series: Series) -> Run:
    run = Run.open(folder)
    if changed := differences(run.about["config"], plain(config)):
        raise ValueError(f"{folder} was started with other settings:\n{difference_table(changed)}")
    if (before := run.about["data"]["sha256"]) != series.table.sha256:
        raise ValueError(
            f"{folder} was trained on data with sha256 {before[:12]}…; now it is "
            f"{series.table.sha256[:12]}…: give it the same file, or start another run"
        )
    return run


def _go_on(run: Run, learner: Learner, checkpoints: CheckpointFolder) -> None:
    path, complaints = checkpoints.last()
    for complaint in complaints:
        say(complaint)
    if path is not None:
        learner.take_up(load_file(path), read_header(path).metadata)
    run.rewind(learner.step)


def _state(learner: Learner, state: Any, reason: str | None = None) -> RunState:
    steps_an_epoch = learner.updates // learner.config.n_epochs
    best = {
        "metric": "validation/loss",
        "value": learner.best,
        "step": learner.best_epoch * steps_an_epoch,
    }
    return RunState(state, learner.step, learner.updates, best if learner.best_epoch else None, reason=reason)


def _raw(array: Array) -> RawTensor:
    array = np.ascontiguousarray(array)
    return RawTensor(_KINDS[array.dtype.name], array.shape, array.data.cast("B"))


def config_of_run(run: Run) -> ForecastConfig:
    return build_settings(ForecastConfig, run.about["config"])
