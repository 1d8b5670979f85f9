"""DAgger (Ross 2011): a teacher says what it would have done wherever the pupil comes to.

At each step the teacher labels what is seen; who flies is drawn for each episode, the teacher ever more
rarely. The actor learns the labels of all that was flown, so that it knows the way back from its own errors.
Teachers are pilots of Forest-v0, which see its map. Needs no torch.
"""

import numpy as np
from numpy.typing import NDArray

from wayscan.fly.fleet import Fleet
from wayscan.train.determinism import generator
from wayscan.world.envs.pilots import make_pilot

Floats = NDArray[np.float32]

ALONE = 0.5  # share of the imitation after which the pupil flies alone


class Teacher:
    """One pilot for each environment of a fleet.

    Args:
        name: of a pilot of wayscan.world.envs.pilots.
        steps: environment steps of the imitation.
    """

    def __init__(self, name: str, fleet: Fleet, steps: int, seed: int = 0) -> None:
        self._fleet, self._steps, self._seed = fleet, steps, seed
        self._pilots = [make_pilot(name) for _ in fleet.envs]
        self._flies = np.ones(fleet.count, dtype=np.bool_)
        for env in fleet.envs:
            if not hasattr(env.unwrapped, "worlds"):
                raise ValueError(
                    f"warm_start is {name!r}, a pilot of wayscan/Forest-v0; expected that environment, not "
                    f"{env.spec.id if env.spec else env}: set env_name, or warm_start none"
                )

    def teaches(self, step: int) -> bool:
        """Whether the imitation goes on after `step` environment steps."""
        return step < self._steps

    def draw(self, lane: int, step: int) -> None:
        """An episode begins: who flies it?"""
        share = max(0.0, 1 - step / (ALONE * self._steps))
        self._flies[lane] = generator(self._seed, "teacher", lane, step).random() < share

    def labels(self) -> Floats:
        """(W, A) in [-1, 1]: what the teacher would do now."""
        found = []
        for pilot, env in zip(self._pilots, self._fleet.envs, strict=True):
            worlds = env.unwrapped.worlds
            found.append(pilot(worlds.observation(), worlds)[0])
        return np.asarray(found, np.float32)

    def actions(self, labels: Floats, pupils: Floats) -> Floats:
        """Who flies does as it would."""
        return np.where(self._flies[:, None], labels, pupils)
