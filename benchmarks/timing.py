"""Timing that others on the same machine disturb little.

Time is CPU time of the calling thread (time.thread_time), so work must stay in one thread: set
torch.set_num_threads(1). What is compared takes turns (A B A B …), so that a slow minute slows both, and the
median counts. A short call runs once untimed before each timed run: otherwise it would pay for the caches
that its neighbour filled. Python's garbage collector pauses meanwhile, as in `timeit`.
"""

import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from statistics import median

Call = Callable[[], object]

MOST_REPEATS = 60
SHORT = 0.05  # seconds

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, up to 32 MB a piece, for the rest of this process (glibc only).

    Otherwise it gives memory back to the system now and then, and whether the next call has to fault its
    pages in again is a matter of luck: too much of it where two kernels are a tenth apart.
    """
    with suppress(OSError, AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_TRIM_THRESHOLD, 2**31 - 1)
        set_option(_MMAP_THRESHOLD, 2**25)


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    gc.collect()
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def seconds_of(call: Call, clock: Callable[[], float] = time.thread_time) -> float:
    start = clock()
    call()
    return clock() - start


def affordable_repeats(seconds: float, budget: float) -> int:
    """How often a call of so many seconds fits in the budget, within 0 and MOST_REPEATS.

    >>> [affordable_repeats(seconds, budget=4) for seconds in (0.001, 1.5, 9)]
    [60, 2, 0]
    """
    return min(MOST_REPEATS, int(budget / max(seconds, 1e-9)))


def take_turns(
    calls: Mapping[str, Call], repeats: Mapping[str, int], clock: Callable[[], float] = time.thread_time
) -> dict[str, list[float]]:
    """Seconds of every run of each call; fewer repeats are spread over the rounds of the others."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    rounds = max(repeats.values(), default=0)
    with garbage_collection_paused():
        for turn in range(rounds):
            for name, call in calls.items():
                if (turn + 1) * repeats[name] // rounds > len(samples[name]):
                    if samples[name] and samples[name][-1] < SHORT:
                        call()
                    samples[name].append(seconds_of(call, clock))
    return samples


def medians(samples: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: median(each) for name, each in samples.items() if each}
