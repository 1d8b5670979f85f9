"""The twin in MuJoCo: the same forests, the same way of flying, the same depth, and contacts that end it."""

import sys
import warnings
from math import pi

import gymnasium
import numpy as np
import pytest

mujoco = pytest.importorskip("mujoco")

from gymnasium.utils.env_checker import check_env  # noqa: E402

import wayscan.world.envs  # noqa: F401, E402 (registers)
from wayscan.fly.environment import forest_vector  # noqa: E402
from wayscan.fly.judge import judge  # noqa: E402
from wayscan.world.drone import Drones, DroneSpec  # noqa: E402
from wayscan.world.envs.forest import Forest  # noqa: E402
from wayscan.world.envs.forest_mujoco import ForestMujoco, ForestMujocoVector  # noqa: E402
from wayscan.world.envs.forest_trials import fly_trials  # noqa: E402
from wayscan.world.envs.forest_worlds import configure  # noqa: E402
from wayscan.world.envs.pilots import make_pilot  # noqa: E402
from wayscan.world.scene import box, capsule, cylinder, solids, sphere  # noqa: E402
from wayscan.world.twin.airframe import Airframe  # noqa: E402
from wayscan.world.twin.autopilot import Autopilot, axes_of  # noqa: E402
from wayscan.world.twin.drone import TwinDrones  # noqa: E402

SMALL = {"image": 16, "steps": 60}
STEP, TEN_SECONDS = 0.15, 67  # actions
FORWARD = np.array([1.0, 0.0, 0.0], dtype=np.float32)


# ---- the environment ----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"stack": 1, "depth": "float32", "gimbal": False, "moving": 2}])
def test_gymnasium_finds_nothing_wrong(options):
    env = gymnasium.make("wayscan/ForestMujoco-v0", image=16, render_mode="rgb_array", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


def test_seeds_give_the_forests_and_the_first_look_of_the_embedded_world():
    options = {"image": 32, "moving": 3, "noise": 0.01}
    ours, twin = Forest(**options), ForestMujoco(**options)
    assert twin.observation_space == ours.observation_space
    assert twin.action_space == ours.action_space
    for seed in range(4):
        level = {"curriculum": 0.25 * (seed + 1)}
        seen, info = ours.reset(seed=seed, options=level)
        same, told = twin.reset(seed=seed, options=level)
        assert told == info
        np.testing.assert_array_equal(same["base"], seen["base"])
        assert np.abs(same["depth"].astype(int) - seen["depth"]).max() <= 1
        for name in ("solids", "movers", "goals", "winds"):
            np.testing.assert_array_equal(getattr(twin.worlds, name), getattr(ours.worlds, name))


def test_a_flight_is_a_function_of_its_seed():
    def fly(env):
        seen = [env.reset(seed=5)[0]] + [env.step([0.8, 0.1 * k % 1, 0])[0] for k in range(8)]
        return np.stack([each["depth"] for each in seen]), np.stack([each["base"] for each in seen])

    first = ForestMujoco(**SMALL, moving=3)
    flown = fly(first)
    for again in (fly(first), fly(ForestMujoco(**SMALL, moving=3))):
        np.testing.assert_array_equal(flown[0], again[0])
        np.testing.assert_array_equal(flown[1], again[1])


def test_many_at_once_are_as_many_alone():
    envs, alone = ForestMujocoVector(2, **SMALL), [ForestMujoco(**SMALL) for _ in range(2)]
    envs.reset(seed=3)
    for number, env in enumerate(alone):
        env.reset(seed=3 + number)
    for action in np.random.default_rng(0).uniform(-1, 1, (6, 3)):
        seen, reward, *_ = envs.step(np.stack([action, -action]))
        for number, (env, own) in enumerate(zip(alone, (action, -action), strict=True)):
            expected = env.step(own)
            np.testing.assert_array_equal(seen["depth"][number], expected[0]["depth"])
            assert reward[number] == expected[1]


def test_pilots_fly_it():
    config = configure(stack=1, image=32)
    metrics = {
        name: fly_trials(make_pilot(name), range(6), config, make=ForestMujocoVector).metrics()
        for name in ("straight", "expert")
    }
    assert metrics["expert"]["success"] == 1
    assert metrics["straight"]["success"] <= 0.5


def test_a_pilot_is_judged_beside_those_that_learn_nothing_in_the_same_simulator(monkeypatch):
    made = []
    monkeypatch.setattr(ForestMujocoVector, "__init__", _noted(made, ForestMujocoVector.__init__))
    judged = judge("fly-cpu", "wayscan/ForestMujoco-v0", {"steps": 3}, episodes=2, purpose="tuning")
    assert len(made) == 4
    assert set(judged.baselines) == {"straight", "random", "potential"}
    assert set(judged.references) == {"expert"}
    assert judged.flown.metrics()["timeout"] == 1
    assert forest_vector("AirSimEnv-v42") is None


def _noted(calls, function):
    def noted(*arguments, **options):
        calls.append(options)
        function(*arguments, **options)

    return noted


def test_without_mujoco_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("wayscan.world.twin")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "wayscan.world.envs.forest_mujoco")
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "wayscan\[fly\]"'):
        gymnasium.make("wayscan/ForestMujoco-v0")
    gymnasium.make("wayscan/Forest-v0", image=16)


# ---- flying -------------------------------------------------------------------------------------------


def both_fly(commands, winds=None, spec=None):
    """Metres between drones and twins (T, W) under commands (T, W, 3), and the two."""
    count = commands.shape[1]
    ours, twins = Drones(count, spec), TwinDrones(count, spec)
    for index in range(count):
        ours.put(index, (0, 0, 1), yaw=0.3 * index)
        twins.put(index, (0, 0, 1), yaw=0.3 * index)
    apart = []
    for command in commands * ours.spec.scale:
        ours.fly(command, STEP, winds=winds)
        twins.fly(command, STEP, winds=winds)
        apart.append(np.linalg.norm(ours.position - twins.position, axis=1))
    return np.array(apart), ours, twins


def piecewise(rng, count):
    """Commands (T, count, 3), each held for 0.3 to 2.1 s."""
    commands = np.empty((TEN_SECONDS, count, 3))
    for index in range(count):
        begun = 0
        while begun < TEN_SECONDS:
            held = int(rng.integers(2, 15))
            commands[begun : begun + held, index] = rng.uniform(-1, 1, 3)
            begun += held
    return commands


def test_after_ten_seconds_the_twin_is_where_the_drone_is():
    steady = [[0, 0, 0], [1, 0, 0], [-1, 0, 0], [1, 1, 0], [0.5, -1, 0], [0, 1, 0], [0, 0, 1], [0.7, 0.2, -1]]
    rng = np.random.default_rng(0)
    commands = np.concatenate([np.tile(steady, (TEN_SECONDS, 1, 1)), piecewise(rng, 24)], axis=1)
    winds = np.zeros((commands.shape[1], 3))
    winds[20:, :2] = rng.normal(size=(12, 2))
    apart, ours, twins = both_fly(commands, winds)
    assert apart[-1].max() < 0.2  # promised: 0.3
    assert apart.max() < 0.25
    assert apart[-1].mean() < 0.08
    assert np.abs(ours.yaw - twins.yaw).max() < 0.05


def test_a_new_command_each_action_parts_them_little():
    """White noise asks for tilts that no body follows at once: 0.1 m on average, 0.35 m at worst."""
    commands = np.random.default_rng(1).uniform(-1, 1, (TEN_SECONDS, 16, 3))
    apart, *_ = both_fly(commands)
    assert apart[-1].mean() < 0.15
    assert apart[-1].max() < 0.4


def test_other_makes_of_drone_have_their_twins():
    spec = DroneSpec(forward=4.0, lag=0.4, turn_lag=0.3, drag=3.0, radius=0.15)
    apart, *_ = both_fly(np.tile([[0.8, 0.3, 0.5]], (TEN_SECONDS, 1, 1)), np.array([[1.0, -0.5, 0]]), spec)
    assert apart[-1].max() < 0.3


def test_a_hovering_twin_stays_and_wind_drifts_it_as_it_drifts_the_drone():
    twins, wind = TwinDrones(1), np.array([[0.6, -1.1, 0.0]])
    twins.put(0, (1, 2, 3), yaw=2.0)
    for _ in range(20):
        twins.fly(np.zeros((1, 3)), STEP)
    np.testing.assert_allclose(twins.states[0, :8], [1, 2, 3, 0, 0, 0, 2.0, 0], atol=1e-6)
    for _ in range(60):
        twins.fly(np.zeros((1, 3)), STEP, winds=wind)
    spec = twins.spec
    np.testing.assert_allclose(twins.velocity[0], wind[0] * spec.lag / (spec.drag + spec.lag), atol=2e-3)


def test_the_twin_leans_as_the_drone_does():
    _, ours, twins = both_fly(np.tile([[1.0, 1.0, 0.0]], (30, 1, 1)))
    np.testing.assert_allclose(twins.attitude, ours.attitude, atol=0.02)
    assert twins.attitude[0, 1] < -0.05  # to the left, as it turns


# ---- the body and its autopilot -----------------------------------------------------------------------


def test_axes_are_those_of_the_quaternion():
    rng = np.random.default_rng(0)
    quaternion = rng.normal(size=4)
    quaternion /= np.linalg.norm(quaternion)
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    axes = axes_of(quaternion.tolist(), [0, 0, 1])
    np.testing.assert_allclose(np.stack(axes[:3], axis=1), matrix.reshape(3, 3), atol=1e-12)
    level = axes_of([np.cos(0.4), 0, 0, np.sin(0.4)], [0.3, 0.2, 0.7])
    assert level.yaw_rate == pytest.approx(0.7)


def test_thrusts_keep_the_force_when_the_motors_reach_their_limits():
    frame = Airframe()
    pilot = Autopilot(DroneSpec(), frame)
    level = axes_of([1, 0, 0, 0], [0, 0, 0])
    hover = pilot.thrusts(level, [0, 0, 0], [0, 0, 0], [0, 0, 0])
    np.testing.assert_allclose(hover, frame.weight / 4)
    rolling = pilot.thrusts(level, [0, 3, 0], [5, 5, 0], [2, 1, 0])
    assert sum(rolling) == pytest.approx(frame.weight)
    assert min(rolling) >= -1e-9
    assert max(rolling) <= frame.most + 1e-9


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"mass": 0}, "mass is 0"), ({"inertia": (1, 1, 3)}, "inertia is"), ({"strength": 0.9}, "strength is")],
)
def test_impossible_airframes_are_refused(wrong, told):
    with pytest.raises(ValueError, match=f"airframe: {told}"):
        Airframe(**wrong)


# ---- what is touched and what is seen -----------------------------------------------------------------


def test_a_contact_ends_the_episode():
    env = ForestMujoco(**SMALL)
    _, info = env.reset(seed=0)
    terminated = False
    while not terminated:
        _, reward, terminated, truncated, info = env.step([0, 0, -1])
    assert info["collision"]
    assert not truncated
    assert reward < -15
    assert info["clearance"] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    "thing",
    [
        cylinder((3, 0.1, 0), 0.4, 6, instance=0),
        sphere((3, 0, 1), 0.5, instance=0),
        box((3, 0, 2), (0.5, 0.7, 2), yaw=0.4, instance=0),
    ],
)
def test_the_hull_touches_where_the_embedded_drone_does(thing):
    twins, ours = TwinDrones(1), Drones(1)
    twins.put(0, (0, 0, 1)), ours.put(0, (0, 0, 1))
    twins.surround(0, solids([thing]), floor=0.0, ceiling=4.0)
    places = []
    for drones in (twins, ours):
        for _ in range(20):
            moved = drones.fly(
                np.array([[2.0, 0, 0]]), STEP, solids=solids([thing])[None], floor=0, ceiling=4
            )
            if moved.crashed[0]:
                break
        assert moved.crashed[0]
        assert -0.07 < moved.clearance[0] < 0.001
        places.append(drones.position[0].copy())
    np.testing.assert_allclose(places[0], places[1], atol=0.1)


def test_the_ceiling_is_touched_and_not_seen():
    env = ForestMujoco(image=16, depth="float32", stack=1, density=0.0, far=200.0, steps=200)
    seen, _ = env.reset(seed=0)
    assert seen["depth"][0, 0].max() == 1  # sky
    terminated = False
    while not terminated:
        _, _, terminated, _, info = env.step([0, 0, 1])
    assert info["collision"]
    assert env.worlds.drones.position[0, 2] == pytest.approx(4 - 0.25, abs=0.02)


def test_movers_move_and_are_touched_where_they_are():
    env = ForestMujoco(image=16, moving=4)
    env.reset(seed=1)
    env.step([0, 0, 0])
    arena, worlds = env.worlds.drones.arenas[0], env.worlds
    rows = worlds.solids[0][worlds.movers[0]["row"]]
    assert len(rows) == 4
    np.testing.assert_allclose(arena.data.mocap_pos[:, :2], rows["a"][:, :2], atol=1e-6)
    mujoco.mj_kinematics(arena.model, arena.data)
    moved = arena.data.geom_xpos[arena.model.geom_bodyid > 0][:4, :2]
    np.testing.assert_allclose(moved, rows["a"][:, :2], atol=1e-6)


@pytest.mark.parametrize("gimbal", [True, False])
def test_depth_is_the_renderers(gimbal):
    """From the same places in the same forests: at least 99.9 % of the pixels within 2 cm."""
    options = {"image": 64, "depth": "float32", "stack": 1, "gimbal": gimbal, "moving": 2}
    ours, twin = Forest(**options), ForestMujoco(**options)
    off = []
    for seed in range(4):
        ours.reset(seed=seed), twin.reset(seed=seed)
        for action in ([1, 0.8, 0], [0.7, -0.5, 1]):
            twin.step(action)
            ours.worlds.drones.states[:] = twin.worlds.drones.states
            ours.worlds.solids[:] = twin.worlds.solids
            ours.worlds.look()
            seen, expected = (env.worlds.observation()["depth"] for env in (twin, ours))
            assert expected.std() > 0.05
            off.append(np.abs(seen - expected) * twin.config.far)
    assert (np.array(off) < 0.02).mean() > 0.999


def test_what_forests_do_not_have_is_refused():
    with pytest.raises(ValueError, match="a solid is a capsule; expected a box, sphere or cylinder"):
        TwinDrones(1).surround(0, solids([capsule((0, 0, 0), (0, 0, 1), 0.2, instance=0)]))


def test_the_models_are_of_the_airframe():
    twins = TwinDrones(1, DroneSpec(radius=0.15))
    model, frame = twins.arenas[0].model, twins.airframe
    assert frame.arm == pytest.approx(0.105)  # within the hull
    assert model.body("drone").mass[0] == frame.mass
    np.testing.assert_allclose(sorted(model.body("drone").inertia), sorted(frame.inertia))
    assert model.geom("hull").size[0] == 0.15
    assert model.nu == 4
    np.testing.assert_allclose(np.linalg.norm(model.site_pos, axis=1), frame.arm)
    assert np.abs(np.arctan2(*model.site_pos[:, 1::-1].T)) == pytest.approx(
        [pi / 4, pi / 4, 3 * pi / 4, 3 * pi / 4]
    )
