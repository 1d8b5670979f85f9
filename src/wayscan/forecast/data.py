"""From a table to what is learnt: scaling, target, chronological parts, windows.

T rows, L rows in a window, F features, W windows. Row i is forecast from rows i − L … i − 1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wayscan.forecast.config import ForecastConfig
from wayscan.forecast.series.source import check_columns, say
from wayscan.forecast.series.table import Table

Values = NDArray[np.float64]
PartName = Literal["train", "validation", "test"]

_ROOM_FOR = {
    "train": "smaller --validation-share or --test-share",
    "validation": "larger --validation-share",
    "test": "larger --test-share",
}


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """What the network reads and writes, in terms of the series' own unit.

    Args:
        low, span: a level y is read as (y − low) / span, column by column, as MinMaxScaler does.
        step: a step of a column is read as step / step's standard deviation.
        target: "level", "difference" or "log-return"; `inputs`: "level", "difference" or "both".
    """

    low: tuple[float, ...]
    span: tuple[float, ...]
    step: tuple[float, ...]
    target: str
    inputs: str

    @classmethod
    def fit(cls, values: Values, target: str, inputs: str) -> "Scaling":
        """Fit on rows (T, columns); the target is the first column."""
        low, span = values.min(axis=0), np.ptp(values, axis=0)
        steps = _steps(values, target).std(axis=0) if len(values) > 1 else np.ones(values.shape[1])
        whole = np.where(span > 0, span, 1.0)
        return cls(
            low=tuple(low.tolist()),
            span=tuple(whole.tolist()),
            step=tuple(np.where(steps > 0, steps, 1.0).tolist()),
            target=target,
            inputs=inputs,
        )

    @property
    def features(self) -> int:
        """F"""
        return len(self.low) * (2 if self.inputs == "both" else 1)

    def read(self, values: Values) -> Values:
        """Rows (T, columns) → features (T, F); the step to the first row counts as 0."""
        parts = []
        if self.inputs != "difference":
            parts.append((values - self.low) / self.span)
        if self.inputs != "level":
            steps = np.zeros_like(values)
            steps[1:] = _steps(values, self.target) / self.step
            parts.append(steps)
        return np.concatenate(parts, axis=1)

    def aim(self, last: Values, level: Values) -> Values:
        """What the network should give where `level` follows `last`."""
        if self.target == "level":
            return (level - self.low[0]) / self.span[0]
        step = level - last if self.target == "difference" else np.log(level / last)
        return step / self.step[0]

    def level(self, given: Values, last: Values) -> Values:
        """The inverse of `aim`: what the network gave, in the series' own unit."""
        if self.target == "level":
            return given * self.span[0] + self.low[0]
        step = given * self.step[0]
        return last + step if self.target == "difference" else last * np.exp(step)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Scaling":
        kept: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
        return cls(**kept)


def _steps(values: Values, target: str) -> Values:
    return np.diff(np.log(values) if target == "log-return" else values, axis=0)


@dataclass(frozen=True, eq=False)
class Part:
    """Windows of one part: x (L, F, W), y (W,) as the network gives it; levels in the series' own unit."""

    rows: NDArray[np.intp]
    x: NDArray[Any]
    y: NDArray[Any]
    last: Values
    level: Values

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """A table made ready: its target's levels (T,), scaling, and the three parts; `test` may be empty."""

    table: Table
    target: str
    columns: tuple[str, ...]
    values: Values
    scaling: Scaling
    honest: Scaling
    """The scaling fitted on the training rows alone; the same unless the scaler leaks."""
    train_rows: int
    train: Part
    validation: Part
    test: Part
    seq_len: int

    @property
    def levels(self) -> Values:
        return self.values[:, 0]

    def part(self, name: PartName) -> Part:
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    @property
    def judged(self) -> PartName:
        """The part that results are reported on: test, or validation if there is no test part."""
        return "test" if len(self.test) else "validation"


def prepare(table: Table, config: ForecastConfig, scaling: Scaling | None = None) -> Series:
    """Scale, split and cut into windows.

    Args:
        scaling: of a trained model; fitted as the configuration says if not given.
    """
    target, columns = check_columns(table, config)
    values = np.stack([table.column(name) for name in columns], axis=1)
    _check_logarithm(table, columns, values, config)
    T, L = len(values), config.seq_len
    test_from = T - round(T * config.test_share)
    validation_from = test_from - round(T * config.validation_share)
    gap = config.seq_len if config.gap is None else config.gap
    has_test = test_from < T
    bounds = {
        "train": (L, validation_from - gap),
        "validation": (validation_from, test_from - (gap if has_test else 0)),
        "test": (test_from, T),
    }
    for name, (start, end) in bounds.items():
        if end <= start and (name != "test" or has_test):
            raise ValueError(
                f"{table.source}: {T} rows leave nothing for {name} with windows of {L} rows and a gap of "
                f"{gap}; expected more rows, a smaller --seq-len or --gap, or a {_ROOM_FOR[name]}"
            )
    honest = Scaling.fit(values[:validation_from], config.target, config.inputs)
    if scaling is None:
        scaling = honest if config.scaler == "train" else Scaling.fit(values, config.target, config.inputs)
    features = scaling.read(values).astype(config.precision)
    parts = {name: _cut(features, values[:, 0], L, *span, scaling) for name, span in bounds.items()}
    return Series(
        table=table,
        target=target,
        columns=columns,
        values=values,
        scaling=scaling,
        honest=honest,
        train_rows=validation_from,
        **parts,
        seq_len=L,
    )


def _check_logarithm(table: Table, columns: tuple[str, ...], values: Values, config: ForecastConfig) -> None:
    if config.target == "log-return" and (values <= 0).any():
        row, column = np.argwhere(values <= 0)[0]
        raise ValueError(
            f"{table.source}, row {table.dates[row]}, column {columns[column]!r}: {values[row, column]:g} "
            "has no logarithm; expected numbers above 0: take --target difference"
        )


def _cut(features: NDArray[Any], levels: Values, L: int, start: int, end: int, scaling: Scaling) -> Part:
    """The windows whose next rows are start … end − 1."""
    rows = np.arange(start, max(start, end))
    windows = sliding_window_view(features, L, axis=0)  # (T − L + 1, F, L)
    x = windows[rows - L].transpose(2, 1, 0)
    last, level = levels[rows - 1], levels[rows]
    return Part(rows, x, scaling.aim(last, level).astype(features.dtype), last, level)


def batches(part: Part, size: int, seed: int, epoch: int) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """x (L, F, size) and y (1, size) of one epoch, in an order that (seed, epoch) decides."""
    order = np.random.default_rng((seed, epoch)).permutation(len(part))
    for at in range(0, len(order), size):
        chosen = order[at : at + size]
        yield np.ascontiguousarray(part.x[:, :, chosen]), part.y[None, chosen]


def flattery(series: Series) -> float:
    """How many times smaller the leaky scaler makes the same squared error look.

    MinMax over all rows has the wider range of the two, and errors are divided by it.
    """
    return (series.scaling.span[0] / series.honest.span[0]) ** 2


def say_flattery(series: Series) -> None:
    if series.scaling.span != series.honest.span:
        say(
            f"the scaler was fitted on all rows, later ones included (--scaler all): the same errors look "
            f"{flattery(series):.2f}× smaller as scaled MSE than with --scaler train"
        )
