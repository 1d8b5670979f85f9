"""Small runs that are killed, and what kills, resumes and compares them.

python benchmarks/killed_runs.py KIND RUN            toy, replay, vision or two
python benchmarks/killed_runs.py KIND RUN --resume
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from wayscan.data.runs.folder import Run, is_run
from wayscan.nn.mamba import Mamba
from wayscan.train.checkpoint import load_state, take_apart
from wayscan.train.config import OptimConfig, TrainConfig
from wayscan.train.determinism import generator, seed_everything
from wayscan.train.loop import Trainer
from wayscan.train.task import Batch, Outcome

TWO_PROCESS_STEPS = 50


class Rows:
    """Toy records: noisy sums of eight numbers."""

    def __len__(self) -> int:
        return 96

    def record(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        x = rng.standard_normal(8).astype(np.float32) + index / 96
        return {"x": x, "y": x.sum(keepdims=True)}

    def fingerprint(self) -> str:
        return "rows"


class Shapes:
    """Pictures of a disc, a square or a cross, (3, 32, 32), shifted and noisy, and which of them it is."""

    def __len__(self) -> int:
        return 120

    def record(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        kind = index % 3
        y, x = np.mgrid[:32, :32] - rng.integers(10, 22, size=(2, 1, 1))
        inside = (x**2 + y**2 < 49, np.maximum(abs(x), abs(y)) < 6, np.minimum(abs(x), abs(y)) < 2)[kind]
        picture = inside * rng.uniform(0.5, 1.0, (3, 1, 1)) + rng.normal(0, 0.2, (3, 32, 32))
        # Code that uses torch's own generator must repeat, too.
        return {"x": picture.astype(np.float32) + 0.05 * torch.randn(3, 1, 1).numpy(), "y": kind}

    def fingerprint(self) -> str:
        return "shapes"


class Walk:
    """A toy environment whose inner state cannot be written down: it can only be reset."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._walk = self._started(0)
        self.only_planned = True

    def step(self) -> np.ndarray:
        return next(self._walk)

    def on_checkpoint(self, step: int) -> None:
        self._walk = self._started(step)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: `Replay` says at which step the last reset was."""

    def _started(self, step: int) -> Iterator[np.ndarray]:
        rng = generator(self._seed, "walk", step)
        place = np.zeros(8, np.float32)
        while True:
            place = (0.9 * place + rng.standard_normal(8)).astype(np.float32)
            yield place


class Replay:
    """A source of batches: a ring of rows in mapped memory that an environment fills during training.

    The ring has room for `capacity` rows and those of one checkpoint interval: what is written after the
    checkpoint of a run that is then killed lies in that spare room, not over rows that are needed again.
    """

    def __init__(
        self, path: Path, walk: Walk, *, capacity: int, interval: int, seed: int, batch_size: int
    ) -> None:
        self._walk, self._capacity, self._seed, self._batch_size = walk, capacity, seed, batch_size
        room = capacity + interval
        mode = "r+" if path.exists() else "w+"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = np.memmap(path, np.float32, mode, shape=(room, 8))
        self._cursor = 0
        self.only_planned = True

    def draw(self, step: int) -> list[Batch]:
        self._rows[self._cursor % len(self._rows)] = self._walk.step()
        self._cursor += 1
        held = min(self._cursor, self._capacity)
        chosen = self._cursor - 1 - generator(self._seed, "replay", step).integers(0, held, self._batch_size)
        x = torch.from_numpy(self._rows[chosen % len(self._rows)])
        return [Batch(chosen.tolist(), {"x": x, "y": x.sum(dim=1, keepdim=True)})]

    def close(self) -> None:
        self._rows.flush()

    def on_checkpoint(self, step: int) -> None:
        self._rows.flush()
        self._walk.on_checkpoint(step)
        self._step = step

    def state_dict(self) -> dict[str, Any]:
        return {"cursor": self._cursor, "step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._cursor = state["cursor"]
        self._walk.on_checkpoint(state["step"])


def regression(model: nn.Module, batch: dict[str, torch.Tensor]) -> Outcome:
    prediction = model(batch["x"])
    return Outcome(mse_loss(prediction, batch["y"]), {}, prediction, batch["y"])


def classification(model: nn.Module, batch: dict[str, torch.Tensor]) -> Outcome:
    prediction = model(batch["x"])
    right = (prediction.argmax(1) == batch["y"]).float().mean()
    return Outcome(cross_entropy(prediction, batch["y"]), {"accuracy": right}, prediction, batch["y"])


def perceptron(width: int = 32, dropout: float = 0.1) -> nn.Module:
    return nn.Sequential(
        nn.Linear(8, width), nn.LayerNorm(width), nn.Dropout(dropout), nn.GELU(), nn.Linear(width, 1)
    )


class Glance(nn.Module):
    """Patches of a picture, scanned: (B, 3, 32, 32) → (B, 3). It has all that must survive a kill."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.Conv2d(3, width, 8, stride=4), nn.BatchNorm2d(width), nn.ReLU())
        self.mixer = Mamba(width, d_state=8)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Dropout(0.2), nn.Linear(width, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.head((tokens + self.mixer(tokens)).mean(dim=1))


def trainer(kind: str, run: Path, *, resume: bool = False, steps: int | None = None) -> Trainer:
    """The runs that are killed: "toy" (rows), "replay" (a toy with an environment), "vision"."""
    seed_everything(7)
    if kind == "two":
        return two_processes_trainer(run, resume=resume)
    if kind == "vision":
        optim = OptimConfig(
            learning_rate=2e-2,
            backbone_learning_rate=1e-2,
            average_decay=0.9,
            backbone=("patches",),
            warmup_steps=10,
        )
        config = TrainConfig(
            steps=steps or 240, batch_size=24, accumulate=2, workers=2, seed=7, threads=1, optim=optim,
            log_every=3, evaluate_every=40, checkpoint_every=11, monitor="validation/accuracy",
            better="higher", progress=False,
        )  # fmt: skip
        return Trainer(
            Glance(),
            classification,
            Shapes(),
            run=run,
            config=config,
            validation=Shapes(),
            resume=resume,
        )
    config = TrainConfig(
        steps=steps or 3000, batch_size=16, seed=7, threads=1, optim=OptimConfig(average_decay=0.99),
        log_every=7, evaluate_every=250, checkpoint_every=60, progress=False, patience=100,
    )  # fmt: skip
    if kind == "toy":
        return Trainer(
            perceptron(), regression, Rows(), run=run, config=config, validation=Rows(), resume=resume
        )
    ring = run.parent / f"{run.name}.ring"
    source = Replay(ring, Walk(7), capacity=128, interval=config.checkpoint_every, seed=7, batch_size=16)
    return Trainer(perceptron(), regression, run=run, config=config, source=source, resume=resume)


def masked_regression(model: nn.Module, batch: dict[str, torch.Tensor]) -> Outcome:
    """A mean over the positive targets alone: how many there are differs from process to process."""
    counted = (batch["y"] > 0).float()
    prediction = model(batch["x"])
    loss = (counted * (prediction - batch["y"]) ** 2).sum() / counted.sum().clamp(min=1)
    return Outcome(loss, {}, prediction, batch["y"])


class MaskedRegression:
    def __call__(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> Outcome:
        return masked_regression(model, batch)

    def count(self, batch: dict[str, torch.Tensor]) -> float:
        return float((batch["y"] > 0).sum())


def two_processes_trainer(run: Path, *, resume: bool = False) -> Trainer:
    seed_everything(7)
    config = TrainConfig(
        steps=TWO_PROCESS_STEPS, batch_size=18, accumulate=2, seed=7, threads=1, device="cpu", log_every=1,
        progress=False, checkpoint_every=20, optim=OptimConfig(learning_rate=1e-2),
    )  # fmt: skip
    return Trainer(
        perceptron(dropout=0.0),
        MaskedRegression(),
        Rows(),
        run=run,
        config=config,
        validation=Rows(),
        resume=resume,
    )


# Kills and companions


def start(
    kind: str,
    run: Path,
    *,
    resume: bool,
    steps: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    words = [sys.executable, __file__, kind, str(run), *(["--resume"] if resume else [])]
    words += ["--steps", str(steps)] if steps else []
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})}
    return subprocess.Popen(words, env=surroundings, stderr=subprocess.PIPE)


def kill_at_random(
    kind: str, run: Path, kills: int, *, longest: float, seed: int = 0, steps: int | None = None
) -> int:
    """Train with `kills` times SIGKILL, each up to `longest` seconds into training; return how many hit."""
    chance, hits = random.Random(seed), 0
    for _ in range(kills):
        child = start(kind, run, resume=is_run(run), steps=steps)
        while child.poll() is None and not (run / ".owner.json").exists():
            time.sleep(0.005)
        try:
            child.wait(chance.uniform(0.0, longest))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            hits += 1
        child.communicate()
        (run / ".owner.json").unlink(missing_ok=True)
    return hits


def run_to_the_end(kind: str, run: Path, *, steps: int | None = None) -> None:
    child = start(kind, run, resume=is_run(run), steps=steps)
    _, errors = child.communicate()
    if child.returncode:
        raise RuntimeError(f"the {kind} run failed with {child.returncode}:\n{errors.decode()}")


def differing(one: Path, other: Path) -> list[str]:
    """What two runs do not share to the bit: metrics, the last checkpoint's numbers and tensors, the best."""
    names = []
    if (one / "metrics.jsonl").read_bytes() != (other / "metrics.jsonl").read_bytes():
        names.append("metrics.jsonl")
    (left, a), (right, b) = (take_apart(_last_state(run)) for run in (one, other))
    if left != right:
        names.append("checkpoint state")
    names += [
        name for name in {**a, **b} if name not in a or name not in b or not torch.equal(a[name], b[name])
    ]
    best_a, best_b = (Run.open(run).checkpoints().best for run in (one, other))
    if best_a.exists() != best_b.exists() or (best_a.exists() and best_a.read_bytes() != best_b.read_bytes()):
        names.append(best_a.name)
    return names


def _last_state(run: Path) -> dict[str, Any]:
    path, _ = Run.open(run).checkpoints().last()
    assert path is not None
    return load_state(path)


def run_two_processes(run: Path, *, resume: bool = False) -> None:
    """As `torchrun --nproc_per_node 2` would, without its start-up time."""
    group = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
    }
    ranks = [{**group, "RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")]
    children = [start("two", run, resume=resume, environment=rank) for rank in ranks]
    while any(child.poll() is None for child in children):
        if any(child.poll() for child in children):  # the other would wait for it
            for child in children:
                child.kill()
        time.sleep(0.05)
    errors = [child.communicate()[1].decode() for child in children]
    if any(child.returncode for child in children):
        raise RuntimeError("two processes failed:\n" + "\n".join(errors))


def losses(run: Path) -> np.ndarray:
    return np.array([line["loss"] for line in Run.open(run).metrics.read() if "loss" in line])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind")
    parser.add_argument("run", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    trainer(arguments.kind, arguments.run, resume=arguments.resume, steps=arguments.steps).fit()


if __name__ == "__main__":
    main()
