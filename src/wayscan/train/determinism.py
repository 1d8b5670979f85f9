"""Randomness as a function of (seed, what for, where), and arithmetic that repeats."""

import hashlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.utils.deterministic

_memory: Any = torch.utils.deterministic


def seed_of(*parts: int | str) -> int:
    """A 64-bit seed that depends on all of `parts` and nothing else: `seed_of(seed, "order", epoch)`."""
    text = "\0".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(*parts: int | str) -> np.random.Generator:
    """A NumPy generator for exactly this purpose and place."""
    return np.random.Generator(np.random.Philox(key=seed_of(*parts)))


class SeededGenerator:
    """One generator that is set to seed after seed: a fifth of the price of making one for each."""

    def __init__(self) -> None:
        self._bits = np.random.Philox(key=0)
        self._rng = np.random.Generator(self._bits)
        self._fresh = self._bits.state

    def at(self, seed: int) -> np.random.Generator:
        """As `Generator(Philox(key=seed))`, until the next call."""
        self._fresh["state"]["key"] = np.array([seed, 0], np.uint64)
        self._bits.state = self._fresh
        return self._rng


def seed_everything(*parts: int | str) -> None:
    """Set the global generators of Python, NumPy and torch (all devices) from `parts`."""
    seed = seed_of(*parts)
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    torch.default_generator.manual_seed(seed & 0x7FFFFFFFFFFFFFFF)
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed & 0x7FFFFFFFFFFFFFFF)


@contextmanager
def deterministic(threads: int | None = None) -> Iterator[int]:
    """Make torch repeat itself to the bit; yields the number of threads, and restores all on leaving.

    Operations without a repeatable version still run, with torch's warning that names them.
    """
    threads_before = torch.get_num_threads()
    was_on = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = _memory.fill_uninitialized_memory
    tuned, fixed = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    _memory.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(threads_before)
        torch.use_deterministic_algorithms(was_on, warn_only=only_warned)
        _memory.fill_uninitialized_memory = filled
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = tuned, fixed
