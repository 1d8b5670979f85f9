"""The reward of flying to a goal, shared by Forest-v0 and AirSim.

    r = progress · (d₋ − d) − pace − closeness · max(0, 1 − c / berth)² − swerve · a_turn²
        + reach on arrival + crash on a crash + late when time is up

d₋ and d are metres to the goal before and after the action, c the least clearance of the hull on the way.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """Weights; the three of an episode's end are the seed's."""

    reach: float = 20.0
    crash: float = -20.0
    late: float = -30.0
    progress: float = 1.0  # a metre
    pace: float = 0.02  # an action
    closeness: float = 0.3
    berth: float = 0.5  # m
    swerve: float = 0.01

    def __call__(
        self,
        before: Array,
        after: Array,
        clearance: Array,
        actions: Array,
        arrived: Flags,
        crashed: Flags,
        late: Flags,
    ) -> Array:
        """(W,) from metres (W,), clearances (W,), actions (W, 3) in [−1, 1] and how it went (W,)."""
        near = np.square(np.maximum(0.0, 1 - clearance / self.berth))
        shaping = self.progress * (before - after) - self.pace
        shaping -= self.closeness * np.minimum(near, 1.0) + self.swerve * np.square(actions[:, 1])
        return shaping + self.reach * arrived + self.crash * crashed + self.late * late
