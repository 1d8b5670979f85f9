"""Fly episodes of fixed seeds and measure what came of it, beside pilots that learn nothing.

    with several(make, seeds) as envs:
        measured = fly_episodes(deciding(policy), envs, seeds)
    measured.metrics()      {"return": …, "length": …, "success": …, …}

Any environment has return and length. Forest-v0's infos give success, collision, timeout, spl and speed, too.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.fly.actions import to_environment
from wayscan.fly.memory import FrameMemory
from wayscan.fly.model import Policy
from wayscan.fly.observations import Reader
from wayscan.train.determinism import generator
from wayscan.world.envs.forest_trials import RESAMPLES, wilson

Values = NDArray[np.float64]
# Actions in [-1, 1] (W, A) for images (W, C, H, W') or None, states (W, D_s), and who begins an episode (W,).
Deciding = Callable[[NDArray[np.uint8] | None, NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]

RATES = ("success", "collision", "timeout")


class Episodes(NamedTuple):
    """N episodes in the seeds' order; by name, each (N,)."""

    values: dict[str, Values]

    def metrics(self) -> dict[str, float]:
        """Means."""
        return {name: float(values.mean()) for name, values in self.values.items()}

    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 %: Wilson's for rates, the bootstrap's percentiles for means."""
        rng, count = np.random.default_rng(0), len(self.values["return"])
        picks = rng.integers(count, size=(RESAMPLES, count))
        found = {}
        for name, values in self.values.items():
            if name in RATES:
                found[name] = wilson(int(values.sum()), count)
            else:
                low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
                found[name] = (float(low), float(high))
        return found


@contextmanager
def several(make: Callable[[], Any], seeds: Sequence[int], most: int = 10) -> Iterator[list[Any]]:
    """As many environments as fly the episodes of `seeds` well, closed afterwards."""
    envs: list[Any] = []
    try:
        envs.extend(make() for _ in range(min(most, len(seeds))))
        yield envs
    finally:
        for env in envs:
            env.close()


def fly_episodes(
    decide: Deciding, envs: Sequence[Any], seeds: Sequence[int], *, options: dict[str, Any] | None = None
) -> Episodes:
    """One episode for each seed, in as many environments as there are.

    Args:
        decide: called once for all that fly.
        options: for each reset.
    """
    envs = envs[: len(seeds)]
    reader = Reader(envs[0].observation_space)
    low, high = envs[0].action_space.low, envs[0].action_space.high
    rows: list[dict[str, float]] = [{} for _ in seeds]
    waiting = list(range(len(seeds)))
    flying = [waiting.pop(0) for _ in envs]
    returns, lengths = np.zeros(len(envs)), np.zeros(len(envs), dtype=np.int64)
    seen = [
        reader(env.reset(seed=int(seeds[place]), options=options)[0])
        for env, place in zip(envs, flying, strict=True)
    ]
    fresh, over = np.ones(len(envs), dtype=np.bool_), np.zeros(len(envs), dtype=np.bool_)
    while not over.all():
        frames = None if reader.image is None else np.stack([each.frame for each in seen])  # type: ignore[arg-type]
        states = np.stack([each.state for each in seen])
        actions = to_environment(decide(frames, states, fresh), low, high)
        fresh[:] = False
        for lane in np.flatnonzero(~over).tolist():
            observation, reward, ended, cut, info = envs[lane].step(actions[lane])
            returns[lane] += reward
            lengths[lane] += 1
            if ended or cut:
                rows[flying[lane]] = _row(info, float(returns[lane]), int(lengths[lane]), envs[lane])
                returns[lane], lengths[lane] = 0, 0
                over[lane] = not waiting
                if waiting:
                    flying[lane], fresh[lane] = waiting.pop(0), True
                    observation, _ = envs[lane].reset(seed=int(seeds[flying[lane]]), options=options)
            seen[lane] = reader(observation)
    return Episodes({name: np.array([row[name] for row in rows]) for name in rows[0]})


def deciding(policy: Policy) -> Deciding:
    """How a trained policy decides."""
    memory: FrameMemory | None = None

    def decide(
        frames: NDArray[np.uint8] | None, states: NDArray[np.float32], fresh: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        nonlocal memory
        if memory is None or fresh.all():
            memory = FrameMemory(policy, len(states))
        for lane in np.flatnonzero(fresh).tolist():
            memory.reset(lane)
        return memory.act(frames, states)

    return decide


def blind(decide: Deciding) -> Deciding:
    """The same, shown no image but one in which nothing is near."""

    def deciding_blindly(
        frames: NDArray[np.uint8] | None, states: NDArray[np.float32], fresh: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        return decide(None if frames is None else np.full_like(frames, 255), states, fresh)

    return deciding_blindly


def random_actions(action_dim: int, seed: int = 0) -> Deciding:
    """The trivial baseline of any environment."""
    rng = generator(seed, "random actions")

    def decide(frames: Any, states: NDArray[np.float32], fresh: Any) -> NDArray[np.float32]:
        return rng.uniform(-1, 1, (len(states), action_dim)).astype(np.float32)

    return decide


def _row(info: dict[str, Any], total: float, length: int, env: Any) -> dict[str, float]:
    row = {"return": total, "length": float(length)}
    row |= {name: float(info[name]) for name in RATES if name in info}
    if "success" in info and "path_length" in info:
        straight, path = float(info["straight_length"]), float(info["path_length"])
        row["spl"] = row["success"] * straight / max(path, straight, 1e-9)
        row["speed"] = path / (length * env.unwrapped.config.seconds)
    return row
