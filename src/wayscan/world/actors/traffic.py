"""Traffic: cars that keep their lanes, follow, stop and yield, and walkers who cross when it is safe.

    motion = simulate(road, cars, walkers, signals, steps=100)
    motion.cars[k, i]       # pose of car i at step k
    motion.causes[k][i]     # why it braked then, if it did

Every car drives along its route; what it decides is how fast. It wants its cruising speed or what the bend
ahead allows, follows who is in front (the intelligent driver model), and stops with steady braking at lines
before red lights, walkers and those who go first. A driver reacts to walkers after REACTION seconds, and
brakes for a line when that takes the braking which is comfortable for him, not earlier.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.world.actors.car import car_size
from wayscan.world.actors.drivers import DT, HARDEST, Car, follow, stop_braking, time_for
from wayscan.world.actors.figure import phase_advance
from wayscan.world.actors.pedestrians import Cue, Walker, WalkerState
from wayscan.world.roads import CROSSING, REACH, Meeting, Road, Zone

REACTION = 0.5  # seconds until a driver brakes for a walker on the road
SAFE = 3.4  # m/s² that a walker expects of drivers
JERK = 10.0  # m/s³
LOOK_AHEAD = 8.0  # seconds for which those who go first are considered
BODY = 0.3  # metres around a walker's middle
AT_KERB = 0.4  # metres before the kerb at which a walker looks

Reason = Literal["", "car in front", "walker", "red light", "crossing car"]
State = Literal["red", "amber", "green"]


class Cause(NamedTuple):
    """Why a car brakes and for whom: the number of a car or walker, -1 for nobody."""

    why: Reason
    whom: int = -1


NOTHING = Cause("")


@dataclass(frozen=True, kw_only=True)
class Signals:
    """Lights that let one road go, then the other.

    Args:
        offset: seconds into the cycle at the start; the cycle begins with green for arm 0's road.
    """

    green: float = 12.0
    amber: float = 2.0
    clearance: float = 2.0
    offset: float = 0.0

    def state(self, own: bool, time: float) -> State:
        """Of the lights on arm 0's road (own) or on the other one."""
        half = self.green + self.amber + self.clearance
        phase = (time + self.offset - (0.0 if own else half)) % (2 * half)
        return "green" if phase < self.green else "amber" if phase < self.green + self.amber else "red"


@dataclass(frozen=True, kw_only=True, eq=False)
class Motion:
    """What happened: K steps, N cars, M walkers."""

    cars: NDArray[np.float64]  # (K, N, 3)
    lengths: NDArray[np.float64]  # (K, N) metres along the routes
    speeds: NDArray[np.float64]  # (K, N)
    accelerations: NDArray[np.float64]  # (K, N) of the step that comes
    causes: list[list[Cause]]  # K × N
    walkers: NDArray[np.float64]  # (K, M, 3)
    walking: NDArray[np.float64]  # (K, M) m/s
    phases: NDArray[np.float64]  # (K, M) of their gait
    on_road: NDArray[np.bool_]  # (K, M)


def simulate(
    road: Road,
    cars: Sequence[Car],
    walkers: Sequence[Walker] = (),
    signals: Signals | None = None,
    *,
    steps: int,
) -> Motion:
    """`steps` steps of DT seconds, the start included."""
    world = _Traffic(road, cars, walkers, signals)
    count, people = len(cars), len(walkers)
    s, speeds, accelerations = np.zeros((3, steps, count))
    walked, walking, phases = np.zeros((3, steps, people))
    on_road = np.zeros((steps, people), dtype=bool)
    causes = []
    for k in range(steps):
        s[k] = [car.s for car in world.cars]
        speeds[k] = [car.v for car in world.cars]
        walked[k] = [walker.far for walker in world.walkers]
        walking[k] = [walker.v for walker in world.walkers]
        phases[k] = [walker.phase for walker in world.walkers]
        on_road[k] = [walker.on_road for walker in world.walkers]
        world.step(k * DT)
        accelerations[k] = [car.a for car in world.cars]
        causes.append([car.cause for car in world.cars])
    poses = np.zeros((steps, count, 3))
    for i, car in enumerate(cars):
        poses[:, i] = car.parked if car.route is None else car.route.pose(s[:, i])
    people_poses = np.zeros((steps, people, 3))
    for i, walker in enumerate(world.walkers):
        people_poses[:, i, :2] = walker.origin + walked[:, i, None] * walker.direction
        people_poses[:, i, 2] = np.arctan2(walker.direction[1], walker.direction[0])
    return Motion(
        cars=poses,
        lengths=s,
        speeds=speeds,
        accelerations=accelerations,
        causes=causes,
        walkers=people_poses,
        walking=walking,
        phases=phases,
        on_road=on_road,
    )


# ---- the state of everybody -----------------------------------------------------------------------------


class _Stop(NamedTuple):
    """A line that a car may have to stop before: the place of its middle then, and the last one at which it
    still may.
    """

    s: float
    last: float
    zone: Zone | None  # the crossing behind it; None: the stop line


@dataclass(eq=False)
class _CarState:
    plan: Car
    s: float
    v: float
    length: float
    a: float = 0.0
    cause: Cause = NOTHING
    stops: list[_Stop] = field(default_factory=list)
    committed: bool = False  # past the stop line, or too fast to stop there
    lets_pass: int = -1  # the car that it brakes for: it does not change its mind at once


class _Traffic:
    def __init__(
        self, road: Road, cars: Sequence[Car], walkers: Sequence[Walker], signals: Signals | None
    ) -> None:
        self.road, self.signals = road, signals
        self.cars = [_CarState(plan=car, s=car.s, v=car.speed, length=car_size(car.kind)[0]) for car in cars]
        for car in self.cars:
            car.stops = _stops(car)
        self.walkers = [WalkerState(walker, road) for walker in walkers]
        self.driving = [k for k, car in enumerate(self.cars) if car.plan.route is not None]
        self.meetings: dict[tuple[int, int], Meeting] = {
            (i, j): road.meeting(cars[i].way, cars[j].way)
            for i in self.driving
            for j in self.driving
            if i != j
        }

    def step(self, time: float) -> None:
        """Everybody decides by what is now, then all move."""
        decisions = [(k, self._decide(k, time)) for k in self.driving]
        for k, (wish, cause) in decisions:
            car = self.cars[k]
            hurried = wish < -4.0
            change = 6.0 if hurried else JERK * DT
            a = min(max(wish, car.a - change), car.a + change)
            a = max(min(a, car.plan.acceleration), -HARDEST)
            after = max(car.v + a * DT, 0.0)
            if after < 0.15 and car.v < 0.5 and wish < -0.05:
                after = 0.0
            car.s += (car.v + after) / 2 * DT
            car.committed = car.committed or car.s > car.stops[0].s + 0.3
            car.a, car.v = (after - car.v) / DT, after
            car.cause = cause if car.a < -0.3 or after < 0.3 else NOTHING
        for walker in self.walkers:
            self._walk(walker, time)

    # ---- drivers ----------------------------------------------------------------------------------------

    def _decide(self, k: int, time: float) -> tuple[float, Cause]:
        """The acceleration that a driver wants, and for what."""
        car = self.cars[k]
        plan, route = car.plan, car.plan.way
        cruise = plan.cruise
        if plan.slows is not None and time >= plan.slows[0]:
            cruise = min(cruise, plan.slows[1])
        wanted = min(cruise, route.limit(car.s + 0.3 * car.v))
        best = max(plan.acceleration * (1 - (car.v / max(wanted, 0.1)) ** 4), -2.5)
        cause = NOTHING
        for j in self.driving:
            if j == k:
                continue
            gap = self._gap(k, j)
            if gap < 80:
                following = follow(car.v, self.cars[j].v, gap, wanted, plan)
                if following < best:
                    best, cause = following, Cause("car in front", j)
        for stop in car.stops:
            gap = stop.s - car.s
            if car.s > stop.last or gap > 90:
                continue
            stopping = self._why_stop(k, stop, gap, time)
            if stopping is None:
                continue
            braking = stop_braking(car.v, gap, plan)
            if stopping.why == "crossing car" and braking < inf:
                car.lets_pass = stopping.whom
            if braking < best:
                best, cause = braking, stopping
        blocked, by = self._blocked(k)
        if blocked < best:
            best, cause = blocked, Cause("crossing car", by)
        return best, cause

    def _gap(self, k: int, j: int) -> float:
        """Metres from car k's front to the back of car j, where j is ahead on k's way; infinite otherwise."""
        me, other, meeting = self.cars[k], self.cars[j], self.meetings[k, j]
        if other.s - other.length / 2 - 1.0 <= meeting.split:
            ahead = other.s - me.s
        elif other.s >= meeting.merge[1] - 1.0:
            ahead = other.s - meeting.merge[1] + meeting.merge[0] - me.s
        else:
            return inf
        return ahead - (me.length + other.length) / 2 if ahead > 0 else inf

    def _why_stop(self, k: int, stop: _Stop, gap: float, time: float) -> Cause | None:
        car = self.cars[k]
        if stop.zone is not None:
            walker = self._walker_on(stop.zone, time)
            return None if walker is None else Cause("walker", walker)
        needed = car.v**2 / (2 * max(gap, 0.05))
        car.committed = car.committed or (needed > HARDEST - 1 and car.v > 2)
        if car.committed:
            return None
        start = car.plan.way.start
        if self.signals is not None:
            state = self.signals.state(self._own(start), time)
            if state == "red" or (state == "amber" and needed < SAFE):
                return Cause("red light")
        first = self._who_goes_first(k)
        return None if first is None else Cause("crossing car", first)

    def _own(self, arm: int) -> bool:
        """Whether an arm belongs to arm 0's road."""
        turn = abs(np.cos(self.road.angles[arm] - self.road.angles[0]))
        return bool(turn > 0.7)

    def _walker_on(self, zone: Zone, time: float) -> int | None:
        """Who is on a crossing and has not passed this lane yet, as far as the driver has noticed."""
        for number, walker in enumerate(self.walkers):
            if walker.plan.crossing != zone.arm or not walker.on_road or time - walker.since < REACTION:
                continue
            past = (walker.lateral - zone.left) * walker.sense
            if past < 1.0 + 0.9 + BODY:
                return number
        return None

    def _who_goes_first(self, k: int) -> int | None:
        """A car that would meet this one in the junction and has the right of way."""
        car = self.cars[k]
        for j in self.driving:
            crossing = self.meetings[k, j].crossing if j != k else None
            if crossing is None or not self._goes_first(j, k):
                continue
            other = self.cars[j]
            if not other.committed and other.v < 0.5 and other.s < crossing[2]:
                continue  # it waits itself
            enters, leaves, enters_too, leaves_too = crossing
            theirs_out = (leaves_too - other.s + other.length / 2) / max(other.v, 1.0)
            theirs_in = time_for(enters_too - other.s - other.length / 2, other.v, other.plan)
            if theirs_out < 0 or theirs_in > LOOK_AHEAD:
                continue
            mine_in = time_for(enters - car.s - car.length / 2, car.v, car.plan)
            mine_out = time_for(leaves - car.s + car.length / 2, car.v, car.plan)
            margin = 1.6 if car.lets_pass == j else 0.8
            if mine_in - margin < theirs_out and theirs_in - 1.2 < mine_out:
                return j
        return None

    def _goes_first(self, j: int, k: int) -> bool:
        """Whether car j has the right of way over car k; between equals, who has the lower number."""
        mine, theirs = self._rank(k), self._rank(j)
        return theirs > mine or (theirs == mine and j < k)

    def _rank(self, k: int) -> int:
        route = self.cars[k].plan.way
        major = self.signals is not None or self.road.has_priority(route.start)
        return 2 * int(major) + int(route.turn != "left")

    def _blocked(self, k: int) -> tuple[float, int]:
        """Braking for who is on the spot already where the two ways cross."""
        car = self.cars[k]
        best, by = inf, -1
        for j in self.driving:
            crossing = self.meetings[k, j].crossing if j != k else None
            if crossing is None:
                continue
            other = self.cars[j]
            there = (
                crossing[2] - 1.0 < other.s + other.length / 2 and other.s - other.length / 2 < crossing[3]
            )
            gap = crossing[0] - 0.5 - car.s - car.length / 2
            nose_in = gap <= -0.3
            if there and gap < 40 and not (nose_in and (gap < -3 or self._goes_first(k, j))):
                braking = stop_braking(car.v, gap, car.plan)
                if braking < best:
                    best, by = braking, j
        return best, by

    # ---- walkers ----------------------------------------------------------------------------------------

    def _walk(self, walker: WalkerState, time: float) -> None:
        plan = walker.plan
        goes = self._has_begun(walker, time) and walker.far < walker.total
        waits = 0 < walker.kerb - walker.far < AT_KERB and not self._safe(plan.crossing)
        wanted = plan.speed if goes and not waits else 0.0
        walker.v = min(max(wanted, walker.v - 4.0 * DT), walker.v + 2.5 * DT)
        # Who waits may have been too fast to stop: the last step ends on the kerb.
        walker.far = min(walker.far + walker.v * DT, walker.kerb - 0.02 if waits else walker.total)
        if walker.far >= walker.total:
            walker.v = 0.0
        walker.phase += float(phase_advance(walker.v, plan.outfit.height, DT))
        walker.on_road = walker.kerb + 0.05 < walker.far < walker.opposite
        if walker.on_road and walker.since == inf:
            walker.since = time

    def _has_begun(self, walker: WalkerState, time: float) -> bool:
        begins = walker.plan.begins
        if walker.far > 0:
            return True
        if not isinstance(begins, Cue):
            return time >= begins
        car = self.cars[begins.car]
        stop = next(stop.s for stop in car.stops if stop.zone and stop.zone.arm == walker.plan.crossing)
        return stop - car.s <= begins.gap

    def _safe(self, arm: int | None) -> bool:
        """Whether all who come can stop for one who steps onto the crossing of an arm now."""
        for k in self.driving:
            car = self.cars[k]
            for stop in car.stops:
                if stop.zone is None or stop.zone.arm != arm:
                    continue
                gap = stop.s - car.s
                if gap < -(CROSSING + car.length + 1) or (car.v < 0.3 and gap > -0.5):
                    continue
                if gap < car.v * REACTION or car.v**2 > 2 * SAFE * (gap - car.v * REACTION):
                    return False
        return True


def _stops(car: _CarState) -> list[_Stop]:
    route, front = car.plan.route, car.length / 2
    if route is None:
        return []
    line = route.stop - front - 0.3
    stops = [_Stop(line, line + 0.5, None)]
    for zone in route.zones:
        # On the way in the stop line stands before the crossing.
        before = min(zone.enter - 1.1, route.stop - 0.3) if zone.enter < REACH - 1 else zone.enter - 1.0
        stops.append(_Stop(before - front, zone.enter - front - 0.1, zone))
    return stops
