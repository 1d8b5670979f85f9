"""The ONNX graph gives what NumPy gives, for any length and batch."""

from pathlib import Path

import numpy as np
import pytest

from wayscan.forecast.config import MODELS, ForecastConfig
from wayscan.forecast.export import export_onnx, largest_difference
from wayscan.forecast.model import Network


@pytest.mark.parametrize("model", MODELS)
def test_onnxruntime_agrees(model: str, tmp_path: Path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    config = ForecastConfig(model_type=model, layers=2, hidden_size=8, attention="each")  # type: ignore[arg-type]
    network = Network(config, 2, np.random.default_rng(0))
    path = export_onnx(network, tmp_path / "model.onnx")
    difference = largest_difference(network, path, length=9)
    assert difference is not None
    assert difference < 1e-5


def test_without_onnx_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"wayscan\[onnx\]"):
        export_onnx(Network(ForecastConfig(), 1, np.random.default_rng(0)), tmp_path / "model.onnx")
