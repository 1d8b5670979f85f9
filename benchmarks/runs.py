"""The training runtime: resuming after kills, two processes against one, its own cost, a checkpoint's pause.

wayscan bench runs [--json]        the loop's own cost, a checkpoint's pause; the rest as recorded
python -m benchmarks.runs          measures and records that rest: sixty kills, two processes (minutes)
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from wayscan.data.runs.folder import Run
from wayscan.train.config import OptimConfig, TrainConfig
from wayscan.train.determinism import seed_everything
from wayscan.train.loop import Trainer
from wayscan.train.task import Observer, Outcome, StepReport

from .claims import Claim, Findings, record, recorded_claims, show
from .killed_runs import (
    TWO_PROCESS_STEPS,
    differing,
    kill_at_random,
    losses,
    run_to_the_end,
    run_two_processes,
)

KILLS = 20


def measure_kills(kind: str, folder: Path) -> Claim:
    """How many of the kills were survived without a trace: all of them, or none."""
    unbroken, killed = folder / f"{kind}_unbroken", folder / f"{kind}_killed"
    begun = time.perf_counter()
    run_to_the_end(kind, unbroken)
    lasted = sum(line["seconds"] for line in Run.open(unbroken).timings.read() if "seconds" in line)
    hits = kill_at_random(kind, killed, KILLS, longest=2.5 * lasted / KILLS)
    run_to_the_end(kind, killed)
    names = differing(unbroken, killed)
    if names:
        print(f"{kind}: {', '.join(names)} differ", file=sys.stderr)
    print(f"{kind}: {hits} kills, {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return Claim(
        name=f"kills survived to the bit, {kind} run",
        value=0 if names else hits,
        unit="kills",
        goal=KILLS,
        against="an unbroken run",
    )


def measure_two_processes(folder: Path) -> Claim:
    run_to_the_end("two", folder / "one")
    run_two_processes(folder / "two")
    one, two = losses(folder / "one"), losses(folder / "two")
    if len(one) != TWO_PROCESS_STEPS or len(two) != TWO_PROCESS_STEPS:
        raise RuntimeError(f"{len(one)} and {len(two)} losses; expected {TWO_PROCESS_STEPS}")
    return Claim(
        name="largest difference of a loss in 50 steps, two processes",
        value=float(abs(one - two).max()),
        goal=1e-5,
        better="lower",
        against="one process",
    )


class Wide:
    """Random rows for a model of ten million parameters."""

    def __init__(self, rows: int = 4096) -> None:
        rng = np.random.default_rng(0)
        self.x = torch.from_numpy(rng.standard_normal((rows, 512), np.float32))
        self.y = torch.from_numpy(rng.standard_normal((rows, 1), np.float32))

    def __len__(self) -> int:
        return len(self.x)

    def record(self, index: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return self.x[index], self.y[index]

    def fingerprint(self) -> str:
        return "wide"


def ten_million() -> nn.Module:
    """10,242,049 parameters."""
    middle = [layer for _ in range(9) for layer in (nn.Linear(1024, 1024), nn.ReLU())]
    return nn.Sequential(
        nn.Linear(512, 1024), nn.ReLU(), *middle, nn.LayerNorm(1024), nn.Linear(1024, 249), nn.Linear(249, 1)
    )


class Alternating(Observer):
    """Lets a bare loop do ten steps after every ten of ours, so that both meet the same machine.

    Processor time, for on a machine with others on it the clock measures these.
    """

    def __init__(self, bare: Callable[[], None]) -> None:
        self._bare, self._begun = bare, 0.0
        self.ours: list[float] = []
        self.bare: list[float] = []

    def after_step(self, report: StepReport, model: nn.Module) -> str | None:
        if report.step % 10:
            return None
        begun = time.process_time()
        self._bare()
        ended = time.process_time()
        if report.step > 10:  # the first ten warm up
            self.ours.append(begun - self._begun)
            self.bare.append(ended - begun)
        self._begun = time.process_time()
        return None


def bare_loop(records: Wide, batch_size: int) -> Callable[[], None]:
    """What one would write by hand: ten steps a call, with the same optimiser and clipping."""
    seed_everything(0)
    model = ten_million()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    data = TensorDataset(records.x, records.y)
    batches = (batch for _ in range(1000) for batch in DataLoader(data, batch_size, shuffle=True))

    def ten_steps() -> None:
        for _ in range(10):
            x, y = next(batches)
            optimiser.zero_grad()
            loss = mse_loss(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            loss.item()

    return ten_steps


def pair_loss(model: nn.Module, batch: list[torch.Tensor]) -> Outcome:
    return Outcome(mse_loss(model(batch[0]), batch[1]))


def wide_trainer(run: Path, config: TrainConfig, observers: list[Observer]) -> Trainer:
    seed_everything(0)
    return Trainer(ten_million(), pair_loss, Wide(), run=run, config=config, observers=observers)


def measure_own_cost(folder: Path, *, steps: int = 160, batch_size: int = 64) -> Claim:
    watch = Alternating(bare_loop(Wide(), batch_size))
    config = TrainConfig(
        steps=steps, batch_size=batch_size, threads=1, progress=False, checkpoint_every=10 * steps
    )
    wide_trainer(folder / "cost", config, [watch]).fit()
    ratios = [ours / bare for ours, bare in zip(watch.ours, watch.bare, strict=True)]
    print(
        f"a bare step takes {median(watch.bare) * 100:.1f} ms, ours {median(watch.ours) * 100:.1f} ms",
        file=sys.stderr,
    )
    return Claim(
        name="the loop's own cost, 10 M parameters",
        value=100 * (median(ratios) - 1),
        unit="%",
        goal=3,
        better="lower",
        against="a bare PyTorch loop",
    )


def measure_pause(folder: Path, *, checkpoints: int = 8) -> Claim:
    """The longest standstill for a full checkpoint: weights, AdamW's moments, average."""
    optim = OptimConfig(average_decay=0.999)
    config = TrainConfig(
        steps=10 * checkpoints, batch_size=64, threads=1, progress=False, checkpoint_every=10, optim=optim
    )  # fmt: skip
    wide_trainer(folder / "pause", config, []).fit()
    # A line of timings is written before the checkpoint of its step: the first holds that of step 0.
    pauses = [line["saving_seconds"] for line in Run.open(folder / "pause").timings.read()][1:]
    print(f"pauses: {', '.join(f'{1000 * pause:.0f}' for pause in pauses)} ms", file=sys.stderr)
    return Claim(
        name="longest pause for a checkpoint, 10 M parameters",
        value=1000 * max(pauses),
        unit="ms",
        goal=150,
        better="lower",
    )


def run(*, json: bool = False) -> int:
    """Measure what takes a minute, add what was recorded, print; the exit code."""
    findings, threads = Findings(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as place:
            findings.claims += [measure_own_cost(Path(place)), measure_pause(Path(place))]
    finally:
        torch.set_num_threads(threads)
    findings.claims += recorded_claims("runs")
    return show(findings.report("runs"), json_line=json)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        claims = [measure_kills(kind, folder) for kind in ("toy", "replay", "vision")]
        claims.append(measure_two_processes(folder))
    print(record("runs", "kills", claims))


if __name__ == "__main__":
    main()
