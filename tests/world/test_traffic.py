"""Cars follow, stop and yield within what cars can do, and nobody runs into anybody."""

import numpy as np
import pytest

from wayscan.geometry.poses import boxes_overlap, to_ego, wrap_angle
from wayscan.world.actors.car import car_size
from wayscan.world.actors.drivers import DT, Car
from wayscan.world.actors.figure import Outfit
from wayscan.world.actors.pedestrians import Walker
from wayscan.world.actors.traffic import Motion, Signals, simulate
from wayscan.world.roads import CROSSING, ROAD_KINDS, Road

HALF = car_size("car")[0] / 2
OUTFIT = Outfit()


def crosses(road: Road, arm: int, begins: float, speed: float = 1.4, side: int = 1) -> Walker:
    along, out = road.throat + CROSSING / 2, side * (road.half_width + 1.0)
    start, end = road.place(arm, along, out), road.place(arm, along, -out)
    return Walker(outfit=OUTFIT, start=tuple(start), end=tuple(end), speed=speed, begins=begins, crossing=arm)


def comes(road: Road, start: int, end: int, to_line: float, speed: float = 10.0) -> Car:
    route = road.route(start, end)
    return Car(route=route, s=route.stop - to_line, speed=speed, cruise=speed)


def test_alone_a_car_keeps_its_speed_and_slows_down_for_bends() -> None:
    road = Road()
    motion = simulate(road, [comes(road, 0, 2, 60), comes(road, 1, 2, 60)], steps=100)
    assert np.allclose(motion.speeds[:, 0], 10)
    bend = motion.speeds[:, 1]
    rates = wrap_angle(np.diff(motion.cars[:, 1, 2])) / DT
    assert bend.min() < 6
    assert np.abs(rates * bend[1:]).max() < 3.2
    assert np.abs(rates).max() < 0.8


def test_a_follower_settles_behind_who_is_in_front() -> None:
    road = Road()
    cars = [comes(road, 0, 2, 40, 6.0), comes(road, 0, 2, 70, 10.0)]
    motion = simulate(
        road, [cars[0], Car(route=cars[1].route, s=cars[1].s, speed=10.0, cruise=12.0)], steps=200
    )
    gap = motion.lengths[:, 0] - motion.lengths[:, 1] - 2 * HALF
    assert gap.min() > 1.5
    assert np.isclose(motion.speeds[-1, 1], 6.0, atol=0.1)
    assert 6 < gap[-1] < 15


def test_a_red_light_stops_before_its_line_and_green_releases() -> None:
    road = Road(control="lights")
    signals = Signals(green=6.0, amber=2.0, clearance=1.0, offset=8.5)  # red for 9 s, then green
    car = comes(road, 0, 2, 50)
    motion = simulate(road, [car], (), signals, steps=200)
    stands = np.flatnonzero(motion.speeds[:, 0] == 0)
    front = motion.lengths[stands[0], 0] + HALF
    assert car.way.stop - 1.2 < front <= car.way.stop
    assert motion.causes[stands[0]][0].why == "red light"
    assert 8.0 < DT * stands[-1] < 10.5
    assert motion.speeds[-1, 0] > 7


def test_both_roads_are_never_green_together() -> None:
    signals = Signals(green=6.0, amber=2.0, clearance=1.0, offset=3.0)
    states = [(signals.state(True, t), signals.state(False, t)) for t in np.arange(0, 60, 0.1)]
    assert all("red" in pair for pair in states)
    assert {state for pair in states for state in pair} == {"red", "amber", "green"}


def test_a_car_stops_for_a_walker_and_goes_on_behind_him() -> None:
    road = Road(kind="straight road")
    car, walker = comes(road, 0, 1, 45), crosses(road, 0, begins=0.5)
    motion = simulate(road, [car], [walker], steps=150)
    on_road = motion.on_road[:, 0]
    assert on_road.any()
    assert motion.causes[int(np.argmax(motion.accelerations[:, 0] < -1))][0].why == "walker"
    inside = np.abs(to_ego(motion.walkers[:, 0, :2], motion.cars[:, 0])) - np.array([HALF, 0.925])
    assert inside.max(axis=1).min() > 0.5
    assert motion.lengths[-1, 0] > car.way.stop + 20


def test_a_driver_reacts_after_half_a_second() -> None:
    road = Road(kind="straight road")
    motion = simulate(road, [comes(road, 0, 1, 37)], [crosses(road, 0, begins=0.0)], steps=60)
    steps_out = int(np.argmax(motion.on_road[:, 0]))
    brakes = int(np.argmax(motion.accelerations[:, 0] < -0.5))
    assert steps_out > 0
    assert 4 <= brakes - steps_out <= 9


def test_a_walker_waits_for_a_car_that_cannot_stop() -> None:
    road = Road(kind="straight road")
    motion = simulate(road, [comes(road, 0, 1, 12)], [crosses(road, 0, begins=0.0)], steps=80)
    assert (motion.speeds[:, 0] > 9.9).all()
    passes = int(np.argmax(motion.lengths[:, 0] > 95))
    assert int(np.argmax(motion.on_road[:, 0])) > passes - 10
    assert motion.on_road[-1, 0]


def test_who_is_on_the_minor_road_lets_others_pass() -> None:
    road = Road(major=False)
    motion = simulate(road, [comes(road, 0, 2, 45), comes(road, 1, 3, 47)], steps=120)
    assert motion.speeds[:, 0].min() < 7
    assert motion.speeds[:, 1].min() > 9.9
    assert any(cause[0].why == "crossing car" and cause[0].whom == 1 for cause in motion.causes)
    swapped = simulate(Road(major=True), [comes(Road(), 0, 2, 45), comes(Road(), 1, 3, 47)], steps=120)
    assert swapped.speeds[:, 0].min() > 9.9
    assert swapped.speeds[:, 1].min() < 7


def test_who_turns_left_lets_the_oncoming_pass() -> None:
    road = Road()
    motion = simulate(road, [comes(road, 0, 3, 30, 8.0), comes(road, 2, 0, 35, 8.0)], steps=150)
    assert motion.speeds[:, 1].min() > 7.9
    assert motion.speeds[:, 0].min() < 3
    assert motion.lengths[-1, 0] > 100


def dense(seed: int) -> tuple[Road, list[Car], Motion]:
    """Three cars on every arm, four walkers, 20 s."""
    rng = np.random.default_rng(seed)
    kind = ROAD_KINDS[seed % len(ROAD_KINDS)]
    major = kind != "T-junction, from the stem" and bool(rng.random() < 0.5)
    lights = kind == "crossroads" and rng.random() < 0.4
    road = Road(kind=kind, major=major, control="lights" if lights else "right of way")
    cars = []
    for start in road.arms:
        s = 62.0
        for _ in range(3):
            route = road.route(start, int(rng.choice([arm for arm in road.arms if arm != start])))
            cruise, s = float(rng.uniform(6, 12)), s - float(rng.uniform(0, 12))
            kinds = ("car", "suv", "van", "bus", "truck")[: 5 if route.turn == "straight" else 3]
            speed = min(cruise, route.limit(s))
            cars.append(Car(kind=str(rng.choice(kinds)), route=route, s=s, speed=speed, cruise=cruise))
            s -= 28.0
    walkers = [
        crosses(
            road, int(rng.choice(road.crossings)), float(rng.uniform(0, 12)), side=int(rng.choice([1, -1]))
        )
        for _ in range(4)
    ]
    return road, cars, simulate(road, cars, walkers, Signals() if lights else None, steps=200)


@pytest.mark.parametrize("first", [0, 20])
def test_dense_traffic_keeps_to_physics_and_apart(first: int) -> None:
    for seed in range(first, first + 20):
        _, cars, motion = dense(seed)
        assert motion.speeds.max() <= 20
        assert np.abs(motion.accelerations).max() <= 6
        moved = np.linalg.norm(np.diff(motion.cars[..., :2], axis=0), axis=-1)
        assert np.allclose(moved, (motion.speeds[1:] + motion.speeds[:-1]) / 2 * DT, atol=2e-3)
        assert np.abs(wrap_angle(np.diff(motion.cars[..., 2], axis=0))).max() / DT < 0.9
        sizes = np.array([car_size(car.kind) for car in cars])
        for i in range(len(cars)):
            for j in range(i + 1, len(cars)):
                near = np.linalg.norm(motion.cars[:, i, :2] - motion.cars[:, j, :2], axis=-1).min() < 12
                overlap = (
                    near and boxes_overlap(motion.cars[:, i], sizes[i], motion.cars[:, j], sizes[j]).any()
                )
                assert not overlap, (seed, i, j)
            ahead = np.abs(to_ego(motion.walkers[..., :2], motion.cars[:, i, None])) - sizes[i, :2] / 2
            assert ahead.max(axis=-1).min() > 0.1, (seed, i)


def test_the_same_start_gives_the_same_traffic() -> None:
    assert np.array_equal(dense(3)[2].cars, dense(3)[2].cars)


def test_a_parked_car_stays_and_a_car_needs_one_of_route_and_place() -> None:
    road = Road()
    motion = simulate(road, [Car(parked=(1.0, 2.0, 0.5))], steps=5)
    assert np.allclose(motion.cars[:, 0], [1.0, 2.0, 0.5])
    with pytest.raises(ValueError, match="one of the two"):
        Car()
    with pytest.raises(ValueError, match="it is parked"):
        _ = Car(parked=(0.0, 0.0, 0.0)).way
