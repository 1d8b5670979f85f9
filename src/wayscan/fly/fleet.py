"""W environments side by side in one process: stepped, checked, and begun anew when they die. Needs no torch.

A transition counts only if the environment gave it whole: where it raised an exception, or showed or paid
NaN, the transition is dropped, the environment made anew, and the loss counted.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.fly.observations import Floats, NotFiniteError, Reader
from wayscan.train.determinism import seed_of
from wayscan.train.task import TrainingFailedError

Flags = NDArray[np.bool_]
Infos = list[dict[str, Any]]

MOST_IN_A_ROW = 10  # losses without one whole step between them
SEEDS = 2**32


class Moved(NamedTuple):
    """What one action led to, by lane."""

    rewards: Floats
    terminated: Flags
    truncated: Flags
    lost: Flags  # no transition came of it
    infos: Infos


class Fleet:
    """`frames` (W, C, H, W') or None and `states` (W, D_s) are what is seen now.

    Args:
        make: makes one environment.
        count: W.
        seed: of the environments' own randomness.
    """

    def __init__(self, make: Callable[[], Any], count: int, seed: int = 0) -> None:
        self._make, self.count, self.seed = make, count, seed
        self.envs = [make() for _ in range(count)]
        self.reader = Reader(self.envs[0].observation_space)
        self.frames: NDArray[np.uint8] | None = None
        if self.reader.image is not None:
            self.frames = np.zeros((count, *self.reader.image), np.uint8)
        self.states = np.zeros((count, self.reader.state_dim), np.float32)
        self.losses, self.deaths, self.last_words = 0, 0, ""
        self._in_a_row = 0
        self._strangers: set[int] = set()  # made anew and not yet seeded
        self.options: dict[str, Any] | None = None
        """What every reset is given."""

    def begin(self, step: int) -> None:
        """Every environment anew, from nothing but the seed and `step`."""
        for lane in range(self.count):
            self._reset(lane, seed_of(self.seed, "environment", lane, step) % SEEDS)

    def renew(self, lane: int) -> None:
        """The next episode of one environment."""
        self._reset(lane, None)

    def step(self, actions: NDArray[Any]) -> Moved:
        """One action each (W, A), the environment's own. Who is over, or lost, must be renewed."""
        rewards = np.zeros(self.count, np.float32)
        terminated, truncated, lost = (np.zeros(self.count, np.bool_) for _ in range(3))
        infos: Infos = []
        for lane, env in enumerate(self.envs):
            try:
                seen, reward, terminated[lane], truncated[lane], info = env.step(actions[lane])
            except Exception as error:
                self._respawn(lane, error)
                lost[lane], info = True, {}
            else:
                rewards[lane] = reward
                lost[lane] = not self._is_whole(lane, seen, float(reward))
                self._in_a_row = self._in_a_row if lost[lane] else 0
            infos.append(info)
        return Moved(rewards, terminated & ~lost, truncated & ~lost, lost, infos)

    def close(self) -> None:
        for env in self.envs:
            _close(env)

    def state_dict(self) -> dict[str, Any]:
        return {"losses": self.losses, "deaths": self.deaths}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.losses, self.deaths = state["losses"], state["deaths"]

    def _reset(self, lane: int, seed: int | None) -> None:
        options = {} if self.options is None else {"options": dict(self.options)}
        while True:
            if lane in self._strangers:  # its randomness would be any
                seed = seed_of(self.seed, "spare", lane, self.losses) % SEEDS
            try:
                seen, _ = self.envs[lane].reset(seed=seed, **options)
            except Exception as error:
                self._respawn(lane, error)
                continue
            self._strangers.discard(lane)
            if self._is_whole(lane, seen, 0.0):
                return

    def _is_whole(self, lane: int, observation: Any, reward: float) -> bool:
        """Take in what a lane shows and pays, if all is finite; what does not fit its space is raised."""
        try:
            if not np.isfinite(reward):
                raise NotFiniteError(f"the reward is {reward}")
            frame, self.states[lane] = self.reader(observation)
        except NotFiniteError as error:
            self._lose(f"environment {lane}: {error}")
            return False
        if frame is not None and self.frames is not None:
            self.frames[lane] = frame
        return True

    def _respawn(self, lane: int, error: Exception) -> None:
        self.deaths += 1
        self._lose(f"environment {lane} died: {type(error).__name__}: {error}")
        _close(self.envs[lane])
        self.envs[lane] = self._make()
        self._strangers.add(lane)

    def _lose(self, words: str) -> None:
        self.losses += 1
        self._in_a_row += 1
        self.last_words = words
        if self._in_a_row > MOST_IN_A_ROW:
            raise TrainingFailedError(
                f"{words}; so did the {self._in_a_row} steps up to here: mend the environment"
            )


def _close(env: Any) -> None:
    try:
        env.close()
    except Exception:  # it is dead already; there is nothing left to end
        return
