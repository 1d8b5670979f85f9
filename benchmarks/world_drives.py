"""The data set `drives`: what is in it, and how far trivial predictors come.

python -m benchmarks.world_drives     1,000 drives of tuning seeds: records, prints tables (two minutes)

Predictors know the ego's last two seconds and nothing of the pictures:
    mean               the mean path of the training drives
    CV                 the last speed and heading, held
    CTRV               the last speed and turn rate, held
    ridge              linear in the ego's poses of the last two seconds
    ridge and route    the same for each command (straight, left, right) apart
    knows the vehicle  the same for each kind, reason and command apart, as the ego's own camera shows them:
                       what only the roadside explains is to it like a free road
    knows both         the same for each kind, reason and command apart

The last two are told what pictures can tell: the distance between them is what only the roadside's are worth,
the distance from "ridge and route" to the second what the pictures are worth together.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from wayscan.data.records import Episode
from wayscan.geometry.poses import integrate_unicycle
from wayscan.geometry.waypoints import accelerations, l2, speeds, steps
from wayscan.world.actors.drivers import DT
from wayscan.world.drives import future_of, history_of, make_drive
from wayscan.world.driving.cases import BLOCK
from wayscan.world.driving.moments import FUTURE
from wayscan.world.splits import seeds_of

from .claims import WIDE, Claim, record

HORIZONS = (2.5, 3.5, 4.5)  # seconds
RIDGE = 1e-2


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Drives as arrays: N of them."""

    history: NDArray[np.float64]  # (N, 21, 3)
    future: NDArray[np.float64]  # (N, 45, 2)
    kind: NDArray[np.str_]
    reason: NDArray[np.str_]
    decided_by: NDArray[np.str_]
    command: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.future)


Predictor = Callable[[Sample], NDArray[np.float64]]


def sample(split: str, count: int) -> Sample:
    """`count` drives of a split, whole blocks of one seed after another, without a picture."""
    seeds = islice(seeds_of(split), -(-count // BLOCK))
    found = [make_drive(seed, index) for seed in seeds for index in range(BLOCK)][:count]
    return Sample(
        history=np.stack([history_of(drive) for drive in found]),
        future=np.stack([future_of(drive) for drive in found]),
        kind=_fact(found, "kind"),
        reason=_fact(found, "reason"),
        decided_by=_fact(found, "decided_by"),
        command=_fact(found, "command"),
    )


def _fact(drives: list[Episode], name: str) -> NDArray[np.str_]:
    return np.array([drive.facts[name] for drive in drives])


# ---- predictors ----------------------------------------------------------------------------------------


def predictors(training: Sample) -> dict[str, Predictor]:
    """All trivial predictors, fitted to the training drives where they have something to fit."""
    mean = training.future.mean(axis=0)
    return {
        "mean": lambda drives: np.broadcast_to(mean, drives.future.shape),
        "CV": lambda drives: _unicycle(drives, turning=False),
        "CTRV": lambda drives: _unicycle(drives, turning=True),
        "ridge": _fitted(training, lambda drives: np.zeros(len(drives), dtype=int)),
        "ridge and route": _fitted(training, lambda drives: drives.command),
        "knows the vehicle": _fitted(training, _case_seen_by_vehicle),
        "knows both": _fitted(training, _case),
    }


def _case(drives: Sample) -> NDArray[np.str_]:
    names = (drives.kind, drives.reason, drives.command)
    return np.array([" ".join(name) for name in zip(*names, strict=True)])


def _case_seen_by_vehicle(drives: Sample) -> NDArray[np.str_]:
    driving_on = [
        "straight free road straight" if command == "straight" else f"{command} route {command}"
        for command in drives.command
    ]
    return np.where(drives.decided_by == "roadside", driving_on, _case(drives))


def _unicycle(drives: Sample, *, turning: bool) -> NDArray[np.float64]:
    last = -drives.history[:, -2]  # the step before now, from where one is now
    speed = np.hypot(last[:, 0], last[:, 1]) / DT
    rate = last[:, 2] / DT if turning else np.zeros(len(drives))
    start = np.zeros((len(drives), 3))
    held = np.ones(FUTURE)
    return integrate_unicycle(start, speed[:, None] * held, rate[:, None] * held, DT)[..., :2]


def _fitted(training: Sample, group_of: Callable[[Sample], NDArray]) -> Predictor:
    """A ridge regression on the history for each group of drives; a group never met gets that of all."""
    features, groups = _features(training), group_of(training)
    everybody = _ridge(features, training.future)
    weights = {
        group: _ridge(features[groups == group], training.future[groups == group])
        for group in np.unique(groups)
    }

    def predict(drives: Sample) -> NDArray[np.float64]:
        rows = zip(_features(drives), group_of(drives), strict=True)
        return np.stack([(row @ weights.get(group, everybody)).reshape(FUTURE, 2) for row, group in rows])

    return predict


def _features(drives: Sample) -> NDArray[np.float64]:
    return np.concatenate(
        [drives.history[:, :-1].reshape(len(drives), -1), np.ones((len(drives), 1))], axis=1
    )


def _ridge(features: NDArray[np.float64], future: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that take features to paths; the bias, the last feature, is not held back."""
    targets = future.reshape(len(future), -1)
    penalty = RIDGE * len(features) * np.eye(features.shape[1])
    penalty[-1, -1] = 0.0
    return np.linalg.solve(features.T @ features + penalty, features.T @ targets)


# ---- what is found -------------------------------------------------------------------------------------


def check(drives: Sample) -> list[str]:
    """What no drive should show: the checks of labels that training runs."""
    moved, speed = steps(drives.future), speeds(drives.future, DT)
    change = accelerations(drives.future, DT)
    reversals = (moved[:, 1:] * moved[:, :-1]).sum(-1) < -1e-4
    faults = {
        "faster than 45 m/s": (speed > 45).any(),
        "accelerations above 12 m/s²": (np.abs(change) > 12).any(),
        "backwards": (moved[:, 0, 0] < -0.01).any() or reversals.any(),
        "not from zero": np.abs(drives.history[:, -1]).max() > 1e-9 or (speed[:, 0] > 25).any(),
    }
    return [name for name, found in faults.items() if found]


def slices(drives: Sample) -> dict[str, NDArray[np.bool_]]:
    """Kinds of drives, for rows of the table."""
    braking = drives.kind == "braking"
    return {
        "all": np.ones(len(drives), dtype=bool),
        "straight": drives.kind == "straight",
        "turning": np.isin(drives.kind, ("left", "right")),
        "braking": braking,
        "braking, the vehicle sees why": braking & (drives.decided_by == "vehicle"),
        "braking, the roadside sees why": braking & (drives.decided_by == "roadside"),
    }


def errors(drives: Sample, fitted: dict[str, Predictor]) -> dict[str, NDArray[np.float64]]:
    """Metres at each point (N, 45), by predictor."""
    return {name: l2(predict(drives), drives.future) for name, predict in fitted.items()}


def at(error: NDArray[np.float64], seconds: float) -> float:
    return float(error[:, round(seconds / DT) - 1].mean())


def describe(drives: Sample, found: dict[str, NDArray[np.float64]], console: Console) -> None:
    """Shares, speeds, ends, and the predictors' errors by kind."""
    table = Table(title=f"{len(drives)} drives, mean L2 in metres")
    for heading in ("predictor", *(f"{seconds} s" for seconds in HORIZONS), "ADE"):
        table.add_column(heading, justify="left" if heading == "predictor" else "right")
    for name, error in found.items():
        points = [at(error, seconds) for seconds in HORIZONS]
        table.add_row(name, *(f"{value:.2f}" for value in (*points, error.mean())))
    console.print(table)
    table = Table(title="mean L2 at 4.5 s, by what happens")
    for heading in ("drives", "share", *found):
        table.add_column(heading, justify="left" if heading == "drives" else "right")
    for label, chosen in slices(drives).items():
        points = [f"{at(error[chosen], 4.5):.2f}" for error in found.values()]
        table.add_row(label, f"{chosen.mean():.1%}", *points)
    console.print(table)
    now = np.hypot(*drives.history[:, -2, :2].T) / DT
    ends = drives.future[:, -1]
    for label, values in (
        ("speed now, m/s", now),
        ("speed at the end, m/s", speeds(drives.future, DT)[:, -1]),
        ("end ahead, m", ends[:, 0]),
        ("end to the left, m", ends[:, 1]),
    ):
        low, quarter, middle, upper, high = np.percentile(values, [0, 25, 50, 75, 100])
        console.print(
            f"{label}: {low:.1f} to {high:.1f}, half {quarter:.1f} to {upper:.1f}, median {middle:.1f}",
            highlight=False,
        )


def claims_of(drives: Sample, found: dict[str, NDArray[np.float64]]) -> list[Claim]:
    """What the data set promises: that pictures, and the roadside's among them, have something to tell."""
    parts = slices(drives)
    blind, vehicle, both = (
        at(found[name], 4.5) for name in ("ridge and route", "knows the vehicle", "knows both")
    )
    claims = [
        Claim(
            name="drives: error without pictures",
            value=blind / both,
            unit="×",
            goal=2.5,
            against="with what the pictures show, L2 at 4.5 s",
        ),
        Claim(
            name="drives: error without the roadside's pictures",
            value=vehicle / both,
            unit="×",
            goal=1.5,
            against="with what both cameras show, L2 at 4.5 s",
        ),
    ]
    for label, chosen in parts.items():
        claims.append(Claim(name=f"drives: share, {label}", value=float(chosen.mean())))
        claims += [
            Claim(
                name=f"drives: {label}, {name}",
                value=at(error[chosen], 4.5),
                unit="m",
                better="lower",
                against="L2 at 4.5 s",
            )
            for name, error in found.items()
        ]
    return claims


def main(count: int = 1000, training: int = 2000) -> None:
    console = Console(width=WIDE)
    drives = sample("tuning", count)
    faults = check(drives)
    if faults:
        sys.exit(f"drives are wrong: {', '.join(faults)}")
    found = errors(drives, predictors(sample("training", training)))
    describe(drives, found, console)
    console.print(record("world", "drives", claims_of(drives, found)))


if __name__ == "__main__":
    main()
