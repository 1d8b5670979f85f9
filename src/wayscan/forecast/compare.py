"""The seed's benchmark, made fair: every model and every seed with the same budget, beside the baselines."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.forecast.config import ForecastConfig, ModelType
from wayscan.forecast.data import Series
from wayscan.forecast.evaluate import Metrics, forecasts, judge, judge_baselines
from wayscan.forecast.metrics import interval
from wayscan.forecast.train import DivergedError, Epoch, Learner


class Trial(NamedTuple):
    """One model with one seed: what it gave on the judged part; `reason` says why there is nothing."""

    model: str
    seed: int
    history: list[Epoch]
    forecast: NDArray[np.float64]
    metrics: Metrics
    size: int
    seconds: float
    reason: str | None = None


class Comparison(NamedTuple):
    """All trials on a series, and the baselines on the same rows."""

    series: Series
    config: ForecastConfig
    trials: list[Trial]
    baselines: dict[str, Metrics]

    def of(self, model: str) -> list[Trial]:
        """The trials of a model that came to an end."""
        return [trial for trial in self.trials if trial.model == model and trial.reason is None]

    @property
    def models(self) -> list[str]:
        return list(dict.fromkeys(trial.model for trial in self.trials))


def compare(
    series: Series,
    config: ForecastConfig,
    models: Sequence[ModelType],
    seeds: int,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Train every model with every seed 0 … seeds − 1 on a series that is ready."""
    baselines = judge_baselines(series, series.judged, config.season)
    trials = []
    for model in models:
        for seed in range(seeds):
            progress(f"{model}, seed {seed}")
            trials.append(_try(series, _settings(config, model, seed), baselines))
    return Comparison(series, config, trials, baselines)


def _settings(config: ForecastConfig, model: ModelType, seed: int) -> ForecastConfig:
    """The same budget for all; the seed's lower rate for the Mambas where it is asked for."""
    rate = config.learning_rate
    if model.startswith("mamba") and config.mamba_learning_rate is not None:
        rate = config.mamba_learning_rate
    return replace(config, model_type=model, seed=seed, learning_rate=rate)


def _try(series: Series, config: ForecastConfig, baselines: dict[str, Metrics]) -> Trial:
    begun, learner = time.perf_counter(), Learner(series, config)
    label, name = config.model_type, series.judged
    try:
        history = learner.fit()
    except DivergedError as error:
        return Trial(label, config.seed, [], np.empty(0), {}, learner.network.size(), 0.0, str(error))
    forecast = forecasts(learner.network, series, series.part(name))
    metrics = judge(forecast, series, name, baselines)
    seconds = time.perf_counter() - begun
    return Trial(label, config.seed, history, forecast, metrics, learner.network.size(), seconds)


def summary(comparison: Comparison) -> dict[str, Any]:
    """The result that machines read: means over seeds, intervals, every trial, the baselines."""
    series, models = comparison.series, {}
    for model in comparison.models:
        done = comparison.of(model)
        failed = [t.reason for t in comparison.trials if t.model == model and t.reason is not None]
        models[model] = {"seeds": len(done), "failed": failed} | (_spread(done) if done else {})
    return {
        "system": "forecast",
        "command": "compare",
        "data": series.table.about() | {"target": series.target, "part": series.judged},
        "synthetic": series.table.synthetic,
        "n": len(series.part(series.judged)),
        "target": comparison.config.target,
        "models": models,
        "baselines": comparison.baselines,
    }


def _spread(trials: list[Trial]) -> dict[str, Any]:
    names = list(trials[0].metrics)
    columns = {name: np.array([trial.metrics[name] for trial in trials]) for name in names}
    return {
        "parameters": trials[0].size,
        "metrics": {name: float(column.mean()) for name, column in columns.items()},
        "spread": {name: float(column.std()) for name, column in columns.items()},
        "intervals": {name: list(interval(column)) for name, column in columns.items()},
        "trials": [trial.metrics for trial in trials],
        "validation_loss": [[each.validation_loss for each in trial.history] for trial in trials],
        "seconds": float(np.mean([trial.seconds for trial in trials])),
    }
