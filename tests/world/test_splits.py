"""Splits never meet, and an unknown one is told the nearest."""

from itertools import pairwise

import pytest

from wayscan.world.splits import SPLITS, seeds_of


def test_splits_do_not_meet():
    for one, other in pairwise(sorted(SPLITS.values(), key=lambda seeds: seeds.start)):
        assert one.stop <= other.start


def test_an_unknown_split_is_told_the_nearest():
    with pytest.raises(ValueError, match="did you mean training"):
        seeds_of("trainin")
