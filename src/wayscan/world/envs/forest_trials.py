"""Trials: a pilot flies the forests of given seeds, one episode each, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from wayscan.world.envs.forest import ForestVector
from wayscan.world.envs.forest_worlds import ForestConfig, ForestWorlds, Observation

Pilot = Callable[[Observation, ForestWorlds], NDArray[Any]]
RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class Flights:
    """N finished episodes, in the seeds' order."""

    seeds: NDArray[np.int64]
    success: NDArray[np.bool_]
    collision: NDArray[np.bool_]
    timeout: NDArray[np.bool_]
    path: NDArray[np.float64]  # m flown
    straight: NDArray[np.float64]  # m that a straight way takes
    length: NDArray[np.int64]  # actions
    returns: NDArray[np.float64]
    seconds: float  # of an action

    @property
    def spl(self) -> NDArray[np.float64]:
        """(N,) success weighted by path length (Anderson 2018), the straight way being the shortest."""
        return self.success * self.straight / np.maximum(np.maximum(self.path, self.straight), 1e-9)

    @property
    def speed(self) -> NDArray[np.float64]:
        """(N,) m/s, mean of each episode."""
        return self.path / (self.length * self.seconds)

    def metrics(self) -> dict[str, float]:
        """Means: success, collision, timeout, spl, speed, return, length."""
        return {name: float(values.mean()) for name, values in self._values().items()}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 %: Wilson's for rates, the bootstrap's percentiles for means."""
        rng = np.random.default_rng(0)
        picks = rng.integers(len(self.seeds), size=(RESAMPLES, len(self.seeds)))
        found = {}
        for name, values in self._values().items():
            if values.dtype == np.bool_:
                found[name] = wilson(int(values.sum()), len(values))
            else:
                low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
                found[name] = (float(low), float(high))
        return found

    def _values(self) -> dict[str, NDArray[Any]]:
        return {
            "success": self.success,
            "collision": self.collision,
            "timeout": self.timeout,
            "spl": self.spl,
            "speed": self.speed,
            "return": self.returns,
            "length": self.length,
        }


def fly_trials(
    pilot: Pilot,
    seeds: Sequence[int],
    config: ForestConfig | None = None,
    *,
    worlds: int = 16,
    make: type[ForestVector] = ForestVector,
) -> Flights:
    """Fly one episode for each seed, `worlds` at a time, in Forest-v0 or in another of its kind.

    A pilot with a `reset(index)` is told which world begins an episode, for what it remembers.
    """
    config = config or ForestConfig()
    envs = make(min(worlds, len(seeds)), config, autoreset_mode=AutoresetMode.DISABLED)
    waiting, flown = list(enumerate(seeds)), dict[int, dict[str, Any]]()
    flying, returns = [waiting.pop(0) for _ in range(envs.num_envs)], np.zeros(envs.num_envs)
    for index in range(envs.num_envs):
        _tell(pilot, index)
    seen, _ = envs.reset(seed=[seed for _, seed in flying])
    while len(flown) < len(seeds):
        seen, reward, terminated, truncated, infos = envs.step(pilot(seen, envs.worlds))
        returns += reward
        over = terminated | truncated
        if not over.any():
            continue
        for index in np.flatnonzero(over).tolist():
            place, _ = flying[index]
            if place not in flown:
                flown[place] = {name: infos[fact][index] for name, fact in _KEPT.items()} | {
                    "returns": returns[index]
                }
            flying[index] = waiting.pop(0) if waiting else flying[index]
            returns[index] = 0
            _tell(pilot, index)
        seen, _ = envs.reset(seed=[seed for _, seed in flying], options={"reset_mask": over})
    rows = [flown[place] for place in range(len(seeds))]
    columns: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Flights(seeds=np.asarray(seeds), seconds=config.seconds, **columns)


_KEPT = {
    "success": "success",
    "collision": "collision",
    "timeout": "timeout",
    "path": "path_length",
    "straight": "straight_length",
    "length": "steps",
}


def wilson(hits: int, count: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927)."""
    rate, spread = hits / count, z * z / count
    middle = (rate + spread / 2) / (1 + spread)
    half = z * sqrt(rate * (1 - rate) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _tell(pilot: Pilot, index: int) -> None:
    reset = getattr(pilot, "reset", None)
    if reset is not None:
        reset(index)
