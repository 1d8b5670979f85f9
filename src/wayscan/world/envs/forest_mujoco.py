"""`wayscan/ForestMujoco-v0`: Forest-v0's twin in MuJoCo, another simulator for the same task.

    env = gymnasium.make("wayscan/ForestMujoco-v0", image=64, stack=1)

Options, seeds, forests, winds, observations, actions, rewards and infos are Forest-v0's. What differs: the
drone is a rigid body on four rotors with an autopilot, stepped by `mj_step` (wayscan.world.twin), depth is
cast by `mj_multiRay`, and a crash is a contact of MuJoCo's, looked for at each of its steps; Forest-v0 looks
at exact distances five times an action. Clearances, of which the reward is made, are measured in the same
way in both. Needs mujoco.
"""

from math import tan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from wayscan.world.drone import Drones
from wayscan.world.envs.forest import Forest, ForestVector
from wayscan.world.envs.forest_worlds import ForestConfig, ForestWorlds
from wayscan.world.twin.drone import TwinDrones


class MujocoWorlds(ForestWorlds):
    """W quadrotors in W of MuJoCo's models."""

    drones: TwinDrones

    def __init__(self, config: ForestConfig, count: int) -> None:
        super().__init__(config, count)
        across = (np.arange(config.image) + 0.5) / config.image * 2 - 1
        right, down = np.meshgrid(tan(config.view / 2) * across, tan(config.view / 2) * across)
        rays = np.stack([right, down, np.ones_like(right)], axis=-1).reshape(-1, 3)
        self._planar = 1 / np.linalg.norm(rays, axis=-1)  # depth of a point, by its distance
        self._rays = rays * self._planar[:, None]

    def _make_drones(self) -> Drones:
        return TwinDrones(self.count, self.config.drone)

    def reset(self, index: int, rng: np.random.Generator) -> None:
        super().reset(index, rng)
        self.drones.surround(
            index, self.solids[index], self.movers[index], floor=0.0, ceiling=self.config.forest.ceiling
        )

    def _see(self, some: NDArray[np.int64]) -> NDArray[np.float32]:
        side, far, cameras = self.config.image, self.config.far, self.cameras()
        depth = np.empty((len(some), side, side), dtype=np.float32)
        for image, index in zip(depth, some.tolist(), strict=True):
            eye = cameras[index]
            axes = np.stack([eye["right"], eye["down"], eye["forward"]])
            metres = self.drones.arenas[index].rays(eye["position"], self._rays @ axes)
            image[:] = np.minimum(metres * self._planar, far).reshape(side, side)
        return depth


class ForestMujoco(Forest):
    """One drone."""

    make_worlds: ClassVar[type[ForestWorlds]] = MujocoWorlds


class ForestMujocoVector(ForestVector):
    """`num_envs` drones in one process, one after the other."""

    make_worlds: ClassVar[type[ForestWorlds]] = MujocoWorlds
