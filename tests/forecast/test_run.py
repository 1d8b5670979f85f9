"""Forecaster: fit, predict, stream, save and load."""

import json
from pathlib import Path

import numpy as np
import pytest

from wayscan.forecast import Forecaster
from wayscan.pretrained import bundled_models

WAVE = 5 + np.sin(np.arange(160) / 4)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return Forecaster(model_type="gru", hidden_size=12, layers=1, n_epochs=60, seq_len=16).fit(WAVE)


def test_it_continues_a_wave(fitted: Forecaster):
    ahead = fitted.predict(8)
    expected = 5 + np.sin(np.arange(160, 168) / 4)
    assert np.abs(ahead - expected).max() < 0.3
    assert np.abs(fitted.predict(1) - expected[0]) < np.abs(WAVE[-1] - expected[0])


def test_a_stream_gives_what_predict_gives(fitted: Forecaster):
    fitted.reset()
    forecasts = [fitted.step(value) for value in WAVE[:16]]
    assert forecasts[-1].value == pytest.approx(fitted.predict(1, past=WAVE[:16])[0], abs=1e-5)
    assert forecasts[-1].low < forecasts[-1].value < forecasts[-1].high
    again = fitted.step(WAVE[16])
    fitted.reset()
    assert fitted.step(WAVE[0]) == forecasts[0]
    assert again != forecasts[0]


def test_saved_and_loaded_it_is_the_same(fitted: Forecaster, tmp_path: Path):
    loaded = Forecaster.from_pretrained(fitted.save_pretrained(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(5), fitted.predict(5))
    assert loaded.step(5.0) == (fitted.reset(), fitted.step(5.0))[1]
    stored = json.loads((tmp_path / "model" / "config.json").read_text())
    assert stored["system"] == "forecast"
    stored["system"] = "track"
    (tmp_path / "model" / "config.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="of system 'track'"):
        Forecaster.from_pretrained(tmp_path / "model")


def test_several_columns_look_one_row_ahead():
    t = np.arange(120)
    forecaster = Forecaster(n_epochs=3, seq_len=8, hidden_size=8).fit(np.sin(t / 4), features=np.cos(t / 4))
    assert forecaster.predict().shape == (1,)
    assert isinstance(forecaster.step([0.0, 1.0]).value, float)
    with pytest.raises(ValueError, match="reads 2 columns; expected h = 1"):
        forecaster.predict(2)


def test_what_makes_no_sense_is_refused(fitted: Forecaster):
    with pytest.raises(ValueError, match="has learnt nothing"):
        Forecaster().predict()
    with pytest.raises(ValueError, match="row 3, column 0 is nan"):
        Forecaster().fit([1, 2, 3, np.nan, 5])
    with pytest.raises(ValueError, match="expected 16 rows or more"):
        fitted.predict(1, past=WAVE[:9])
    with pytest.raises(ValueError, match="expected 1 finite numbers"):
        fitted.step(float("inf"))
    with pytest.raises(ValueError, match="h is 0"):
        fitted.predict(0)


def test_the_bundled_model_is_there():
    assert "forecast-sunspots" in bundled_models()
    forecaster = Forecaster.from_pretrained("forecast-sunspots")
    assert forecaster.about["name"] == "sunspots"
    assert (forecaster.predict(11) > -20).all()
