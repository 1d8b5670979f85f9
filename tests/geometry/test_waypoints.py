"""What is said of ways agrees with closed forms."""

import numpy as np
import pytest

from wayscan.geometry.poses import integrate_unicycle
from wayscan.geometry.waypoints import (
    accelerations,
    headings,
    l2,
    resample,
    resample_by_length,
    speeds,
    steps,
    turned,
)

DT = 0.1


def test_steps_start_at_the_origin_and_sum_to_the_way() -> None:
    way = np.random.default_rng(0).normal(size=(3, 45, 2))
    assert np.allclose(np.cumsum(steps(way), axis=-2), way)


def test_constant_acceleration() -> None:
    times = DT * np.arange(1, 46)
    way = np.stack([5 * times + times**2, 0 * times], axis=-1)
    assert np.allclose(speeds(way, DT), 5 + 2 * (times - DT / 2))
    assert np.allclose(accelerations(way, DT), 2)
    assert turned(way) == 0


@pytest.mark.parametrize("rate", [-0.4, 0.4])
def test_a_turn_has_its_sign(rate: float) -> None:
    way = integrate_unicycle([0, 0, 0], np.full(45, 4.0), np.full(45, rate), DT)[:, :2]
    assert np.isclose(turned(way), rate * DT * 44.5)


def test_who_stands_keeps_the_heading() -> None:
    way = np.array([[1.0, 1.0], [2.0, 2.0], [2.0, 2.0], [2.0, 2.001]])
    assert np.allclose(headings(way), np.pi / 4)
    assert np.allclose(headings(np.zeros((4, 2))), 0)


def test_resampling_keeps_straight_lines() -> None:
    times = np.array([0.0, 0.3, 0.4, 1.0])
    way = np.stack([2 * times, 1 - times], axis=-1)
    at = np.linspace(0, 1, 11)
    assert np.allclose(resample(times, way, at), np.stack([2 * at, 1 - at], axis=-1))
    with pytest.raises(ValueError, match="not continued"):
        resample(times, way, [1.2])
    with pytest.raises(ValueError, match="sort them"):
        resample(times[::-1], way, at)


def test_resampling_by_length_is_even() -> None:
    angle = np.linspace(0, np.pi, 400)
    way = resample_by_length(np.stack([np.cos(angle), np.sin(angle)], axis=-1) * 5, 0.25)
    gaps = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert np.allclose(gaps, gaps[0], rtol=1e-3)
    assert abs(gaps[0] - 0.25) < 0.01


def test_distances() -> None:
    assert np.allclose(l2(np.ones((2, 5, 2)), np.zeros((5, 2))), np.sqrt(2))
    with pytest.raises(ValueError, match="a way has shape"):
        l2(np.ones(2), np.ones(2))
