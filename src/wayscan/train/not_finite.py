"""NaN and infinity: which records they came from, and what to do about it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wayscan.train.loader import map_tensors
from wayscan.train.task import Batch, Outcome, StepReport, TrainingFailedError

_MOST_IN_A_ROW = 20


class SkipRule:
    """Stops at the first step that is not finite, or skips such steps until there are too many in a row."""

    def __init__(self, policy: str) -> None:
        self.policy, self.in_a_row = policy, 0

    def mind(self, report: StepReport) -> str | None:
        """Raise, or return what to tell about a skipped step."""
        if not report.was_skipped:
            self.in_a_row = 0
            return None
        self.in_a_row += 1
        what = f"step {report.step}: the loss or its gradient is not finite; records {list(report.skipped)}"
        if self.policy == "stop":
            raise TrainingFailedError(
                f"{what}. Look at these records; not_finite 'skip' passes over such steps; a lower learning "
                "rate may avoid them"
            )
        if self.in_a_row >= _MOST_IN_A_ROW:
            raise TrainingFailedError(
                f"{what}; so were the {self.in_a_row} steps up to here: the weights must be at fault"
            )
        return f"{what}: skipped"


def blamed_records(pieces: Sequence[Batch], outcomes: Sequence[Outcome]) -> list[int]:
    """The records behind a loss or gradient that is not finite, as far as it can be told.

    First those whose data are not finite; else those whose target, prediction or features are not; else all
    records of the pieces whose loss is not; else all.
    """
    pairs = list(zip(pieces, outcomes, strict=True))
    guesses = (
        [index for piece in pieces for index in _bad_rows(piece, piece.data)],
        [
            index
            for piece, seen in pairs
            for index in _bad_rows(piece, [seen.target, seen.prediction, seen.features])
        ],
        [index for piece, seen in pairs if not bool(torch.isfinite(seen.loss)) for index in piece.indices],
        [index for piece in pieces for index in piece.indices],
    )
    return sorted(set(next(filter(None, guesses), [])))


def _bad_rows(piece: Batch, data: Any) -> list[int]:
    bad: list[int] = []

    def look(tensor: Tensor) -> Tensor:
        if tensor.is_floating_point() and tensor.dim() > 0 and len(tensor) == len(piece.indices):
            rows = ~torch.isfinite(tensor.detach()).reshape(len(tensor), -1).all(dim=1)
            bad.extend(piece.indices[row] for row in rows.nonzero().flatten().tolist())
        return tensor

    map_tensors(data, look)
    return bad
