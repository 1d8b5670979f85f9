"""Moments: when in a simulated drive "now" is, and whether the drive shows its case.

A drive is cut from the simulation so that HISTORY steps lie before now and FUTURE steps after. Where only the
roadside camera sees why the ego will brake, now is before it brakes: its own speed must not tell.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayscan.geometry.poses import boxes_overlap, to_ego, wrap_angle
from wayscan.world.actors.car import car_size
from wayscan.world.actors.traffic import Motion
from wayscan.world.cameras import Camera
from wayscan.world.driving.cases import Case
from wayscan.world.driving.settings import EGO, Setting
from wayscan.world.driving.sight import block, seen_share
from wayscan.world.roads import Road

HISTORY, FUTURE = 20, 45  # steps before and after now
STEPS = 112  # of a simulation
ONSET = -0.9  # m/s² from which on somebody brakes
SLOWER = 3.0  # m/s lost by one who brakes
STEADY = 1.6  # m/s lost at most by one who drives straight on
TURNED = 0.45  # radians
ANYWHERE = 0.15  # share of drives straight on that are met anywhere
UNSEEN, SEEN = 0.02, 0.6  # shares of the decider that count as hidden and as visible
WALKER_SIZE = (0.5, 0.6, 1.75)
STRIDING = (0.9, 0.8, 1.9)  # what a walker takes up with arms and legs out

Misses = dict[str, int]  # how often settings failed their case, by what failed: to find out


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Now, as a step of the simulation, and what the cameras see of who decides (NaN: nobody does)."""

    now: int
    vehicle_share: float = float("nan")
    roadside_share: float = float("nan")


def find_moment(
    rng: np.random.Generator, case: Case, setting: Setting, motion: Motion, vehicle: Camera
) -> Moment | str:
    """A moment at which the drive shows its case; otherwise what is missing."""
    if case.kind == "braking":
        found = _braking(rng, case, setting, motion, vehicle)
    else:
        found = _driving_on(rng, case, motion, setting)
    if isinstance(found, str):
        return found
    window = slice(found.now - HISTORY, found.now + FUTURE + 1)
    return "collision" if collides(setting, motion, window) else found


def _braking(
    rng: np.random.Generator, case: Case, setting: Setting, motion: Motion, vehicle: Camera
) -> Moment | str:
    slow = np.flatnonzero(motion.accelerations[:, EGO] < ONSET)
    slow = slow[slow >= HISTORY - 4]
    if not len(slow):
        return "no braking"
    onset = int(slow[0])
    if motion.causes[onset][EGO].why != case.reason:
        return f"brakes for another reason: {motion.causes[onset][EGO].why or 'the bend'}"
    early, late = (-4, 0) if case.decided_by == "roadside" else (-6, 8)
    now = onset + int(rng.integers(early, late + 1))
    if not HISTORY <= now < STEPS - FUTURE:
        return "too early or late"
    future = motion.speeds[now : now + FUTURE + 1, EGO]
    if future[0] - future.min() < SLOWER or future[0] < 5:
        return "hardly braking"
    if setting.decider is None:
        return Moment(now=now)
    if setting.decider[0] == "walker" and not motion.on_road[now, setting.decider[1]]:
        return "walker not on the road yet"
    shares = shares_seen(setting, motion, now, vehicle)
    if case.decided_by == "roadside" and shares[0] > UNSEEN:
        return "seen by the ego"
    if case.decided_by == "roadside" and shares[1] < SEEN:
        return "not seen from the roadside"
    if case.decided_by == "vehicle" and shares[0] < SEEN:
        return "not seen by the ego"
    return Moment(now=now, vehicle_share=shares[0], roadside_share=shares[1])


def _driving_on(rng: np.random.Generator, case: Case, motion: Motion, setting: Setting) -> Moment | str:
    """Straight on or through a bend, now being where one who brakes would begin to."""
    fits = [now for now in range(HISTORY, STEPS - FUTURE) if _fits(case, motion, now)]
    if not fits:
        return "does not drive on"
    if case.kind == "straight" and rng.random() < ANYWHERE:
        return Moment(now=int(rng.choice(fits)))
    speeds = motion.speeds[:, EGO]
    gaps = setting.ego.way.stop - motion.lengths[:, EGO] - speeds**2 / (2 * _usual_braking(rng, setting.road))
    if case.kind != "straight":
        gaps = gaps + float(rng.normal(0.0, 8.0))
    return Moment(now=min(fits, key=lambda now: abs(gaps[now])))


def _usual_braking(rng: np.random.Generator, road: Road) -> float:
    """m/s² that stopping at the line takes at the moment when hidden walkers and cars make one brake: those
    who drive on are met at such moments too, or the distance would tell what the pictures should.
    """
    walkers, cars = float(rng.normal(2.25, 0.3)), float(rng.normal(1.74, 0.17))
    yields = road.control == "right of way" and not road.has_priority(0)
    return max(cars if yields and rng.random() < 0.65 else walkers, 1.0)


def _fits(case: Case, motion: Motion, now: int) -> bool:
    future = slice(now, now + FUTURE + 1)
    yaw, speeds = motion.cars[future, EGO, 2], motion.speeds[future, EGO]
    change = float(wrap_angle(yaw[-1] - yaw[0]))
    if case.kind == "straight":
        return abs(change) < 0.1 and speeds[0] - speeds.min() < STEADY and speeds[0] > 4
    sign = 1 if case.kind == "left" else -1
    turned_already = abs(float(wrap_angle(yaw[0] - motion.cars[now - HISTORY, EGO, 2])))
    return sign * change > TURNED and turned_already < 0.15


def shares_seen(setting: Setting, motion: Motion, step: int, vehicle: Camera) -> tuple[float, float]:
    """Of who decides: the shares that the ego's and the roadside camera see."""
    assert setting.decider is not None
    what, number = setting.decider
    cars = [block(motion.cars[step, k], car_size(car.kind)) for k, car in enumerate(setting.cars)]
    if what == "walker":
        body = block(motion.walkers[step, number], STRIDING)
        others = [cars[k] for k in range(len(cars)) if k != EGO]
    else:
        body = cars[number]
        others = [cars[k] for k in range(len(cars)) if k not in (EGO, number)]
    blocks = np.concatenate([setting.scenery.blocks, np.array(others).reshape(-1, 7)])
    x, y, yaw = motion.cars[step, EGO].tolist()
    with_ego = np.concatenate([blocks, cars[EGO][None]])
    return seen_share(vehicle.at(x, y, yaw), body, blocks), seen_share(setting.roadside, body, with_ego)


def collides(setting: Setting, motion: Motion, window: slice) -> bool:
    """Whether any two cars, or a car and a walker, overlap in the window."""
    return next(overlaps(setting, motion, window), None) is not None


def overlaps(setting: Setting, motion: Motion, window: slice) -> Iterator[tuple[str, int, int]]:
    """Pairs of cars, and of a car and a walker, that overlap at some step of the window."""
    cars, walkers = motion.cars[window], motion.walkers[window]
    sizes = np.array([car_size(car.kind) for car in setting.cars])
    reach = np.hypot(sizes[:, 0], sizes[:, 1]) / 2
    moving = [k for k, car in enumerate(setting.cars) if car.route is not None]
    for i in moving:
        apart = np.linalg.norm(cars[:, :, :2] - cars[:, i : i + 1, :2], axis=-1) - reach - reach[i]
        for j in np.flatnonzero((apart < 0).any(axis=0)).tolist():
            if (j > i or j not in moving) and boxes_overlap(cars[:, i], sizes[i], cars[:, j], sizes[j]).any():
                yield "car", i, j
        for j in range(walkers.shape[1]):
            local: NDArray = np.abs(to_ego(walkers[:, j, :2], cars[:, i])) - sizes[i, :2] / 2
            if (local.max(axis=-1) < 0.3).any():
                yield "walker", i, j
