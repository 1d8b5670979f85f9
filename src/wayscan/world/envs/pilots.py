"""Pilots of Forest-v0 that learn nothing: they bound what learning is worth.

    pilot = make_pilot("potential")
    actions = pilot(observation, worlds)  # batched: (W, 3) in [-1, 1]

`straight` turns to the goal at full speed, `random` draws actions, `potential` is pulled by the goal and
pushed by what the depth image shows, `expert` knows the map, the wind and where everything that moves will
be. Only the expert looks at `worlds` (`env.worlds`, for one drone and for many); the others see what a policy
sees.
"""

from collections.abc import Callable
from math import cos, pi, sin, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.names import expect_one_of
from wayscan.world import kernels
from wayscan.world.envs.forest_worlds import ForestConfig, ForestWorlds, Observation
from wayscan.world.forests import CELL, Forest

Array = NDArray[np.float64]
Pilot = Callable[[Observation, ForestWorlds], Array]


def make_pilot(name: str, seed: int = 0) -> Pilot:
    """A pilot by name; `seed` is that of the random one."""
    return PILOTS[expect_one_of("pilot", name, PILOTS)](seed)


def newest(observation: Observation) -> tuple[NDArray[Any], Array]:
    """Depth (W, H, W') in [0, 1] and base (W, BASE) of the newest frames of batched observations."""
    depth, base = observation["depth"], observation["base"]
    if depth.ndim == 5:
        depth, base = depth[:, -1], base[:, -1]
    share = depth[:, 0] / (255.0 if depth.dtype == np.uint8 else 1.0)
    return share, base.astype(np.float64)


def straight(observation: Observation, worlds: ForestWorlds) -> Array:
    """Full speed, nose to the goal, whatever stands there."""
    _, base = newest(observation)
    return _steered(base, pi * base[:, 8], np.ones(len(base)))


class Random:
    """Actions drawn evenly."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, observation: Observation, worlds: ForestWorlds) -> Array:
        return self._rng.uniform(-1, 1, (len(observation["base"]), 3))


class Potential:
    """A potential field (Khatib 1986) over what the newest depth image shows.

    Columns of the image are ranges in their directions, each the nearest thing at the height of the hull; a
    range r pushes away with (1/r − 1/r₀)/r², the goal pulls with 1.
    """

    REACH = 12.0  # m, r₀
    PUSH = 5.0  # with r₀ the best of seven pairs on seeds 1000 to 1119
    HEIGHT = 0.45  # m above and below the camera that count

    def __call__(self, observation: Observation, worlds: ForestWorlds) -> Array:
        depth, base = newest(observation)
        ranges, angles = column_ranges(depth, worlds.config, self.HEIGHT)
        near = np.clip(ranges, 0.2, self.REACH)
        push = self.PUSH * (1 / near - 1 / self.REACH) / np.square(near)
        goal = pi * base[:, 8]
        forward = np.cos(goal) - (push * np.cos(angles)).sum(axis=1)
        left = np.sin(goal) - (push * np.sin(angles)).sum(axis=1)
        heading = np.arctan2(left, forward)
        return _steered(base, heading, np.clip(np.cos(heading), 0.2, 1.0))


class Expert:
    """Follows the cheapest way on the map and foresees two seconds (wayscan.world.envs.foresight)."""

    BERTH = 0.9  # m beyond the hull within which a metre costs more
    PRICE = 8.0  # how much more at the hull

    def __init__(self) -> None:
        self._pilot = kernels.compiled("envs.foresight").pilot
        self._maps: dict[int, tuple[Forest, Array, Array]] = {}

    def __call__(self, observation: Observation | None, worlds: ForestWorlds) -> Array:
        drones, config = worlds.drones, worlds.config
        commands = np.zeros((worlds.count, 3))
        for w in range(worlds.count):
            cost, frame = self._map(w, worlds)
            self._pilot(
                drones.states[w],
                drones.spec.make,
                drones.spec.scale,
                worlds.winds[w],
                worlds.solids[w].copy(),
                worlds.movers[w],
                worlds.times[w],
                config.seconds,
                cost,
                CELL,
                frame,
                worlds.goals[w],
                config.forest.ceiling,
                commands[w],
            )
        return np.clip(commands / drones.spec.scale, -1, 1)

    def _map(self, index: int, worlds: ForestWorlds) -> tuple[Array, Array]:
        """Cost to the goal (I, J) and the forest's frame (4,), made once a forest."""
        forest = worlds.forests[index]
        if forest is None:
            raise RuntimeError("no episode has begun; call reset first")
        known = self._maps.get(index)
        if known is None or known[0] is not forest:
            hull = worlds.drones.spec.radius
            slowness = self._slowness(forest, hull)
            goal = forest.inside(forest.goal[:2])
            cost = kernels.compiled("maps").cost_to_go(slowness, CELL, goal)
            frame = np.array([cos(forest.turn), sin(forest.turn), forest.length / 2, forest.width / 2])
            known = self._maps[index] = (forest, cost, frame)
        return known[1], known[2]

    def _slowness(self, forest: Forest, hull: float) -> Array:
        """(I, J): 1 where there is room, more near things, far more where the hull does not fit."""
        free = kernels.compiled("maps").room(
            forest.footprints, forest.length, forest.width, CELL, hull + self.BERTH + CELL
        )
        tight = np.clip(1 - (free - hull) / self.BERTH, 0, 1)
        return np.where(
            free < hull + 0.05, 30.0 - 20 * np.minimum(free - hull, 0), 1 + self.PRICE * np.square(tight)
        )


def column_ranges(
    depth: NDArray[Any], config: ForestConfig, height: float
) -> tuple[Array, NDArray[np.float64]]:
    """Metres along the ground to the nearest thing in each column (W, W'), and the columns' angles (W',).

    Only what lies within `height` above and below the camera counts; the rest is `far`. depth (W, H, W') in
    [0, 1].
    """
    side = depth.shape[-1]
    slope = (np.arange(side) + 0.5 - side / 2) * (
        2 * tan(config.view / 2) / side
    )  # of pixels, right and down
    metres = depth * config.far
    counts = (np.abs(metres * slope[:, None]) < height) & (depth < 1)
    nearest = np.where(counts, metres, config.far).min(axis=1)
    return nearest * np.sqrt(1 + np.square(slope)), -np.arctan(slope)


def _steered(base: Array, heading: Array, forward: Array) -> Array:
    """Actions (W, 3) that turn by `heading` (W,) radians at a share of the speed and climb to the goal."""
    return np.stack(
        [
            np.broadcast_to(forward, heading.shape),
            np.clip(2.0 * heading, -1, 1),
            np.clip(15 * base[:, 2], -1, 1),
        ],
        axis=-1,
    )


PILOTS: dict[str, Callable[[int], Pilot]] = {
    "straight": lambda seed: straight,
    "random": Random,
    "potential": lambda seed: Potential(),
    "expert": lambda seed: Expert(),
}
