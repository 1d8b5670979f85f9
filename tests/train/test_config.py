"""What can be told, and what cannot."""

import subprocess
import sys

import pytest

from wayscan.train.config import OptimConfig, TrainConfig


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give exactly one"),
        ({"steps": 1, "epochs": 1.0}, "give exactly one"),
        ({"steps": 0}, "steps is 0; expected a number above 0"),
        ({"steps": 1, "batch_size": 0}, "batch_size is 0"),
        ({"steps": 1, "workers": -1}, "workers is -1"),
        ({"steps": 1, "keep_checkpoints": 0}, "keep_checkpoints is 0"),
    ],
)
def test_training(given: dict, message: str):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"clip_norm": -1.0}, "clip_norm is -1.0"),
        ({"average_decay": 1.5}, "average_decay is 1.5; expected a number between 0 and 1"),
        ({"clip_norm": None, "clip_modules": ("a",)}, "give the norm"),
    ],
)
def test_optimiser(given: dict, message: str):
    with pytest.raises(ValueError, match=message):
        OptimConfig(**given)


def test_epochs_are_rounded_up_to_whole_steps():
    assert TrainConfig(epochs=1.0, batch_size=8).steps_for(16) == 2
    assert TrainConfig(epochs=1.0, batch_size=8).steps_for(17) == 3
    assert TrainConfig(epochs=0.1, batch_size=8).steps_for(17) == 1
    assert TrainConfig(steps=5).steps_for(17) == 5


def test_no_torch_is_needed_at_the_door():
    """Settings, run folders, lists, curves and caches work where torch is absent."""
    code = """
import sys
sys.modules["torch"] = None
import wayscan.train, wayscan.train.config, wayscan.train.task, wayscan.train.show
import wayscan.data.cache, wayscan.data.runs as runs
for name in dir(runs):
    getattr(runs, name)
assert wayscan.train.TrainConfig(steps=1).steps == 1
try:
    wayscan.train.Trainer
except ImportError:
    print("as it should be")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "as it should be\n", done.stderr
