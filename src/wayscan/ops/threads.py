"""Running one compiled worker on several threads: on torch's own, where they can be found."""

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_forked = False


def _remember_the_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_the_fork)


def run_on_threads(worker: Any, argument: int, threads: int) -> None:
    """Call the numba cfunc `worker(argument)` on each of `threads` threads, and wait.

    No pool of threads survives a fork, so a forked child works alone.
    """
    if threads == 1 or _forked:
        worker.ctypes(argument)
    elif (launch := _openmp()) is not None:
        launch(worker.address, argument, threads, 0)
    else:
        list(_pool(threads).map(worker.ctypes, [argument] * threads))


@functools.cache
def _openmp() -> Callable[[int, int, int, int], None] | None:
    """The launcher of torch's OpenMP threads: a second pool would fight with them for the cores."""
    try:
        with open("/proc/self/maps") as maps:
            libraries = {line.split()[-1] for line in maps if "libgomp" in line or "libiomp" in line}
    except OSError:
        return None
    for path in sorted(libraries, key=lambda path: "torch" not in path):
        launch = getattr(ctypes.CDLL(path), "GOMP_parallel", None)
        if launch is not None:
            launch.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            launch.restype = None
            return launch
    return None


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="wayscan")
