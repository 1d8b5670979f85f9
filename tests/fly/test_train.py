"""The training: environments of all kinds, deaths and nonsense, kill and resume, imitation, curriculum."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from wayscan.data.runs.folder import Run
from wayscan.fly import FlyTrainConfig, Pilot
from wayscan.fly.course import Course
from wayscan.fly.evaluate import Episodes, fly_episodes, random_actions
from wayscan.fly.fleet import Fleet
from wayscan.fly.observations import Reader
from wayscan.fly.train import Training
from wayscan.train.checkpoint import load_state
from wayscan.train.task import TrainingFailedError

TINY = {
    "preset": "cpu", "batch_size": 4, "buffer_size": 60, "learning_starts": 8, "hidden_dim": 16,
    "feature_dim": 8, "state_feature_dim": 8, "vmamba_hidden_dim": 4, "evaluate_episodes": 2,
    "evaluate_every": 0, "save_interval": 16, "log_every": 8, "progress": False, "max_timesteps": 40,
    "threads": 1, "seq_len": 2, "vmamba_patch_size": 2,
}  # fmt: skip


class Dot(gymnasium.Env):
    """Bring a dot to the middle. It breaks as it is told to."""

    action_space = spaces.Box(np.full(1, -2.0, np.float32), np.full(1, 2.0, np.float32))

    def __init__(self, *, image=True, steps=7, breaks=None, every=9):
        self.image, self.steps, self.breaks, self.every = image, steps, breaks, every
        state = spaces.Box(-5, 5, (2,), np.float32)
        picture = spaces.Box(0, 255, (1, 16, 16), np.uint8)
        self.observation_space = spaces.Dict(depth=picture, base=state) if image else state
        self.count = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.t = float(self.np_random.uniform(-1, 1)), 0
        self.options = options
        return self.show(), {}

    def step(self, action):
        assert self.action_space.contains(np.asarray(action, np.float32)), action
        self.count += 1
        self.t += 1
        self.x += 0.2 * float(action[0])
        seen, reward = self.show(), -abs(self.x)
        if self.breaks and self.count % self.every == 0:
            if self.breaks == "dies":
                raise RuntimeError("the simulator is gone")
            if self.breaks == "reward":
                reward = float("nan")
            elif self.breaks == "state":
                seen["base"][0] = np.inf
            elif self.breaks == "size":
                seen["depth"] = seen["depth"][:, :8]
            elif self.breaks == "dtype":
                seen["depth"] = seen["depth"].astype(np.float32)
        return seen, reward, abs(self.x) > 3, self.t >= self.steps, {"success": abs(self.x) < 0.2}

    def show(self):
        state = np.array([self.x, self.t / 10], np.float32)
        if not self.image:
            return state
        picture = np.zeros((1, 16, 16), np.uint8)
        picture[0, int(np.clip(8 + 2 * self.x, 0, 15))] = 255
        return {"depth": picture, "base": state}


def training(folder, make=Dot, **changes):
    return Training(FlyTrainConfig(run=folder, **{**TINY, **changes}), make)


@pytest.mark.parametrize("envs", [1, 3])
@pytest.mark.parametrize("image", [True, False])
def test_any_environment_is_trained_on(tmp_path, envs, image):
    run = training(
        tmp_path, lambda: Dot(image=image), envs=envs, random_shift=1, max_timesteps=32, evaluate_every=20,
        save_interval=20,
    )  # fmt: skip
    result = run.fit()
    assert result.state == "finished"
    assert result.step == (32 if envs == 1 else 33)
    assert run.agent.total_it > 20
    line = [each for each in Run.open(tmp_path).metrics.read() if "episodes" in each][-1]
    assert line["episodes"] >= 3
    assert line["replay"] == result.step
    assert "parts/actor_loss" in line
    assert result.best["metric"] == "validation/return"
    run.finish(result)
    pilot = Pilot.from_pretrained(tmp_path)
    env = Dot(image=image)
    action = pilot.step(env.reset(seed=0)[0]).action
    assert env.action_space.contains(action)


def test_lines_are_written_before_learning_starts(tmp_path):
    training(tmp_path, learning_starts=30, max_timesteps=24, encoder="mlp").fit()
    lines = Run.open(tmp_path).metrics.read()
    assert [line["step"] for line in lines if "updates" in line] == [8, 16, 24]
    assert all(line["updates"] == 0 for line in lines if "updates" in line)


def test_truncation_is_bootstrapped_and_the_last_frame_is_real(tmp_path):
    run = training(tmp_path, lambda: Dot(steps=3), max_timesteps=15, learning_starts=50, encoder="mlp")
    run.fit()
    store = run.agent.replay_buffer
    drawn = store.sample(200, np.random.default_rng(0))
    assert drawn.dones.sum() == 0
    # Time goes on by a tenth in every transition: no frame of another episode is ever next.
    steps = drawn.states[:, -1, 1] - drawn.states[:, -2, 1]
    np.testing.assert_allclose(steps, 0.1, atol=1e-6)
    assert drawn.states[:, -1, 1].max() == pytest.approx(0.3)


@pytest.mark.parametrize("breaks", ["dies", "reward", "state"])
def test_environments_that_break_are_made_anew_and_counted(tmp_path, breaks, capsys):
    run = training(tmp_path, lambda: Dot(breaks=breaks), max_timesteps=48, envs=2, encoder="mlp")
    result = run.fit()
    assert result.state == "finished"
    line = Run.open(tmp_path).metrics.read()[-2]
    lost = run.fleet.losses
    assert lost >= 4
    assert line["lost"] == lost
    assert line["died"] == (lost if breaks == "dies" else 0)
    assert run.agent.replay_buffer.steps == 48 - lost
    drawn = run.agent.replay_buffer.sample(300, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.states[:, -1, 1] - drawn.states[:, -2, 1], 0.1, atol=1e-6)
    assert "its transition is dropped" in capsys.readouterr().err


def test_an_environment_that_only_breaks_stops_the_run(tmp_path):
    run = training(tmp_path, lambda: Dot(breaks="dies", every=1))
    with pytest.raises(TrainingFailedError, match="the simulator is gone; so did"):
        run.fit()
    assert Run.open(tmp_path).state().state == "failed"


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        ("size", r"uint8 \(1, 8, 16\); expected uint8 \(1, 16, 16\)"),
        ("dtype", "is float32 .* expected uint8"),
    ],
)
def test_observations_that_do_not_fit_are_refused(tmp_path, breaks, words):
    with pytest.raises(ValueError, match=words):
        training(tmp_path, lambda: Dot(breaks=breaks)).fit()


def test_environments_without_a_box_action_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a Box of one dimension"):
        training(tmp_path, lambda: gymnasium.make("CartPole-v1")).fit()
    with pytest.raises(ValueError, match="did you mean wayscan/Forest-v0"):
        Training(FlyTrainConfig(run=tmp_path / "other", env_name="wayscan/Forest-v1")).fit()
    with pytest.raises(ValueError, match="one simulator"):
        Training(FlyTrainConfig(env_name="AirSimEnv-v42", envs=2))


class _KilledError(Exception):
    pass


@pytest.mark.parametrize(
    "changes",
    [
        {"envs": 1, "train_freq": 2},
        {"envs": 2, "encoder": "mlp", "exploration": "gaussian", "first_actions": "actor"},
        {"envs": 2, "freeze_encoder": True},
    ],
)
def test_a_killed_run_goes_on_to_the_same_numbers(tmp_path, changes):
    about = {"max_timesteps": 40, "evaluate_every": 20, "curriculum": "success", **changes}
    about |= {"vmamba_drop_path_rate": 0.3, "vmamba_patch_size": 4}
    about |= {"save_interval": 8, "learning_starts": 16, "buffer_size": 24}  # the replay has wrapped before
    if "freeze_encoder" in changes:
        begun = training(tmp_path / "pilot", vmamba_patch_size=4, max_timesteps=8)
        begun.finish(begun.fit())
        about["init"] = str(tmp_path / "pilot")
    training(tmp_path / "whole", **about).fit()

    broken = training(tmp_path / "killed", **about)
    learn = broken._learn

    def dying(step):
        if step >= 27:
            broken.checkpointer.wait()
            raise _KilledError
        learn(step)

    broken._learn = dying
    with pytest.raises(_KilledError):
        broken.fit()
    training(tmp_path / "killed", **about, resume=True).fit()

    whole, killed = (Run.open(tmp_path / name) for name in ("whole", "killed"))
    assert whole.metrics.read() == killed.metrics.read()
    states = [load_state(run.checkpoints().last()[0]) for run in (whole, killed)]
    for name, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][name]), name
    assert states[0]["replay"]["steps"] == states[1]["replay"]["steps"]


def test_a_run_with_other_settings_does_not_go_on(tmp_path):
    training(tmp_path, max_timesteps=16, encoder="mlp").fit()
    with pytest.raises(ValueError, match=r"settings\.gamma +0\.99 +0\.9"):
        training(tmp_path, max_timesteps=16, encoder="mlp", gamma=0.9, resume=True).fit()


def test_ctrl_c_goes_on_from_the_planned_checkpoint(tmp_path, capsys):
    run = training(tmp_path, encoder="mlp")
    learn = run._learn

    def interrupting(step):
        learn(step)
        if step == 20:
            run.interruption.signal = 2

    run._learn = interrupting
    with pytest.raises(SystemExit) as stopped:
        run.fit()
    assert stopped.value.code == 130
    assert "resume goes on from step 16" in capsys.readouterr().err
    assert training(tmp_path, encoder="mlp", resume=True).fit().step == 40


def test_a_pilot_is_imitated_first(tmp_path):
    options = {"steps": 10, "image": 16}
    run = Training(
        FlyTrainConfig(
            run=tmp_path,
            **{**TINY, "max_timesteps": 28},
            env_options=options,
            warm_start="expert",
            warm_start_steps=16,
            policy_starts=3,
        )
    )
    result = run.fit()
    assert result.state == "finished"
    agent = run.agent
    assert agent.td3.imitations == 16 - 7
    assert agent.total_it == 12
    store = agent.replay_buffer
    flown = store.acted[0]
    meant, done = store.meant[0][flown], store.actions[0][flown]
    assert len(meant) == 28
    assert np.isfinite(meant).all()
    assert not np.array_equal(meant[16:], done[16:])  # the pilot's own, before noise
    assert {"validation/success", "validation/spl"} <= set(Run.open(tmp_path).metrics.read()[-1])


def test_imitation_learns():
    from wayscan.fly import VMambaTD3Agent, get_config

    agent = VMambaTD3Agent(3, None, Dot.action_space, get_config("cpu", encoder="mlp", batch_size=32))
    rng = np.random.default_rng(0)
    agent.replay_buffer.begin(0, None, np.zeros(3, np.float32))
    for _ in range(200):
        state = rng.normal(size=3).astype(np.float32)
        label = np.tanh(agent.replay_buffer.states[0, agent.replay_buffer.cursors[0] - 1, :1])
        agent.replay_buffer.step(0, label, 0.0, None, state, terminated=False, meant=label)
    losses = [agent.imitate()["imitation_loss"] for _ in range(150)]
    assert np.mean(losses[-10:]) < 0.1 * np.mean(losses[:10])
    agent.end_imitation()
    for name, value in agent.networks.policy.stream.state_dict().items():
        assert torch.equal(value, agent.networks.judge_target.stream.state_dict()[name])


def test_pilots_of_forests_teach_forests_only(tmp_path):
    with pytest.raises(ValueError, match="set env_name, or warm_start none"):
        training(tmp_path, warm_start="expert", make=lambda: gymnasium.make("Pendulum-v1")).fit()


def test_the_curriculum_rises():
    course = Course("success", 1, 100)
    assert course.level(50) == 0
    for _ in range(20):
        course.paid(0, 1.0)
        course.ended(0, {"success": True})
    assert course.level(50) == pytest.approx(0.05)
    assert course.flush()["episode/return"] == 1.0
    again = Course("success", 1, 100)
    again.load_state_dict(course.state_dict())
    assert again.level(0) == course.level(0)
    assert Course("linear", 1, 100).level(25) == 0.5
    assert Course("linear", 1, 100).level(80) == 1.0
    assert Course("none", 1, 100).level(0) == 1.0


def test_resets_are_told_the_level():
    fleet = Fleet(lambda: Dot(), 2)
    fleet.options = {"curriculum": 0.25}
    fleet.begin(0)
    assert [env.options for env in fleet.envs] == [{"curriculum": 0.25}] * 2
    first = fleet.states.copy()
    fleet.begin(0)
    assert np.array_equal(first, fleet.states)
    fleet.begin(1)
    assert not np.array_equal(first, fleet.states)


def test_episodes_are_those_of_their_seeds_however_many_fly():
    alone = fly_episodes(random_actions(1), [Dot()], range(1))

    def still(frames, states, fresh):
        return np.zeros((len(states), 1), np.float32)

    one, many = (fly_episodes(still, [Dot() for _ in range(n)], range(5)) for n in (1, 3))
    assert np.array_equal(one.values["return"], many.values["return"])
    assert alone.values["length"] == [7]
    assert set(one.metrics()) == {"return", "length", "success"}
    low, high = Episodes({**one.values, "success": np.ones(5)}).intervals()["success"]
    assert low == pytest.approx(0.566, abs=0.01)
    assert high == 1.0


def test_spaces_are_read():
    picture = spaces.Box(0.0, 20.0, (8, 6, 3), np.float32)
    reader = Reader(spaces.Dict(view=picture, speed=spaces.Box(-1, 1, (2,)), place=spaces.Box(-1, 1, (3,))))
    assert reader.image == (3, 8, 6)
    assert reader.state_dim == 5
    seen = reader({
        "view": np.full((8, 6, 3), 10.0, np.float32), "speed": np.zeros(2, np.float32),
        "place": np.ones(3, np.float32),
    })  # fmt: skip
    assert (seen.frame == 128).all()
    assert sorted(seen.state.tolist()) == [0, 0, 1, 1, 1]
    for space, words in (
        (spaces.Discrete(3), "expected a Box"),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), "at least one state"),
        (spaces.Dict(a=spaces.Box(-np.inf, np.inf, (1, 8, 8)), b=spaces.Box(0, 1, (2,))), "finite bounds"),
    ):
        with pytest.raises(ValueError, match=words):
            Reader(space)
