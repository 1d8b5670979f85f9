"""Train, kill, resume, compare; and two processes against one. The runs are those of benchmarks/runs.py."""

import importlib.util
import signal
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from wayscan.data.runs.folder import Run


def load_bench() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "runs.py"
    spec = importlib.util.spec_from_file_location("bench_of_runs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


bench = load_bench()


@pytest.mark.parametrize(("kind", "steps"), [("toy", 900), ("replay", 900), ("vision", 60)])
def test_kill_9_leaves_no_trace(tmp_path: Path, kind: str, steps: int):
    bench.trainer(kind, tmp_path / "unbroken", steps=steps).fit()
    hits = bench.kill_at_random(kind, tmp_path / "killed", 1, longest=0.6, steps=steps)
    bench.trainer(kind, tmp_path / "killed", steps=steps, resume=True).fit()
    assert hits > 0
    assert bench.differing(tmp_path / "unbroken", tmp_path / "killed") == []
    assert Run.open(tmp_path / "killed").state().state == "finished"


def test_ctrl_c_in_a_shell_exits_130(tmp_path: Path):
    """The whole process group gets it, data workers too."""
    child = bench.start("vision", tmp_path / "run", resume=False, steps=5000)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while child.poll() is None and not metrics.exists():
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate()
    assert child.returncode == 130, errors.decode()
    assert b"Traceback" not in errors
    run = Run.open(tmp_path / "run")
    assert run.state().state == "interrupted"
    assert run.checkpoints().steps()[-1] == run.state().step


def test_two_processes_are_one(tmp_path: Path):
    """Equal losses, though the processes count different numbers of items; and they resume, too."""
    bench.trainer("two", tmp_path / "one").fit()
    bench.run_two_processes(tmp_path / "two")
    one, two = bench.losses(tmp_path / "one"), bench.losses(tmp_path / "two")
    assert Run.open(tmp_path / "two").about["processes"] == 2
    assert len(one) == len(two) == 50
    assert np.abs(one - two).max() <= 1e-5
    last = [Run.open(tmp_path / name).metrics.last() for name in ("one", "two")]
    assert last[0]["validation/loss"] == pytest.approx(last[1]["validation/loss"], rel=1e-5)

    run = Run.open(tmp_path / "two")
    lines = run.metrics.path.read_bytes()
    run.checkpoints().path(50).unlink()  # as if killed after step 40
    (run.path / "state.json").unlink()
    bench.run_two_processes(run.path, resume=True)
    assert run.metrics.path.read_bytes() == lines
