"""Scaling and target and back, parts that do not overlap, windows as the seed's."""

from dataclasses import replace

import numpy as np
import pytest

from wayscan.forecast.config import ForecastConfig, preset
from wayscan.forecast.data import Scaling, batches, flattery, prepare, say_flattery
from wayscan.forecast.series.table import Table

SMALL = ForecastConfig(seq_len=8, validation_share=0.2, test_share=0.2)


@pytest.mark.parametrize("target", ["level", "difference", "log-return"])
def test_aim_and_level_are_inverse(target: str, waves: Table):
    scaling = Scaling.fit(waves.values[:, :1], target, "both")
    last, level = waves.values[:-1, 0], waves.values[1:, 0]
    np.testing.assert_allclose(scaling.level(scaling.aim(last, level), last), level, atol=1e-12)
    assert Scaling.from_dict(scaling.as_dict()) == scaling


def test_scaled_levels_lie_between_0_and_1_and_steps_have_unit_spread(waves: Table):
    read = Scaling.fit(waves.values, "difference", "both").read(waves.values)
    assert read.shape == (120, 4)
    assert read[:, :2].min() == 0
    assert read[:, :2].max() == 1
    np.testing.assert_allclose(read[1:, 2:].std(axis=0), 1)


def test_a_window_is_what_came_before_its_row(waves: Table):
    series = prepare(waves, replace(SMALL, inputs="level", features=("tide",), precision="float64"))
    part = series.test
    assert part.x.shape == (8, 2, 24)  # (seq_len, features, windows)
    row = part.rows[5]
    expected = series.scaling.read(series.values)[row - 8 : row]
    np.testing.assert_array_equal(part.x[:, :, 5], expected)
    assert (part.last[5], part.level[5]) == (waves.values[row - 1, 0], waves.values[row, 0])


def test_parts_are_in_order_with_a_window_between(waves: Table):
    series = prepare(waves, SMALL)
    assert (series.train.rows[0], series.train.rows[-1]) == (8, 63)
    assert (series.validation.rows[0], series.validation.rows[-1]) == (72, 87)
    assert (series.test.rows[0], series.test.rows[-1]) == (96, 119)
    assert series.judged == "test"


def test_the_scaler_sees_training_rows_only_and_the_leak_is_told(
    waves: Table, capsys: pytest.CaptureFixture[str]
):
    rising = replace(waves, values=waves.values + np.arange(120)[:, None])
    honest, leaky = prepare(rising, SMALL), prepare(rising, replace(SMALL, scaler="all"))
    assert honest.scaling.span[0] == pytest.approx(np.ptp(rising.values[:72, 0]))
    assert flattery(leaky) == pytest.approx((np.ptp(rising.values[:, 0]) / honest.scaling.span[0]) ** 2)
    say_flattery(leaky)
    assert f"look {flattery(leaky):.2f}× smaller" in capsys.readouterr().err
    say_flattery(honest)
    assert capsys.readouterr().err == ""


def test_batches_hold_every_window_once_in_an_order_of_seed_and_epoch(waves: Table):
    part = prepare(waves, SMALL).train
    drawn = list(batches(part, 10, seed=1, epoch=2))
    assert [x.shape for x, _ in drawn] == [(8, 2, 10)] * 5 + [(8, 2, 6)]
    aims = np.concatenate([y[0] for _, y in drawn])
    np.testing.assert_array_equal(np.sort(aims), np.sort(part.y))
    again = np.concatenate([y[0] for _, y in batches(part, 10, seed=1, epoch=2)])
    np.testing.assert_array_equal(aims, again)
    assert not np.array_equal(aims, np.concatenate([y[0] for _, y in batches(part, 10, seed=1, epoch=3)]))


def test_the_seeds_shapes(waves: Table):
    x, y = next(batches(prepare(waves, preset("seed")).train, 32, 0, 0))
    assert (x.shape, y.shape) == ((32, 1, 32), (1, 32))


def test_too_few_rows_constant_columns_and_logarithms_of_nought(waves: Table):
    with pytest.raises(
        ValueError, match=r"120 rows leave nothing for train with windows of 100 rows.*--seq-len"
    ):
        prepare(waves, replace(SMALL, seq_len=100))
    flat = replace(waves, values=waves.values * [0, 1])
    with pytest.raises(ValueError, match=r"column 'height': all 120 rows are 0.*--column"):
        prepare(flat, SMALL)
    with pytest.raises(ValueError, match=r"row 0, column 'height': -7.*--target difference"):
        prepare(replace(waves, values=waves.values - 10), replace(SMALL, target="log-return"))
