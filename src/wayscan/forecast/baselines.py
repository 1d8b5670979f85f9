"""Forecasts that anybody has for nothing, and two linear models. Each sees what a network may see, no more.

Fitted on the training rows; an order or a penalty is chosen on the validation rows. All one row ahead.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from wayscan.forecast.data import Part, Series

Values = NDArray[np.float64]
Baseline = Callable[[Series, Part], Values]

LAST, SEASONAL = "last value", "seasonal"
_PENALTIES = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)


def baseline_forecasts(series: Series, part: Part, season: int | None = None) -> dict[str, Values]:
    """Forecasts (W,) of a part by each baseline, in the series' own unit."""
    season = season or season_of(series)
    return {
        LAST: part.last,
        SEASONAL: _lagged(series, part, season),
        "mean": np.full(len(part), series.levels[: series.train_rows].mean()),
        "AR": _best_of(series, part, [_autoregression(order) for order in range(1, series.seq_len + 1)]),
        "ridge on differences": _best_of(series, part, [_ridge_on_steps(p) for p in _PENALTIES]),
    }


def season_of(series: Series) -> int:
    """Rows in a season: what the table knows, or the lag at which training differences agree most."""
    if series.table.season is not None:
        return series.table.season
    steps = np.diff(series.levels[: series.train_rows])
    steps = steps - steps.mean()
    longest = max(2, min(len(steps) // 3, 400))
    power = float(steps @ steps) or 1.0
    agreement = [float(steps[lag:] @ steps[:-lag]) / power for lag in range(2, longest + 1)]
    return 2 + int(np.argmax(agreement))


def _lagged(series: Series, part: Part, lag: int) -> Values:
    return series.levels[np.maximum(part.rows - lag, 0)]


def _best_of(series: Series, part: Part, choices: list[Baseline]) -> Values:
    """The forecasts of the choice with the smallest error on the validation part."""
    aim = series.validation.level
    losses = [float(np.mean((choice(series, series.validation) - aim) ** 2)) for choice in choices]
    return choices[int(np.argmin(losses))](series, part)


def _autoregression(order: int) -> Baseline:
    """Least squares on the last `order` levels and a constant."""

    def forecast(series: Series, part: Part) -> Values:
        design, aim = _past(series.levels, series.train.rows, order), series.train.level
        weights = np.linalg.lstsq(design, aim, rcond=None)[0]
        return _past(series.levels, part.rows, order) @ weights

    return forecast


def _ridge_on_steps(penalty: float) -> Baseline:
    """Ridge regression of the next step on the window's steps, added to the last value."""

    def forecast(series: Series, part: Part) -> Values:
        steps = np.diff(series.levels)
        scale = steps[: series.train_rows - 1].std() or 1.0
        order = series.seq_len - 1
        if order < 1:
            return part.last
        design = _past(steps / scale, series.train.rows - 1, order)
        aim = (series.train.level - series.train.last) / scale
        damp = penalty * np.eye(design.shape[1])
        damp[-1, -1] = 0  # the constant is free
        weights = np.linalg.solve(design.T @ design + damp + 1e-9 * np.eye(len(damp)), design.T @ aim)
        return part.last + scale * (_past(steps / scale, part.rows - 1, order) @ weights)

    return forecast


def _past(values: Values, rows: NDArray[np.intp], order: int) -> Values:
    """The `order` values before each row, and a 1: (W, order + 1)."""
    windows = sliding_window_view(values, order)[rows - order]
    return np.concatenate([windows, np.ones((len(rows), 1))], axis=1)
