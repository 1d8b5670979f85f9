"""Train a tracker, kill it, resume it, evaluate it: pair stage, then sequence stage. And it learns."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wayscan.data.runs.folder import Run
from wayscan.data.runs.journal import Journal
from wayscan.data.runs.settings import build_settings
from wayscan.track.evaluate import StaticBox, evaluate
from wayscan.track.run import Tracker
from wayscan.track.train import train
from wayscan.track.train_config import TrackTrainConfig
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import Sources, build_library, library_for

SMALL = {
    "preset": "nano", "width": 32, "depth": 1, "states": 4, "stem_width": 16, "dense_width": 8,
    "template_size": 32, "search_size": 64, "threads": 1, "device": "cpu", "progress": False,
    "checkpoint_every": 4, "log_every": 1, "evaluate_every": 8, "held_out": 16, "held_out_clips": 1,
}  # fmt: skip
STAGES = {
    "pair": {"pairs_per_epoch": 64, "batch_size": 4, "epochs": 1.0},
    "sequence": {"clips_per_epoch": 20, "batch_size": 2, "epochs": 1.0, "clip_frames": 5},
}
CHILD = """
import json, sys
from wayscan.data.runs.settings import build_settings
from wayscan.track.train import train
from wayscan.track.train_config import TrackTrainConfig
train(build_settings(TrackTrainConfig, json.loads(sys.argv[1])))
"""


def settings_of(stage: str, run: Path, cache: Path, **others: Any) -> dict[str, Any]:
    return {**SMALL, **STAGES[stage], "stage": stage, "run": str(run), "cache": str(cache), **others}


def config_of(stage: str, run: Path, cache: Path, **others: Any) -> TrackTrainConfig:
    return build_settings(TrackTrainConfig, settings_of(stage, run, cache, **others))


def kill_in_training(settings: dict[str, Any], step: int) -> None:
    """Start training in a process of its own, and SIGKILL it when it has logged `step`."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(settings)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    journal = Journal(Path(settings["run"]) / "metrics.jsonl")
    while child.poll() is None and (journal.last() or {"step": 0})["step"] < step:
        time.sleep(0.01)
    child.kill()
    _, errors = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors.decode()


def test_train_kill_resume_evaluate(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Both stages end with the numbers of runs that were never killed, in a tracker that runs."""
    cache = tmp_path / "sprites.npz"
    build_library(Sources(packaged=False, textures=4)).save(cache)
    begin: str | None = None
    for stage, step in (("pair", 6), ("sequence", 5)):
        whole, killed = tmp_path / f"{stage}-whole", tmp_path / f"{stage}-killed"
        started = {"init": begin} if begin else {}
        assert train(config_of(stage, whole, cache, **started)) == 0
        kill_in_training(settings_of(stage, killed, cache, **started), step)
        assert train(config_of(stage, killed, cache, resume=True, **started)) == 0
        one, other = Run.open(whole), Run.open(killed)
        assert one.metrics.path.read_bytes() == other.metrics.path.read_bytes()
        weights = [run.path / "model" / "model.safetensors" for run in (one, other)]
        assert weights[0].read_bytes() == weights[1].read_bytes()
        assert [line["step"] for line in other.timings.read() if "resumed" in line]
        begin = str(killed)
    said = capsys.readouterr().out
    assert "finished: iou 0." in said
    assert "(ao_static 0." in said

    assert begin is not None
    spec = ClipSpec(frames=12, sources=Sources(cache=cache))
    clips = [make_clip(100_000, index, spec, library_for(spec.sources)) for index in range(2)]
    tracker = Tracker.from_pretrained(Path(begin) / "model")
    results = evaluate(clips, {"ours": lambda: tracker, "static": StaticBox}, starts=1)
    assert all(np.isfinite(results[name].metrics["ao"]) for name in ("ours", "static"))


@pytest.mark.slow
def test_it_learns_to_find_what_moved(tmp_path: Path):
    """A small tracker from scratch, on sprites: better than the last box on samples it has not seen."""
    cache = tmp_path / "sprites.npz"
    larger = {
        "width": 64, "depth": 2, "stem_width": 64, "dense_width": 32, "pairs_per_epoch": 38_400,
        "batch_size": 32, "learning_rate": 3e-3, "held_out": 256, "evaluate_every": 300,
    }  # fmt: skip
    train(config_of("pair", tmp_path / "run", cache, **larger))
    best = Run.open(tmp_path / "run").metrics.read()[-1]
    assert best["iou"] > best["iou_past"] + 0.05, best
    assert best["auroc"] > 0.6, best
