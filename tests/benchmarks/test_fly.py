"""The pilot's benches in small: what they claim, and that a wrong result is told and not timed."""

import numpy as np
import pytest
import torch
from benchmarks.claims import Findings
from benchmarks.fly_flights import TRIALS, claims_of
from benchmarks.fly_learning import claims_of as compared

from benchmarks import fly
from wayscan.fly.evaluate import Episodes
from wayscan.fly.judge import Judged


def names(findings):
    assert not findings.wrong
    assert all(np.isfinite(claim.value) for claim in findings.claims)
    return {claim.name for claim in findings.claims}


@pytest.fixture
def small(monkeypatch):
    for name, value in {"BATCH": 4, "FILLED": 12, "ROUNDS": 1, "UPDATES": 1, "DECISIONS": 3}.items():
        monkeypatch.setattr(fly, name, value)
    monkeypatch.setattr(fly, "STORED", 600)
    return Findings()


def test_updates(small):
    pytest.importorskip("stable_baselines3")
    fly.measure_updates(small)
    assert {"cnn: updates a second", "cpu: updates a second over stable-baselines3's"} <= names(small)
    goals = {claim.name: claim.goal for claim in small.claims if claim.goal is not None}
    assert set(goals.values()) == {fly.CNN_GOAL, fly.CPU_GOAL}


def test_an_update_that_moves_nothing_is_not_timed(small, monkeypatch):
    monkeypatch.setattr(fly.VMambaTD3Agent, "train", lambda self: {"critic_loss": 1.0})
    fly.measure_updates(small)
    assert not small.claims
    assert "moved 0 of" in small.wrong[0].why


def test_replay(small):
    fly.measure_replay(small)
    assert len(names(small)) == 2


def test_windows_over_the_end_of_an_episode_are_found():
    store = fly.filled_replay(600)
    assert fly.wrong_windows(store) == ""
    ages = store.ages.copy()
    store.ages[:] += 3
    assert "another episode" in fly.wrong_windows(store)
    store.ages[:] = ages
    store.frames[:, :, 0, 0, 1] += 1
    assert "differ" in fly.wrong_windows(store)


def test_decisions(small):
    fly.measure_decisions(small)
    assert len(names(small)) == 2


def test_features_that_are_not_what_they_were_are_not_timed(small, monkeypatch):
    act = fly.FrameMemory.act

    def forgetful(self, frames, states, version=0):
        return act(self, frames, states, version) + version

    monkeypatch.setattr(fly.FrameMemory, "act", forgetful)
    fly.measure_decisions(small)
    assert not small.claims
    assert "apart" in small.wrong[0].why


def test_flights_stand_beside_those_who_learn_nothing():
    values = {name: np.full(4, 0.5) for name in ("success", "collision", "spl", "return")}
    nothing = {"success": 0.25}
    judged = Judged(
        "pilot", "wayscan/Forest-v0", range(4), Episodes(values),
        {"straight": nothing, "potential": nothing, "random": nothing},
        {"depth blanked": nothing, "expert": nothing}, 0.0,
    )  # fmt: skip
    claims = {claim.name.split(": ")[-1]: claim for claim in claims_of("pilot", TRIALS[0], judged)}
    assert claims["success of pilot over the potential field's"].value == 0.25
    assert not claims["success of pilot"].met
    assert claims["success of the straight pilot"].met
    assert claims["success of pilot with its depth blanked"].better == "lower"
    assert len(claims) == 7


def test_what_recipes_found_becomes_claims():
    pendulum = {
        "steps": 20_000, "metrics": {"return": [-150.0, -160.0, -140.0]}, "random": {"return": -1200.0},
        "intervals": {"return": [-175.0, -125.0]}, "known": "others -152",
    }  # fmt: skip
    found = {"comparison": "core", "purpose": "judging", "episodes": 100, "others": {}}
    (claim,) = compared({**found, "variants": {"Pendulum-v1": pendulum}})
    assert claim.met
    assert "random actions -1200" in claim.against
    alone = {**pendulum, "metrics": {"return": [-150.0]}, "intervals": {"return": [None, None]}}
    (once,) = compared({**found, "variants": {"Pendulum-v1": alone}})
    assert once.goal is None
    cnn = {
        "steps": 3_000, "metrics": {"success": [0.5, 0.7, 0.6]}, "intervals": {"success": [0.35, 0.85]},
        "known": "",
    }  # fmt: skip
    found = {
        "comparison": "encoders", "purpose": "tuning", "episodes": 100, "variants": {"cnn": cnn},
        "others": {"straight": {"success": 0.2}},
    }  # fmt: skip
    values = {claim.name: claim.value for claim in compared(found)}
    assert values["encoders: cnn, 3,000 steps: success"] == pytest.approx(0.6)
    assert values["encoders: straight: success"] == 0.2


def test_the_peer_learns_from_what_we_learn_from(small):
    pytest.importorskip("stable_baselines3")
    model = fly.peer()
    drawn = model.replay_buffer.sample(4)
    assert drawn.observations["depth"].shape == (4, 4, 64, 64)
    assert drawn.observations["depth"].dtype == torch.uint8
