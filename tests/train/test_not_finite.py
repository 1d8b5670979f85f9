"""Which records a NaN came from."""

import pytest
import torch

from wayscan.train.not_finite import SkipRule, blamed_records
from wayscan.train.task import Batch, Outcome, StepReport, TrainingFailedError

NAN = float("nan")


def outcome(loss: float = NAN, **seen: torch.Tensor) -> Outcome:
    return Outcome(torch.tensor(loss), {}, **seen)


def test_the_data_are_asked_first():
    pieces = [Batch([4, 9], {"x": torch.tensor([[1.0], [NAN]])}), Batch([2, 3], {"x": torch.ones(2, 1)})]
    assert blamed_records(pieces, [outcome(), outcome(prediction=torch.tensor([NAN, 1.0]))]) == [9]


def test_then_what_the_task_saw():
    pieces = [
        Batch([4, 9], {"x": torch.ones(2, 3), "label": torch.tensor([1, 2]), "scale": torch.tensor(NAN)})
    ]
    assert blamed_records(pieces, [outcome(prediction=torch.tensor([[1.0], [torch.inf]]))]) == [9]
    assert blamed_records(pieces, [outcome(features=torch.tensor([[NAN], [1.0]]))]) == [4]


def test_then_the_pieces_and_then_all():
    pieces = [Batch([5, 4], torch.ones(2)), Batch([3, 2], torch.ones(2))]
    assert blamed_records(pieces, [outcome(1.0), outcome(NAN)]) == [2, 3]
    assert blamed_records(pieces, [outcome(1.0), outcome(1.0)]) == [
        2,
        3,
        4,
        5,
    ]  # a gradient that is not finite


def report(skipped: bool) -> StepReport:
    return StepReport(7, NAN, {}, {}, 0.0, {}, (4, 9) if skipped else (), skipped, ())


def test_stop_names_the_records():
    with pytest.raises(TrainingFailedError, match=r"step 7: .* not finite; records \[4, 9\]"):
        SkipRule("stop").mind(report(True))


def test_skip_until_there_are_too_many_in_a_row():
    rule = SkipRule("skip")
    assert rule.mind(report(False)) is None
    for _ in range(19):
        assert "records [4, 9]: skipped" in rule.mind(report(True))
    rule.mind(report(False))
    for _ in range(19):
        rule.mind(report(True))
    with pytest.raises(TrainingFailedError, match="the weights must be at fault"):
        rule.mind(report(True))
