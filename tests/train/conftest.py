"""A task small enough to be trained in a blink."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from wayscan.train.config import TrainConfig
from wayscan.train.determinism import seed_everything
from wayscan.train.loop import Trainer
from wayscan.train.task import Outcome


class Sums:
    """Noisy vectors and their sums; record `bad` is not a number."""

    def __init__(self, length: int = 40, *, bad: int | None = None) -> None:
        self.length, self.bad = length, bad

    def __len__(self) -> int:
        return self.length

    def record(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        x = rng.standard_normal(4).astype(np.float32)
        return {"x": x * np.float32(np.nan if index == self.bad else 1), "y": x.sum(keepdims=True)}

    def fingerprint(self) -> str:
        return f"sums {self.length}"


def regression(model: nn.Module, batch: dict[str, torch.Tensor]) -> Outcome:
    prediction = model(batch["x"])
    loss = mse_loss(prediction, batch["y"])
    return Outcome(loss, {"error": loss.detach().sqrt()}, prediction, batch["y"])


def small_model(seed: int = 1, dropout: float = 0.2) -> nn.Module:
    seed_everything(seed)
    return nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.Dropout(dropout), nn.Tanh(), nn.Linear(16, 1))


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """Makes trainers in `tmp_path`; keyword arguments that are not the trainer's are its config's."""

    def make(name: str = "run", **given: Any) -> Trainer:
        own = {
            "model",
            "task",
            "records",
            "settings",
            "validation",
            "evaluate",
            "resumables",
            "observers",
            "source",
            "resume",
        }
        arguments = {key: value for key, value in given.items() if key in own}
        defaults = {
            "steps": 12,
            "batch_size": 8,
            "log_every": 4,
            "checkpoint_every": 5,
            "progress": False,
            "threads": 1,
        }
        config = TrainConfig(**{**defaults, **{key: value for key, value in given.items() if key not in own}})
        if "source" not in arguments:
            arguments.setdefault("records", Sums())
        arguments.setdefault("model", small_model())
        arguments.setdefault("task", regression)
        return Trainer(run=tmp_path / name, config=config, **arguments)

    return make


@pytest.fixture
def sums() -> type[Sums]:
    return Sums


@pytest.fixture
def task() -> Callable[..., Outcome]:
    return regression


@pytest.fixture
def model() -> Callable[..., nn.Module]:
    return small_model
