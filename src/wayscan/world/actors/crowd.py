"""Crowds: walkers that follow routes, keep clear of each other and of things, and never overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world.actors.avoidance import HalfPlane, Pair, allowed_velocity, half_plane_between
from wayscan.world.actors.figure import RADIUS, phase_advance
from wayscan.world.actors.floor import Floor, Points

HORIZON = 2.0  # seconds that walkers look ahead at each other
WALL_HORIZON = 0.5
SIGHT = 5.0  # metres within which others count
HASTE = 1.3  # times its speed that a walker goes to give way
ACCELERATION = 1.5  # m/s² of what walkers would like
TURN_RATE = 3.5  # rad/s of a body
KEEP_RIGHT = 0.12  # radians off the way when somebody comes: two who meet pass on the same side
MARGIN = 0.05  # metres between bodies, beside what they take up
ARRIVED = 0.3  # metres
ATTEMPTS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Others:
    """Who moves among the walkers without being one: a robot."""

    positions: Points  # (M, 2)
    velocities: Points  # (M, 2)
    radius: float = 0.35


class Crowd:
    """N walkers. What they do next is a function of their state alone.

    Args:
        positions: where they start, (N, 2), apart from each other and from what stands on the floor.
        speeds: m/s that each likes to walk, (N,).
        heights: metres, (N,): they set the length of steps.
        headings: radians, (N,).
    """

    def __init__(
        self,
        positions: ArrayLike,
        floor: Floor,
        *,
        speeds: ArrayLike = 1.2,
        heights: ArrayLike = 1.75,
        headings: ArrayLike = 0.0,
    ) -> None:
        self.positions = np.array(positions, dtype=np.float64).reshape(-1, 2)
        count = len(self.positions)
        self.floor = floor
        self.speeds = np.broadcast_to(np.asarray(speeds, dtype=np.float64), count).copy()
        self.heights = np.broadcast_to(np.asarray(heights, dtype=np.float64), count).copy()
        self.headings = np.broadcast_to(np.asarray(headings, dtype=np.float64), count).copy()
        self.velocities = np.zeros((count, 2))
        self.phases = np.linspace(0, 2 * pi, count, endpoint=False)
        self.routes: list[Points] = [np.zeros((0, 2))] * count
        self._pace = np.zeros(count)
        gap = closest_pair(self.positions)
        room = float(floor.distance(self.positions).min(initial=np.inf))
        if gap < 2 * RADIUS or room < RADIUS:
            raise ValueError(
                f"walkers overlap: the nearest two are {gap:.2f} m apart, the nearest thing {room:.2f} m; "
                f"expected {2 * RADIUS} and {RADIUS}; use crowd.free_places"
            )

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def arrived(self) -> NDArray[np.bool_]:
        """(N,) who has nowhere to go."""
        return np.array([len(route) == 0 for route in self.routes], dtype=bool)

    @property
    def poses(self) -> NDArray[np.float64]:
        """(N, 3)."""
        return np.column_stack([self.positions, self.headings])

    def send(self, walker: int, goal: ArrayLike) -> bool:
        """Give a walker a way to a goal; False, and it stands, if there is none."""
        route = self.floor.route(self.positions[walker], goal)
        self.routes[walker] = np.zeros((0, 2)) if route is None else route
        return route is not None

    def stop(self, walker: int) -> None:
        self.routes[walker] = np.zeros((0, 2))

    def step(self, dt: float, others: Others | None = None) -> None:
        """Move everybody for dt seconds."""
        wishes = self._wishes(dt)
        fastest = HASTE * self.speeds
        walls = walls_near(self.floor, self.positions, RADIUS, fastest)
        bodies = neighbours(self.positions, self.velocities, 2 * RADIUS + MARGIN)
        if others is not None:
            bodies += neighbours(others.positions, others.velocities, RADIUS + others.radius)
        chosen = [
            avoiding(wish, bodies[k], fast, bodies[:k] + bodies[k + 1 :], walls[k])
            for k, (wish, fast) in enumerate(zip(wishes, fastest.tolist(), strict=True))
        ]
        velocities = np.array(chosen).reshape(-1, 2)
        self.velocities = without_overlap(self.positions, velocities, dt)
        self.positions = self.positions + self.velocities * dt
        self.phases = np.mod(self.phases + phase_advance(self.walking, self.heights, dt), 2 * pi)
        self._turn(dt)

    @property
    def walking(self) -> NDArray[np.float64]:
        """(N,) m/s."""
        return np.linalg.norm(self.velocities, axis=1)

    def _wishes(self, dt: float) -> list[Pair]:
        """Velocities along the routes; points that were reached are dropped."""
        wishes = []
        for k, (x, y) in enumerate(self.positions.tolist()):
            route, ahead = self.routes[k], (0.0, 0.0)
            while len(route) and hypot(route[0, 0] - x, route[0, 1] - y) < ARRIVED:
                route = route[1:]
            self.routes[k] = route
            change = (self.speeds[k] if len(route) else 0.0) - self._pace[k]
            self._pace[k] += min(max(change, -2 * ACCELERATION * dt), ACCELERATION * dt)
            if len(route):
                ahead = float(route[0, 0]) - x, float(route[0, 1]) - y
            pace = float(self._pace[k]) / max(hypot(*ahead), 1e-9)
            wishes.append((pace * ahead[0], pace * ahead[1]))
        return wishes

    def _turn(self, dt: float) -> None:
        """Bodies turn to where they go; who stands or is only pushed aside stays as it is."""
        goes = self.walking > 0.15
        wanted = np.arctan2(self.velocities[:, 1], self.velocities[:, 0])
        off = np.mod(wanted - self.headings + pi, 2 * pi) - pi
        self.headings = self.headings + np.where(goes, np.clip(off, -TURN_RATE * dt, TURN_RATE * dt), 0.0)


class Body(NamedTuple):
    """Somebody to avoid, and how near one may come."""

    x: float
    y: float
    vx: float
    vy: float
    reach: float


def neighbours(positions: Points, velocities: Points, reach: float) -> list[Body]:
    """Bodies at (N, 2) with velocities (N, 2)."""
    rows = np.hstack([positions, velocities]).tolist()
    return [Body(x, y, vx, vy, reach) for x, y, vx, vy in rows]


def avoiding(
    wish: Pair, own: Body, fastest: float, others: Sequence[Body], walls: Sequence[HalfPlane]
) -> Pair:
    """The velocity nearest to a wish with which one body keeps clear of others and of walls."""
    soft, somebody_comes = [], False
    for other in others:
        px, py = other.x - own.x, other.y - own.y
        if hypot(px, py) < SIGHT:
            somebody_comes |= px * wish[0] + py * wish[1] > 0
            velocities = (own.vx, own.vy), (other.vx, other.vy)
            soft.append(half_plane_between((px, py), *velocities, other.reach, HORIZON, 0.5))
    if somebody_comes:
        wish = wish[0] + KEEP_RIGHT * wish[1], wish[1] - KEEP_RIGHT * wish[0]
    return allowed_velocity(wish, fastest, walls, soft)


def walls_near(
    floor: Floor, positions: Points, radius: float, fastest: NDArray[np.float64]
) -> list[list[HalfPlane]]:
    """For bodies at (N, 2): what keeps each from running into what stands about."""
    ways, distances = floor.nearest(positions)
    gaps = distances - radius
    near = gaps < WALL_HORIZON * fastest[:, None]
    return [
        [
            (wx, wy, -gap / WALL_HORIZON)
            for (wx, wy), gap in zip(ways[k, near[k]].tolist(), gaps[k, near[k]].tolist(), strict=True)
        ]
        for k in range(len(positions))
    ]


def without_overlap(positions: Points, velocities: Points, dt: float) -> Points:
    """The velocities (N, 2) where nobody ends up in anybody; who would, stands.

    As long as nobody overlapped before, nobody does afterwards: in the worst case all stand.
    """
    velocities = velocities.copy()
    while True:
        ends = positions + velocities * dt
        gaps = np.linalg.norm(ends[:, None] - ends, axis=-1) + np.diag(np.full(len(ends), np.inf))
        moving = (velocities != 0).any(axis=1)
        hit = (gaps < 2 * RADIUS).any(axis=1) & moving
        if not hit.any():
            return velocities
        velocities[hit] = 0.0


def closest_pair(positions: Points) -> float:
    """Metres between the two of (N, 2) that are nearest to each other."""
    gaps = np.linalg.norm(positions[:, None] - positions, axis=-1)
    return float(gaps[np.triu_indices(len(positions), 1)].min(initial=np.inf))


def free_places(
    rng: np.random.Generator,
    floor: Floor,
    count: int,
    *,
    low: ArrayLike,
    high: ArrayLike,
    taken: ArrayLike = (),
    apart: float = 0.8,
) -> Points:
    """Places (count, 2) in a rectangle where walkers can stand: clear of the floor, of `taken` (T, 2) and of
    each other. It gives up after a bounded number of tries and says how many it found.
    """
    found = list(np.asarray(taken, dtype=np.float64).reshape(-1, 2))
    first = len(found)
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    for place in rng.uniform(low, high, (ATTEMPTS * max(count, 1), 2)):
        if len(found) == first + count:
            break
        crowded = found and np.linalg.norm(np.array(found) - place, axis=1).min() < apart
        if not crowded and floor.distance(place)[0] >= floor.clearance:
            found.append(place)
    if len(found) < first + count:
        raise ValueError(
            f"{len(found) - first} of {count} walkers found a place between {low} and {high}, {apart} m "
            f"apart; ask for fewer, or make the place larger"
        )
    return np.array(found[first:]).reshape(-1, 2)
