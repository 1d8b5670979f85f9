"""wayscan/Follow-v0: a gymnasium environment that repeats, refuses nonsense, and that an expert masters."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

import wayscan.world.envs  # noqa: E402, F401
from wayscan.world.colours import COLOURS  # noqa: E402
from wayscan.world.envs.follow import Follow  # noqa: E402
from wayscan.world.following import Expert, Pursuit, draw_task, scores  # noqa: E402
from wayscan.world.following.agents import AGENTS, ColourServo, named_colour  # noqa: E402
from wayscan.world.following.expert import foreseeing  # noqa: E402
from wayscan.world.following.instructions import TEMPLATES, differ, identifies  # noqa: E402
from wayscan.world.following.pursuit import ACCELERATIONS, DT, LIMITS  # noqa: E402
from wayscan.world.following.tasks import SPLITS, FollowSpec  # noqa: E402


def play(env, agent, seed, steps=300):
    observation, info = env.reset(seed=seed)
    for _ in range(steps):
        observation, _, terminated, truncated, info = env.step(agent(env, observation))
        if terminated or truncated:
            break
    return observation, info


def expert(env, _):
    return Expert()(env.unwrapped.pursuit) / LIMITS


@pytest.mark.parametrize("split", SPLITS)
def test_gymnasiums_own_checks(split):
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make("wayscan/Follow-v0", split=split, size=48, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(alternative render modes|Box observation).*")
        check_env(env.unwrapped)


def test_seeded_episodes_repeat_to_the_pixel_also_side_by_side():
    envs = [Follow("distracted", size=64) for _ in range(2)]
    observations = [env.reset(seed=3)[0] for env in envs]
    for _ in range(15):
        one, two = observations
        np.testing.assert_array_equal(one["image"], two["image"])
        np.testing.assert_array_equal(one["velocity"], two["velocity"])
        assert one["instruction"] == two["instruction"]
        observations = [env.step(np.array([0.7, -0.1, 0.2]))[0] for env in envs]
    assert (envs[0].reset(seed=4)[0]["image"] != envs[1].reset(seed=3)[0]["image"]).any()


def test_episodes_without_a_seed_go_on():
    env = Follow(size=32)
    first = env.reset(seed=1)[0]["image"]
    second = env.reset()[0]["image"]
    assert (first != second).any()


def test_actions_are_checked_and_clipped():
    env = Follow(size=32)
    with pytest.raises(RuntimeError, match="call reset first"):
        env.step(np.zeros(3))
    env.reset(seed=0)
    for wrong in ([np.nan, 0, 0], [0, 0], [[0, 0, 0]]):
        with pytest.raises(ValueError, match="expected 3 finite numbers"):
            env.step(np.array(wrong))
    assert env.step(np.array([1.5, 0, 0]))[-1]["clipped"] is True
    assert env.step(np.array([1.0, 0, 0]))[-1]["clipped"] is False


def test_unknown_names_get_advice():
    with pytest.raises(ValueError, match="did you mean distracted"):
        Follow("distractd")
    with pytest.raises(ValueError, match="expected None or 'rgb_array'"):
        Follow(render_mode="human")


def test_the_robot_drives_as_told_within_its_accelerations():
    pursuit = Pursuit(draw_task(np.random.default_rng(0)), FollowSpec(width=16, height=16))
    start = pursuit.robot.copy()
    pursuit.step([1.6, 0, 0])
    np.testing.assert_allclose(pursuit.velocity, [ACCELERATIONS[0] * DT, 0, 0])
    np.testing.assert_allclose(np.linalg.norm((pursuit.robot - start)[:2]), ACCELERATIONS[0] * DT * DT)
    along = (pursuit.robot - start)[:2] @ [np.cos(start[2]), np.sin(start[2])]
    np.testing.assert_allclose(along, ACCELERATIONS[0] * DT * DT)


def test_episodes_begin_with_the_target_in_view():
    for split in SPLITS:
        for seed in range(8):
            pursuit = Pursuit(draw_task(np.random.default_rng(seed), split))
            assert pursuit.following, (split, seed)


def test_instructions_fit_the_target_alone_and_vary():
    said = set()
    for split in SPLITS[1:]:
        for seed in range(25):
            task = draw_task(np.random.default_rng(seed), split)
            target, *others = task.outfits
            assert 3 <= len(others) <= 6
            assert identifies(task.attributes, target, others)
            assert all(str(getattr(target, name)) in task.instruction for name in task.attributes)
            alike = [not differ("shirt", target, o) or not differ("trousers", target, o) for o in others]
            assert all(alike) if split == "ambiguous" else not any(alike)
            said.add(task.instruction)
            assert len(task.instruction) <= 200
    assert len(TEMPLATES) >= 12
    assert len(said) > 45


@pytest.mark.parametrize("split", SPLITS)
def test_the_expert_succeeds_where_trivial_agents_fail(split):
    env = Follow(split, size=32)
    outcomes = {}
    for name, agent in {
        "expert": expert,
        "straight on": lambda _, observation: AGENTS["straight on"]()(observation),
    }.items():
        for seed in range(2):
            play(env, agent, seed)
            outcomes.setdefault(name, []).append(env.pursuit.outcome())
    assert scores(outcomes["expert"])["sr"] == 1.0
    assert scores(outcomes["straight on"])["sr"] == 0.0


def test_foresight_keeps_whoever_drives_off_people_and_things():
    for seed in range(3):
        pursuit = Pursuit(
            draw_task(np.random.default_rng(seed), "distracted"), FollowSpec(width=16, height=16)
        )
        rng = np.random.default_rng(seed)
        wanted = np.zeros(3)
        while pursuit.status == "running" and pursuit.step_count < 100:
            if pursuit.step_count % 10 == 0:
                wanted = rng.uniform(-1, 1, 3) * LIMITS
            pursuit.step(foreseeing(pursuit, wanted))
        assert pursuit.status != "collision"


def test_the_end_is_told_in_full():
    env = Follow(size=32)
    _, info = play(env, lambda *_: np.zeros(3), seed=0)
    assert info["status"] == "lost"
    assert not info["success"]
    with pytest.raises(RuntimeError, match="the episode is over"):
        env.step(np.zeros(3))
    _, info = play(env, expert, seed=0)
    assert info["status"] in ("time", "arrived")
    assert info["success"]


def test_running_into_the_target_is_a_collision():
    def rammer(env, _):
        return [1.0, 0, np.clip(3 * env.unwrapped.pursuit.bearing, -1, 1)]

    env = Follow(size=32)
    observation, info = play(env, rammer, seed=5)
    assert info["status"] == "collision"
    assert observation["image"].shape == (32, 32, 3)


def test_render_shows_the_view_and_the_place_from_above():
    env = Follow(size=96, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    shown = env.render()
    assert shown.shape == (96, 96, 3)
    np.testing.assert_array_equal(shown[32:], observation["image"][32:])
    assert (shown[:32, 64:] != observation["image"][:32, 64:]).any()
    assert Follow(size=32).render() is None


def test_the_colour_servo_turns_to_its_colour():
    image = np.full((64, 64, 3), 90, np.uint8)
    image[20:50, 8:18] = (140, 20, 20)
    observation = {"image": image, "instruction": "Follow the person in a red top.", "velocity": np.zeros(3)}
    action = ColourServo()(observation)
    assert action[2] > 0.5
    words = "Follow the person with red hair, in blue pants."
    np.testing.assert_array_equal(named_colour(words), COLOURS["blue"])


def test_without_gymnasium_the_extra_is_named():
    code = "import sys; sys.modules['gymnasium'] = None; import wayscan.world.follows, wayscan.world.envs"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "wayscan[fly]"' in ran.stderr


def test_following_needs_neither_gymnasium_nor_torch():
    code = (
        "import sys; sys.modules['gymnasium'] = sys.modules['torch'] = None; import numpy as np;"
        "from wayscan.world.following import Pursuit, draw_task; import wayscan.world.follows;"
        "Pursuit(draw_task(np.random.default_rng(0)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
