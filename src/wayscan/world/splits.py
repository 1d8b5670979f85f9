"""Splits by seed: what is learnt from, tuned on and judged on never meets.

Every data set of the world is a function of (seed, index), so a split is a range of seeds.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal, cast

Split = Literal["examples", "training", "tuning", "judging"]

EXAMPLES = range(1_000)  # also for tests
TRAINING = range(1_000, 100_000)
TUNING = range(100_000, 200_000)
JUDGING = range(200_000, 300_000)

SPLITS: Mapping[Split, range] = {
    "examples": EXAMPLES,
    "training": TRAINING,
    "tuning": TUNING,
    "judging": JUDGING,
}


def seeds_of(split: str) -> range:
    """The seeds of a split.

    >>> seeds_of("tuning")
    range(100000, 200000)
    """
    if split not in SPLITS:
        near = get_close_matches(split, SPLITS, n=1)
        raise ValueError(
            f"split is {split!r}; expected one of {', '.join(SPLITS)}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    return SPLITS[cast(Split, split)]
