"""The verbs from the shell: exit codes, JSON as the last line, settings from files, pictures."""

import json
from pathlib import Path

import pytest
from matplotlib import font_manager
from matplotlib.image import imread

from wayscan import cli
from wayscan.data.fonts import CHINESE_FONTS

QUICK = ("--n-epochs", "2", "--hidden-size", "8", "--layers", "1")
METRICS = {"mse", "rmse", "mae", "r2", "skill"}


def run(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(["forecast", *words])
    out, error = capsys.readouterr()
    return code, out, error


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(tmp_path)
    code, *_ = run("train", "--out", "first", *QUICK, capsys=capsys)
    assert code == 0
    return "first"


def test_evaluate_prints_the_keys_that_machines_read(trained: str, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run("evaluate", trained, "--json", capsys=capsys)
    assert code == 0
    assert out.count("\n") == 1
    result = json.loads(out)
    assert list(result) == [
        "system", "model", "data", "synthetic", "n", "seed", "metrics", "intervals", "baselines", "peers",
        "references", "seconds",
    ]  # fmt: skip
    assert result["metrics"].keys() >= METRICS
    assert all(own.keys() >= METRICS for own in result["baselines"].values())
    assert result["n"] == 62
    low, high = result["intervals"]["skill"]
    assert low < high


def test_the_table_has_the_baselines(trained: str, capsys: pytest.CaptureFixture[str]):
    _, out, _ = run("evaluate", trained, capsys=capsys)
    for row in ("last value", "seasonal", "mean", "AR", "ridge on differences"):
        assert f"\n{row} " in out


def test_compare_as_the_seed_ran_it(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("compare", "--preset", "seed", "--seeds", "2", "--n-epochs", "1", "--hidden-size", "8", "--json")
    code, out, error = run(*words, capsys=capsys)
    assert code == 0
    result = json.loads(out)
    assert result["figure"] == "mamba_vs_mingru.png"
    assert set(result["models"]) == {"gru", "mingru", "mingru_log", "mamba_simple", "mamba"}
    assert "the scaler was fitted on all rows" in error
    height, width, _ = imread(tmp_path / "mamba_vs_mingru.png").shape
    assert width > height > 400


def test_the_seeds_name_is_an_alias_with_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ("train", "--preset", "seed", "--model-type", "min_gru", "--out", str(tmp_path / "run"))
    code, out, error = run(*words, "--n-epochs", "1", "--hidden-size", "8", capsys=capsys)
    assert code == 0
    assert "'min_gru' is the seed's name for a cell with a reset gate, which is a GRU" in error
    assert "62 rows of the validation part" in out


def test_settings_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "preset: seed\nmodel_type: mingru\nn_epochs: 1\nhidden_size: 8\nclip_norm: null\ngap: 3\n"
    )
    code, *_ = run("train", "--config", str(settings), "--out", str(tmp_path / "run"), capsys=capsys)
    assert code == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (config["clip_norm"], config["gap"], config["patience"], config["seq_len"]) == (None, 3, None, 32)


def test_run_and_show(trained: str, capsys: pytest.CaptureFixture[str]):
    code, out, _ = run("run", trained, "--horizon", "3", "--json", capsys=capsys)
    assert code == 0
    assert len(json.loads(out)["forecast"]) == 3
    code, out, _ = run("run", trained, capsys=capsys)
    assert out.startswith("sunspots, after 2008 (2.9 sunspots)")
    code, out, _ = run("show", trained, capsys=capsys)
    assert code == 0
    assert out.split() == ["first/figures/forecast.png", "first/figures/curves.png"]
    assert all(Path(name).is_file() for name in out.split())


def test_labels_in_chinese_need_a_font_that_has_them(trained: str, capsys: pytest.CaptureFixture[str]):
    installed = {font.name for font in font_manager.fontManager.ttflist}
    code, _, error = run("show", trained, "--language", "zh", capsys=capsys)
    if installed.isdisjoint(CHINESE_FONTS):
        assert code == 2
        assert "no font with Chinese glyphs" in error
    else:
        assert code == 0


def test_bad_input_is_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "data.csv"
    path.write_text("date,close\n2024-01-01,1\n2024-01-02,\n2024-01-03,3\n")
    code, out, error = run("train", "--data", str(path), "--out", str(tmp_path / "run"), capsys=capsys)
    assert (code, out) == (2, "")
    assert error.count("\n") == 1
    assert f"{path}, row 3, column 'close': the cell is empty" in error
    assert not (tmp_path / "run").exists()
    code, _, error = run(
        "train", "--data", str(path), "--gaps", "drop", "--out", str(tmp_path / "run"), capsys=capsys
    )
    assert code == 2
    assert "leave nothing for train" in error
    code, _, error = run("evaluate", "forecast-sunspot", capsys=capsys)
    assert code == 2
    assert "did you mean forecast-sunspots" in error


def test_a_diverging_run_is_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ("--optimiser", "sgd", "--learning-rate", "1e6", "--clip-norm", "None")
    code, _, error = run("train", "--out", str(tmp_path / "run"), *QUICK, *words, capsys=capsys)
    assert code == 1
    assert "diverged" in error


def test_synthetic_data_are_marked_everywhere(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(__import__("sys").modules, "yfinance", None)
    words = ("train", "--data", "ticker:AAPL", "--out", str(tmp_path / "run"), *QUICK)
    code, out, error = run(*words, capsys=capsys)
    assert code == 0
    assert out.startswith("SYNTHETIC data\nSYNTHETIC-AAPL")
    assert "not AAPL" in error
    about = json.loads((tmp_path / "run" / "config.json").read_text())["data"]
    assert (about["name"], about["synthetic"]) == ("SYNTHETIC-AAPL", True)
