"""Figures and the film: that they are there, what they are made of, and what is refused in one line."""

import json

import cv2
import numpy as np
import pytest
import torch

from wayscan import cli
from wayscan.data.fonts import font_settings
from wayscan.data.runs.folder import Run
from wayscan.data.video import VideoFile
from wayscan.fly import Pilot, PilotConfig, Policy, visualize_attention_weights, visualize_feature_evolution
from wayscan.fly.environment import make_environment
from wayscan.fly.figures import WORDS, word
from wayscan.fly.film import film
from wayscan.fly.insight import look_inside
from wayscan.fly.open import opened
from wayscan.fly.recording import Flight, RandomPilot, record
from wayscan.fly.show import _features, left_out, show_pilot

OPTIONS = {"image": 16, "steps": 12, "distance": (6.0, 8.0)}
TINY = {
    "image": (1, 16, 16), "state_dim": 10, "vmamba_patch_size": 4, "vmamba_hidden_dim": 4, "feature_dim": 8,
    "state_feature_dim": 8, "hidden_dim": 16, "vmamba_num_vss_blocks": (1, 1, 1, 1), "vmamba_ssm_ratio": 1.0,
    "vmamba_mlp_ratio": 1.0, "vmamba_ssm_d_state": 2, "vmamba_layer_scale_init": 0.0, "seq_len": 3,
    "temporal": "lean",
}  # fmt: skip
ALONE = {"image": None, "state_dim": 3, "action_low": (-2.0,), "action_high": (2.0,), "encoder": "gru"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pilot of forests, and one of pendulums."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("show")
    Pilot(Policy(PilotConfig(**TINY))).save_pretrained(place / "forest")
    Pilot(Policy(PilotConfig(**{**TINY, **ALONE}))).save_pretrained(place / "pendulum")
    return place


@pytest.fixture(scope="module")
def flights(folder):
    with opened(str(folder / "forest"), "wayscan/Forest-v0", OPTIONS) as (pilot, env, _, _):
        return pilot, [record(pilot, env, seed) for seed in (3, 4)]


def test_a_flight_is_kept_whole(flights):
    _, (flight, _) = flights
    count = len(flight)
    assert flight.frames.shape == (count + 1, 1, 16, 16)
    assert flight.states.shape == (count + 1, 10)
    assert flight.shares.shape == (count, 3)
    assert flight.way.positions.shape == (count + 1, 3)
    assert flight.outcome == "timeout" if count == 12 else flight.outcome in ("success", "collision")
    assert (flight.far, flight.seconds) == (20.0, 0.15)
    np.testing.assert_allclose(flight.way.positions[0], flight.way.forest.start)


def test_the_inside_is_what_the_pilot_decided_by(flights):
    pilot, (flight, _) = flights
    inside = look_inside(pilot.policy, flight.frames[:-1], flight.states[:-1])
    with torch.no_grad():
        shares = pilot.policy.actor(torch.from_numpy(inside.context))
    np.testing.assert_allclose(shares, flight.shares, atol=1e-5)
    assert inside.attention.shape == (len(flight), 4, 3)
    np.testing.assert_allclose(inside.attention.sum(-1), 1, atol=1e-5)
    # The first decision sees one frame three times.
    seen = pilot.policy.stream.see(torch.from_numpy(flight.frames[None, :1]))[0, 0]
    np.testing.assert_allclose(inside.visual[0], seen.detach(), atol=1e-5)


def test_the_inside_of_a_pilot_that_sees_its_frames_as_one():
    pilot = Pilot(
        Policy(PilotConfig(**{**TINY, "image": (1, 36, 36), "encoder": "cnn", "temporal": "stack"}))
    )
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 1, 36, 36)).astype(np.uint8)
    states = rng.normal(size=(4, 10)).astype(np.float32)
    shares = [
        pilot.step({"depth": frame, "base": state}).share for frame, state in zip(frames, states, strict=True)
    ]
    inside = look_inside(pilot.policy, frames, states)
    with torch.no_grad():
        np.testing.assert_allclose(pilot.policy.actor(torch.from_numpy(inside.context)), shares, atol=1e-5)
    assert inside.visual.shape == (4, 8)
    assert inside.attention is None


def test_features_go_on_into_the_next_episode(flights):
    pilot, both = flights
    inside = [look_inside(pilot.policy, each.frames[:-1], each.states[:-1]) for each in both]
    first = len(both[0])
    panels, begins = _features(inside, first + 1)
    assert list(panels) == ["visual features", "state features", "context"]
    assert {len(values) for values in panels.values()} == {first + 1}
    assert begins == [first]
    assert _features(inside, first)[1] == []


def test_the_film_has_every_moment_and_the_last_one_stays(flights):
    _, (flight, _) = flights
    frames = list(film(flight, "a pilot", "en", hold=2))
    assert len(frames) == len(flight) + 3
    assert frames[0].shape == (500, 1120, 3)
    assert (frames[-1] == frames[-2]).all()
    assert (frames[-1] != frames[-4]).any()


def test_a_film_of_a_world_without_a_map():
    rng = np.random.default_rng(0)
    flight = Flight(
        seed=0, frames=rng.integers(0, 256, (3, 3, 8, 8), np.uint8), states=np.zeros((3, 2), np.float32),
        shares=np.zeros((2, 2), np.float32), rewards=np.zeros(2), outcome="cut", way=None, far=None,
        view=None, seconds=None,
    )  # fmt: skip
    assert len(list(film(flight, "a pilot", "en", hold=0))) == 3


def test_the_verb_writes_all_and_says_so(folder, tmp_path, capsys):
    words = [
        "fly",
        "show",
        "--model",
        str(folder / "forest"),
        "--out",
        str(tmp_path / "new"),
        "--flights",
        "2",
    ]
    words += ["--steps", "9", "--seed", "3", "--env-options", "image", "16", "steps", "6", "--json"]
    assert cli.main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["skipped"] == {}
    assert set(report["written"]) == {"attention", "features", "returns", "flights", "film"}
    for part, path in report["written"].items():
        if part != "film":
            assert cv2.imread(path).std() > 5, part
    video = VideoFile(report["written"]["film"])
    assert video.codec == "h264"
    assert len(video) == report["flights"][0]["length"] + 1 + 11
    assert [flight["seed"] for flight in report["baselines"]["random"]] == [3, 4]


def test_what_does_not_apply_is_left_out(folder, tmp_path):
    shown = show_pilot(str(folder / "pendulum"), tmp_path, env_name="Pendulum-v1", flights=1, steps=10)
    assert set(shown.skipped) == {"attention", "flights", "film"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.png", "returns.png"]
    single = look_inside(Policy(PilotConfig(**{**TINY, "seq_len": 1})), *made(4))
    assert "one frame" in left_out(shown.flights[0], single)["attention"]


def made(count):
    return np.zeros((count, 1, 16, 16), np.uint8), np.zeros((count, 10), np.float32)


def test_the_seeds_functions(folder, tmp_path):
    words = {"env_options": OPTIONS, "seed": 3}
    path = visualize_attention_weights(str(folder / "forest"), tmp_path / "a.png", **words)
    assert path.is_file()
    path = visualize_feature_evolution(str(folder / "forest"), 15, tmp_path / "f.png", **words)
    assert path.is_file()
    with pytest.raises(ValueError, match="has no attention to show"):
        visualize_attention_weights(str(folder / "pendulum"), tmp_path / "b.png", env_name="Pendulum-v1")


def test_in_chinese(folder, tmp_path):
    try:
        font_settings("zh")
    except ValueError:
        pytest.skip("no font with Chinese glyphs")
    visualize_attention_weights(
        str(folder / "forest"), tmp_path / "zh.png", env_options=OPTIONS, language="zh"
    )
    assert word("{} of {} reached the goal", "zh", 4, 6) == "6 次飞行中 4 次到达目标"
    for english, chinese in WORDS.items():
        assert english.count("{") == chinese.count("{"), english


def test_a_run_is_shown_in_its_own_environment(folder, tmp_path):
    run = Run.create(tmp_path / "run", config={"env_name": "Pendulum-v1", "env_options": {"g": 5.0}})
    Pilot.from_pretrained(folder / "pendulum").save_pretrained(run.path / "model")
    with opened(str(run.path), None, None) as (_, env, name, called):
        assert (name, called, env.unwrapped.g) == ("Pendulum-v1", "run", 5.0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "nobody"], "no pretrained model"),
        (["--model", "pendulum"], "choose another environment"),
        (["--model", "pendulum", "--env-name", "Pendulun-v1"], "did you mean Pendulum-v1"),
        (["--model", "pendulum", "--env-name", "Pendulum-v1", "--out", "file"], "cannot be a folder"),
        (["--model", "pendulum", "--flights", "0"], "expected 1 or more"),
    ],
)
def test_bad_input(folder, monkeypatch, capsys, words, said):
    monkeypatch.chdir(folder)
    (folder / "file").touch()
    assert cli.main(["fly", "show", *words]) == 2
    out, error = capsys.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert said in error


def test_an_option_that_an_environment_does_not_have():
    with pytest.raises(
        ValueError, match=r"cannot be made with {'wind': 3}.*unexpected keyword argument 'wind'"
    ):
        make_environment("Pendulum-v1", {"wind": 3})


def test_random_actions_are_the_seeds():
    env = make_environment("Pendulum-v1")
    both = [record(RandomPilot(env.action_space, 5), env, 5) for _ in range(2)]
    np.testing.assert_array_equal(both[0].rewards, both[1].rewards)
    assert both[0].outcome == "cut"
