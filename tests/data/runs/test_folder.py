"""The run folder: made, opened, described, older and damaged ones read."""

import json
import subprocess
from pathlib import Path

import pytest

from wayscan.data.runs.folder import Run, RunState
from wayscan.data.runs.provenance import git_state, hash_file, hash_files, provenance


def test_what_is_written_down(tmp_path: Path):
    run = Run.create(tmp_path / "a" / "run", config={"rate": 0.1}, seed=3, data="abc")
    about = json.loads((run.path / "config.json").read_text())
    assert about == Run.open(run.path).about
    assert about["config"] == {"rate": 0.1}
    assert (about["seed"], about["data"], about["format"]) == (3, "abc", 1)
    assert {"versions", "machine", "command", "git", "created"} <= about.keys()
    assert {"python", "numpy", "wayscan"} <= about["versions"].keys()


def test_a_run_is_not_overwritten(tmp_path: Path):
    Run.create(tmp_path / "run", config={})
    with pytest.raises(ValueError, match="already holds a run: resume it"):
        Run.create(tmp_path / "run", config={})


def test_other_folders_are_not_touched(tmp_path: Path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("...")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bart"}')
    (tmp_path / "file").write_text("")
    for place in ("thesis", "model", "file"):
        with pytest.raises(ValueError, match="nothing was touched"):
            Run.create(tmp_path / place, config={})
    for place in ("thesis", "model", "file", "nowhere"):
        with pytest.raises(ValueError, match="is not a run folder") as caught:
            Run.open(tmp_path / place)
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "chapter.txt",
        "config.json",
        "file",
        "model",
        "thesis",
    ]


def test_a_run_that_was_killed_while_it_was_made_can_be_made_again(tmp_path: Path):
    (tmp_path / ".config.json.12-34.tmp").write_text('{"form')
    (tmp_path / ".lock").touch()
    assert Run.create(tmp_path, config={}).about["config"] == {}


def test_older_folders_are_read(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"config": {"rate": 1}}')
    (tmp_path / "metrics.jsonl").write_text('{"step": 4, "loss": 1.0}\n{"step": 5, "lo')
    run = Run.open(tmp_path)
    assert run.state() == RunState("killed", step=4)
    assert run.checkpoints().steps() == []
    assert run.timings.read() == []


def test_newer_folders_are_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text('{"format": 99, "config": {}}')
    with pytest.raises(ValueError, match="update wayscan"):
        Run.open(tmp_path)


def test_state(tmp_path: Path):
    run = Run.create(tmp_path / "run", config={})
    best = {"metric": "validation/loss", "value": 0.5, "step": 10}
    with run.lock():
        run.write_state(RunState("running", 20, 100, best))
        assert run.state()[:4] == ("running", 20, 100, best)
    assert run.state().state == "killed"  # it says running, but nobody holds the lock
    run.write_state(RunState("finished", 100, 100, best))
    assert run.state().state == "finished"
    (run.path / "state.json").write_text('{"state": "fini')
    assert run.state() == RunState("killed", step=0)


def test_rewinding(tmp_path: Path):
    run = Run.create(tmp_path / "run", config={})
    for step in (1, 2, 3):
        run.metrics.append(step, {"loss": 1.0})
        run.timings.append(step, {"seconds": 1.0})
        run.checkpoints(keep=9).write(step, {}, {"step": str(step)})
    (run.path / ".state.json.1-2.tmp").touch()
    (run.path / "checkpoints" / ".step.1-2.tmp").touch()
    run.rewind(2)
    assert [line["step"] for line in run.metrics.read()] == [1, 2]
    assert len(run.timings.read()) == 3  # what time it took is not undone
    assert run.checkpoints().steps() == [1, 2]
    assert not list(run.path.rglob("*.tmp"))


def test_git_state(tmp_path: Path):
    assert git_state(tmp_path) is None
    for words in (["init", "-q"], ["config", "user.email", "a@b"], ["config", "user.name", "a"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "a.py").write_text("1")
    subprocess.run(["git", "add", "a.py"], cwd=tmp_path, check=True)
    subprocess.run(["git", "commit", "-qm", "first"], cwd=tmp_path, check=True)
    assert git_state(tmp_path)["changed"] == []
    (tmp_path / "a.py").write_text("2")
    state = git_state(tmp_path)
    assert state["changed"] == ["a.py"]
    assert len(state["commit"]) == 40
    assert provenance()["machine"]["cores"] >= 1


def test_data_hash(tmp_path: Path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "small").write_bytes(b"abc")
    (tmp_path / "d" / "large").write_bytes(bytes(3_000_000))
    first = hash_files(tmp_path / "d")
    assert first == hash_files(tmp_path / "d")
    assert first == hash_files(tmp_path / "d", [tmp_path / "d" / "small", tmp_path / "d" / "large"])
    large = bytearray(3_000_000)
    large[-1] = 1
    (tmp_path / "d" / "large").write_bytes(large)
    second = hash_files(tmp_path / "d")
    (tmp_path / "d" / "small").rename(tmp_path / "d" / "renamed")
    assert len({first, second, hash_files(tmp_path / "d")}) == 3
    assert hash_file(tmp_path / "d" / "large") != hash_file(tmp_path / "d" / "renamed")
    (tmp_path / "e").mkdir()
    with pytest.raises(ValueError, match="holds no files"):
        hash_files(tmp_path / "e")
