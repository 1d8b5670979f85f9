"""Saving and loading the whole state, exactly."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from wayscan.data.atomic import DiskFullError
from wayscan.data.runs.checkpoints import CheckpointFolder
from wayscan.data.runs.folder import Run
from wayscan.train.checkpoint import (
    Checkpointer,
    load_state,
    load_weights,
    put_together,
    put_weights,
    take_apart,
)

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5),
    st.builds(lambda n: torch.arange(n), st.integers(0, 3)),
    st.builds(lambda n: np.ones((n, 2)), st.integers(0, 3)),
)  # fmt: skip
STATES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), inner, max_size=3),
    ),
    max_leaves=8,
)


def same(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@given(STATES)
def test_apart_and_together(state):
    assert same(put_together(*take_apart(state)), state)


@pytest.mark.parametrize("name", ["adamw", "fused", "sgd"])
def test_an_optimiser_through_a_file(tmp_path: Path, name: str):
    def made() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        kinds = {
            "adamw": lambda: torch.optim.AdamW(model.parameters(), lr=0.1),
            "fused": lambda: torch.optim.AdamW(model.parameters(), lr=0.1, fused=True),
            "sgd": lambda: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        }
        return model, kinds[name]()

    def steps(model: nn.Module, optimiser: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            optimiser.zero_grad()
            model(torch.ones(4, 3)).square().sum().backward()
            optimiser.step()

    unbroken, optimiser = made()
    steps(unbroken, optimiser, 2)
    checkpointer = Checkpointer(CheckpointFolder(tmp_path))
    checkpointer.save(2, {"model": unbroken.state_dict(), "optimiser": optimiser.state_dict()})
    steps(unbroken, optimiser, 2)  # goes on while the thread may still be writing
    checkpointer.close()

    resumed, again = made()
    state = load_state(tmp_path / "step_0000000002.safetensors")
    resumed.load_state_dict(state["model"])
    again.load_state_dict(state["optimiser"])
    steps(resumed, again, 2)
    assert torch.equal(resumed.weight, unbroken.weight)


def test_a_snapshot_is_of_its_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What changes while the thread writes does not get into the file."""
    gate, weight = threading.Event(), torch.zeros(3)
    folder = CheckpointFolder(tmp_path)
    write = folder.write
    monkeypatch.setattr(folder, "write", lambda *arguments: (gate.wait(), write(*arguments)))
    checkpointer = Checkpointer(folder)
    checkpointer.save(1, {"weight": weight, "step": 1})
    weight += 1
    gate.set()
    checkpointer.save(2, {"weight": weight, "step": 2})
    checkpointer.close()
    assert [load_state(folder.path(step))["weight"].sum().item() for step in (1, 2)] == [0.0, 3.0]


def test_a_full_disk_is_told_and_the_last_good_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = CheckpointFolder(tmp_path, keep=1)
    checkpointer = Checkpointer(folder)
    checkpointer.save(1, {"weight": torch.zeros(3)})
    checkpointer.wait()
    monkeypatch.setattr("wayscan.data.atomic.free_bytes", lambda _: 100)
    checkpointer.save(2, {"weight": torch.ones(3)})
    with pytest.raises(DiskFullError, match=r"step_0000000002\.safetensors: it needs \d+ B, 100 B are free"):
        checkpointer.close()
    assert load_state(folder.last()[0])["weight"].sum() == 0


def test_poll_tells_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    gate = threading.Event()

    def fail(*_: object) -> None:
        gate.wait()
        raise OSError("broken disk")

    folder = CheckpointFolder(tmp_path)
    monkeypatch.setattr(folder, "write", fail)
    checkpointer = Checkpointer(folder)
    checkpointer.save(1, {})
    checkpointer.poll()
    gate.set()
    with pytest.raises(OSError, match="broken disk"):
        checkpointer.wait()
    checkpointer.close()


def test_what_cannot_be_saved_is_named():
    with pytest.raises(ValueError, match="state 'replay/env' is of type object; expected tensors"):
        take_apart({"replay": {"env": object()}})


def test_other_models_are_shown_side_by_side():
    model, path = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), Path("x.safetensors")
    weights = {
        "0.weight": torch.zeros(4, 2),
        "0.bias": torch.zeros(3),
        "2.scale": torch.zeros(1, dtype=torch.float64),
    }
    before = model[0].bias.clone()
    with pytest.raises(ValueError, match="not the one in") as caught:
        put_weights(model, weights, path)
    lines = [line.split("  ") for line in str(caught.value).splitlines()]
    shown = {
        parts[1]: [part.strip() for part in parts[2:] if part.strip()] for parts in lines if len(parts) > 3
    }
    assert shown["0.weight"] == ["float32 (4, 2)", "float32 (3, 2)"]
    assert shown["2.scale"] == ["float64 (1,)", "(absent)"]
    assert shown["1.bias"] == ["(absent)", "float32 (1,)"]
    assert "0.bias" not in shown
    assert torch.equal(model[0].bias, before)


def test_weights_of_a_run(tmp_path: Path):
    run = Run.create(tmp_path / "run", config={}, frozen={"0": "hash"})
    model, checkpointer = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), Checkpointer(run.checkpoints())
    with pytest.raises(ValueError, match="no best checkpoint: it was never evaluated; ask for 'last'"):
        load_weights(model, run.path)
    learnt = {name: value + 1 for name, value in model[1].state_dict(prefix="1.").items()}
    checkpointer.save(7, {"model": learnt})
    checkpointer.save_best(5, {name: value + 1 for name, value in learnt.items()}, {"metric": "loss"})
    checkpointer.close()
    before = model[1].bias.item()
    assert load_weights(model, run.path) == 5
    assert model[1].bias.item() == pytest.approx(before + 2)
    assert load_weights(model, run.path, "last") == 7
    assert model[1].bias.item() == pytest.approx(before + 1)
    with pytest.raises(ValueError, match="expected 'best' or 'last'"):
        load_weights(model, run.path, "newest")
