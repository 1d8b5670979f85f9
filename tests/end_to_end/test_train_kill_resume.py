"""Train, kill, resume, compare; and two processes against one, with the runs of benchmarks/killed_runs.py."""

import importlib.util
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from wayscan.data.runs.folder import Run
from wayscan.data.runs.journal import Journal


def load_runs() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "killed_runs.py"
    spec = importlib.util.spec_from_file_location("killed_runs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


killed_runs = load_runs()


def wait_for_step(child: subprocess.Popen[bytes], run: Path, step: int) -> None:
    metrics = Journal(run / "metrics.jsonl")
    while child.poll() is None and (metrics.last() or {"step": 0})["step"] < step:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("kind", "steps", "kill_after"), [("toy", 400, 130), ("replay", 400, 130), ("vision", 45, 25)]
)
def test_kill_9_leaves_no_trace(tmp_path: Path, kind: str, steps: int, kill_after: int):
    killed_runs.trainer(kind, tmp_path / "unbroken", steps=steps).fit()
    child = killed_runs.start(kind, tmp_path / "killed", resume=False, steps=steps)
    wait_for_step(child, tmp_path / "killed", kill_after)
    child.kill()
    _, errors = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors.decode()
    assert Run.open(tmp_path / "killed").state().state == "killed"
    killed_runs.trainer(kind, tmp_path / "killed", steps=steps, resume=True).fit()
    assert killed_runs.differing(tmp_path / "unbroken", tmp_path / "killed") == []
    resumed = [line["step"] for line in Run.open(tmp_path / "killed").timings.read() if "resumed" in line]
    assert resumed
    assert resumed[0] > 0


def test_ctrl_c_in_a_shell_exits_130(tmp_path: Path):
    """The whole process group gets it, data workers too."""
    child = killed_runs.start("vision", tmp_path / "run", resume=False, steps=5000)
    wait_for_step(child, tmp_path / "run", 3)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate()
    assert child.returncode == 130, errors.decode()
    assert b"Traceback" not in errors
    run = Run.open(tmp_path / "run")
    assert run.state().state == "interrupted"
    assert run.checkpoints().steps()[-1] == run.state().step


def test_two_processes_are_one(tmp_path: Path):
    """Equal losses, though the processes count different numbers of items; and they resume, too."""
    killed_runs.trainer("two", tmp_path / "one").fit()
    killed_runs.run_two_processes(tmp_path / "two")
    one, two = killed_runs.losses(tmp_path / "one"), killed_runs.losses(tmp_path / "two")
    assert Run.open(tmp_path / "two").about["processes"] == 2
    assert len(one) == len(two) == 50
    assert np.abs(one - two).max() <= 1e-5
    last = [Run.open(tmp_path / name).metrics.last() for name in ("one", "two")]
    assert last[0]["validation/loss"] == pytest.approx(last[1]["validation/loss"], rel=1e-5)

    run = Run.open(tmp_path / "two")
    lines = run.metrics.path.read_bytes()
    run.checkpoints().path(50).unlink()  # as if killed after step 40
    (run.path / "state.json").unlink()
    killed_runs.run_two_processes(run.path, resume=True)
    assert run.metrics.path.read_bytes() == lines
