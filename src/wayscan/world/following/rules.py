"""When a robot follows, succeeds, collides and loses: the definitions of EVT-Bench, on arrays.

- *following*: the target is at most 3 m away and in view, its visible pixels neither too few nor too many;
- *success*: at step 300 the robot follows; if the episode ends before, it follows from 1 to 3 m;
- *collision*: less than 0.5 m from a person, or in touch with a thing; it ends the episode;
- *lost*: more than 4 m away for more than 20 steps in a row; it ends the episode.

SR and CR are shares of episodes; TR is the share of all steps on which the robot followed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Status = Literal["running", "time", "arrived", "collision", "lost"]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The numbers in the definitions.

    EVT-Bench asks for 3,000 pixels; of an image of 640 × 480, which we take it to mean, that is 0.98 %. In a
    square image with the same horizontal field a person covers 3/4 of that share.
    """

    near: float = 1.0
    far: float = 3.0
    hit: float = 0.5
    lost_beyond: float = 4.0
    lost_after: int = 20  # steps in a row
    steps: int = 300
    min_mask: float = 0.75 * 3000 / (640 * 480)  # shares of the image
    max_mask: float = 0.3


class Outcome(NamedTuple):
    """How an episode went."""

    status: Status
    success: bool
    following_steps: int
    steps: int

    @property
    def collision(self) -> bool:
        return self.status == "collision"


def is_following(distance: ArrayLike, mask: ArrayLike, rules: Rules) -> NDArray[np.bool_]:
    """From metres to the target and the share of the image that shows it."""
    mask = np.asarray(mask)
    return (np.asarray(distance) <= rules.far) & (mask >= rules.min_mask) & (mask <= rules.max_mask)


def status_of(distances: ArrayLike, touched: bool, arrived: bool, rules: Rules) -> Status:
    """After the steps whose distances are given: does the episode go on, and if not, why?

    Args:
        distances: metres to the target after each step so far.
        touched: the robot is in touch with a thing, or less than `hit` from another person.
        arrived: the target has come to the end of its way.
    """
    recent = np.asarray(distances)[-rules.lost_after - 1 :]
    if touched or recent[-1] < rules.hit:
        return "collision"
    if len(recent) > rules.lost_after and (recent > rules.lost_beyond).all():
        return "lost"
    if len(np.asarray(distances)) >= rules.steps:
        return "time"
    return "arrived" if arrived else "running"


def judge(status: Status, distances: ArrayLike, masks: ArrayLike, rules: Rules | None = None) -> Outcome:
    """The outcome of an episode: distance and mask after each of its K steps."""
    rules = rules or Rules()
    distances = np.asarray(distances, dtype=np.float64)
    followed = is_following(distances, masks, rules)
    if not len(distances) or len(followed) != len(distances):
        raise ValueError(
            f"distances, masks have {len(distances)}, {np.size(masks)} steps; expected as many, at least one"
        )
    good = {"time": bool(followed[-1]), "arrived": bool(followed[-1] and distances[-1] >= rules.near)}
    return Outcome(status, good.get(status, False), int(followed.sum()), len(distances))


def scores(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """SR, TR and CR of episodes."""
    if not outcomes:
        raise ValueError("no outcomes; expected at least one episode")
    steps = sum(outcome.steps for outcome in outcomes)
    return {
        "sr": float(np.mean([outcome.success for outcome in outcomes])),
        "tr": sum(outcome.following_steps for outcome in outcomes) / steps,
        "cr": float(np.mean([outcome.collision for outcome in outcomes])),
    }
