"""Evaluation from names: what is shown to a blind pilot, and who flies beside it."""

import json

import numpy as np
import pytest

from wayscan.fly import Pilot, PilotConfig, Policy
from wayscan.fly.commands import VERBS
from wayscan.fly.evaluate import blind
from wayscan.fly.judge import judge

TINY = {"encoder": "mlp", "hidden_dim": 16, "feature_dim": 8, "state_feature_dim": 8, "seq_len": 2}


def test_a_blind_pilot_sees_nothing_near():
    seen = []

    def decide(frames, states, fresh):
        seen.append(frames)
        return states[:, :1]

    frames, states, fresh = (
        np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4),
        np.ones((1, 2)),
        np.ones(1, bool),
    )
    assert blind(decide)(frames, states, fresh).tolist() == [[1.0]]
    assert seen[0].dtype == np.uint8
    assert (seen[0] == 255).all()
    assert frames[0, 0, 0, 1] == 1
    blind(decide)(None, states, fresh)
    assert seen[1] is None


@pytest.fixture(scope="module")
def seeing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pilot")
    return Pilot(Policy(PilotConfig(image=(1, 16, 16), **TINY))).save_pretrained(folder)


def test_the_blind_flight_is_a_reference(seeing, capsys):
    options = {"image": 16, "steps": 4}
    flags = {"model": str(seeing), "env_options": options, "episodes": 2, "purpose": "tuning", "json": True}
    assert VERBS["evaluate"](**flags, blank_depth=True) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found["references"]) == {"depth blanked", "expert"}
    assert found["references"]["depth blanked"].keys() == found["metrics"].keys()
    assert {"straight", "potential"} <= set(found["baselines"])
    assert VERBS["evaluate"](**flags) == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])["references"]) == {"expert"}


def test_who_sees_nothing_cannot_be_blinded(tmp_path):
    pilot = Pilot(Policy(PilotConfig(image=None, state_dim=3, action_low=(-2,), action_high=(2,), **TINY)))
    with pytest.raises(ValueError, match="sees no images"):
        judge(str(pilot.save_pretrained(tmp_path)), "Pendulum-v1", {}, episodes=1, blank_depth=True)
