"""Splits by seed: what is learnt from, tuned on and judged on never meets.

Every data set of the world is a function of (seed, index), so a split is a range of seeds.
"""

from collections.abc import Mapping
from typing import Literal

from wayscan.names import expect_one_of

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
    return SPLITS[expect_one_of("split", split, SPLITS)]
