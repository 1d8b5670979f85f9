"""Judging forecasts on the last part of a series, beside the trivial ones."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.forecast.baselines import LAST, SEASONAL, baseline_forecasts, season_of
from wayscan.forecast.data import Part, PartName, Series
from wayscan.forecast.metrics import block_interval, errors, with_skill
from wayscan.forecast.model import Network

Values = NDArray[np.float64]
Metrics = dict[str, float]


def forecasts(network: Network, series: Series, part: Part) -> Values:
    """The network's forecasts (W,) of a part, in the series' own unit."""
    return series.scaling.level(network.predict(part.x).astype(np.float64), part.last)


def judge_baselines(series: Series, name: PartName, season: int | None = None) -> dict[str, Metrics]:
    """Metrics of every baseline on a part; scaled by the same range as the network's."""
    part, span = series.part(name), series.scaling.span[0]
    found = {
        label: errors(forecast, part.level, span)
        for label, forecast in baseline_forecasts(series, part, season).items()
    }
    return {label: with_skill(own, found[LAST], found[SEASONAL]) for label, own in found.items()}


def judge(forecast: Values, series: Series, name: PartName, baselines: dict[str, Metrics]) -> Metrics:
    """Metrics of forecasts of a part."""
    own = errors(forecast, series.part(name).level, series.scaling.span[0])
    return with_skill(own, baselines[LAST], baselines[SEASONAL])


def skill_interval(forecast: Values, series: Series, name: PartName) -> tuple[float, float]:
    """95 % interval of the skill against the last value, over time."""
    part = series.part(name)
    return block_interval((forecast - part.level) ** 2, (part.last - part.level) ** 2)


def evaluation(
    network: Network, series: Series, *, model: str, seed: int, season: int | None = None
) -> dict[str, Any]:
    """The result that machines read; see docs/forecast.md for the metrics."""
    begun, name = time.perf_counter(), series.judged
    forecast = forecasts(network, series, series.part(name))
    baselines = judge_baselines(series, name, season)
    return {
        "system": "forecast",
        "model": model,
        "data": series.table.about()
        | {"target": series.target, "part": name, "season": season or season_of(series)},
        "synthetic": series.table.synthetic,
        "n": len(series.part(name)),
        "seed": seed,
        "metrics": judge(forecast, series, name, baselines),
        "intervals": {"skill": list(skill_interval(forecast, series, name))},
        "baselines": baselines,
        "peers": {},
        "references": {},
        "seconds": time.perf_counter() - begun,
    }  # fmt: skip
