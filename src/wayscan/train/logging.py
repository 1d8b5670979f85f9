"""Where numbers go while training: the journal, TensorBoard, wandb, trackio, and the terminal."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from wayscan.data.runs.folder import Run
from wayscan.train.config import Logger
from wayscan.train.task import StepReport

Metrics = Mapping[str, Any]

_SECONDS_BETWEEN_LINES = 1.0


class Sink(Protocol):
    def write(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class MetricsLog:
    """Writes metrics to metrics.jsonl and to the chosen loggers.

    Args:
        run: where to.
        loggers: what else to write to.
        start: the step the run goes on from; what other logs hold after it is purged.
    """

    def __init__(self, run: Run, loggers: Sequence[Logger] = (), *, start: int = 0) -> None:
        self._journal = run.metrics
        self._sinks = [_SINKS[name](run, start) for name in loggers]

    def write(self, step: int, metrics: Metrics) -> None:
        self._journal.append(step, metrics)
        numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}
        for sink in self._sinks:
            sink.write(step, numbers)

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()


class Window:
    """Means over the steps since the log's last line; in the checkpoint, so that lines repeat exactly."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._skipped: list[int] = []

    def add(self, report: StepReport) -> None:
        if report.was_skipped:
            self._skipped.extend(report.skipped)
            return
        norms = {_norm_name(name): norm for name, norm in report.norms.items()}
        parts = {f"parts/{name}": value for name, value in report.parts.items()}
        for name, value in {"loss": report.loss, **parts, **norms, "clipped": report.clipped}.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def flush(self) -> dict[str, Any]:
        metrics: dict[str, Any] = {name: self._sums[name] / self._counts[name] for name in self._sums}
        if self._skipped:
            metrics["skipped_records"] = self._skipped
        self.__init__()
        return metrics

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "counts": dict(self._counts), "skipped": list(self._skipped)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._counts, self._skipped = (
            dict(state["sums"]),
            dict(state["counts"]),
            list(state["skipped"]),
        )


class Progress:
    """A bar on a terminal, plain lines elsewhere; on standard error: standard output belongs to results."""

    def __init__(self, steps: int, start: int, *, shown: bool = True) -> None:
        self._steps, self._bar = steps, None
        self._lines = shown and not sys.stderr.isatty()
        self._next_line = 0.0
        if shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.description}"),
            )
            self._bar = Bar(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task("", total=steps, completed=start)
            self._bar.start()

    def step(self, step: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def tell(self, step: int, metrics: Metrics) -> None:
        chosen = [name for name in metrics if name == "loss" or name.startswith(("validation/", "parts/"))][
            :4
        ]
        text = "  ".join(f"{name} {metrics[name]:.5g}" for name in chosen)
        if self._bar is not None:
            self._bar.update(self._task, description=text)
        elif self._lines and (text.startswith("validation") or time.monotonic() > self._next_line):
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            print(f"step {step}/{self._steps}  {text}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Something that a person must read, also where progress is not shown."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


class _TensorBoard:
    def __init__(self, run: Run, start: int) -> None:
        writer = _needs("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer = writer(str(run.path / "tensorboard"), purge_step=start + 1 if start else None)

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, run: Run, _: int) -> None:
        # The name of the folder is the id, so that a resumed run goes on with the same curves there.
        self._run = _needs("wandb", "wandb").init(
            project="wayscan",
            id=run.path.name,
            name=run.path.name,
            dir=str(run.path),
            config=run.about["config"],
            resume="allow",
        )

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        self._run.finish()


class _Trackio:
    def __init__(self, run: Run, _: int) -> None:
        self._trackio = _needs("trackio", "trackio")
        self._trackio.init(project="wayscan", name=run.path.name, config=run.about["config"], resume="allow")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        self._trackio.log(dict(metrics), step=step)

    def close(self) -> None:
        self._trackio.finish()


_SINKS = {"tensorboard": _TensorBoard, "wandb": _Wandb, "trackio": _Trackio}


def _needs(module: str, package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"logger {package!r} needs a package that is not installed: pip install 'wayscan[log]'"
        ) from error


def _norm_name(group: str) -> str:
    return "gradient_norm" if group == "model" else f"gradient_norm/{group}"
