"""Walkers among cars: who walks where, and how far they have come."""

from dataclasses import dataclass
from math import inf

import numpy as np

from wayscan.world.actors.figure import Outfit
from wayscan.world.roads import Road


@dataclass(frozen=True, kw_only=True)
class Cue:
    """A walker sets out when car `car` is `gap` metres or less before the stop for that walker's crossing."""

    car: int
    gap: float


@dataclass(frozen=True, kw_only=True)
class Walker:
    """Somebody who walks from one place to another, straight: on pavements, or over the crossing of an arm.

    Who crosses waits at the kerb until those who come can stop.
    """

    outfit: Outfit
    start: tuple[float, float]
    end: tuple[float, float]
    speed: float = 1.3
    begins: float | Cue = 0.0  # seconds
    crossing: int | None = None  # the arm


class WalkerState:
    def __init__(self, plan: Walker, road: Road) -> None:
        self.plan = plan
        self.origin = np.array(plan.start)
        way = np.array(plan.end) - self.origin
        self.total = float(np.linalg.norm(way))
        self.direction = way / max(self.total, 1e-9)
        self.far = self.v = 0.0
        self.phase = 3.0 * plan.speed
        self.on_road, self.since = False, inf
        self.kerb, self.opposite = inf, inf
        self.left, self.sense = 0.0, 0.0
        if plan.crossing is not None:
            ends = road.on_arm(plan.crossing, np.array([plan.start, plan.end]))
            self.left, self.sense = float(ends[0, 1]), float(np.sign(ends[1, 1] - ends[0, 1]))
            self.kerb = abs(self.left) - road.half_width
            self.opposite = abs(self.left) + road.half_width

    @property
    def lateral(self) -> float:
        """Metres left of the arm's middle."""
        return self.left + self.sense * self.far
