"""Baselines and metrics on series whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from wayscan.forecast.baselines import LAST, SEASONAL, baseline_forecasts, season_of
from wayscan.forecast.config import ForecastConfig
from wayscan.forecast.data import prepare
from wayscan.forecast.evaluate import judge, judge_baselines
from wayscan.forecast.metrics import block_interval, errors, interval, with_skill
from wayscan.forecast.series.table import Table

SMALL = ForecastConfig(seq_len=8)


def only(values: np.ndarray, table: Table) -> Table:
    return replace(
        table,
        values=values[:, None],
        columns=("height",),
        dates=tuple(map(str, range(len(values)))),
        season=None,
    )


def test_a_cycle_is_foretold_by_season_and_autoregression(waves: Table):
    cycle = np.tile([1.0, 4.0, 2.0, 0.0, 5.0], 30)
    series = prepare(only(cycle, waves), SMALL)
    assert season_of(series) == 5
    found = baseline_forecasts(series, series.test)
    np.testing.assert_allclose(found[SEASONAL], series.test.level)
    np.testing.assert_allclose(found["AR"], series.test.level, atol=1e-9)
    np.testing.assert_allclose(found["ridge on differences"], series.test.level, atol=0.05)
    np.testing.assert_array_equal(found[LAST], series.test.last)
    np.testing.assert_allclose(found["mean"], cycle[: series.train_rows].mean())


def test_nothing_beats_the_last_value_of_a_walk(waves: Table):
    walk = np.cumsum(np.random.default_rng(0).standard_normal(1500))
    series = prepare(only(walk, waves), SMALL)
    skills = {label: own["skill"] for label, own in judge_baselines(series, "test").items()}
    assert skills[LAST] == 0
    assert all(skill < 0.02 for skill in skills.values())


def test_metrics_of_a_known_error():
    level = np.array([0.0, 2.0, 4.0, 6.0])
    own = errors(level + 1, level, span=10.0)
    assert own["mse"] == pytest.approx(0.01)
    assert own["rmse"] == own["mae"] == pytest.approx(0.1)
    assert own["r2"] == pytest.approx(1 - 1 / 5)
    assert (own["mse_own"], own["rmse_own"], own["mae_own"]) == (1, 1, 1)
    skill = with_skill(own, {"mse": 0.04}, {"mse": 0.02})
    assert (skill["skill"], skill["skill_best"]) == (pytest.approx(0.75), pytest.approx(0.5))
    assert with_skill({"mse": 0.0}, {"mse": 0.0}, {"mse": 1.0})["skill"] == 0


def test_intervals_hold_what_they_are_of():
    low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert 1 <= low < 2 < high <= 3
    rng = np.random.default_rng(0)
    reference = rng.chisquare(1, 200)
    low, high = block_interval(reference / 2, reference)
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)
    low, high = block_interval(rng.chisquare(1, 200), reference)
    assert low < 0 < high


def test_the_judged_part_is_the_last(waves: Table):
    series = prepare(waves, SMALL)
    baselines = judge_baselines(series, series.judged)
    assert judge(series.test.last, series, "test", baselines)["skill"] == 0
    assert judge(series.test.level, series, "test", baselines)["r2"] == 1
