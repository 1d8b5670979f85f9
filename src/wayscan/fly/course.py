"""How training goes: the episodes that ended, and the curriculum they lead to. Needs no torch."""

from collections import deque
from typing import Any, Literal

import numpy as np

Curriculum = Literal["none", "linear", "success"]

RECENT = 20  # episodes by which success is judged
READY = 0.8  # success at which the level rises
RISE = 0.05
OUTCOMES = ("success", "collision", "timeout")


class Course:
    """Follows W lanes.

    Args:
        curriculum: "linear" reaches the top at half of `steps`; "success" rises by a twentieth whenever four
            fifths of the last 20 episodes succeeded; "none" leaves the environment as it is.
    """

    def __init__(self, curriculum: Curriculum, lanes: int, steps: int) -> None:
        self.curriculum, self._steps = curriculum, steps
        self._level = 0.0
        self.returns, self.lengths = np.zeros(lanes), np.zeros(lanes, dtype=np.int64)
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._sums: dict[str, float] = {}
        self.episodes = 0

    def level(self, step: int) -> float:
        """In [0, 1], after `step` environment steps."""
        if self.curriculum == "linear":
            return min(1.0, 2 * step / self._steps)
        return 1.0 if self.curriculum == "none" else self._level

    def paid(self, lane: int, reward: float) -> None:
        """A step of an episode."""
        self.returns[lane] += reward
        self.lengths[lane] += 1

    def ended(self, lane: int, info: dict[str, Any]) -> None:
        """An episode is over, by its own end."""
        self.episodes += 1
        values = {"episodes": 1.0, "return": self.returns[lane], "length": float(self.lengths[lane])}
        values |= {name: float(info[name]) for name in OUTCOMES if name in info}
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value)
        if self.curriculum == "success":
            self._recent.append(bool(info.get("success")))
            if len(self._recent) == RECENT and np.mean(self._recent) >= READY:
                self._level = min(1.0, self._level + RISE)
                self._recent.clear()
        self.begin(lane)

    def begin(self, lane: int | None = None) -> None:
        """Count from nothing, in one lane or all."""
        where = slice(None) if lane is None else lane
        self.returns[where], self.lengths[where] = 0, 0

    def flush(self) -> dict[str, float]:
        """Means over the episodes since the last call, and how many they were."""
        count = self._sums.pop("episodes", 0.0)
        metrics = {f"episode/{name}": total / count for name, total in self._sums.items()}
        self._sums = {}
        return {"episodes": self.episodes, **metrics}

    def state_dict(self) -> dict[str, Any]:
        return {
            "level": self._level, "recent": list(self._recent), "sums": dict(self._sums),
            "episodes": self.episodes,
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._level, self._sums, self.episodes = state["level"], dict(state["sums"]), state["episodes"]
        self._recent = deque(state["recent"], maxlen=RECENT)
        self.begin()
