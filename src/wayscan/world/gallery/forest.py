"""Flights to look at: the expert in the forest, seen from behind, and the depth that a pilot sees."""

from collections.abc import Iterator

import numpy as np

from wayscan.data.drawing import paint_depth
from wayscan.world.envs.forest import Forest
from wayscan.world.envs.forest_view import behind
from wayscan.world.envs.pilots import make_pilot
from wayscan.world.gallery.story import Moment, Story, View

SIDE = 240  # pixels


def stories(seed: int, count: int) -> Iterator[Story]:
    """`count` flights of a seed by the expert."""
    for index in range(count):
        env, pilot = Forest(image=60, stack=1, depth="float32"), make_pilot("expert")
        observation, info = env.reset(seed=seed + index)
        moments: list[Moment] = []
        done = False
        while not done:
            moments.append(_moment(env, observation, info))
            batch = {name: value[None] for name, value in observation.items()}
            observation, _, terminated, truncated, info = env.step(pilot(batch, env.worlds)[0])
            done = terminated or truncated
        yield Story(name=f"forest-{seed + index}", moments=moments, rate=1 / env.config.seconds)


def _moment(env: Forest, observation: dict, info: dict) -> Moment:
    far = env.config.far
    depth = np.where(observation["depth"][0] < 1, observation["depth"][0] * far, np.inf)
    words = f"{info['distance']:.0f} m to go, {info['speed']:.1f} m/s" if "distance" in info else ""
    return {
        "behind": View(image=behind(env.worlds, 0, 4 * SIDE // 3, SIDE), words=words),
        "depth": View(image=paint_depth(depth.astype(np.float32), far), zoom=SIDE // depth.shape[0]),
    }
