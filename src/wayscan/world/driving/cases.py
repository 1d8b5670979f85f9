"""Cases of drives and their shares, which are exact in every block of twenty.

Of a block 35 % drive straight on, 30 % turn (half of them left), 35 % brake; in 20 % of all it is only the
roadside camera that sees why.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["straight", "left", "right", "braking"]
Decider = Literal["vehicle", "roadside"]
Reason = Literal["free road", "route", "walker", "crossing car", "car in front", "red light"]

BLOCK = 20


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a drive is to show.

    Args:
        kind: what the ego does in the seconds to come.
        reason: why.
        decided_by: the camera that shows the reason: "roadside" where the ego's own camera does not see it.
    """

    kind: Kind
    reason: Reason
    decided_by: Decider = "vehicle"


_STRAIGHT = Case(kind="straight", reason="free road")
_HIDDEN_WALKER = Case(kind="braking", reason="walker", decided_by="roadside")
_HIDDEN_CAR = Case(kind="braking", reason="crossing car", decided_by="roadside")
CASES: tuple[Case, ...] = (
    *[_STRAIGHT] * 7,
    *[Case(kind="left", reason="route")] * 3,
    *[Case(kind="right", reason="route")] * 3,
    *[_HIDDEN_WALKER] * 2,
    *[_HIDDEN_CAR] * 2,
    Case(kind="braking", reason="walker"),
    Case(kind="braking", reason="car in front"),
    Case(kind="braking", reason="red light"),
)
"""One block."""


def case_of(seed: int, index: int) -> Case:
    """The case of a drive: each block of twenty indices holds every case of CASES once, in an order of its
    own."""
    block, place = divmod(index, BLOCK)
    order = np.random.default_rng((seed, block, BLOCK)).permutation(BLOCK)
    return CASES[int(order[place])]
