"""Forest-v0: Gymnasium's rules, one drone and many alike, rewards, infos and pilots."""

import warnings
from math import pi

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from matplotlib.figure import Figure

import wayscan.world.envs  # noqa: F401 (registers)
from wayscan.world.cameras import Camera
from wayscan.world.envs.forest import Forest, ForestVector
from wayscan.world.envs.forest_reward import Rewards
from wayscan.world.envs.forest_trials import fly_trials, wilson
from wayscan.world.envs.forest_view import draw_map
from wayscan.world.envs.forest_worlds import FACTS, ForestConfig, base_of, configure
from wayscan.world.envs.pilots import PILOTS, column_ranges, make_pilot
from wayscan.world.render import render

SMALL = {"image": 16, "steps": 60}
FORWARD = np.array([1.0, 0.0, 0.0], dtype=np.float32)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        if isinstance(one[name], dict):
            assert_same(one[name], other[name])
        elif one[name].dtype == object:
            for a, b in zip(one[name], other[name], strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    assert_same(a, b)
        else:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
            assert one[name].dtype == other[name].dtype, name


# ---- Gymnasium's rules --------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"stack": 1, "depth": "float32"}])
def test_gymnasium_finds_nothing_wrong(options):
    env = gymnasium.make("wayscan/Forest-v0", image=16, render_mode="rgb_array", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    picture = env.unwrapped.render()
    assert picture.shape == (240, 320, 3)
    assert picture.std() > 10


def test_observations_have_the_seeds_shapes():
    observation, _ = Forest().reset(seed=0)
    assert observation["depth"].shape == (4, 1, 64, 64)
    assert observation["depth"].dtype == np.uint8
    assert observation["base"].shape == (4, 10)
    observation, _ = Forest(stack=1, image=128, depth="float32").reset(seed=0)
    assert observation["depth"].shape == (1, 128, 128)
    assert observation["base"].shape == (10,)


def test_a_flight_is_a_function_of_its_seed():
    def fly():
        env = Forest(**SMALL, noise=0.01, latency=1, moving=3)
        seen = [env.reset(seed=5)[0]] + [env.step([0.8, 0.1 * k % 1, 0])[0] for k in range(8)]
        return np.stack([each["depth"] for each in seen]), np.stack([each["base"] for each in seen])

    for one, again in zip(fly(), fly(), strict=True):
        np.testing.assert_array_equal(one, again)


def test_worlds_of_one_process_do_not_touch():
    alone, first, second = (Forest(**SMALL) for _ in range(3))
    alone.reset(seed=1), first.reset(seed=1), second.reset(seed=2)
    for _ in range(5):
        expected = alone.step(FORWARD)
        seen = first.step(FORWARD)
        second.step(-FORWARD)
        np.testing.assert_array_equal(seen[0]["depth"], expected[0]["depth"])
        assert seen[1] == expected[1]


@pytest.mark.parametrize("action", [[np.nan, 0, 0], [1, 0], [[1, 0, 0]], [np.inf, 0, 0]])
def test_broken_actions_are_refused(action):
    env = Forest(**SMALL)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions"):
        env.step(action)


def test_actions_beyond_the_bounds_are_clipped_and_it_is_said():
    wild, tame = Forest(**SMALL), Forest(**SMALL)
    wild.reset(seed=0), tame.reset(seed=0)
    beyond, within = wild.step([7.0, -3.0, 0.2]), tame.step([1.0, -1.0, 0.2])
    assert beyond[4].pop("clipped") is True
    assert within[4].pop("clipped") is False
    assert beyond[1:] == within[1:]


def test_unknown_options_are_told_the_nearest():
    with pytest.raises(ValueError, match="no option 'densty'; did you mean density"):
        Forest(densty=3)
    with pytest.raises(ValueError, match="depth is 'uint16'"):
        Forest(depth="uint16")
    with pytest.raises(ValueError, match="reset's options"):
        Forest(**SMALL).reset(options={"level": 1})


# ---- many at once -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"stack": 1, "noise": 0.01, "dropout": 0.1, "latency": 1, "gimbal": False}]
)
def test_the_vector_is_gymnasiums_own_of_single_drones(options):
    options = {"image": 16, "steps": 25, "moving": 2, "distance": (4.0, 6.0)} | options
    ours = ForestVector(3, **options)
    theirs = SyncVectorEnv([lambda: Forest(**options)] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    for one, other in zip(ours.reset(seed=7), theirs.reset(seed=7), strict=True):
        assert_same(one, other)
    rng, finished = np.random.default_rng(0), 0
    for _ in range(60):
        actions = rng.uniform([0.2, -0.5, -0.3], [1, 0.5, 0.3], (3, 3)).astype(np.float32)
        mine, expected = ours.step(actions), theirs.step(actions)
        assert_same(mine[0], expected[0])
        for one, other in zip(mine[1:4], expected[1:4], strict=True):
            np.testing.assert_array_equal(one, other)
        assert_same(mine[4], expected[4])
        finished += int((mine[2] | mine[3]).sum())
    assert finished >= 4


def test_gymnasium_makes_the_vector():
    envs = gymnasium.make_vec(
        "wayscan/Forest-v0", 2, vectorization_mode="vector_entry_point", image=16, stack=1
    )
    observation, infos = envs.reset(seed=0)
    assert observation["depth"].shape == (2, 1, 16, 16)
    assert envs.observation_space.contains(observation)
    assert set(FACTS) <= set(infos)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP


def test_without_autoreset_finished_worlds_wait_for_a_mask():
    envs = ForestVector(2, image=16, steps=100, autoreset_mode="Disabled")
    with pytest.raises(RuntimeError, match="never begun"):
        envs.step(np.zeros((2, 3)))
    envs.reset(seed=0)
    over = np.zeros(2, dtype=bool)
    while not over.any():
        _, _, terminated, truncated, infos = envs.step(np.array([[0, 0, -1], [0, 0, 0.0]]))
        over = terminated | truncated
    with pytest.raises(RuntimeError, match="have finished"):
        envs.step(np.zeros((2, 3)))
    before = infos["path_length"][1]
    _, infos = envs.reset(seed=3, options={"reset_mask": over})
    assert infos["steps"][0] == 0
    again, _ = Forest(image=16).reset(seed=3)
    np.testing.assert_array_equal(envs.worlds.observation()["depth"][0], again["depth"])
    assert envs.step(np.zeros((2, 3)))[4]["path_length"][1] >= before


def test_the_next_steps_autoreset_is_refused():
    with pytest.raises(ValueError, match="autoreset_mode is 'NextStep'"):
        ForestVector(2, autoreset_mode=AutoresetMode.NEXT_STEP)


# ---- what is seen and what is paid --------------------------------------------------------------------


def test_depth_is_the_renderers_and_stacks_grow_from_the_first_frame():
    env = Forest(image=32, depth="float32", gimbal=False)
    observation, _ = env.reset(seed=2)
    assert (observation["depth"] == observation["depth"][0]).all()
    older = observation
    for _ in range(3):
        observation, *_ = env.step([1, 0.5, 0])
        np.testing.assert_array_equal(observation["depth"][:-1], older["depth"][1:])
        np.testing.assert_array_equal(observation["base"][:-1], older["base"][1:])
        older = observation
    worlds = env.worlds
    (pitch, roll), place = worlds.drones.attitude[0].tolist(), tuple(worlds.drones.position[0].tolist())
    assert abs(roll) > 0.01
    camera = Camera(
        width=32, height=32, position=place, yaw=float(worlds.drones.yaw[0]), pitch=pitch, roll=roll
    )
    assert worlds.forests[0] is not None
    frame = render(worlds.forests[0].scene().__class__(solids=worlds.solids[0]), camera)
    np.testing.assert_allclose(observation["depth"][-1, 0], np.minimum(frame.depth / 20, 1), atol=2e-4)


def test_base_is_the_flights_state_in_the_level_frame():
    drone = configure().drone
    base = base_of(
        np.array([[0.0, 10, 1]]), np.array([[0.0, 1, 0.15]]), np.array([pi / 2 + 2 * pi]), np.array([0.5]),
        np.array([2.0]), drone, 4.0,
    )  # fmt: skip
    np.testing.assert_allclose(base[0], [0.25, 0, 0.25, 0.5, 0, 0.5, 1.5 / pi, 0.5, 0, 0.5], atol=1e-6)


def test_the_reward_is_the_formula():
    rewards = Rewards()
    rows = rewards(
        np.array([5.0, 5.0, 5.0, 5.0]),
        np.array([4.7, 0.9, 4.7, 5.0]),
        np.array([1.0, 1.0, -0.01, 0.25]),
        np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0.0]]),
        np.array([False, True, False, False]),
        np.array([False, False, True, False]),
        np.array([False, False, False, True]),
    )
    np.testing.assert_allclose(rows, [0.28, 24.08, -20.02, -30 - 0.02 - 0.3 / 4 - 0.01])


def test_episodes_end_by_arrival_crash_and_time():
    arrived = Forest(**SMALL, density=0.0, moving=0, distance=(4.0, 5.0), heading=0.0)
    arrived.reset(seed=0)
    for _ in range(40):
        _, reward, terminated, truncated, info = arrived.step(make_pilot("expert")(None, arrived.worlds)[0])
        if terminated:
            break
    assert info["success"]
    assert reward > 15
    assert not truncated
    assert info["distance"] < 1.0
    assert info["path_length"] < info["straight_length"] + 1.0
    crashed = Forest(**SMALL)
    crashed.reset(seed=0)
    while not terminated or info["success"]:
        _, reward, terminated, truncated, info = crashed.step([0, 0, -1])
    assert info["collision"]
    assert reward < -15
    late = Forest(**SMALL, moving=0)
    late.reset(seed=0)
    ends = [late.step([0, 0, 0])[1:4] for _ in range(60)]
    assert [end[2] for end in ends] == [False] * 59 + [True]
    assert ends[-1][0] < -25


def test_the_curriculum_is_set_when_resetting():
    env = Forest(**SMALL)
    _, easy = env.reset(seed=0, options={"curriculum": 0.0})
    _, still_easy = env.reset(seed=0)
    _, hard = env.reset(seed=0, options={"curriculum": 1.0})
    assert easy == still_easy
    assert easy["straight_length"] < 0.6 * hard["straight_length"]


def test_info_says_what_found_no_place():
    assert Forest(**SMALL, density=150.0).reset(seed=0)[1]["unplaced"] > 100


# ---- pilots -------------------------------------------------------------------------------------------


def test_the_expert_arrives_and_trivial_pilots_do_not():
    config = configure(stack=1, image=32)
    metrics = {name: fly_trials(make_pilot(name), range(24), config).metrics() for name in PILOTS}
    assert metrics["expert"]["success"] >= 0.95
    assert metrics["straight"]["success"] <= 0.45
    assert metrics["random"]["success"] == 0
    assert metrics["straight"]["success"] < metrics["potential"]["success"]
    for found in metrics.values():
        assert found["success"] + found["collision"] + found["timeout"] == pytest.approx(1)
        assert found["spl"] <= found["success"]


def test_a_trial_is_the_episode_of_its_seed_in_any_company():
    config = configure(stack=1, **SMALL)
    one = fly_trials(make_pilot("potential"), range(7), config, worlds=3)
    other = fly_trials(make_pilot("potential"), range(7), config, worlds=7)
    for name in ("success", "path", "straight", "length", "returns"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_unknown_pilots_are_told_the_nearest():
    with pytest.raises(ValueError, match="did you mean expert"):
        make_pilot("expart")


def test_a_map_shows_forest_and_flight():
    figure = Figure()
    axes = figure.subplots()
    env = Forest(**SMALL, moving=2)
    env.reset(seed=0)
    draw_map(axes, env.worlds.forests[0], {"flown": np.stack([env.worlds.forests[0].start] * 2)})
    assert len(axes.patches) == 1 + len(env.worlds.forests[0].footprints)
    assert "flown" in axes.get_legend_handles_labels()[1]


def test_columns_see_what_stands_at_the_hulls_height():
    config = ForestConfig(image=64)
    depth = np.ones((1, 64, 64), dtype=np.float32)
    depth[0, 40:] = 3.0 / config.far  # ground below the hull
    depth[0, 20:, 10] = 2.0 / config.far  # a trunk
    ranges, angles = column_ranges(depth, config, 0.4)
    assert ranges[0, 10] == pytest.approx(2.0 / np.cos(angles[10]), rel=1e-5)
    assert (np.delete(ranges[0], 10) >= config.far).all()
    assert angles[0] > 0.7  # the image's left is left


def test_wilsons_interval():
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
