"""The seed's commands and scripts, docs/fly.md, and train → kill → resume → evaluate, on tiny budgets."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tyro

from wayscan import cli
from wayscan.data.runs.folder import Run
from wayscan.fly import FlyTrainConfig
from wayscan.fly.commands import VERBS
from wayscan.fly.train import Training
from wayscan.world.envs.forest_worlds import configure

ROOT = Path(__file__).parents[2]

COMMANDS = {
    "seed": """--algorithm_name vmamba_td3 --env_name AirSimEnv-v42
        --vmamba_hidden_dim 64 --vmamba_num_vss_blocks 2 2 4 2 --feature_dim 128 --state_feature_dim 128
        --hidden_dim 256 --max_timesteps 200000 --batch_size 128 --seq_len 4 --actor_lr 5e-4 --critic_lr 1e-3
        --gamma 0.99 --tau 0.005 --policy_noise 0.2 --policy_freq 2""",
    "light": """--algorithm_name vmamba_td3 --vmamba_hidden_dim 64 --vmamba_num_vss_blocks 2 2 4 2
        --feature_dim 128 --state_feature_dim 128 --hidden_dim 256 --batch_size 128 --seq_len 4
        --max_timesteps 100000""",
    "standard": """--algorithm_name vmamba_td3 --vmamba_hidden_dim 96 --vmamba_num_vss_blocks 2 2 6 2
        --feature_dim 256 --state_feature_dim 256 --hidden_dim 512 --batch_size 64 --seq_len 4
        --max_timesteps 500000 --actor_lr 3e-4 --critic_lr 5e-4""",
    "heavy": """--algorithm_name vmamba_td3 --vmamba_hidden_dim 128 --vmamba_num_vss_blocks 2 2 9 2
        --feature_dim 512 --state_feature_dim 512 --hidden_dim 1024 --batch_size 32 --seq_len 8
        --vmamba_temporal_layers 2 --max_timesteps 1000000 --actor_lr 1e-4 --critic_lr 2e-4""",
}
ADVICE = (
    "--vmamba_hidden_dim 32", "--vmamba_num_vss_blocks 2 2 2 2", "--batch_size 64", "--seq_len 2",
    "--actor_lr 1e-4", "--critic_lr 5e-4", "--tau 0.01", "--policy_noise 0.1", "--vmamba_hidden_dim 128",
    "--vmamba_num_vss_blocks 2 2 8 2", "--vmamba_temporal_layers 2", "--seq_len 8", "--feature_dim 512",
    "--hidden_dim 1024",
)  # fmt: skip
TINY = """--vmamba_hidden_dim 4 --vmamba_num_vss_blocks 1 1 1 1 --feature_dim 8 --state_feature_dim 8
    --hidden_dim 16 --batch_size 2 --learning_starts 4 --buffer_size 20 --max_timesteps 8
    --evaluate_episodes 1 --no-progress --threads 1 --evaluate_every 0"""


@pytest.fixture
def fly(monkeypatch):
    """`wayscan fly …`, as the shell calls it."""
    monkeypatch.setitem(cli.SYSTEMS, "fly", "Fly.")
    return lambda words: cli.main(["fly", *words.split()])


def parsed(words):
    config = (tyro.conf.OmitArgPrefixes,)
    return tyro.cli(FlyTrainConfig, args=words.split(), config=config)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_seeds_commands_are_its_presets(name):
    said, preset = parsed(COMMANDS[name]).resolved(), parsed(f"--preset {name}").resolved()
    for field in vars(preset):
        if field not in ("preset", "env_name"):
            assert getattr(said, field) == getattr(preset, field), field


@pytest.mark.parametrize("words", ADVICE)
def test_the_seeds_advice_is_understood(words):
    flag, *values = words.split()
    found = getattr(parsed(words), flag.removeprefix("--"))
    assert [*found] == [int(v) for v in values] if len(values) > 1 else found == float(values[0])


@pytest.mark.parametrize("name", ["light", "standard", "heavy"])
def test_the_seeds_commands_run(name, fly, tmp_path, capsys):
    words = f"train {COMMANDS[name]} {TINY} --run {tmp_path / 'run'} --env-options image 32 steps 6"
    assert fly(words) == 0
    written = capsys.readouterr()
    assert "finished: validation/return" in written.out
    assert "2 × 2 → 1 × 1" in written.err  # patch 16 on so small an image
    assert Run.open(tmp_path / "run").metrics.read()[-2]["updates"] == 5


def test_the_seeds_script_flies_airsim(fly, tmp_path, capsys):
    """train_vmamba_td3_basic.py, with a stand-in for AirSim."""
    pytest.importorskip("msgpack", reason="the extra airsim")
    spec = importlib.util.spec_from_file_location("stand_in", ROOT / "tests" / "world" / "airsim_stand_in.py")
    assert spec
    assert spec.loader
    stand_in = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand_in)
    server = stand_in.StandIn(configure(image=32), 0)
    try:
        about = f"address airsim://127.0.0.1:{server.port} image 32 steps 6"
        assert fly(f"train {COMMANDS['seed']} {TINY} --run {tmp_path / 'run'} --env-options {about}") == 0
    finally:
        server.close()
    assert "finished" in capsys.readouterr().out


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    """docs/fly.md from top to bottom, the seed's scripts among it, with small networks and short flights."""
    monkeypatch.chdir(tmp_path)
    smaller = {
        "image=128": "image=32, steps=6", "vmamba_hidden_dim = 96": "vmamba_hidden_dim = 4",
        "[2, 2, 6, 2]": "[1, 1, 1, 1]", "feature_dim = 256": "feature_dim = 8", "-1, 256)": "-1, 8)",
        "hidden_dim = 512": "hidden_dim = 16; args.batch_size = 2; args.learning_starts = 4; "
        "args.max_timesteps = 8; args.vmamba_patch_size = 4; args.buffer_size = 20",
        "num_episodes=10": "num_episodes=2", "timestep % 1000": "timestep % 2",
    }  # fmt: skip
    page = (ROOT / "docs" / "fly.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        for large, small in smaller.items():
            code = code.replace(large, small)
        exec(compile(code, "docs/fly.md", "exec"), names)
    out = capsys.readouterr().out
    assert re.search(r"Step 4: Actor Loss = -?\d+\.\d+, Critic Loss = \d+\.\d+", out)
    assert re.search(r"Mean Reward: -?\d+\.\d+ ± \d+\.\d+", out)
    weights = names["attention_weights"]
    assert tuple(weights.shape) == (1, 4, 4)  # type: ignore[attr-defined]
    agent, obs = names["agent"], names["obs"]
    mine = agent.get_attention_weights(obs["base"], obs["depth"])  # type: ignore[attr-defined,index]
    # The pixels went through bytes here, and there they did not.
    np.testing.assert_allclose(mine, weights.squeeze().numpy(), atol=0.02)  # type: ignore[attr-defined]
    assert names["context_feat"].shape == (1, 16)  # type: ignore[attr-defined]


def test_evaluate_and_run_say_what_machines_read(fly, tmp_path, capsys):
    run = tmp_path / "run"
    options = "--env-options image 16 steps 5"
    assert fly(f"train --preset cpu {TINY} --vmamba_patch_size 2 --run {run} {options}") == 0
    capsys.readouterr()
    assert fly(f"evaluate --model {run} --episodes 3 --json {options}") == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["system"] == "fly"
    assert found["n"] == 3
    names = {"success", "collision", "timeout", "spl", "speed", "return", "length"}
    assert set(found["metrics"]) == set(found["intervals"]) == names
    assert set(found["baselines"]) == {"straight", "random", "potential"}
    assert set(found["references"]) == {"expert"}
    assert fly(f"evaluate --model {run} --episodes 2 {options}") == 0
    assert "potential" in capsys.readouterr().out
    assert fly(f"run --model {run} --episodes 2 --json {options}") == 0
    assert len(json.loads(capsys.readouterr().out)["episodes"]) == 2
    assert fly(f"evaluate --model {run} --episodes 2 --env-options image 32") == 2
    assert "or its options to fit" in capsys.readouterr().err


def test_verbs_explain_themselves(fly, capsys):
    for verb in VERBS:
        with pytest.raises(SystemExit) as ended:
            fly(f"{verb} --help")
        assert ended.value.code == 0
    assert "--vmamba-hidden-dim" in capsys.readouterr().out


CHILD = """
import json, sys
from wayscan.data.runs.settings import build_settings
from wayscan.fly.train import train
from wayscan.fly.train_config import FlyTrainConfig
train(build_settings(FlyTrainConfig, json.loads(sys.argv[1])))
"""


def _child(settings):
    return subprocess.Popen([sys.executable, "-c", CHILD, json.dumps(settings)], stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_train_kill_resume_evaluate(fly, tmp_path, capsys):
    settings = {
        "preset": "cpu", "env_options": {"image": 16, "steps": 9}, "vmamba_patch_size": 2, "batch_size": 4,
        "vmamba_hidden_dim": 4, "hidden_dim": 16, "buffer_size": 40, "learning_starts": 10,
        "max_timesteps": 160, "save_interval": 20, "log_every": 5, "evaluate_every": 50,
        "evaluate_episodes": 2, "progress": False, "threads": 1, "envs": 2,
    }  # fmt: skip
    for name in ("whole", "killed"):
        about = {**settings, "run": str(tmp_path / name)}
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, json.dumps(about)], stdout=subprocess.DEVNULL
        )
        if name == "killed":
            ends = time.monotonic() + 120
            while len(list((tmp_path / name).glob("checkpoints/step_*"))) < 2 and time.monotonic() < ends:
                time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert Run.open(tmp_path / name).state().state == "killed"
            process = _child({**about, "resume": True})
        assert process.wait(timeout=180) == 0
    whole, killed = (Run.open(tmp_path / name) for name in ("whole", "killed"))
    assert whole.metrics.read() == killed.metrics.read()
    assert fly(f"evaluate --model {killed.path} --episodes 2 --json --env-options image 16 steps 9") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 2


@pytest.mark.slow
def test_it_learns_a_pendulum(tmp_path):
    """Less than half of the usual budget: random actions get about −1,200, 20,000 steps about −150."""
    config = FlyTrainConfig(
        preset="cpu", encoder="mlp", env_name="Pendulum-v1", seq_len=1, hidden_dim=64, state_feature_dim=32,
        max_timesteps=8_000, learning_starts=1_000, actor_lr=1e-3, critic_lr=1e-3, threads=1, progress=False,
        save_interval=8_000, evaluate_every=0, evaluate_episodes=10, run=tmp_path, exploration="gaussian",
        ou_sigma=0.1, ou_sigma_min=0.1, gamma=0.98,
    )  # fmt: skip
    best = Training(config).fit().best
    assert best is not None
    assert best["value"] > -400
