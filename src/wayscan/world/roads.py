"""Roads: arms that meet at the origin, lanes and the ways through them, crossings and stop lines.

    road = Road(kind="crossroads", heading=0.3)
    route = road.route(0, 2)          # from arm 0 straight over to arm 2
    route.pose(25.0)                  # x, y, yaw after 25 m
    scene = Scene(solids=..., ground=painted(road))       # wayscan.world.road_paint

An arm is named by its number: 0 points along `heading`, the others follow counter-clockwise. A place on an
arm is (along, left): metres outwards from the origin, and to the left of one who looks outwards. Traffic
keeps to the right, so who comes in drives at left = +lane / 2. Arm by arm from outside: the stop line, the
crossing (where the arm has one), the throat where the roads meet.
"""

from dataclasses import dataclass
from functools import cached_property
from math import cos, pi, sin
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.geometry.poses import wrap_angle
from wayscan.geometry.waypoints import resample_by_length
from wayscan.names import expect_one_of

RoadKind = Literal["crossroads", "T-junction, from the stem", "T-junction, from the bar", "straight road"]
ROAD_KINDS: tuple[RoadKind, ...] = get_args(RoadKind)
Control = Literal["lights", "right of way"]
Turn = Literal["straight", "left", "right"]

REACH = 90.0  # metres from the origin to the end of an arm
PAVEMENT = 3.0
CROSSING = 3.2  # width of a zebra crossing
STEP = 0.25  # metres between points of a route
LATERAL = 2.4  # m/s² that drivers like at most in a bend
BEND_BRAKING = 1.6  # m/s² with which they slow down for it
NEAR = 2.5  # metres between two routes' lines at which cars on both would touch


@dataclass(frozen=True, kw_only=True)
class Road:
    """Two to four arms that meet at the origin.

    Args:
        heading: direction of arm 0, outwards, in radians.
        side: on which side of one who comes in on arm 0 the third arm of a T-junction with arm 0 in the bar
        lies.
        skew: radians by which the other road is turned away from a right angle.
        lane, parking: metres of one lane, and of the strip beside it for those who park.
        major: whether those on arm 0 have the right of way over those on the other road, where no lights are.
    """

    kind: RoadKind = "crossroads"
    heading: float = 0.0
    side: Literal["left", "right"] = "right"
    skew: float = 0.0
    lane: float = 3.5
    parking: float = 2.5
    control: Control = "right of way"
    major: bool = True

    def __post_init__(self) -> None:
        expect_one_of("road: kind", self.kind, ROAD_KINDS)
        if not 2.8 <= self.lane <= 4.5 or not 0 <= self.parking <= 4 or abs(self.skew) > 0.3:
            raise ValueError(
                f"road: lane, parking, skew are {(self.lane, self.parking, self.skew)}; expected 2.8 to 4.5 "
                f"m, 0 to 4 m and at most 0.3 rad"
            )
        if self.kind == "T-junction, from the stem" and self.major:
            raise ValueError("road: major is true for the stem of a T-junction; expected major=False")

    @cached_property
    def _quarters(self) -> tuple[int, ...]:
        """Of a full turn from arm 0 to each arm."""
        return {
            "crossroads": (0, 1, 2, 3),
            "straight road": (0, 2),
            "T-junction, from the stem": (0, 1, 3),
            # Who comes in on arm 0 has the arm a quarter further counter-clockwise on the right.
            "T-junction, from the bar": (0, 1, 2) if self.side == "right" else (0, 2, 3),
        }[self.kind]

    @cached_property
    def angles(self) -> tuple[float, ...]:
        """Of the arms, outwards."""
        return tuple(self.heading + q * pi / 2 + (self.skew if q % 2 else 0.0) for q in self._quarters)

    @property
    def arms(self) -> range:
        return range(len(self.angles))

    @property
    def half_width(self) -> float:
        """From the middle of the road to its kerb."""
        return self.lane + self.parking

    @property
    def throat(self) -> float:
        """Where an arm's crossing begins."""
        return 0.0 if len(self.angles) == 2 else self.half_width + 1.8

    @property
    def stop_line(self) -> float:
        return self.throat + CROSSING + 1.2

    @property
    def mouth(self) -> float:
        """From here outwards lanes are straight."""
        return self.stop_line + 0.5

    @property
    def crossings(self) -> tuple[int, ...]:
        """Arms with a zebra crossing."""
        return (0,) if len(self.angles) == 2 else tuple(self.arms)

    def has_priority(self, arm: int) -> bool:
        """Whether those who come in on an arm go first."""
        return len(self.angles) == 2 or (self._quarters[arm] % 2 == 0) == self.major

    def place(self, arm: int, along: ArrayLike, left: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) in the world of places on an arm."""
        along, left = np.broadcast_arrays(np.asarray(along, np.float64), np.asarray(left, np.float64))
        c, s = cos(self.angles[arm]), sin(self.angles[arm])
        return np.stack([c * along - s * left, s * along + c * left], axis=-1)

    def on_arm(self, arm: int, points: ArrayLike) -> NDArray[np.float64]:
        """Inverse of `place`: (..., 2) along and left."""
        points = np.asarray(points, dtype=np.float64)
        c, s = cos(self.angles[arm]), sin(self.angles[arm])
        x, y = points[..., 0], points[..., 1]
        return np.stack([c * x + s * y, c * y - s * x], axis=-1)

    def turn(self, start: int, end: int) -> Turn:
        """What one does who comes in on an arm and leaves by another."""
        change = float(wrap_angle(self.angles[end] - self.angles[start] - pi))
        return "straight" if abs(change) < 0.6 else "left" if change > 0 else "right"

    def ways_on(self, start: int) -> dict[Turn, int]:
        """Where one may go who comes in on an arm."""
        return {self.turn(start, end): end for end in self.arms if end != start}

    def route(self, start: int, end: int) -> "Route":
        """The way from the end of one arm to the end of another."""
        if (start, end) not in self._routes:
            self._routes[start, end] = Route.through(self, start, end)
        return self._routes[start, end]

    @cached_property
    def _routes(self) -> dict[tuple[int, int], "Route"]:
        return {}

    def meeting(self, first: "Route", second: "Route") -> "Meeting":
        """Where two routes follow each other and where they cross."""
        key = (first.start, first.end, second.start, second.end)
        if key not in self._meetings:
            self._meetings[key] = Meeting.of(first, second)
        return self._meetings[key]

    @cached_property
    def _meetings(self) -> dict[tuple[int, int, int, int], "Meeting"]:
        return {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Zone:
    """Where a route runs over a crossing: from `enter` to `leave` metres, `left` of the arm's middle."""

    arm: int
    enter: float
    leave: float
    left: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """A lane's middle line from the end of one arm to the end of another, in points STEP apart."""

    start: int
    end: int
    turn: Turn
    points: NDArray[np.float64]  # (P, 2)
    yaws: NDArray[np.float64]  # (P,), unwrapped
    limits: NDArray[np.float64]  # (P,) m/s that the bends allow
    step: float  # metres between points
    stop: float  # metres to the stop line
    zones: tuple[Zone, ...]  # crossings, in order

    @classmethod
    def through(cls, road: Road, start: int, end: int) -> "Route":
        reach, mouth = REACH, road.mouth
        a, b = (
            road.place(start, [reach, mouth], road.lane / 2),
            road.place(end, [mouth, reach], -road.lane / 2),
        )
        points = np.concatenate([a[:1], _bend(a[1], b[0], road.angles[start] + pi, road.angles[end]), b[1:]])
        points = resample_by_length(points, STEP)
        step = float(np.linalg.norm(points[200] - points[0])) / 200
        along = np.gradient(points, axis=0)
        yaws = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
        curvature = np.abs(np.gradient(yaws, step))
        limits = np.sqrt(LATERAL / np.maximum(curvature, 1e-3))
        # Steady braking loses speed² in proportion to the way: the lowest of the lines that end in bends.
        line = 2 * BEND_BRAKING * step * np.arange(len(limits))
        limits = np.sqrt(np.minimum.accumulate((limits**2 + line)[::-1])[::-1] - line)
        stop = reach - road.stop_line if start in road.crossings else reach - road.mouth
        zones = [
            _zone(road, arm, points, step) for arm in dict.fromkeys((start, end)) if arm in road.crossings
        ]
        return cls(
            start=start,
            end=end,
            turn=road.turn(start, end),
            points=points,
            yaws=yaws,
            limits=limits,
            step=step,
            stop=stop,
            zones=tuple(sorted(zones, key=lambda zone: zone.enter)),
        )

    @property
    def length(self) -> float:
        return self.step * (len(self.points) - 1)

    def pose(self, s: ArrayLike) -> NDArray[np.float64]:
        """(..., 3) of the world after s metres; straight on beyond the ends."""
        s = np.asarray(s, dtype=np.float64)
        inside = np.clip(s, 0, self.length)
        at = np.arange(len(self.points)) * self.step
        x, y, yaw = (np.interp(inside, at, part) for part in (*self.points.T, self.yaws))
        beyond = s - inside
        return np.stack([x + beyond * np.cos(yaw), y + beyond * np.sin(yaw), wrap_angle(yaw)], axis=-1)

    def limit(self, s: float) -> float:
        """m/s that the bend at s metres, and those to come, allow."""
        return float(self.limits[min(max(int(s / self.step), 0), len(self.limits) - 1)])


@dataclass(frozen=True, kw_only=True, eq=False)
class Meeting:
    """What a car on the first route has to know of one on the second.

    Args:
        split: the routes are one up to here (metres on both); 0: they never are.
        merge: from here on (metres on the first, on the second) they are one; infinite: never.
        crossing: metres (first enters, leaves, second enters, leaves) where their cars would touch; None:
        never.
    """

    split: float
    merge: tuple[float, float]
    crossing: tuple[float, float, float, float] | None

    @classmethod
    def of(cls, first: Route, second: Route) -> "Meeting":
        if first.start == second.start and first.end == second.end:
            return cls(split=np.inf, merge=(np.inf, np.inf), crossing=None)
        never = (np.inf, np.inf)
        if first.start == second.start:
            count = min(len(first.points), len(second.points))
            gaps = np.linalg.norm(first.points[:count] - second.points[:count], axis=-1)
            return cls(split=float(np.argmax(gaps > NEAR)) * first.step, merge=never, crossing=None)
        close, at, at_too = _close(first, second)
        touched, touching = at[close.any(axis=1)], at_too[close.any(axis=0)]
        if not len(touched):
            return cls(split=0.0, merge=never, crossing=None)
        if first.end == second.end:
            tail = _common_tail(first, second)
            same = first.length - tail, second.length - tail
            leaves, leaves_too = same[0] + 1, same[1] + 1
        else:
            same, leaves, leaves_too = never, float(touched[-1]), float(touching[-1])
        crossing = (float(touched[0]), leaves, float(touching[0]), leaves_too)
        return cls(split=0.0, merge=same, crossing=crossing)


def _close(first: Route, second: Route) -> tuple[NDArray[np.bool_], NDArray, NDArray]:
    """Which points of two routes (N, M), every half metre about the junction, are near each other, and the
    metres (N,), (M,) at which they lie.
    """
    picks = [
        np.arange(int((route.stop - 2) / route.step), int((route.length - route.stop + 4) / route.step), 2)
        for route in (first, second)
    ]
    gaps = np.linalg.norm(first.points[picks[0], None] - second.points[picks[1]], axis=-1)
    return gaps < NEAR, picks[0] * first.step, picks[1] * second.step


def _common_tail(first: Route, second: Route) -> float:
    """Metres at the end that two routes share to within a hand's breadth or so."""
    count = min(len(first.points), len(second.points))
    gaps = np.linalg.norm(first.points[::-1][:count] - second.points[::-1][:count], axis=-1)
    return float(np.flatnonzero(gaps > 0.8)[0]) * first.step


def _bend(start: NDArray, end: NDArray, heading: float, heading_after: float) -> NDArray[np.float64]:
    """A quintic Bézier curve (P, 2) from one lane into another that begins and ends without curvature."""
    direction = np.array([cos(heading), sin(heading)])
    after = np.array([cos(heading_after), sin(heading_after)])
    reach = 0.22 * float(np.linalg.norm(end - start))
    control = np.stack(
        [
            *(start + k * reach * direction for k in (0, 1, 2)),
            *(end - k * reach * after for k in (2, 1, 0)),
        ]
    )
    t = np.linspace(0, 1, 200)[:, None]
    weights = np.array([1, 5, 10, 10, 5, 1]) * t ** np.arange(6) * (1 - t) ** np.arange(5, -1, -1)
    return weights @ control


def _zone(road: Road, arm: int, points: NDArray, step: float) -> Zone:
    """Where a route's line runs over the crossing of an arm."""
    place = road.on_arm(arm, points)
    over = (
        (place[:, 0] >= road.throat)
        & (place[:, 0] <= road.throat + CROSSING)
        & (np.abs(place[:, 1]) < road.half_width + 0.5)
    )
    inside = np.flatnonzero(over)
    middle = float(place[inside, 1].mean())
    return Zone(arm=arm, enter=float(inside[0]) * step, leave=float(inside[-1]) * step, left=middle)
