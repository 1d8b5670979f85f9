"""Agents to compare with: three that look at nothing, and one that turns to a colour.

An agent takes an observation (image, velocity, instruction) and gives an action (3,) in [-1, 1].
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wayscan.world.actors.figure import SHIRTS, TROUSERS
from wayscan.world.colours import COLOURS
from wayscan.world.following.pursuit import LIMITS

TARGET_SPEED = 1.0  # m/s, about what targets walk


class Agent(Protocol):
    def __call__(self, observation: Mapping[str, Any]) -> NDArray[np.float64]: ...


class Still:
    """Stands."""

    def __call__(self, observation: Mapping[str, Any]) -> NDArray[np.float64]:
        return np.zeros(3)


class Forward:
    """Drives to the middle of the image at the speed at which people walk: straight on."""

    def __call__(self, observation: Mapping[str, Any]) -> NDArray[np.float64]:
        return np.array([TARGET_SPEED / LIMITS[0], 0.0, 0.0])


class Random:
    """Anything."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, observation: Mapping[str, Any]) -> NDArray[np.float64]:
        return self._rng.uniform(-1, 1, 3)


class ColourServo:
    """Turns to the blob of the colour that the instruction names, and keeps it at a size.

    It knows nothing of people or obstacles: what it reaches says how far colour alone goes.
    """

    DISTANCE = 1.6  # metres
    AREA = 0.17  # square metres of a shirt or a pair of trousers, roughly
    LEAST = 12  # pixels of a blob
    SPREAD = 0.13  # of the colour's direction

    def __init__(self) -> None:
        self._side = 1.0  # where the blob was last

    def __call__(self, observation: Mapping[str, Any]) -> NDArray[np.float64]:
        image = observation["image"]
        blob = self._blob(image, named_colour(observation["instruction"]))
        count = int(blob.sum())
        if count < self.LEAST:
            return np.array([0.0, 0.0, 0.5 * self._side])
        width = image.shape[1]
        focal = width / 2  # a field of 90 degrees
        column = float(np.median(np.nonzero(blob)[1])) + 0.5
        bearing = float(np.arctan2(width / 2 - column, focal))
        distance = focal * float(np.sqrt(self.AREA / count))
        self._side = 1.0 if bearing > 0 else -1.0
        forward = 1.5 * (distance - self.DISTANCE) * max(np.cos(2 * bearing), 0.0)
        return np.clip(np.array([forward, 0.0, 2.5 * bearing]) / LIMITS, -1, 1)

    def _blob(self, image: NDArray[np.uint8], colour: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Pixels (H, W) of the colour at any brightness that shade allows."""
        pixels = image.astype(np.float64) / 255
        along = pixels @ colour / (colour @ colour)
        off = np.linalg.norm(pixels - along[..., None] * colour, axis=-1)
        return (along > 0.35) & (along < 1.5) & (off < self.SPREAD * (0.1 + along * np.linalg.norm(colour)))


def named_colour(instruction: str) -> NDArray[np.float64]:
    """The colour (3,) of the shirt in an instruction; of the trousers where it names no shirt."""
    for garments in (SHIRTS, TROUSERS):
        found = re.search(rf"(\w+) (?:{'|'.join(garments)})", instruction)
        if found:
            return np.array(COLOURS[found.group(1)])
    raise ValueError(f"instruction {instruction!r} names no shirt and no trousers")


AGENTS: Mapping[str, Callable[[], Agent]] = {
    "stand still": Still,
    "straight on": Forward,
    "random": Random,
    "colour servo": ColourServo,
}
