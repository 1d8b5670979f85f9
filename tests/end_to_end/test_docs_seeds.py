"""docs/seeds.md says what is so: flags, defaults, presets, names and sizes of its sections 000 and 001."""

import pydoc
import re
import shlex
from pathlib import Path

import pytest
import torch
import tyro

from wayscan.fly import PRESETS, FlyTrainConfig
from wayscan.fly.encoders import VMambaRLTiny
from wayscan.fly.model import Networks
from wayscan.track.config import preset
from wayscan.track.model import TrackModel
from wayscan.track.train_config import TrackTrainConfig

PAGE = (Path(__file__).parents[2] / "docs" / "seeds.md").read_text(encoding="utf-8")
TRACK, FLY = (re.split(r"^## ", PAGE, flags=re.MULTILINE)[number] for number in (1, 2))
SECTIONS = {"000": (TRACK, TrackTrainConfig), "001": (FLY, FlyTrainConfig)}
LIMITS = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


def spans(text, begins):
    return re.findall(rf"`({re.escape(begins)}[^`]*)`", text)


def parsed(kind, words):
    return tyro.cli(kind, args=shlex.split(words), config=(tyro.conf.OmitArgPrefixes,)).resolved()


def parameters(module):
    return sum(each.numel() for each in module.parameters())


def millions(count):
    return f"{count / 1e6:.1f}"


@pytest.mark.parametrize("number", SECTIONS)
def test_every_flag_is_understood(number):
    section, kind = SECTIONS[number]
    assert section.startswith(number)
    flags = [span for span in spans(section, "--") if " " in span or span == "--gradient_checkpointing"]
    assert len(flags) > 10
    for flag in flags:
        parsed(kind, flag)


def test_the_table_of_000_is_the_preset_seed():
    """Its values, in the order of the seed's table, and those that the seed leaves open."""
    words = "--learning_rate 5e-5", "--scheduler warmup_cosine --warmup_epochs 5", "--clip_norm 0.1"
    words += "--drop_path 0.1", "--stage pair --pairs_per_epoch 60000"
    words += ("--epochs 100 --batch_size 32 --weight_decay 1e-4",)
    for flags in words:
        assert flags in spans(TRACK, "--")
    said = parsed(TrackTrainConfig, f"--preset seed {' '.join(words)}")
    assert said == TrackTrainConfig(preset="seed").resolved()


def test_the_defaults_of_001_are_the_preset_seed():
    flags = spans(FLY.split("### Flags and defaults")[1].split("| configuration")[0], "--")
    # `temporal` and `first_actions` are choices that the seed does not name; what it does is their default.
    names = {flag.split()[0].removeprefix("--") for flag in flags}
    assert names == set(PRESETS["seed"]) - {"temporal", "first_actions"} | {"save_interval"}
    said = parsed(FlyTrainConfig, " ".join(["--preset cpu", *flags]))  # which has other values for most
    for name in names:
        assert getattr(said, name) == getattr(FlyTrainConfig().resolved(), name), name
    assert FlyTrainConfig().preset == "seed"


@pytest.mark.parametrize("name", ["light", "standard", "heavy"])
def test_the_seeds_words_are_the_preset(name):
    (row,) = [line for line in FLY.splitlines() if f"`wayscan fly train --preset {name}`" in line]
    short, long = (parsed(FlyTrainConfig, each.split("train")[1]) for each in spans(row, "wayscan fly train"))
    said = {key: value for key, value in vars(long).items() if key != "preset"}
    assert said.items() <= vars(short).items()


def test_every_name_leads_somewhere():
    names = re.findall(r"`(wayscan(?:\.\w+)+)", TRACK + FLY)
    assert len(names) > 6
    for name in names:
        assert pydoc.locate(name) is not None, name


def test_sizes_of_trackers():
    with torch.device("meta"):
        sizes = [millions(parameters(TrackModel(preset("base", encoder=each)))) for each in
                 ("shared", "separate", "vit")]  # fmt: skip
        assert parameters(TrackModel(preset("base", encoder="forward"))) / 1e6 == pytest.approx(
            118.9, abs=0.05
        )
    assert sizes == ["118.9", "209.4", "113.3"]
    assert all(f"{size} M" in TRACK for size in sizes)


def network(name, **changes):
    return FlyTrainConfig(preset=name, **changes).network((1, 128, 128), 10, *LIMITS)


@pytest.mark.parametrize("name", ["light", "standard", "heavy"])
def test_sizes_and_memory_of_pilots(name):
    with torch.device("meta"):
        networks = Networks(network(name))
        without = VMambaRLTiny(network(name, vmamba_mlp_ratio=0.0))
    encoder = networks.policy.stream.visual_encoder
    learns = parameters(networks.policy) + parameters(networks.judge)
    stored = 4 * (parameters(networks) + 3 * learns) / 1e9  # weights and targets; Adam's two and the gradient
    (row,) = [line for line in FLY.splitlines() if line.startswith(f"| {name} |")]
    assert [f"{millions(parameters(encoder))} M", f"{millions(learns)} M", f"{stored:.2g} GB"] == [
        cell.strip() for cell in row.split("|")[3:6]
    ]
    assert re.search(rf"\b{millions(parameters(without))}\b", FLY)


def test_sizes_that_the_advice_leads_to():
    with torch.device("meta"):
        found = [
            millions(
                parameters(
                    VMambaRLTiny(network("seed", vmamba_hidden_dim=width, vmamba_num_vss_blocks=blocks))
                )
            )
            for width, blocks in (
                (32, (2, 2, 2, 2)),
                (32, (2, 2, 4, 2)),
                (128, (2, 2, 8, 2)),
                (96, (2, 2, 9, 2)),
            )
        ]
        plain = VMambaRLTiny(network("seed", vmamba_hidden_dim=96, vmamba_num_vss_blocks=(2, 2, 9, 2),
                                     vmamba_mlp_ratio=0.0))  # fmt: skip
    assert [*found, millions(parameters(plain))] == ["3.5", "4.1", "74.8", "45.1", "24.2"]
    assert all(f"{size} M" in FLY for size in [*found, "24.2"])
