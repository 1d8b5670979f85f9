"""What a training run is told: presets, the seed's values, refusals; none of it needs torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import tyro
import yaml

from wayscan.cli import _with_file
from wayscan.track.config import PRESETS, LossConfig
from wayscan.track.train_config import Stage, TrackTrainConfig, TrainPreset

YAML = Path(__file__).parents[2] / "recipes" / "artrackmamba_seq_256_base.yaml"


@pytest.mark.parametrize("preset", get_args(TrainPreset))
@pytest.mark.parametrize("stage", get_args(Stage))
def test_every_preset_says_all_for_both_stages(preset, stage):
    config = TrackTrainConfig(preset=preset, stage=stage).resolved()
    needed = ("epochs", "batch_size", "learning_rate", "warmup_epochs", "clip_norm", "weight_decay", "losses")
    assert all(getattr(config, name) is not None for name in needed)
    assert config.network().width == PRESETS["base" if preset == "seed" else preset].width
    assert config.resolved() == config


def test_the_seeds_values():
    config = TrackTrainConfig(preset="seed").resolved()
    assert (config.learning_rate, config.warmup_epochs, config.scheduler) == (5e-5, 5, "warmup_cosine")
    assert (config.clip_norm, config.drop_path, config.pairs_per_epoch) == (0.1, 0.1, 60_000)
    assert config.network() == replace(PRESETS["base"], drop_path=0.1)
    asked = TrackTrainConfig(preset="seed", learning_rate=4e-4, encoder="vit").resolved()
    assert asked.learning_rate == 4e-4
    assert asked.network().encoder == "vit"


def test_the_seeds_yaml_is_the_preset_seed():
    settings = yaml.safe_load(YAML.read_text())
    words = _with_file(["--config", str(YAML)])
    config = tyro.cli(TrackTrainConfig, args=words, config=(tyro.conf.OmitArgPrefixes,))
    assert config.resolved() == replace(TrackTrainConfig(preset="seed").resolved(), run=config.run)
    table = ("learning_rate", "warmup_epochs", "clip_norm", "drop_path", "pairs_per_epoch", "scheduler")
    assert set(table) <= set(settings)
    longer = tyro.cli(
        TrackTrainConfig,
        args=_with_file(["--config", str(YAML), "--epochs", "3"]),
        config=(tyro.conf.OmitArgPrefixes,),
    )
    assert longer.epochs == 3


def test_losses_of_the_lineage():
    """2 CE + 2 SIoU + score for pairs; for clips CE falls away, the rest of the helpers fades."""
    (pairs,) = TrackTrainConfig(preset="seed").resolved().loss_phases()
    assert pairs[0] == 0
    assert (pairs[1].coordinates, pairs[1].box, pairs[1].score, pairs[1].box_loss) == (2, 2, 1, "siou")
    clips = TrackTrainConfig(preset="seed", stage="sequence").resolved().loss_phases()
    assert [phase.coordinates for _, phase in clips] == [2, 0, 0]
    assert [phase.box for _, phase in clips] == [2, 2, 2]
    assert [phase.score for _, phase in clips] == [phase.reconstruction for _, phase in clips] == [1, 0.1, 0]
    assert TrackTrainConfig(preset="nano").resolved().loss_phases() == ((0.0, LossConfig()),)


@pytest.mark.parametrize("encoder", ["shared", "separate", "vit"])
def test_encoders_share_one_schedule(encoder):
    plain = TrackTrainConfig(preset="nano").resolved()
    config = TrackTrainConfig(preset="nano", encoder=encoder).resolved()
    assert replace(config, encoder=None) == plain
    assert config.network().encoder == encoder


def test_a_switch_that_would_do_nothing_is_refused():
    with pytest.raises(ValueError, match="only scans have"):
        TrackTrainConfig(encoder="vit", layer_scale=1e-4).network()


def test_switches_and_ablations():
    config = TrackTrainConfig(preset="nano", layer_scale=1e-4, fusion="gated")
    assert (config.network().layer_scale, config.network().fusion) == (1e-4, "gated")
    assert TrackTrainConfig(preset="nano", ablation="no-trajectory").network().past == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"preset": "nanoo"}, "did you mean nano"),
        ({"stage": "pairs"}, "did you mean pair"),
        ({"ablation": "no-correlaton"}, "no-correlation"),
        ({"data_seed": 200_000}, "tune and judge"),
        ({"grow": True}, "init is None"),
        ({"clip_frames": 1}, "at least 2"),
        ({"sprites_weight": -1.0}, "weights >= 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(wrong, words):
    with pytest.raises(ValueError, match=words) as refusal:
        TrackTrainConfig(**wrong)
    assert "\n" not in str(refusal.value)


def test_it_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import wayscan.track.train_config"
    subprocess.run([sys.executable, "-c", code], check=True)
