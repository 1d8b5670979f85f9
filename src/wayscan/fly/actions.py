"""Actions of the environment, and in [-1, 1] as networks and replay know them. Needs no torch."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Command(NamedTuple):
    """What to do: in the environment's units, and in [-1, 1]."""

    action: Floats
    share: Floats


def to_environment(action: NDArray[Any], low: Any, high: Any) -> Floats:
    """[-1, 1] → [low, high]; what lies outside is clipped.

    >>> to_environment(np.array([-1.0, 0.0, 3.0]), np.zeros(3), np.full(3, 2.0)).tolist()
    [0.0, 1.0, 2.0]
    """
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    return (low + (np.clip(action, -1, 1) + 1) / 2 * (high - low)).astype(np.float32)


def from_environment(action: Any, low: Any, high: Any) -> Floats:
    """The inverse of `to_environment`."""
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    share = (np.asarray(action, np.float32).reshape(low.shape) - low) / (high - low)
    return np.clip(2 * share - 1, -1, 1).astype(np.float32)


def limits(space: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Low and high of an environment's Box action space; anything else is refused."""
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is None or high is None or len(space.shape) != 1:
        raise ValueError(
            f"the action space is {space}; expected a Box of one dimension: TD3 needs continuous actions"
        )
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise ValueError(
            f"the action space goes from {low.tolist()} to {high.tolist()}; expected finite bounds, low "
            f"below high: wrap the environment in gymnasium.wrappers.RescaleAction"
        )
    return tuple(map(float, low)), tuple(map(float, high))
