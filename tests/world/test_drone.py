"""Drones against closed forms: lags, terminal speeds, drift, the tilt's limit; distances to solids."""

from math import exp, pi, radians, tan

import numpy as np
import pytest

from wayscan.world import kernels
from wayscan.world.drone import MOVER, Drones, DroneSpec
from wayscan.world.scene import SOLID, box, capsule, cylinder, solids, sphere

UPRIGHT = DroneSpec(tilt=1.5)  # never at its limit
STEP = 0.15


def flown(spec, command, steps, wind=(0.0, 0.0, 0.0), yaw=0.0):
    drones = Drones(1, spec)
    drones.put(0, (0, 0, 0), yaw)
    for _ in range(steps):
        drones.fly(np.array([command]), STEP, winds=np.array([wind]))
    return drones


def response(target, rate, seconds):
    """Speed and way of v' = rate (target − v) from rest."""
    speed = target * (1 - exp(-rate * seconds))
    return speed, target * seconds - speed / rate


@pytest.mark.parametrize("steps", [1, 4, 40])
def test_speed_and_way_follow_the_lag(steps):
    spec = UPRIGHT
    drones = flown(spec, (2.0, 0.0, 0.3), steps)
    rate = 1 / spec.lag + 1 / spec.drag
    speed, way = response(2.0 / spec.lag / rate, rate, steps * STEP)
    np.testing.assert_allclose(drones.velocity[0, :2], [speed, 0], atol=1e-12)
    np.testing.assert_allclose(drones.position[0, :2], [way, 0], atol=1e-12)
    rate = 1 / spec.climb_lag + 1 / spec.drag
    climb, rise = response(0.3 / spec.climb_lag / rate, rate, steps * STEP)
    np.testing.assert_allclose([drones.velocity[0, 2], drones.position[0, 2]], [climb, rise], atol=1e-12)


def test_turning_follows_its_lag():
    spec = DroneSpec()
    drones = flown(spec, (0.0, 1.0, 0.0), 7)
    rate, turned = response(1.0, 1 / spec.turn_lag, 7 * STEP)
    np.testing.assert_allclose([drones.yaw_rate[0], drones.yaw[0]], [rate, turned], atol=1e-12)


def test_wind_drifts_a_hovering_drone_and_terminal_speed_is_as_the_module_says():
    spec, wind = DroneSpec(), np.array([0.6, -1.1, 0.0])
    drones = flown(spec, (0.0, 0.0, 0.0), 100, wind)
    np.testing.assert_allclose(drones.velocity[0], wind * spec.lag / (spec.drag + spec.lag), rtol=1e-9)
    drones = flown(spec, (2.0, 0.0, 0.0), 100, wind, yaw=pi / 2)
    expected = (np.array([0, 2.0, 0]) * spec.drag + wind * spec.lag) / (spec.drag + spec.lag)
    np.testing.assert_allclose(drones.velocity[0], expected, rtol=1e-9, atol=1e-12)


def test_tilt_limits_acceleration():
    spec = DroneSpec(tilt=radians(10), drag=1e9)
    drones = Drones(1, spec)
    drones.fly(np.array([[2.0, 0.0, 0.0]]), STEP)
    most = 9.81 * tan(spec.tilt)
    assert 0.8 * most * STEP < drones.velocity[0, 0] <= most * STEP
    np.testing.assert_allclose(drones.attitude[0], [-spec.tilt, 0], atol=1e-9)


def test_a_turning_drone_leans_into_the_turn():
    drones = flown(DroneSpec(), (2.0, pi / 3, 0.0), 30)
    pitch, roll = drones.attitude[0]
    assert roll < -0.05  # to the left, as it turns
    assert abs(pitch) < abs(roll)


def test_many_drones_are_many_single_drones():
    rng = np.random.default_rng(0)
    spec, commands, winds = DroneSpec(), rng.uniform(-1, 1, (9, 5, 3)), rng.normal(size=(5, 3))
    together, alone = Drones(5, spec), [Drones(1, spec) for _ in range(5)]
    for command in commands:
        together.fly(command, STEP, winds=winds)
        for k, drone in enumerate(alone):
            drone.fly(command[k : k + 1], STEP, winds=winds[k : k + 1])
    np.testing.assert_array_equal(together.states, np.concatenate([each.states for each in alone]))


def test_flight_ends_at_a_solid_and_at_the_goal():
    tree = solids([cylinder((3, 0, 0), 0.4, 6, instance=0)])
    tables = np.zeros((3, 1), dtype=SOLID)
    tables[0] = tree
    drones = Drones(3)
    goals, times = np.array([[50, 0, 1.0], [3, 0, 1], [50, 0, 1]]), np.zeros(3)
    for index in range(3):
        drones.put(index, (0, 0, 1))
    ended, commands = np.zeros((2, 3), dtype=bool), np.array([[2.0, 0, 0], [2, 0, 0], [0, 0, -0.9]])
    around = {"solids": tables, "goals": goals, "near": 1.0, "times": times, "floor": 0.0, "ceiling": 4.0}
    for _ in range(12):
        moved = drones.fly(commands, STEP, **around)
        ended |= moved.crashed, moved.arrived
    np.testing.assert_array_equal(ended, [[True, False, True], [False, True, False]])
    assert 3 - 0.4 - drones.spec.radius <= drones.position[0, 0] < 3 - 0.4


def test_movers_swing_between_their_ends():
    tables, movers = np.zeros((1, 1), dtype=SOLID), np.zeros((1, 1), dtype=MOVER)
    tables[0] = sphere((0, 0, 1), 0.3, instance=0)
    movers["end"], movers["start"] = (0, 4, 1), (0, 0, 1)
    movers["period"] = 6.0
    drones, times, seen = Drones(1), np.zeros(1), []
    drones.put(0, (50, 0, 2))
    for _ in range(40):
        drones.fly(np.zeros((1, 3)), STEP, solids=tables, movers=movers, times=times)
        seen.append(tables[0, 0]["a"][1])
    expected = 2 - 2 * np.cos(2 * pi * STEP * np.arange(1, 41) / 6.0)
    np.testing.assert_allclose(seen, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("solid", "point", "expected"),
    [
        (cylinder((1, 2, 0), 0.5, 3, instance=0), (4, 6, 1), 4.5),
        (cylinder((1, 2, 0), 0.5, 3, instance=0), (1, 5.5, 7), 5.0),
        (cylinder((1, 2, 0), 0.5, 3, instance=0), (1, 2.2, 1), -0.3),
        (sphere((0, 0, 1), 0.5, instance=0), (0, 3, 5), 4.5),
        (box((0, 0, 1), (1, 2, 1), instance=0), (4, 6, 1), 5.0),
        (box((0, 0, 1), (1, 2, 1), instance=0), (0.8, 0, 1), -0.2),
        (box((5, 5, 1), (1, 2, 1), yaw=pi / 2, instance=0), (8, 5, 1), 1.0),
        (capsule((0, 0, 0), (0, 0, 4), 0.5, instance=0), (3, 4, 2), 4.5),
        (capsule((0, 0, 0), (0, 0, 4), 0.5, instance=0), (0, 3, 8), 4.5),
    ],
)
def test_distances_to_solids_are_exact(solid, point, expected):
    distance = kernels.compiled("flight").distance
    assert distance(solid[0], *map(float, point)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"lag": 0.0}, {"tilt": 2.0}, {"drag": float("nan")}, {"radius": float("inf")}]
)
def test_impossible_drones_are_refused(wrong):
    with pytest.raises(ValueError, match=f"drone: {next(iter(wrong))} is"):
        DroneSpec(**wrong)
