"""What is best, and when it is over."""

import math

import pytest

from wayscan.train.best import Best


def test_lower_and_higher():
    lower, higher = Best("loss", "lower", None), Best("loss", "higher", None)
    assert [lower.update(step, {"loss": value}) for step, value in enumerate((3.0, 4.0, 2.0, 2.0))] == [
        True,
        False,
        True,
        False,
    ]
    assert [higher.update(step, {"loss": value}) for step, value in enumerate((3.0, 4.0, 2.0, 4.5))] == [
        True,
        True,
        False,
        True,
    ]
    assert lower.as_dict() == {"metric": "loss", "value": 2.0, "step": 2}


def test_patience():
    best = Best("loss", "lower", 2)
    for step, value in enumerate((3.0, 4.0, math.nan)):
        assert not best.is_over
        best.update(step, {"loss": value})
    assert best.is_over
    other = Best("loss", "lower", 2)
    other.load_state_dict(best.state_dict())
    assert other.is_over
    assert other.update(9, {"loss": 1.0})
    assert not other.is_over


def test_nan_is_never_best():
    best = Best("loss", "higher", None)
    assert not best.update(1, {"loss": math.nan})
    assert best.as_dict() is None


def test_an_unknown_metric_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"monitor is 'validation/los'.*did you mean validation/loss"):
        Best("validation/los", "lower", None).update(1, {"validation/loss": 1.0, "x": 2.0})
