"""Settings: a road, who is on it, and where the cameras stand, drawn for a case.

A setting only sets the stage: whether the ego really does what the case says comes out in the simulation
(`wayscan.world.driving.moments`), and what misses is drawn anew. Whatever hides somebody stands about in all
cases: a lorry beside the crossing or a house at the corner must not give the braking away.
"""

from dataclasses import dataclass
from math import inf
from typing import Literal

import numpy as np

from wayscan.world.actors.car import PAINTS, car_size
from wayscan.world.actors.drivers import Car
from wayscan.world.actors.figure import Outfit
from wayscan.world.actors.pedestrians import Cue, Walker
from wayscan.world.actors.traffic import REACTION, Signals
from wayscan.world.cameras import Camera
from wayscan.world.driving.cases import Case
from wayscan.world.driving.scenery import Scenery, draw_light, draw_scenery, looking_at
from wayscan.world.roads import CROSSING, REACH, Road, RoadKind, Turn
from wayscan.world.scene import Light

EGO = 0  # its number among the cars
MAST_HEIGHT = 6.5
MOVING_KINDS = ("car", "car", "car", "suv", "suv", "van", "truck", "bus")
PARKED_KINDS = ("car", "car", "car", "suv", "van")
LARGE_KINDS = ("truck", "bus", "van")


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """The stage of a drive. The ego is car 0 and comes in on arm 0.

    Args:
        corner: the far corner, as the ego sees it, where the roadside camera's mast stands.
        decider: ("walker" or "car", number) of who makes the ego brake in the case; None: nobody in
        particular.
    """

    road: Road
    cars: tuple[Car, ...]
    walkers: tuple[Walker, ...]
    signals: Signals | None
    scenery: Scenery
    light: Light
    weather: str
    roadside: Camera
    corner: Literal["left", "right"]
    turn: Turn
    decider: tuple[str, int] | None

    @property
    def ego(self) -> Car:
        return self.cars[EGO]


def draw_setting(rng: np.random.Generator, case: Case, *, width: int, height: int) -> Setting:
    """A stage on which the case may well happen; the roadside camera's pictures are width × height."""
    road = _draw_road(rng, case)
    turn = _draw_turn(rng, case, road)
    sides = [side for side, way in ((1, "right"), (-1, "left")) if way in road.ways_on(0)] or [1, -1]
    side = int(rng.choice(sides))  # of the arm that the mast looks into, as seen from the origin
    walker_side = int(rng.choice([1, -1]))
    ego = _draw_ego(rng, case, road, turn)

    large = [walker_side] if rng.random() < 0.5 else []
    if case.reason == "walker":
        large = [walker_side] if case.decided_by == "roadside" else []
    mast, roadside = _mast(rng, road, side, width, height)
    hides = case.reason == "crossing car" and case.decided_by == "roadside"
    built = side if hides or rng.random() < 0.5 else 0
    scenery = draw_scenery(rng, road, mast, corner=built)

    cars, walkers, decider = [ego], [], None
    if case.reason == "walker":
        walkers.append(_stepping_out(rng, road, ego, walker_side))
        decider = ("walker", 0)
    elif case.reason == "crossing car":
        cars.append(_crossing_car(rng, road, ego, side))
        decider = ("car", 1)
    elif case.reason == "car in front":
        cars.append(_slowing_car(rng, ego))
        decider = ("car", 1)
    cars += _other_cars(rng, road, ego, lonely=case.kind == "straight" and not road.has_priority(0))
    cars += _parked_cars(rng, road, large, clear=case.reason == "walker" and not large)
    walkers += _other_walkers(rng, road, ego)
    light, weather = draw_light(rng)
    return Setting(
        road=road,
        cars=tuple(cars),
        walkers=tuple(walkers),
        signals=_draw_signals(rng, case, road),
        scenery=scenery,
        light=light,
        weather=weather,
        roadside=roadside,
        corner="left" if side == 1 else "right",
        turn=turn,
        decider=decider,
    )


# ---- road and ego ---------------------------------------------------------------------------------------


def _draw_road(rng: np.random.Generator, case: Case) -> Road:
    crossroads, stem, bar, plain = (
        "crossroads",
        "T-junction, from the stem",
        "T-junction, from the bar",
        "straight road",
    )
    chances: dict[RoadKind, float] = {crossroads: 0.65, bar: 0.15, plain: 0.2}
    if case.kind in ("left", "right"):
        chances = {crossroads: 0.55, stem: 0.25, bar: 0.2}
    elif case.reason == "crossing car":
        chances = {crossroads: 0.8, stem: 0.2}
    elif case.reason == "red light":
        chances = {crossroads: 1.0}
    kind = str(rng.choice(list(chances), p=list(chances.values())))
    side = case.kind if case.kind in ("left", "right") else str(rng.choice(["left", "right"]))
    lights = kind == crossroads and (case.reason == "red light" or rng.random() < 0.2)
    if case.reason in ("crossing car", "walker"):  # nobody goes against a light
        lights = False
    # Minor roads are common in all cases, for there it is that crossing cars make one brake.
    major = (
        kind != stem and case.reason != "crossing car" and bool(rng.random() < (0.8 if kind == bar else 0.3))
    )
    return Road(
        kind=kind,  # type: ignore[arg-type]
        heading=float(rng.uniform(-np.pi, np.pi)),
        side=side,  # type: ignore[arg-type]
        skew=float(rng.uniform(-0.12, 0.12)) if kind == crossroads else 0.0,
        lane=float(rng.uniform(3.2, 3.8)),
        control="lights" if lights else "right of way",
        major=major,
    )


def _draw_turn(rng: np.random.Generator, case: Case, road: Road) -> Turn:
    ways = road.ways_on(0)
    if case.kind in ("left", "right"):
        return case.kind  # type: ignore[return-value]
    if "straight" in ways and (case.kind == "straight" or rng.random() < 0.75):
        return "straight"
    return list(ways)[int(rng.integers(len(ways)))]


def _draw_ego(rng: np.random.Generator, case: Case, road: Road, turn: Turn) -> Car:
    """The ego some seconds before the place where it would have to begin braking."""
    route = road.route(0, road.ways_on(0)[turn])
    cruise, brake = float(rng.uniform(7.0, 13.0)), float(rng.uniform(1.9, 2.5))
    speed = cruise * float(rng.uniform(0.85, 1.0))
    begin = speed * float(rng.uniform(2.5, 3.6)) + speed**2 / (2 * brake)
    return Car(
        kind="car",
        paint=str(rng.choice(PAINTS)),
        route=route,
        s=route.stop - begin,
        speed=speed,
        cruise=cruise,
        brake=brake,
        headway=float(rng.uniform(1.0, 1.5)),
    )


def _draw_signals(rng: np.random.Generator, case: Case, road: Road) -> Signals | None:
    if road.control != "lights":
        return None
    if case.reason == "red light":
        return Signals(offset=float(rng.uniform(15.0, 22.0)))  # the light turns or is red
    return Signals(green=16.0, offset=float(rng.uniform(0.0, 4.0)))


def _mast(
    rng: np.random.Generator, road: Road, side: int, width: int, height: int
) -> tuple[tuple[float, float], Camera]:
    """The mast at the far corner, and its camera, which sees arm 0, its crossing, and the arm on `side`."""
    out = road.half_width + 1.0
    along = -out if len(road.arms) > 2 else -float(rng.uniform(6.0, 9.0))
    x, y = road.place(0, along + float(rng.uniform(-0.4, 0.4)), -side * out).tolist()
    target = (8.5, side * 6.0) if len(road.arms) > 2 else (8.0, side * 1.0)
    aim = road.place(0, *(np.array(target) + rng.uniform(-0.8, 0.8, 2)))
    place = (x, y, MAST_HEIGHT + float(rng.uniform(-0.4, 0.4)))
    yaw, pitch = looking_at(place, (float(aim[0]), float(aim[1]), 0.5))
    camera = Camera(
        name="roadside", width=width, height=height, position=place, yaw=yaw, pitch=pitch - 0.02, field=1.6
    )
    return (x, y), camera


# ---- who decides ----------------------------------------------------------------------------------------


def _stepping_out(rng: np.random.Generator, road: Road, ego: Car, side: int) -> Walker:
    """A walker who reaches the kerb just when the ego can still stop with ease."""
    along = road.throat + CROSSING / 2 + float(rng.uniform(-1.0, 1.0))
    ahead, speed = float(rng.uniform(0.8, 2.5)), float(rng.uniform(1.1, 1.7))
    brake = float(rng.uniform(2.3, 3.0))
    at_kerb = ego.speed * REACTION + ego.speed**2 / (2 * brake) + 0.5
    out = road.half_width + ahead
    return Walker(
        outfit=Outfit.draw(rng),
        start=_spot(road, 0, along, side * out),
        end=_spot(road, 0, along, -side * (road.half_width + 1.5)),
        speed=speed,
        begins=Cue(car=EGO, gap=at_kerb + ego.speed * (ahead / speed + 0.3)),
        crossing=0,
    )


def _crossing_car(rng: np.random.Generator, road: Road, ego: Car, side: int) -> Car:
    """A car that would be in the junction when the ego would."""
    start = road.ways_on(0)["right" if side == 1 else "left"]
    ways = [end for end in road.arms if end != start and end != 0]
    route = road.route(start, int(rng.choice(ways)))
    crossing = road.meeting(ego.way, route).crossing
    if crossing is None:
        route = road.route(start, road.ways_on(start).get("straight", ways[0]))
        crossing = road.meeting(ego.way, route).crossing or (route.stop + 8, 0, route.stop + 8, 0)
    speed = float(rng.uniform(7.0, 12.0))
    after = (crossing[0] - ego.s) / ego.speed + float(rng.uniform(-0.8, 0.8))
    return Car(
        kind=str(rng.choice(MOVING_KINDS)),
        paint=str(rng.choice(PAINTS)),
        route=route,
        s=crossing[2] - speed * after,
        speed=speed,
        cruise=speed,
    )


def _slowing_car(rng: np.random.Generator, ego: Car) -> Car:
    """Somebody in front who slows down or stops."""
    kind = str(rng.choice(MOVING_KINDS))
    gap = ego.speed * float(rng.uniform(1.0, 1.9)) + car_size(kind)[0]
    return Car(
        kind=kind,
        paint=str(rng.choice(PAINTS)),
        route=ego.way,
        s=ego.s + gap + 2,
        speed=ego.speed,
        cruise=ego.speed,
        slows=(float(rng.uniform(2.2, 4.0)), float(rng.uniform(0.0, 3.0))),
    )


# ---- everybody else -------------------------------------------------------------------------------------


def _other_cars(rng: np.random.Generator, road: Road, ego: Car, *, lonely: bool) -> list[Car]:
    """Traffic on all arms; a lonely ego meets nobody to whom it would have to give way."""
    cars = []
    for start in road.arms:
        if start == 0:
            continue
        crosses = road.turn(0, start) != "straight"
        s = REACH - float(rng.uniform(18, 45))
        for _ in range(int(rng.integers(0, 3))):
            end = int(rng.choice([arm for arm in road.arms if arm != start]))
            speed = float(rng.uniform(6.0, 12.0))
            if lonely and crosses and rng.random() < 0.8:
                s = REACH - float(rng.uniform(78, 90))  # far off, or gone already
                if rng.random() < 0.5:
                    s = REACH + float(rng.uniform(20, 40))
            cars.append(_moving_car(rng, road, start, end, s, speed))
            s -= float(rng.uniform(16, 35))
    if rng.random() < 0.3:
        cars.append(_moving_car(rng, road, 0, ego.way.end, ego.s - float(rng.uniform(16, 30)), ego.speed))
    if rng.random() < 0.25:
        cars.append(
            _moving_car(
                rng,
                road,
                0,
                ego.way.end,
                ego.s + float(rng.uniform(25, 45)),
                ego.speed * 1.05,
            )
        )
    return cars


def _moving_car(rng: np.random.Generator, road: Road, start: int, end: int, s: float, speed: float) -> Car:
    route = road.route(start, end)
    return Car(
        kind=str(rng.choice(MOVING_KINDS)),
        paint=str(rng.choice(PAINTS)),
        route=route,
        s=s,
        speed=min(speed, route.limit(s)),
        cruise=speed,
        brake=float(rng.uniform(1.9, 2.6)),
    )


def _parked_cars(rng: np.random.Generator, road: Road, large: list[int], *, clear: bool) -> list[Car]:
    """Parked vehicles along the arms; a large one beside arm 0's crossing on the sides `large`; none near it
    if it is to be `clear`.
    """
    cars = []
    for arm in road.arms:
        for side in (1, -1):
            along = (road.throat + CROSSING if arm in road.crossings else 2.0) + float(rng.uniform(0.8, 2.0))
            if arm == 0 and side in large:
                kind = str(rng.choice(LARGE_KINDS, p=[0.5, 0.3, 0.2]))
                cars.append(_parked(rng, road, arm, side, along, kind))
                along += car_size(kind)[0] + 1.0
            elif arm == 0:
                along += 26.0 if clear else 4.0
            share = float(rng.uniform(0.0, 0.55))
            while along < (55 if arm == 0 else 32):
                kind = str(rng.choice(PARKED_KINDS))
                if rng.random() < share:
                    cars.append(_parked(rng, road, arm, side, along, kind))
                along += car_size(kind)[0] + float(rng.uniform(0.9, 2.5))
    return cars


def _parked(rng: np.random.Generator, road: Road, arm: int, side: int, along: float, kind: str) -> Car:
    """A vehicle in the strip on one side of an arm, its nearer end `along` metres out."""
    left = side * (road.lane + road.parking / 2 + float(rng.uniform(-0.05, 0.1)))
    x, y = _spot(road, arm, along + car_size(kind)[0] / 2, left)
    yaw = road.angles[arm] + (np.pi if side == 1 else 0.0) + float(rng.normal(0, 0.01))
    return Car(kind=kind, paint=str(rng.choice(PAINTS)), parked=(x, y, yaw))


def _other_walkers(rng: np.random.Generator, road: Road, ego: Car) -> list[Walker]:
    """Some stroll on the pavements, some stand at the crossing and let cars pass, some cross other arms."""
    walkers = []
    for _ in range(int(rng.integers(0, 5))):
        arm, side = int(rng.choice(road.arms)), int(rng.choice([1, -1]))
        out = side * (road.half_width + float(rng.uniform(0.9, 2.4)))
        first, last = rng.permutation([float(rng.uniform(8, 20)), float(rng.uniform(25, 45))]).tolist()
        walkers.append(_strolling(rng, _spot(road, arm, first, out), _spot(road, arm, last, out)))
    if rng.random() < 0.4:
        along = road.throat + CROSSING / 2 + float(rng.uniform(-2.0, 2.0))
        out = int(rng.choice([1, -1])) * (road.half_width + float(rng.uniform(0.5, 1.2)))
        walkers.append(_strolling(rng, _spot(road, 0, along, out), _spot(road, 0, along, -out), begins=inf))
    others = [arm for arm in road.crossings if arm not in (0, ego.way.end)]
    if others and rng.random() < 0.35:
        arm, side = int(rng.choice(others)), int(rng.choice([1, -1]))
        along = road.throat + CROSSING / 2 + float(rng.uniform(-1.0, 1.0))
        out = side * (road.half_width + 1.5)
        begins = float(rng.uniform(0.0, 5.0))
        walkers.append(
            _strolling(
                rng, _spot(road, arm, along, out), _spot(road, arm, along, -out), begins=begins, crossing=arm
            )
        )
    return walkers


def _strolling(
    rng: np.random.Generator,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    begins: float = 0.0,
    crossing: int | None = None,
) -> Walker:
    speed = float(rng.uniform(0.9, 1.6))
    return Walker(
        outfit=Outfit.draw(rng), start=start, end=end, speed=speed, begins=begins, crossing=crossing
    )


def _spot(road: Road, arm: int, along: float, left: float) -> tuple[float, float]:
    x, y = road.place(arm, along, left).tolist()
    return x, y
