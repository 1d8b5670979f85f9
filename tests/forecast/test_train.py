"""Training: it learns, stops, diverges in words, resumes to the same numbers, works without torch."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wayscan.data.runs.folder import Run
from wayscan.forecast.compare import compare, summary
from wayscan.forecast.config import MODELS, ForecastConfig
from wayscan.forecast.data import prepare
from wayscan.forecast.evaluate import evaluation
from wayscan.forecast.series.table import Table
from wayscan.forecast.train import DivergedError, Learner, train_run

SMALL = ForecastConfig(seq_len=8, hidden_size=8, n_epochs=6, features=("tide",))


@pytest.mark.parametrize("model", MODELS)
def test_every_model_learns_waves(model: str, waves: Table):
    config = replace(SMALL, model_type=model, n_epochs=40, patience=None)
    series = prepare(waves, config)
    learner = Learner(series, config)
    before = learner.loss_on(series.validation)
    history = learner.fit()
    assert len(history) == 40
    assert learner.loss_on(series.validation) < 0.2 * before
    result = evaluation(learner.network, series, model=model, seed=0)
    assert result["metrics"]["skill"] > 0.5
    assert result["metrics"]["mse"] < result["baselines"]["mean"]["mse"]


def test_it_stops_when_nothing_gets_better(waves: Table):
    config = replace(SMALL, n_epochs=50, patience=3, learning_rate=1e-12)
    learner = Learner(prepare(waves, config), config)
    epochs = learner.fit()
    assert len(epochs) < 50
    assert learner.out_of_patience


def test_the_best_weights_are_kept_or_the_last(waves: Table):
    for keep in ("best", "last"):
        config = replace(SMALL, keep=keep, n_epochs=20, learning_rate=0.05)
        learner = Learner(prepare(waves, config), config)
        history = learner.fit()
        losses = [epoch.validation_loss for epoch in history]
        expected = min(losses) if keep == "best" else losses[-1]
        assert learner.loss_on(learner.series.validation) == pytest.approx(expected)


def test_a_diverging_run_says_when_and_what_to_do(waves: Table, tmp_path: Path):
    config = replace(SMALL, optimiser="sgd", learning_rate=1e6, clip_norm=None)
    with pytest.raises(DivergedError, match=r"diverged: loss .* at update .*lower --learning-rate"):
        train_run(prepare(waves, config), config, tmp_path / "run")
    state = Run.open(tmp_path / "run").state()
    assert state.state == "failed"
    assert "diverged" in (state.reason or "")


def test_a_resumed_run_has_the_same_numbers(waves: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    series = prepare(waves, SMALL)
    whole, network = train_run(series, SMALL, tmp_path / "whole")
    run_epoch, calls = Learner.run_epoch, []

    def stop_in_the_fourth(learner: Learner):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run_epoch(learner)

    monkeypatch.setattr(Learner, "run_epoch", stop_in_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        train_run(series, SMALL, tmp_path / "cut")
    assert Run.open(tmp_path / "cut").state().state == "interrupted"
    cut, again = train_run(series, SMALL, tmp_path / "cut", resume=True)
    assert cut.metrics.read() == whole.metrics.read()
    assert cut.state().state == "finished"
    for name, weight in network.weights.items():
        np.testing.assert_array_equal(again.weights[name], weight)


def test_a_run_goes_on_with_its_own_settings_and_data_only(waves: Table, tmp_path: Path):
    train_run(prepare(waves, SMALL), SMALL, tmp_path / "run")
    other = replace(SMALL, n_epochs=9)
    with pytest.raises(ValueError, match=r"n_epochs +6 +9"):
        train_run(prepare(waves, other), other, tmp_path / "run", resume=True)
    changed = replace(waves, sha256="0" * 64)
    with pytest.raises(ValueError, match="trained on data with sha256"):
        train_run(prepare(changed, SMALL), SMALL, tmp_path / "run", resume=True)


def test_a_comparison_has_every_model_every_seed_and_the_baselines(waves: Table):
    config = replace(SMALL, n_epochs=2, mamba_learning_rate=1e-3)
    comparison = compare(prepare(waves, config), config, MODELS, 2)
    assert [(trial.model, trial.seed) for trial in comparison.trials] == [
        (m, s) for m in MODELS for s in (0, 1)
    ]
    result = summary(comparison)
    assert set(result["baselines"]) == {"last value", "seasonal", "mean", "AR", "ridge on differences"}
    for about in result["models"].values():
        low, high = about["intervals"]["mse"]
        assert low <= about["metrics"]["mse"] <= high
        assert {"mse", "rmse", "mae", "r2", "skill", "mse_own", "rmse_own", "mae_own"} <= about[
            "metrics"
        ].keys()


def test_a_model_that_diverges_is_told_and_the_others_go_on(waves: Table):
    config = replace(
        SMALL, n_epochs=2, optimiser="sgd", learning_rate=1e-3, mamba_learning_rate=1e9, clip_norm=None
    )
    comparison = compare(prepare(waves, config), config, ("mingru", "mamba"), 1)
    result = summary(comparison)
    assert "diverged" in result["models"]["mamba"]["failed"][0]
    assert result["models"]["mingru"]["failed"] == []


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from wayscan.cli import main

small = ["--n-epochs", "2", "--hidden-size", "8"]
for words in (
    ["train", "--out", "run", *small],
    ["evaluate", "run", "--json"],
    ["run", "run"],
    ["compare", "--seeds", "1", *small, "--models", "gru", "mamba"],
    ["show", "run"],
):
    assert main(["forecast", *words]) == 0, words

import numpy as np
from wayscan.forecast import Forecaster

assert Forecaster(n_epochs=2).fit(np.sin(np.arange(200) / 5)).predict(2).shape == (2,)
"""


def test_all_of_it_works_where_torch_is_absent(tmp_path: Path):
    subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_TORCH],
        check=True,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    assert (tmp_path / "mamba_vs_mingru.png").is_file()
    assert (tmp_path / "run" / "figures" / "curves.png").is_file()
