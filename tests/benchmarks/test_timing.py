"""Taking turns, and the peak of memory."""

import gc
import itertools
import sys

import numpy as np
import pytest
from benchmarks.memory import peak_extra_bytes
from benchmarks.timing import medians, take_turns


def test_calls_take_turns_and_the_dear_ones_are_spread():
    order = []
    clock = itertools.count().__next__  # every call seems to take one second: none is short
    calls = {name: lambda name=name: order.append(name) for name in ("a", "b", "c")}
    samples = take_turns(calls, {"a": 4, "b": 2, "c": 0}, clock)
    assert "".join(order) == "aabaab"
    assert samples == {"a": [1] * 4, "b": [1] * 2, "c": []}
    assert medians(samples) == {"a": 1, "b": 1}


def test_a_short_call_warms_its_caches_before_it_is_timed_again():
    ran, clock = [], lambda: 0.0
    samples = take_turns({"a": lambda: ran.append(None)}, {"a": 3}, clock)
    assert len(samples["a"]) == 3
    assert len(ran) == 5


def test_garbage_collection_pauses_and_goes_on():
    seen = []
    take_turns({"a": lambda: seen.append(gc.isenabled())}, {"a": 1})
    assert seen == [False]
    assert gc.isenabled()


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="elsewhere the mark is that of the whole process"
)
def test_the_peak_of_memory_counts_what_was_freed_meanwhile():
    megabytes = 32

    def call():
        for _ in range(2):  # one after the other: the peak is that of one
            np.ones(megabytes << 17)

    peak_extra_bytes(call)
    assert peak_extra_bytes(call) == pytest.approx(megabytes << 20, rel=0.2)
