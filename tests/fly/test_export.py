"""The exported graph decides as the pilot does, carries its state, and says what it is."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from wayscan import cli
from wayscan.fly import Pilot, PilotConfig, Policy
from wayscan.fly.actions import to_environment

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from wayscan.fly.export import SAME, compare, export_pilot, made_up, parity
from wayscan.fly.onnx import OnnxPilot

TINY = {
    "image": (1, 36, 40), "state_dim": 5, "vmamba_patch_size": 4, "vmamba_hidden_dim": 4, "feature_dim": 8,
    "state_feature_dim": 8, "hidden_dim": 16, "vmamba_num_vss_blocks": (1, 1, 1, 1), "vmamba_ssm_ratio": 1.0,
    "vmamba_mlp_ratio": 1.0, "vmamba_ssm_d_state": 2, "vmamba_layer_scale_init": 0.0, "seq_len": 3,
    "action_low": (-1.0, 0.0), "action_high": (3.0, 0.5),
}  # fmt: skip
ALONE = {"image": None, "state_dim": 3, "action_low": (-2.0,), "action_high": (2.0,)}


def pilot_of(**changes):
    torch.manual_seed(0)
    return Pilot(Policy(PilotConfig(**{**TINY, **changes})))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    pilot, path = pilot_of(encoder="mlp"), tmp_path_factory.mktemp("exported") / "actor.onnx"
    export_pilot(pilot, path)
    return pilot, path


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": "vmamba", "image": (2, 36, 40), "temporal": "lean"},
        {"encoder": "cnn", "temporal": "none"},
        {"encoder": "cnn", "temporal": "stack"},
        {"encoder": "lstm"},
        {"encoder": "gru"},
        {"encoder": "mingru"},
        {"encoder": "mlp", **ALONE, "seq_len": 1},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_encoder_decides_as_in_torch(changes, tmp_path):
    pilot = pilot_of(**changes)
    written = export_pilot(pilot, tmp_path / "actor.onnx")
    assert written["bytes"] == (tmp_path / "actor.onnx").stat().st_size
    assert written["nodes"] < 600
    expect_the_same(pilot, tmp_path / "actor.onnx")


def expect_the_same(pilot, path):
    flights = [list(made_up(pilot.config, 7, seed)) for seed in range(2)]  # the second begins after a reset
    assert parity(pilot, OnnxPilot(path), flights)["difference"] < SAME


def test_nothing_grows_and_the_first_moment_stands_for_those_before_it(exported):
    pilot, path = exported
    expect_the_same(pilot, path)
    session, config = OnnxPilot(path)._session, pilot.config
    shapes = {each.name: each.shape for each in session.get_inputs()}
    assert shapes == {"image": [1, 1, 36, 40], "state": [1, 5], "memory": [1, 2, 16], "first": [1]}
    moment = next(made_up(config))
    given = {name: value[None] for name, value in moment.items()} | {"first": np.array([True])}
    noise = np.random.default_rng(0).normal(size=(1, 2, 16)).astype(np.float32)
    answers = [session.run(None, {**given, "memory": memory}) for memory in (noise, 0 * noise)]
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one, other)
    action, share, memory = answers[0]
    assert memory.shape == noise.shape
    np.testing.assert_allclose(action[0], to_environment(share[0], *limits(config)), atol=1e-6)
    later = session.run(None, {**given, "first": np.array([False]), "memory": noise})
    assert not np.array_equal(later[1], share)


def limits(config):
    return config.action_low, config.action_high


def test_the_file_says_what_it_is_and_nothing_of_this_machine(exported):
    pilot, path = exported
    assert OnnxPilot(path).config == pilot.config
    contents = path.read_bytes()
    assert b"site-packages" not in contents
    assert b".py" not in contents


def test_it_flies_without_torch(exported):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np; from wayscan.fly import OnnxPilot\n"
        "pilot = OnnxPilot(sys.argv[1]); seen = np.zeros((1, 36, 40), np.uint8)\n"
        "print(pilot.step({'depth': seen, 'base': np.zeros(5)}).action.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code, exported[1]], capture_output=True, text=True)
    assert done.stdout.strip() == "(2,)", done.stderr


def test_other_files_are_refused(tmp_path, exported):
    import onnx

    with pytest.raises(ValueError, match="is no file"):
        OnnxPilot(tmp_path / "none.onnx")
    plain = onnx.load(str(exported[1]))
    del plain.metadata_props[:]
    onnx.save(plain, str(tmp_path / "plain.onnx"))
    with pytest.raises(ValueError, match="says nothing of a pilot"):
        OnnxPilot(tmp_path / "plain.onnx")
    (tmp_path / "words.onnx").write_text("no graph")
    with pytest.raises(ValueError, match="cannot be read"):
        OnnxPilot(tmp_path / "words.onnx")
    with pytest.raises(ValueError, match="a folder; expected a file"):
        export_pilot(exported[0], tmp_path)


def test_the_verb(tmp_path, capsys):
    model, out = tmp_path / "model", tmp_path / "new" / "actor.onnx"
    pilot_of(encoder="mlp", **ALONE, seq_len=2).save_pretrained(model)
    words = ["fly", "export", "--model", str(model), "--out", str(out), "--env-name", "Pendulum-v1"]
    assert cli.main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["bytes"] == out.stat().st_size
    assert {name: found["difference"] < SAME for name, found in report["parity"].items()} == {
        "random": True, "flight": True,
    }  # fmt: skip
    # It does not fit Forest-v0, which matters only where that is asked for.
    assert set(compare(str(model), out)) == {"random"}
    with pytest.raises(ValueError, match="sees images None and 3 states"):
        compare(str(model), out, "wayscan/Forest-v0")
