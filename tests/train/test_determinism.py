"""Randomness as a function of seed and place."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wayscan.train.determinism import SeededGenerator, deterministic, generator, seed_everything, seed_of

PARTS = st.lists(st.one_of(st.integers(), st.text(max_size=5)), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_seeds_differ_where_their_parts_do(one, other):
    assert (seed_of(*one) == seed_of(*other)) == (one == other)


def test_seeds_are_the_same_everywhere():
    """Recorded: a run must resume on another machine, and in another year."""
    assert seed_of(7, "order", 3) == 15812656404745451397
    assert generator(7, "order", 3).integers(0, 1000, 4).tolist() == [667, 207, 746, 79]


@given(st.integers(0, 2**64 - 1))
def test_a_reused_generator_is_as_a_new_one(seed: int):
    reused = SeededGenerator()
    reused.at(1).integers(0, 9, 3, dtype=np.uint8)  # leaves half a word in its buffer
    expected = np.random.Generator(np.random.Philox(key=seed)).standard_normal(5)
    np.testing.assert_array_equal(reused.at(seed).standard_normal(5), expected)


def test_all_global_generators_are_set():
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    seed_everything(1, "a")
    first = draw()
    seed_everything(1, "b")
    assert draw() != first
    seed_everything(1, "a")
    assert draw() == first


def test_what_was_set_is_restored():
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with deterministic(2) as threads:
        assert threads == torch.get_num_threads() == 2
        assert torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyError), deterministic():
        raise KeyError
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
