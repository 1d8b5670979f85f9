"""Random problems for the scan, as every test of it needs them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Problem = dict[str, Tensor | None]


def make_problem(
    batch: int = 2,
    channels: int = 20,
    length: int = 37,
    states: int = 5,
    groups: int = 1,
    *,
    D: bool = True,
    z: bool = True,
    delta_bias: bool = True,
    initial_state: bool = False,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Problem:
    """Arguments of `selective_scan` by name; Δ stays small enough for long sequences to stay finite."""
    random = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=torch.float64)

    problem: Problem = {
        "u": normal(batch, channels, length),
        "delta": normal(batch, channels, length).abs() * 0.5,
        "A": -torch.rand(channels, states, generator=random, dtype=torch.float64) * 4 - 0.1,
        "B": normal(batch, groups, states, length),
        "C": normal(batch, groups, states, length),
        "D": normal(channels) if D else None,
        "z": normal(batch, channels, length) if z else None,
        "delta_bias": normal(channels) * 0.1 + 0.2 if delta_bias else None,
        "initial_state": normal(batch, channels, states) if initial_state else None,
    }
    return {name: None if x is None else x.to(dtype) for name, x in problem.items()}


@pytest.fixture(scope="session")
def scan_problem() -> Callable[..., Problem]:
    return make_problem


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)
