"""Errors of forecasts: in the series' own unit, scaled, and against the trivial forecasts."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def errors(prediction: Values, level: Values, span: float) -> dict[str, float]:
    """MSE, RMSE, MAE (scaled by `span`, and in the series' own unit), R².

    >>> errors(np.array([1.0, 3.0]), np.array([1.0, 2.0]), span=2.0)["mse"]
    0.125
    """
    error = prediction - level
    squared, absolute = float(np.mean(error**2)), float(np.mean(np.abs(error)))
    spread = float(np.var(level))
    return {
        "mse": squared / span**2,
        "rmse": squared**0.5 / span,
        "mae": absolute / span,
        "r2": 1 - squared / spread if spread else float("-inf"),
        "mse_own": squared,
        "rmse_own": squared**0.5,
        "mae_own": absolute,
    }


def with_skill(
    own: dict[str, float], last_value: dict[str, float], seasonal: dict[str, float]
) -> dict[str, float]:
    """`skill` = 1 − MSE / MSE of the last value; `skill_best` against the better of it and seasonal."""
    best = min(last_value["mse"], seasonal["mse"])
    return own | {"skill": _skill(own["mse"], last_value["mse"]), "skill_best": _skill(own["mse"], best)}


def _skill(mse: float, reference: float) -> float:
    if reference == 0:
        return 0.0 if mse == 0 else float("-inf")
    return 1 - mse / reference


def interval(values: Values, share: float = 0.95, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """Bootstrap interval of the mean of a few values, as over seeds: resampled with replacement."""
    rng = np.random.default_rng(seed)
    means = np.asarray(values)[rng.integers(0, len(values), (draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def block_interval(
    own: Values, reference: Values, share: float = 0.95, block: int = 10, seed: int = 0, draws: int = 2000
) -> tuple[float, float]:
    """Bootstrap interval of the skill over time, drawing blocks, for neighbouring errors are alike.

    Args:
        own, reference: squared errors (n,) of the model and of what it is compared with.
    """
    n = len(own)
    block = max(1, min(block, n // 3))
    starts = np.random.default_rng(seed).integers(0, n - block + 1, (draws, -(-n // block)))
    rows = (starts[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :n]
    below = reference[rows].mean(axis=1)
    skill = 1 - own[rows].mean(axis=1) / np.where(below > 0, below, np.inf)
    low, high = np.quantile(skill, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
