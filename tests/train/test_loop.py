"""Whole runs, in one process: what they write, how they end, how they go on."""

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from wayscan.data.atomic import DiskFullError, free_bytes
from wayscan.data.runs.folder import Run
from wayscan.data.runs.lock import RunLock
from wayscan.train.checkpoint import load_state, load_weights
from wayscan.train.config import OptimConfig
from wayscan.train.loop import Trainer
from wayscan.train.task import Batch, Observer, Outcome, StepReport, TrainingFailedError

Make = Callable[..., Trainer]


class StopAt(Observer):
    """Ends a run in one way or another after a step."""

    def __init__(self, step: int, how: Callable[[], str | None]) -> None:
        self.step, self.how = step, how

    def after_step(self, report: StepReport, model: nn.Module) -> str | None:
        return self.how() if report.step == self.step else None


class BrokenError(Exception):
    """Stands for whatever may go wrong in the middle of a run."""


def broken() -> str | None:
    raise BrokenError


def interrupted() -> str | None:
    os.kill(os.getpid(), signal.SIGINT)
    return None


def last_state(path: Path) -> dict[str, Any]:
    last, _ = Run.open(path).checkpoints().last()
    assert last is not None
    return load_state(last)


def assert_same_runs(one: Path, other: Path) -> None:
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    left, right = last_state(one), last_state(other)
    assert left["step"] == right["step"]
    for part in ("model", "average"):
        flat = [json.dumps(state[part], default=lambda tensor: tensor.tolist()) for state in (left, right)]
        assert flat[0] == flat[1]


def test_it_learns_and_writes_what_it_measures(trainer: Make, sums, tmp_path: Path):
    result = trainer(
        steps=300, batch_size=20, validation=sums(20), evaluate_every=100, model=nn.Linear(4, 1),
        optim=OptimConfig(learning_rate=0.02),
    ).fit()  # fmt: skip
    run = Run.open(tmp_path / "run")
    lines = run.metrics.read()
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.01 * losses[0]
    assert lines[-1]["validation/loss"] == result.best["value"] < 0.05
    assert result[1:3] == ("finished", 300)
    assert run.state()[:4] == ("finished", 300, 300, result.best)
    assert lines[0].keys() == {
        "step",
        "epoch",
        "loss",
        "parts/error",
        "gradient_norm",
        "clipped",
        "rate/head",
    }
    assert [line["step"] for line in lines if "validation/loss" in line] == [100, 200, 300]
    assert run.checkpoints().steps() == [295, 300]
    assert {"seconds", "records_per_second", "loading_seconds", "saving_seconds"} <= run.timings.read()[
        0
    ].keys()
    assert (run.about["threads"], run.about["data"], run.about["device"]) == (1, "sums 40", "cpu")


def test_the_best_weights_are_the_evaluated_ones(trainer: Make, sums, model, task, tmp_path: Path):
    trainer(validation=sums(8), evaluate_every=3, optim=OptimConfig(average_decay=0.9)).fit()
    loaded = model()
    step = load_weights(loaded.eval(), tmp_path / "run")
    best = Run.open(tmp_path / "run").state().best
    assert step == best["step"]
    from wayscan.train.loader import in_order

    (batch,) = in_order(sums(8), seed=0, batch_size=8, rank=0, processes=1, workers=0)
    assert task(loaded, batch.data).loss.item() == pytest.approx(best["value"], rel=1e-6)


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_anywhere_it_goes_on_to_the_same_numbers(trainer: Make, sums, tmp_path: Path, workers: int):
    given = {
        "validation": sums(16), "evaluate_every": 3, "accumulate": 2, "workers": workers, "log_every": 4,
        "optim": OptimConfig(average_decay=0.9, warmup_steps=3),
    }  # fmt: skip
    trainer("whole", **{**given, "workers": 0}).fit()
    for step in (1, 7, 11):
        name = f"broken at {step}"
        with pytest.raises(BrokenError):
            trainer(name, observers=[StopAt(step, broken)], **given).fit()
        assert Run.open(tmp_path / name).state()[:2] == ("failed", step)
        trainer(name, resume=True, **given).fit()
        assert_same_runs(tmp_path / "whole", tmp_path / name)


def test_early_stopping_is_remembered(trainer: Make, sums, tmp_path: Path):
    given = {
        "validation": sums(8), "evaluate": lambda _: {"score": 1.0}, "monitor": "score", "evaluate_every": 1,
        "patience": 2, "steps": 50,
    }  # fmt: skip
    result = trainer(**given).fit()
    assert result[1:] == (
        "stopped",
        3,
        {"metric": "score", "value": 1.0, "step": 1},
        "score has not become better for 2 evaluations",
    )
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    (tmp_path / "run" / "state.json").unlink()  # killed after its last checkpoint, before it could say so
    assert trainer(resume=True, **given).fit() == result
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before


def test_an_onlooker_may_stop_a_run(trainer: Make, tmp_path: Path):
    result = trainer(observers=[StopAt(7, lambda: "sick")]).fit()
    assert (result.state, result.step, result.reason) == ("stopped", 7, "sick")
    assert last_state(tmp_path / "run")["step"] == 7


def test_ctrl_c_saves_and_exits_130(trainer: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    trainer("whole").fit()
    with pytest.raises(SystemExit) as caught:
        trainer(observers=[StopAt(7, interrupted)]).fit()
    assert caught.value.code == 130
    assert "interrupted at step 7; resume goes on from step 7" in capsys.readouterr().err
    assert Run.open(tmp_path / "run").state()[:2] == ("interrupted", 7)
    assert last_state(tmp_path / "run")["step"] == 7
    trainer(resume=True).fit()
    assert_same_runs(tmp_path / "whole", tmp_path / "run")


class Environment:
    """A source of batches from a process that can only be reset, not written down."""

    only_planned = True

    def __init__(self) -> None:
        self.resets: list[int] = []
        self.on_checkpoint(0)

    def draw(self, step: int) -> list[Batch]:
        x = torch.stack([torch.randn(4, generator=self.generator) for _ in range(8)])
        return [Batch(list(range(8)), {"x": x, "y": x.sum(dim=1, keepdim=True)})]

    def close(self) -> None:
        pass

    def on_checkpoint(self, step: int) -> None:
        self.resets.append(step)
        self.generator = torch.Generator().manual_seed(step)

    def state_dict(self) -> dict[str, Any]:
        return {"reset at": self.resets[-1]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.on_checkpoint(state["reset at"])


@pytest.mark.parametrize("how", [broken, interrupted])
def test_environments_are_reset_in_both_runs(
    trainer: Make, tmp_path: Path, how, capsys: pytest.CaptureFixture[str]
):
    whole = Environment()
    trainer("whole", source=whole).fit()
    assert whole.resets == [0, 0, 5, 10, 12]
    with pytest.raises((BrokenError, SystemExit)):
        trainer(source=Environment(), observers=[StopAt(8, how)]).fit()
    if how is interrupted:
        assert "interrupted at step 8; resume goes on from step 5" in capsys.readouterr().err
    trainer(source=Environment(), resume=True).fit()
    assert_same_runs(tmp_path / "whole", tmp_path / "run")


def test_a_forgotten_state_would_be_noticed(trainer: Make, tmp_path: Path):
    """The comparison of these tests is not blind: a store that forgets its state gives other numbers."""

    class Forgetful(Environment):
        def load_state_dict(self, state: dict[str, Any]) -> None:
            pass

    trainer("whole", source=Environment()).fit()
    with pytest.raises(BrokenError):
        trainer(source=Forgetful(), observers=[StopAt(8, broken)]).fit()
    trainer(source=Forgetful(), resume=True).fit()
    with pytest.raises(AssertionError):
        assert_same_runs(tmp_path / "whole", tmp_path / "run")


def test_an_onlooker_with_a_state_is_saved_too(trainer: Make):
    class Counter(Observer):
        def __init__(self) -> None:
            self.count = 0

        def after_step(self, report: StepReport, model: nn.Module) -> str | None:
            self.count += 1
            return None

        def on_checkpoint(self, step: int) -> None: ...

        def state_dict(self) -> dict[str, Any]:
            return {"count": self.count}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.count = state["count"]

    with pytest.raises(BrokenError):
        trainer(observers=[Counter(), StopAt(8, broken)]).fit()
    counter = Counter()
    trainer(observers=[counter, StopAt(99, broken)], resume=True).fit()
    assert counter.count == 12


# Bad input


def test_nan_stops_the_run_and_names_the_record(trainer: Make, sums, tmp_path: Path):
    with pytest.raises(TrainingFailedError, match=r"records \[13\]"):
        trainer(records=sums(40, bad=13)).fit()
    state = Run.open(tmp_path / "run").state()
    assert state.state == "failed"
    assert "[13]" in state.reason


def test_nan_is_skipped_if_told_so(trainer: Make, sums, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    result = trainer(records=sums(40, bad=13), not_finite="skip").fit()
    assert result.state == "finished"
    lines = Run.open(tmp_path / "run").metrics.read()
    assert next(line["skipped_records"] for line in lines if "skipped_records" in line) == [13]
    assert all(math.isfinite(line["loss"]) for line in lines)
    assert "records [13]: skipped" in capsys.readouterr().err


def test_other_settings_data_and_surroundings_are_shown_side_by_side(trainer: Make, sums, tmp_path: Path):
    with pytest.raises(BrokenError):
        trainer(observers=[StopAt(8, broken)]).fit()
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="cannot go on to the same numbers") as caught:
        trainer(
            records=sums(41), batch_size=9, seed=4, optim=OptimConfig(learning_rate=5.0), resume=True
        ).fit()
    shown = {line.split()[0]: line.split()[1:] for line in str(caught.value).splitlines()[2:-1]}
    assert shown == {
        "seed": ["0", "4"], "data": ["sums", "40", "sums", "41"], "settings.seed": ["0", "4"],
        "settings.batch_size": ["8", "9"], "settings.optim.learning_rate": ["0.001", "5.0"],
    }  # fmt: skip
    assert {path: path.read_bytes() for path in before} == before


def test_what_cannot_change_the_numbers_may_change(trainer: Make):
    with pytest.raises(BrokenError):
        trainer(observers=[StopAt(8, broken)]).fit()
    assert (
        trainer(workers=1, keep_checkpoints=4, loggers=("tensorboard",), resume=True).fit().state
        == "finished"
    )


def test_another_model_is_shown_side_by_side(trainer: Make):
    with pytest.raises(BrokenError):
        trainer(observers=[StopAt(8, broken)]).fit()
    with pytest.raises(
        ValueError, match=r"the model is not the one in .*\n.*\n.*weight +float32 \(16, 4\)|0\.weight"
    ):
        trainer(model=nn.Sequential(nn.Linear(4, 17), nn.Linear(17, 1)), resume=True).fit()


def test_another_frozen_part_is_noticed(trainer: Make, model):
    given = {"frozen": ("0",)}
    with pytest.raises(BrokenError):
        trainer(observers=[StopAt(8, broken)], **given).fit()
    with pytest.raises(ValueError, match=r"frozen\.0"):
        trainer(model=model(seed=2), resume=True, **given).fit()
    assert trainer(resume=True, **given).fit().state == "finished"


def test_no_run_and_a_run_already(trainer: Make, tmp_path: Path):
    with pytest.raises(ValueError, match="is not a run folder"):
        trainer(resume=True).fit()
    assert not (tmp_path / "run").exists()
    result = trainer().fit()
    with pytest.raises(ValueError, match="already holds a run"):
        trainer().fit()
    assert trainer(resume=True).fit() == result


def test_two_runs_cannot_share_a_folder(trainer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Run, "lock", lambda self: RunLock(self.path, patience=0.0))
    trainer().fit()
    (tmp_path / "run" / "state.json").unlink()
    with (
        Run.open(tmp_path / "run").lock(),
        pytest.raises(RuntimeError, match="is in use by process"),
    ):
        trainer(resume=True).fit()


def test_a_truncated_checkpoint_costs_an_interval(
    trainer: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    trainer("whole").fit()
    with pytest.raises(BrokenError):
        trainer(observers=[StopAt(11, broken)]).fit()
    newest, _ = Run.open(tmp_path / "run").checkpoints().last()
    newest.write_bytes(newest.read_bytes()[:-100])
    trainer(resume=True).fit()
    assert "step_0000000010.safetensors is truncated" in capsys.readouterr().err
    assert_same_runs(tmp_path / "whole", tmp_path / "run")


def test_no_whole_checkpoint_at_all(trainer: Make, tmp_path: Path):
    with pytest.raises(BrokenError):
        trainer(observers=[StopAt(8, broken)]).fit()
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="no whole checkpoint to go on from"):
        trainer(resume=True).fit()


def test_a_full_disk_keeps_the_last_good_checkpoint(trainer: Make, tmp_path: Path):
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:

        def fill() -> str | None:
            while not (place / "run" / "checkpoints" / "step_0000000005.safetensors").exists():
                time.sleep(0.001)
            (place / "filling").write_bytes(bytes(free_bytes(place) - 100_000))
            return None

        def wide() -> nn.Module:
            torch.manual_seed(0)
            return nn.Sequential(nn.Linear(4, 2000), nn.Linear(2000, 1))

        trainer("whole", model=wide()).fit()
        with pytest.raises(
            DiskFullError, match=r"no room for .*step_0000000010.*it needs 14\d\.\d kB, .* kB are free"
        ):
            trainer("small/run", model=wide(), observers=[StopAt(6, fill)]).fit()
        assert last_state(place / "run")["step"] == 5
        (place / "filling").unlink()
        trainer("small/run", model=wide(), resume=True).fit()
        assert_same_runs(tmp_path / "whole", place / "run")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_bad_arguments(trainer: Make, sums, tmp_path: Path):
    with pytest.raises(ValueError, match="both or neither"):
        trainer(records=sums(), source=Environment())
    with pytest.raises(ValueError, match="epochs is given with a source"):
        trainer(source=Environment(), steps=None, epochs=1.0)
    with pytest.raises(ValueError, match="training set is empty"):
        trainer(records=sums(0))
    with pytest.raises(ValueError, match="batch_size is 8; expected at least 9"):
        trainer(accumulate=9).fit()
    assert list(tmp_path.iterdir()) == []  # nothing is begun that cannot go on
    with pytest.raises(ValueError, match="did you mean validation/loss"):
        trainer(validation=sums(8), monitor="validation/los").fit()


def test_a_task_may_use_any_part_of_the_model(trainer: Make):
    def task(net: nn.Module, data: dict) -> Outcome:
        return Outcome(net[0](data["x"]).square().mean())

    assert trainer(task=task, model=nn.Sequential(nn.Linear(4, 2))).fit().state == "finished"
