"""Presets as the seed writes them, sizes as they truly are, and settings that cannot be meant."""

import subprocess
import sys

import pytest
import torch

from wayscan.fly import PRESETS, FlyTrainConfig, PilotConfig, get_config
from wayscan.fly.encoders import VMambaRLTiny
from wayscan.fly.train_config import settings_of

SPACE = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
SEED = {
    "vmamba_patch_size": 16, "vmamba_hidden_dim": 64, "vmamba_num_vss_blocks": (2, 2, 4, 2),
    "vmamba_drop_path_rate": 0.1, "vmamba_layer_scale_init": 1e-6, "vmamba_ssm_d_state": 16,
    "vmamba_ssm_ratio": 2.0, "vmamba_mlp_ratio": 4.0, "vmamba_temporal_layers": 1, "vmamba_num_heads": 4,
    "feature_dim": 128, "state_feature_dim": 128, "hidden_dim": 256, "actor_lr": 5e-4, "critic_lr": 1e-3,
    "gamma": 0.99, "tau": 0.005, "policy_noise": 0.2, "noise_clip": 0.2, "policy_freq": 2, "ou_theta": 0.15,
    "ou_sigma": 0.2, "ou_sigma_min": 0.01, "max_timesteps": 200_000, "buffer_size": 20_000,
    "batch_size": 128, "seq_len": 4, "learning_starts": 2_000, "grad_clip": 10.0,
}  # fmt: skip
OTHERS = {
    "light": {"max_timesteps": 100_000},
    "standard": {
        "vmamba_hidden_dim": 96, "vmamba_num_vss_blocks": (2, 2, 6, 2), "feature_dim": 256,
        "state_feature_dim": 256, "hidden_dim": 512, "batch_size": 64, "max_timesteps": 500_000,
        "actor_lr": 3e-4, "critic_lr": 5e-4,
    },
    "heavy": {
        "vmamba_hidden_dim": 128, "vmamba_num_vss_blocks": (2, 2, 9, 2), "feature_dim": 512,
        "state_feature_dim": 512, "hidden_dim": 1024, "batch_size": 32, "seq_len": 8,
        "vmamba_temporal_layers": 2, "max_timesteps": 1_000_000, "actor_lr": 1e-4, "critic_lr": 2e-4,
    },
    "advanced": {
        "vmamba_hidden_dim": 96, "vmamba_num_vss_blocks": (2, 2, 6, 2), "vmamba_temporal_layers": 2,
        "feature_dim": 256, "hidden_dim": 512,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ["seed", *OTHERS])
def test_presets_are_the_seeds(name):
    resolved = FlyTrainConfig(preset=name).resolved()
    for key, value in {**SEED, **OTHERS.get(name, {})}.items():
        assert getattr(resolved, key) == value, key


@pytest.mark.parametrize(
    ("name", "side", "millions"),
    [
        ("light", 128, 15.1),
        ("standard", 128, 38.0),
        ("heavy", 128, 79.4),
        ("nano", 64, 2.4),
        ("cpu", 64, 0.3),
    ],
)
def test_encoders_have_the_sizes_that_the_docs_say(name, side, millions):
    config = FlyTrainConfig(preset=name).network((1, side, side), 10, *SPACE)
    with torch.device("meta"):
        encoder = VMambaRLTiny(config)
    assert round(sum(each.numel() for each in encoder.parameters()) / 1e6, 1) == millions
    assert config.grids == ((8, 8), (4, 4), (2, 2), (1, 1))
    assert config.complaint() is None


def test_patches_that_collapse_the_grid_are_told():
    complaint = PilotConfig(image=(1, 64, 64), vmamba_patch_size=16).complaint()
    assert complaint is not None
    assert "4 × 4 → 2 × 2 → 1 × 1 → 1 × 1" in complaint
    assert "--vmamba_patch_size 8" in complaint
    assert PilotConfig(image=(1, 64, 64), vmamba_patch_size=8).complaint() is None
    assert PilotConfig(image=(1, 64, 64), encoder="cnn").complaint() is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"preset": "lite"}, "did you mean light"),
        ({"algorithm_name": "vmamba_td4"}, "did you mean vmamba_td3"),
        ({"encoder": "vmanba"}, "did you mean vmamba"),
        ({"encoder": "cnn", "algorithm_name": "vmamba_td3"}, "give one of them"),
        ({"batch_size": 0}, "above 0"),
        ({"gamma": 1.5}, "in \\[0, 1\\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        FlyTrainConfig(**given)


def test_a_cnn_stacks_frames_unless_another_mixing_is_named():
    network = {"image": (1, 64, 64), "state_dim": 10, "low": (-1.0,), "high": (1.0,)}
    assert FlyTrainConfig(preset="cpu", encoder="cnn").network(**network).temporal == "stack"
    assert FlyTrainConfig(preset="cpu", encoder="cnn", temporal="lean").network(**network).temporal == "lean"
    assert FlyTrainConfig(preset="cpu", encoder="gru").network(**network).temporal == "lean"
    with pytest.raises(ValueError, match="nothing sees a frame alone"):
        FlyTrainConfig(preset="cpu", encoder="cnn", freeze_encoder=True, init="fly-cpu").resolved()


def test_a_replay_too_small_to_start_is_refused():
    with pytest.raises(ValueError, match="learning never starts"):
        FlyTrainConfig(buffer_size=1000).resolved()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"vmamba_num_vss_blocks": (2, 2)}, "4 numbers"),
        ({"vmamba_num_heads": 3}, "divisor of hidden_dim"),
        ({"image": (1, 60, 60)}, "set it to 4 or 8"),
        ({"temporal": "stack"}, "with a cnn alone"),
    ],
)
def test_networks_that_cannot_be_built_are_refused(given, words):
    with pytest.raises(ValueError, match=words):
        PilotConfig(**given)


def test_the_seeds_namespace_can_be_changed():
    args = get_config()
    args.vmamba_hidden_dim = 96
    args.vmamba_num_vss_blocks = [2, 2, 6, 2]
    settings = settings_of(args).resolved()
    assert settings.vmamba_num_vss_blocks == (2, 2, 6, 2)
    assert settings.algorithm_name == "vmamba_td3"
    args.vmamba_hiden_dim = 96
    with pytest.raises(ValueError, match="did you mean vmamba_hidden_dim"):
        settings_of(args)


def test_a_saved_config_comes_back():
    config = PilotConfig(image=(3, 32, 32), encoder="gru", action_low=(0.0,), action_high=(2.0,))
    assert PilotConfig.from_dict(config.as_dict()) == config
    with pytest.raises(ValueError, match="expected 'fly'"):
        PilotConfig.from_dict({"system": "track"})


def test_the_door_is_light():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import wayscan.fly, wayscan.fly.config, wayscan.fly.train_config, wayscan.fly.commands\n"
        "assert wayscan.fly.get_config('cpu').vmamba_hidden_dim == 16"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert set(PRESETS) == {"seed", *OTHERS, "nano", "cpu"}
