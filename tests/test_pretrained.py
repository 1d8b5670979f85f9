import json
import subprocess
import sys
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from wayscan.pretrained import convert, find_pretrained, load_pretrained, save_pretrained


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


# ---- folders -----------------------------------------------------------------------------------------


def test_a_saved_model_comes_back_as_tensors_and_as_arrays(tmp_path, model):
    config = {"width": 4, "names": ["α", "β"], "rate": 0.5}
    folder = save_pretrained(tmp_path / "a" / "model", model.state_dict(), config)
    for framework in ("torch", "numpy"):
        loaded_config, weights = load_pretrained(folder, framework=framework)
        assert loaded_config == config
        assert same(weights, model.state_dict())
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_arrays_are_saved_without_torch_and_read_without_torch(tmp_path):
    script = f"""
import sys; sys.modules["torch"] = None
import numpy as np
from wayscan.pretrained import load_pretrained, save_pretrained
weights = {{"w": np.arange(6.0).reshape(2, 3).T, "n": np.arange(3)}}
save_pretrained({str(tmp_path)!r}, weights, {{"kind": "gru"}})
config, loaded = load_pretrained({str(tmp_path)!r}, framework="numpy")
assert config == {{"kind": "gru"}} and all((weights[k] == loaded[k]).all() for k in weights)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_widened_unless_asked_not_to(tmp_path, dtype):
    weights = {"w": torch.randn(5, 3).to(dtype), "n": torch.arange(3)}
    folder = save_pretrained(tmp_path, weights, {})
    for framework in ("torch", "numpy"):
        _, loaded = load_pretrained(folder, framework=framework)
        assert "float32" in str(loaded["w"].dtype)
        assert np.array_equal(loaded["w"], weights["w"].float())
        assert "int64" in str(loaded["n"].dtype)
    assert load_pretrained(folder, precision="stored")[1]["w"].dtype == dtype


def test_what_numpy_cannot_hold_is_refused_with_the_way_out(tmp_path):
    folder = save_pretrained(tmp_path, {"w": torch.ones(2, dtype=torch.bfloat16)}, {})
    with pytest.raises(ValueError, match="BF16, which NumPy does not have; read it with precision='float32'"):
        load_pretrained(folder, framework="numpy", precision="stored")


def test_saving_again_replaces_and_a_failed_save_leaves_the_old_model(tmp_path):
    save_pretrained(tmp_path, {"w": torch.zeros(2)}, {"version": 1})
    save_pretrained(tmp_path, {"w": torch.ones(2)}, {"version": 2})
    tied = torch.ones(2)
    with pytest.raises(ValueError, match="'a' and 'b' are one tensor under two names"):
        save_pretrained(tmp_path, {"a": tied, "b": tied}, {"version": 3})
    with pytest.raises(ValueError, match="config cannot be written as JSON"):
        save_pretrained(tmp_path, {"w": torch.ones(2)}, {"version": object()})
    config, weights = load_pretrained(tmp_path)
    assert config == {"version": 2}
    assert weights["w"].tolist() == [1, 1]
    assert len(list(tmp_path.iterdir())) == 2


def test_unreadable_models_are_refused_by_name(tmp_path, model):
    with pytest.raises(ValueError, match=r"has no config\.json and no model\.safetensors"):
        load_pretrained(tmp_path)
    save_pretrained(tmp_path, model.state_dict(), {})
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    for framework in ("torch", "numpy"):
        with pytest.raises(ValueError, match="cannot be read"):
            load_pretrained(tmp_path, framework=framework)


def test_a_model_of_the_package_is_found_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setattr("wayscan.pretrained.locate._bundle", lambda: tmp_path / "bundle")
    save_pretrained(tmp_path / "bundle" / "track-nano", {"w": torch.ones(1)}, {"system": "track"})
    assert load_pretrained("track-nano")[0] == {"system": "track"}
    (tmp_path / "track-nano").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_pretrained("track-nano")[0] == {"system": "track"}
    with pytest.raises(ValueError, match="did you mean track-nano"):
        find_pretrained("track_nano")


def test_a_hub_model_that_cannot_be_had_is_one_clear_line(tmp_path, monkeypatch):
    def no_network(*args, **options):
        raise ConnectionError("no route\nmore lines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", no_network)
    with pytest.raises(
        ValueError, match=r"no pretrained model 'someone/model': no folder .*, no model .*no route\)$"
    ):
        find_pretrained("someone/model")


def test_a_hub_model_is_downloaded_as_two_files(tmp_path, monkeypatch):
    def download(name, allow_patterns):
        assert (name, allow_patterns) == ("someone/model", ["config.json", "model.safetensors"])
        return str(save_pretrained(tmp_path, {"w": torch.ones(1)}, {"from": "hub"}))

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load_pretrained("someone/model")[0] == {"from": "hub"}


def test_nothing_found_names_what_was_looked_for():
    with pytest.raises(ValueError, match=r"no pretrained model 'none/such/model': no folder /"):
        find_pretrained("none/such/model")


# ---- conversion --------------------------------------------------------------------------------------


def checkpoint(tmp_path, content, name="model.pth"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("wrap", [(), ("state_dict",), ("model",), ("net",), ("model", "state_dict")])
@pytest.mark.parametrize("prefix", ["", "module.", "module._orig_mod."])
def test_a_checkpoint_becomes_its_tensors_by_their_plain_names(tmp_path, model, wrap, prefix):
    content = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    for key in reversed(wrap):
        content = {key: content, "epoch": 3, "optimizer": {"state": {}}}
    report = convert(checkpoint(tmp_path, content), tmp_path / "out")

    (tmp_path / "out" / "config.json").write_text("{}")
    assert same(load_pretrained(tmp_path / "out")[1], model.state_dict())
    assert (report.unwrapped, report.stripped) == (wrap, prefix)
    assert report.tensors["0.weight"] == ("float32", (4, 3))
    assert len(report.left_out) == 2 * len(wrap)
    assert "0.weight  float32 [4, 3]" in str(report)
    written = json.loads((tmp_path / "out" / "conversion.json").read_text())
    assert written["tensors"]["0.weight"] == ["float32", [4, 3]]


def test_numbers_among_the_tensors_are_left_out_and_reported(tmp_path):
    path = checkpoint(tmp_path, OrderedDict(w=torch.ones(2).bfloat16(), steps=7))
    report = convert(path, tmp_path)
    assert report.left_out == {"steps": "int"}
    assert report.tensors == {"w": ("bfloat16", (2,))}


def test_views_of_one_memory_are_stored_as_tensors_of_their_own(tmp_path):
    whole = torch.arange(6.0)
    report = convert(checkpoint(tmp_path, {"a": whole[:2], "b": whole[2:].view(2, 2).t()}), tmp_path)
    assert report.tensors == {"a": ("float32", (2,)), "b": ("float32", (2, 2))}


class Settings:
    """Stands for the objects that training frameworks put beside their weights."""


REFUSED = {
    "code": ({"net": {"w": torch.ones(1)}, "settings": Settings()}, r"holds Python code \(\S*Settings\)"),
    "module": (nn.Linear(1, 1), r"holds Python code \(torch.nn.modules.linear.Linear\)"),
    "no tensors": ({"epoch": 3}, r"no tensors in it, only epoch \(int\)"),
    "empty": ({}, "no tensors in it, only dict"),
    "list": ([torch.ones(1)], "no tensors in it, only list"),
    "several": ({"actor": {"w": torch.ones(1)}}, r"only actor \(dict\); expected a state dict"),
    "sparse": ({"w": torch.ones(2, 2).to_sparse()}, "'w' is a sparse"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_a_state_dict_is_refused_in_one_line(tmp_path, kind):
    content, reason = REFUSED[kind]
    path = checkpoint(tmp_path, content)
    with pytest.raises(ValueError, match=reason) as caught:
        convert(path, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_tied_weights_are_refused(tmp_path):
    tied = torch.ones(2, 2)
    with pytest.raises(ValueError, match="'embed' and 'head' are one tensor"):
        convert(checkpoint(tmp_path, {"embed": tied, "head": tied}), tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.pth", b"", "the file is empty"),
        ("model.pth", b"\x89PNG\r\n\x1a\n....", "not a checkpoint of PyTorch's, or it is damaged"),
        ("model.pth", b"PK\x03\x04 but no archive", "not a checkpoint of PyTorch's"),
        ("model.onnx", b"whatever", r"expected a checkpoint of PyTorch's, \.pt"),
        ("model.safetensors", b"whatever", "safetensors file already"),
    ],
)
def test_files_of_other_kinds_are_refused_in_one_line(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=reason) as caught:
        convert(tmp_path / name, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_damaged_one_are_refused(tmp_path, model):
    with pytest.raises(ValueError, match="no such file"):
        convert(tmp_path / "none.pt", tmp_path)
    path = checkpoint(tmp_path, model.state_dict())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="damaged"):
        convert(path, tmp_path)


def test_torchscript_is_refused_as_code(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of PyTorch warn of it
        torch.jit.script(nn.Linear(1, 1)).save(tmp_path / "model.pt")
    with pytest.raises(ValueError, match="it is TorchScript, which is code"):
        convert(tmp_path / "model.pt", tmp_path)
