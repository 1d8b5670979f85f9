"""Drivers: what one vehicle is, and the laws by which its driver chooses an acceleration."""

from dataclasses import dataclass
from math import inf, sqrt

from wayscan.world.roads import Route

DT = 0.1  # seconds of one step of traffic
HARDEST = 5.5  # m/s² of braking; who would need more does not stop
GAP = 2.0  # metres between cars that stand in a queue


@dataclass(frozen=True, kw_only=True)
class Car:
    """One vehicle: where it starts, where it goes, how it is driven.

    Args:
        s: metres of the route at the start.
        cruise: m/s on a free road; 0: it is parked, with its pose in `parked`.
        brake: m/s² of comfortable braking.
        headway: seconds to who is in front.
    """

    kind: str = "car"
    paint: str = "grey"
    route: Route | None = None
    s: float = 0.0
    speed: float = 0.0
    cruise: float = 10.0
    brake: float = 2.2
    acceleration: float = 1.6
    headway: float = 1.2
    slows: tuple[float, float] | None = None  # from this second on it wants no more than this speed
    parked: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if (self.route is None) == (self.parked is None):
            raise ValueError("car: expected a route to drive or a pose where it is parked, one of the two")

    @property
    def way(self) -> Route:
        """The route of one that is not parked."""
        if self.route is None:
            raise ValueError("car: it is parked; expected one with a route")
        return self.route


def follow(v: float, v_front: float, gap: float, wanted: float, plan: Car) -> float:
    """The intelligent driver model."""
    closing = v * (v - v_front) / (2 * sqrt(plan.acceleration * plan.brake))
    distance = GAP + max(v * plan.headway + closing, 0.0)
    free = (v / max(wanted, 0.1)) ** 4
    return max(plan.acceleration * (1 - free - (distance / max(gap, 0.1)) ** 2), -HARDEST)


def stop_braking(v: float, gap: float, plan: Car) -> float:
    """Steady braking to a line; none before it takes what is comfortable."""
    if gap < 0.3:
        return -min(v / DT, 4.0)
    needed = v * v / (2 * gap)
    if needed < plan.brake and not (v < 3 and gap < 8) and needed < 0.9 * plan.brake:
        return inf
    return -max(needed, 0.1) if needed <= HARDEST else -HARDEST


def time_for(metres: float, v: float, plan: Car) -> float:
    """Seconds until a car has driven so far, speeding up to its cruise."""
    if metres <= 0:
        return 0.0
    a, top = plan.acceleration * 0.8, max(plan.cruise, v, 0.1)
    rising = (top - v) / a
    if v * rising + a * rising**2 / 2 >= metres:
        return (sqrt(v * v + 2 * a * metres) - v) / a
    return rising + (metres - v * rising - a * rising**2 / 2) / top
