"""Where numbers go."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from wayscan.data.runs.folder import Run
from wayscan.train.logging import MetricsLog, Progress, Window
from wayscan.train.task import StepReport


def report(step: int, loss: float, *, skipped: tuple[int, ...] = ()) -> StepReport:
    return StepReport(
        step, loss, {"box": 2 * loss}, {"model": 3.0}, 1.0, {"head": 0.1}, skipped, bool(skipped), ()
    )


def test_means_over_a_window_that_survives():
    whole, before = Window(), Window()
    for window in (whole, before):
        window.add(report(1, 0.1))
        window.add(report(2, float("nan"), skipped=(4, 9)))
    after = Window()
    after.load_state_dict(before.state_dict())
    for window in (whole, after):
        window.add(report(3, 0.2))
    metrics = whole.flush()
    assert metrics == after.flush()
    assert metrics == {
        "loss": (0.1 + 0.2) / 2, "parts/box": (0.2 + 0.4) / 2, "gradient_norm": 3.0, "clipped": 1.0,
        "skipped_records": [4, 9],
    }  # fmt: skip
    assert whole.flush() == {}


def events(run: Run) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run.path / "tensorboard"))
    accumulator.Reload()
    return [(event.step, round(event.value, 3)) for event in accumulator.Scalars("loss")]


def test_tensorboard_forgets_what_a_resumed_run_does_again(tmp_path: Path):
    run = Run.create(tmp_path / "run", config={})
    log = MetricsLog(run, ["tensorboard"])
    for step in (1, 2, 3, 4):
        log.write(step, {"loss": 1.0, "skipped_records": [1]})
    log.close()
    run.rewind(2)
    log = MetricsLog(run, ["tensorboard"], start=2)
    log.write(3, {"loss": 0.5})
    log.close()
    assert events(run) == [(1, 1.0), (2, 1.0), (3, 0.5)]
    assert [(line["step"], line["loss"]) for line in run.metrics.read()] == events(run)


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    told: list = []

    def init(**arguments: object) -> SimpleNamespace:
        told.append(arguments)
        return service

    service = SimpleNamespace(
        init=init, log=lambda metrics, step: told.append((step, metrics)), finish=lambda: told.append("end")
    )
    monkeypatch.setitem(sys.modules, name, service)
    run = Run.create(tmp_path / "run", config={"rate": 1})
    log = MetricsLog(run, [name])
    log.write(3, {"loss": 0.5})
    log.close()
    assert told[0]["config"] == {"rate": 1}
    assert told[0]["resume"] == "allow"
    assert told[1:] == [(3, {"loss": 0.5}), "end"]


@pytest.mark.parametrize("name", ["wandb", "trackio", "tensorboard"])
def test_a_missing_one_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard" if name == "tensorboard" else name, None)
    with pytest.raises(ImportError, match=rf"logger '{name}' .*pip install 'wayscan\[log\]'"):
        MetricsLog(Run.create(tmp_path / "run", config={}), [name])


def test_plain_lines_elsewhere(capsys: pytest.CaptureFixture[str]):
    progress = Progress(100, 0)
    progress.step(10)
    progress.tell(10, {"loss": 0.25, "rate/head": 1.0})
    progress.tell(11, {"loss": 0.25})  # not more than one a second, but for validation
    progress.tell(12, {"validation/loss": 0.5})
    progress.say("careful")
    progress.close()
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == "step 10/100  loss 0.25\nstep 12/100  validation/loss 0.5\ncareful\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress(100, 40)
    progress.step(50)
    progress.tell(50, {"loss": 0.25})
    progress.say("careful")
    progress.close()
    seen = capsys.readouterr()
    assert "50/100" in seen.err
    assert "loss 0.25" in seen.err
    assert "careful" in seen.err


def test_silence(capsys: pytest.CaptureFixture[str]):
    progress = Progress(100, 0, shown=False)
    progress.tell(50, {"loss": 0.25})
    progress.close()
    assert capsys.readouterr() == ("", "")
