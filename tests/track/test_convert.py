"""Vim-shaped checkpoints of random weights, as the beginning of a tracker."""

import json

import pytest
import torch
from torch import nn

from wayscan.nn import BidirectionalMamba
from wayscan.track.convert import convert_vim
from wayscan.track.run import Tracker

WIDTH, DEPTH = 32, 2


def vim(path, *, depth=DEPTH, class_token=True, **more):
    """A state dict with the names and shapes of Vim's, its side 14 patches."""
    torch.manual_seed(1)
    weights = {}
    for layer in range(depth):
        mixer = BidirectionalMamba(WIDTH, "vim_v2")
        weights |= {f"layers.{layer}.mixer.{name}": w.detach() for name, w in mixer.state_dict().items()}
        weights[f"layers.{layer}.norm.weight"] = torch.rand(WIDTH)
    patches = nn.Conv2d(3, WIDTH, 16, 16).state_dict()
    weights |= {f"patch_embed.proj.{name}": weight for name, weight in patches.items()}
    weights["norm_f.weight"] = torch.rand(WIDTH)
    weights["head.weight"] = torch.rand(10, WIDTH)
    weights["pos_embed"] = torch.rand(1, 14 * 14 + class_token, WIDTH)
    if class_token:
        weights["cls_token"] = torch.rand(1, 1, WIDTH)
    torch.save({"model": {**weights, **more}}, path)
    return weights


@pytest.mark.parametrize("backward", ["average", "drop"])
def test_blocks_stem_and_positions_come_over(tmp_path, backward):
    weights = vim(tmp_path / "vim.pth")
    report = convert_vim(tmp_path / "vim.pth", tmp_path / "out", backward=backward)
    model = Tracker.from_pretrained(tmp_path / "out").model
    assert (model.config.width, model.config.depth, model.config.states) == (WIDTH, DEPTH, 16)
    forward, back = (weights[f"layers.1.mixer.conv1d{way}.weight"] for way in ("", "_b"))
    expected = (forward + back) / 2 if backward == "average" else forward
    found = model.state_dict()
    torch.testing.assert_close(found["blocks.1.mixer.conv1d.weight"], expected, atol=4e-3, rtol=4e-3)
    torch.testing.assert_close(
        found["blocks.0.mixer.out_proj.weight"],
        weights["layers.0.mixer.out_proj.weight"],
        atol=4e-3,
        rtol=4e-3,
    )
    torch.testing.assert_close(
        found["stem.patches.weight"], weights["patch_embed.proj.weight"], atol=4e-3, rtol=4e-3
    )
    assert "position" in report.matched
    assert "14 tensors" in report.backward
    assert {"head.weight", "cls_token"} == set(report.unused)
    assert "words.weight" in report.fresh
    assert all("mixer" not in name for name in report.fresh)
    assert json.loads((tmp_path / "out/conversion.json").read_text())["backward"] == report.backward
    assert "2" in str(report)


def test_positions_without_a_class_token_keep_their_mean(tmp_path):
    weights = vim(tmp_path / "vim.pth", class_token=False)
    convert_vim(tmp_path / "vim.pth", tmp_path / "out")
    position = Tracker.from_pretrained(tmp_path / "out").model.position
    assert position.shape == (1, 256, WIDTH)
    torch.testing.assert_close(position.mean((0, 1)), weights["pos_embed"].mean((0, 1)), atol=0.03, rtol=0)


def test_what_is_no_vim_is_refused(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"no Vim checkpoint: expected layers\.0\.mixer"):
        convert_vim(tmp_path / "other.pth", tmp_path / "out")
    vim(tmp_path / "gap.pth", **{"layers.5.norm.weight": torch.ones(WIDTH)})
    with pytest.raises(ValueError, match="lacks layers"):
        convert_vim(tmp_path / "gap.pth", tmp_path / "out")
    with pytest.raises(ValueError, match="does not exist"):
        convert_vim(tmp_path / "none.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()
