"""Forecasting from the shell: train, kill, resume, evaluate; and it learns what its baselines do not know."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from wayscan.data.runs.folder import Run
from wayscan.data.runs.journal import Journal

SETTINGS = ("--data", "sunspots", "--model-type", "mamba", "--hidden-size", "8", "--n-epochs", "20")


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "wayscan.cli", "forecast", *words]


def test_train_kill_resume_evaluate(tmp_path: Path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command("train", *SETTINGS, "--out", str(whole)), check=True, stdout=subprocess.DEVNULL)

    child = subprocess.Popen(command("train", *SETTINGS, "--out", str(killed)), stdout=subprocess.DEVNULL)
    metrics = Journal(killed / "metrics.jsonl")
    while child.poll() is None and (metrics.last() or {"epoch": 0})["epoch"] < 5:
        time.sleep(0.005)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    assert Run.open(killed).state().state == "killed"
    words = command("train", "--resume", "--out", str(killed), "--json")
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    assert metrics.read() == Journal(whole / "metrics.jsonl").read()
    weights = [(run / "model" / "model.safetensors").read_bytes() for run in (whole, killed)]
    assert weights[0] == weights[1]
    done = subprocess.run(
        command("evaluate", str(killed), "--json"), check=True, capture_output=True, text=True
    )
    result = json.loads(done.stdout.splitlines()[-1])
    mse = result["metrics"]["mse"]
    assert all(mse < result["baselines"][trivial]["mse"] for trivial in ("last value", "seasonal", "mean"))
