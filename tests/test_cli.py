"""The command line: exit codes, messages, and what it must not import."""

import json
import subprocess
import sys

import pytest

from wayscan import cli


def run(*arguments, capsys):
    code = cli.main(arguments)
    out, error = capsys.readouterr()
    return code, out, error


def test_overview_names_every_command(capsys):
    code, out, _ = run("--help", capsys=capsys)
    assert code == 0
    assert all(f"  {name} " in out for name in cli.COMMANDS)


def test_an_unknown_command_is_told_the_nearest(capsys):
    code, out, error = run("bensh", capsys=capsys)
    assert (code, out) == (2, "")
    assert error == "wayscan: no command 'bensh'; did you mean bench?\n"


def test_bad_input_is_one_line_and_exit_2(capsys, tmp_path):
    code, out, error = run("convert", str(tmp_path / "none.pth"), str(tmp_path), capsys=capsys)
    assert (code, out) == (2, "")
    assert error.count("\n") == 1
    assert "no such file" in error
    code, _, error = run("bench", "scam", capsys=capsys)
    assert code == 2
    assert "did you mean scan?" in error


def test_models_as_json(capsys):
    code, out, _ = run("models", "--json", capsys=capsys)
    assert code == 0
    assert isinstance(json.loads(out.splitlines()[-1])["models"], list)


def test_convert_from_the_shell(capsys, tmp_path):
    import torch

    torch.save({"state_dict": {"module.a": torch.ones(3)}}, tmp_path / "x.pth")
    code, out, _ = run("convert", str(tmp_path / "x.pth"), str(tmp_path / "out"), capsys=capsys)
    assert code == 0
    assert "1 tensors" in out
    assert (tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize("module", ["torch", "tyro", "numba", "matplotlib", "numpy"])
def test_help_imports_nothing_heavy(module):
    code = f"import sys; from wayscan import cli; cli.main(['--help']); sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


LIGHT = [
    "wayscan",
    "wayscan.cli",
    "wayscan.ops",
    "wayscan.nn",
    "wayscan.pretrained",
    "wayscan.data",
    "wayscan.train",
]
LIGHT += [
    "wayscan.geometry.boxes",
    "wayscan.data.runs",
    "wayscan.world",
    "wayscan.track",
    "wayscan.track.config",
    "wayscan.forecast",
    "wayscan.forecast.config",
    "wayscan.forecast.commands",
    "wayscan.world.commands",
    "wayscan.track.commands",
    "wayscan.warming",
]


@pytest.mark.parametrize("module", LIGHT)
def test_works_where_torch_is_absent(module):
    code = f"import sys; sys.modules['torch'] = None; import {module}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_the_package_has_names_and_says_which():
    import wayscan

    assert callable(wayscan.selective_scan)
    with pytest.raises(AttributeError, match="did you mean selective_scan"):
        _ = wayscan.selective_scn
    inside_first = "import wayscan.ops.selective_scan.reference"
    code = f"{inside_first}; from wayscan.ops import selective_scan; assert callable(selective_scan)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_runs_and_show_refuse_what_is_no_run(capsys, tmp_path):
    code, out, _ = run("runs", str(tmp_path), capsys=capsys)
    assert (code, out) == (0, f"no runs below {tmp_path}\n")
    code, out, error = run("show", str(tmp_path), capsys=capsys)
    assert (code, out) == (2, "")
    assert "is not a run folder" in error
    assert list(tmp_path.iterdir()) == []
