"""The loop: draw, learn, look, save; and the same again after a crash."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wayscan.data.runs.folder import Run
from wayscan.train.best import Best
from wayscan.train.checkpoint import Checkpointer
from wayscan.train.config import TrainConfig
from wayscan.train.determinism import deterministic
from wayscan.train.distributed import Processes, check_precision
from wayscan.train.evaluation import validate
from wayscan.train.interruption import Interruption
from wayscan.train.learner import Learner
from wayscan.train.loader import EpochOrder, RecordStream, check_shares
from wayscan.train.logging import Window
from wayscan.train.not_finite import SkipRule
from wayscan.train.outputs import Outputs
from wayscan.train.resume import Facts, check_same
from wayscan.train.session import failure_noted, leave, newest_state
from wayscan.train.task import BatchSource, Observer, Result, Resumable, StepReport, Task, TrainingSet


class Trainer:
    """Trains `model` on `task` in a run folder, from the start or from where an earlier process left off.

    Args:
        model: what learns. Build it under a seed (`seed_everything`) if its initial weights shall repeat.
        task: what is learnt: (model, batch) → Outcome.
        records: what it is learnt from.
        run: the run folder, to be made or (with `resume`) to go on in.
        config: how.
        settings: all settings of the caller, dataclass or mapping, for config.json; `config` if not given.
        validation: records for "validation/loss".
        evaluate: further metrics of the model, by name; called in the main process.
        resumables: whatever else has a state, by name.
        observers: who may look on, and stop the run.
        source: gives the batches in place of `records`: a replay store and the like. It is saved, too, if it
            is Resumable, and compared on resuming if it has a `fingerprint()`.
        resume: go on in `run`, to the same numbers as a run that never stopped.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        records: TrainingSet | None = None,
        *,
        run: str | Path,
        config: TrainConfig,
        settings: object = None,
        validation: TrainingSet | None = None,
        evaluate: Callable[[nn.Module], Mapping[str, float]] | None = None,
        resumables: Mapping[str, Resumable] | None = None,
        observers: Sequence[Observer] = (),
        source: BatchSource | None = None,
        resume: bool = False,
    ) -> None:
        if (records is None) == (source is None):
            raise ValueError(
                "the trainer has both or neither of records and source; expected one of them: give one"
            )
        if records is None and config.steps is None:
            raise ValueError("epochs is given with a source, which has no length; expected steps: give these")
        self.path, self.config, self.resume = Path(run), config, resume
        self.settings = config if settings is None else settings
        self.model, self.task, self.records, self.source = model, task, records, source
        self.validation, self.evaluate, self.observers = validation, evaluate, observers
        self.resumables = {
            **(resumables or {}),
            **_resumables({"source": source}),
            **_resumables(_named(observers)),
        }
        self.steps = config.steps_for(EpochOrder(records, config.seed).length if records is not None else 0)
        self.best = Best(config.monitor, config.better, config.patience)
        self.window, self.skips = Window(), SkipRule(config.not_finite)
        self.stop: str | None = None

    def fit(self) -> Result:
        """Train to the end. Ctrl-C and SIGTERM raise SystemExit(130) and SystemExit(143), after saving."""
        earlier = Run.open(self.path) if self.resume else None
        threads = self.config.threads or (earlier.about.get("threads") if earlier else None)
        with ExitStack() as stack:
            threads = stack.enter_context(deterministic(threads))
            self.interruption = stack.enter_context(Interruption())
            self.processes = Processes(cpu=self.config.device == "cpu")
            check_precision(self.config.precision)
            check_shares(self.config.batch_size, self.processes.count, self.config.accumulate)
            self.learner = Learner(
                self.model,
                self.task,
                self.config,
                steps=self.steps,
                processes=self.processes,
                observers=self.observers,
            )
            run = self._enter(earlier, threads, stack)
            start = self._restore(run) if earlier else 0
            self._open(run, start, stack)
            with failure_noted(self.outputs):
                if start == 0:
                    self._save(0)
                    self.checkpointer.wait()  # or a kill in the first interval would lose the initial weights
                self._train(start)
                self.checkpointer.wait()
            state = "stopped" if self.stop else "finished"
            self.outputs.write_state(state, self.stop)
            return Result(self.path, state, self.outputs.step, self.best.as_dict(), self.stop)

    # The story

    def _train(self, start: int) -> None:
        config = self.config
        for step in range(start + 1, self.steps + 1):
            if self.stop:
                return
            with self.outputs.timed("loading"):
                pieces = self.stream.draw(step)
            report = self.learner(step, pieces)
            self.outputs.arrive(step)
            self._note(report)
            is_last = step == self.steps
            if is_last or step % config.log_every == 0:
                self._log(report)
            if is_last or (config.evaluate_every and step % config.evaluate_every == 0):
                self._evaluate(step)
            planned = bool(is_last or self.stop or step % config.checkpoint_every == 0)
            if planned:
                self._save(step)
            self.checkpointer.poll()
            self._mind_interruption(step, planned)

    def _note(self, report: StepReport) -> None:
        self.window.add(report)
        if warning := self.skips.mind(report):
            self.outputs.say(warning)
        self._stop_if(observer.after_step(report, self.model) for observer in self.observers)

    def _log(self, report: StepReport) -> None:
        epoch = {"epoch": self.stream.epoch(report.step)} if isinstance(self.stream, RecordStream) else {}
        rates = {f"rate/{name}": rate for name, rate in report.rates.items()}
        self.outputs.write({**epoch, **self.window.flush(), **rates})
        self.outputs.write_timing()

    def _evaluate(self, step: int) -> None:
        if self.validation is None and self.evaluate is None:
            return
        with self.learner.evaluating():
            with self.outputs.timed("evaluating"):
                metrics = self._measured()
            self.outputs.write(metrics)
            if self.best.update(step, metrics) and self.processes.is_main:
                with self.outputs.timed("saving"):
                    self.checkpointer.save_best(step, self.learner.weights(), self.best.as_dict() or {})
        self.outputs.write_state("running")
        self._stop_if(observer.after_evaluation(step, metrics) for observer in self.observers)
        if self.best.is_over:
            self._stop_if([f"{self.best.metric} has not become better for {self.best.waited} evaluations"])

    def _measured(self) -> dict[str, float]:
        metrics = validate(self.learner, self.validation) if self.validation is not None else {}
        if self.evaluate is not None:
            with torch.no_grad():
                own = dict(self.evaluate(self.model)) if self.processes.is_main else {}
            metrics |= self.processes.from_main(own)
        return metrics

    def _stop_if(self, reasons: Iterable[str | None]) -> None:
        """Stop for the first reason that any process has; each of `reasons` is asked for."""
        ours = next(filter(None, list(reasons)), None)
        if self.observers or ours:
            ours = next(filter(None, self.processes.gather(ours)), None)
        self.stop = self.stop or ours

    # Saving and going on

    def _save(self, step: int, *, planned: bool = True) -> None:
        with self.outputs.timed("saving"):
            for resumable in self.resumables.values() if planned else ():
                resumable.on_checkpoint(step)
            own = {name: item.state_dict() for name, item in self.resumables.items()}
            everyones = self.processes.gather(own)
            if self.processes.is_main:
                self.checkpointer.save(step, self._state(step, everyones))
            self.outputs.write_state("running")

    def _state(self, step: int, resumables: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            **self.learner.state_dict(),
            "step": step,
            "best": self.best.state_dict(),
            "window": self.window.state_dict(),
            "skips": self.skips.in_a_row,
            "stop": self.stop,
            "resumables": resumables,
        }

    def _restore(self, run: Run) -> int:
        """Bring everything to where the newest whole checkpoint was; return its step."""
        found = newest_state(run, speaks=self.processes.is_main)
        if found is None:
            self.processes.on_main(lambda: run.rewind(0))
            return 0
        state, path = found
        self.learner.load_state_dict(state, path)
        self.best.load_state_dict(state["best"])
        self.window.load_state_dict(state["window"])
        self.skips.in_a_row = state["skips"]
        self.stop = state["stop"]
        for name, item in self.resumables.items():
            item.load_state_dict(state["resumables"][self.processes.rank][name])
        self.processes.wait()
        self.processes.on_main(lambda: run.rewind(state["step"]))
        return state["step"]

    # Leaving early

    def _mind_interruption(self, step: int, saved: bool) -> None:
        flag = torch.tensor(float(self.interruption.signal), device=self.processes.device)
        if not self.processes.sum(flag).item():
            return
        going_on = step
        if not saved and any(getattr(item, "only_planned", False) for item in self.resumables.values()):
            going_on = step - step % self.config.checkpoint_every
        elif not saved:
            self._save(step, planned=False)
        signal = max(self.processes.gather(self.interruption.signal))
        leave(self.outputs, self.checkpointer, signal, step=step, going_on=going_on)

    # Setting up

    def _enter(self, earlier: Run | None, threads: int, stack: ExitStack) -> Run:
        """Make the folder, or check that it is the same run; and hold its lock."""
        now = Facts(
            seed=self.config.seed, steps=self.steps, data=_fingerprint(self.records or self.source),
            validation=_fingerprint(self.validation), frozen=self.learner.frozen.hashes(), threads=threads,
            processes=self.processes.count, device=self.processes.device.type,
        )  # fmt: skip
        if earlier:
            check_same(earlier, self.settings, now)
            self.processes.on_main(lambda: _hold(stack, earlier))
            return earlier
        self.processes.on_main(
            lambda: _hold(stack, Run.create(self.path, config=self.settings, **now._asdict()))
        )
        return Run.open(self.path)

    def _open(self, run: Run, start: int, stack: ExitStack) -> None:
        config, processes = self.config, self.processes
        self.stream: BatchSource = self.source or RecordStream(
            self.records, seed=config.seed, batch_size=config.batch_size, start=start, steps=self.steps,  # type: ignore[arg-type]
            rank=processes.rank, processes=processes.count, pieces=config.accumulate, workers=config.workers,
        )  # fmt: skip
        stack.callback(self.stream.close)
        self.outputs = Outputs(
            run, config, self.best, start=start, steps=self.steps, speaks=processes.is_main
        )
        stack.callback(self.outputs.close)
        self.checkpointer = Checkpointer(run.checkpoints(keep=config.keep_checkpoints), run.metrics)
        stack.callback(self.checkpointer.shut)
        if processes.is_main:
            self.checkpointer.reserve(*self.learner.sizes())


def _hold(stack: ExitStack, run: Run) -> None:
    stack.enter_context(run.lock())


def _fingerprint(data: object) -> str | None:
    return data.fingerprint() if data is not None and hasattr(data, "fingerprint") else None  # type: ignore[attr-defined]


def _named(observers: Sequence[Observer]) -> dict[str, object]:
    return {f"observer {number} {type(item).__name__}": item for number, item in enumerate(observers)}


def _resumables(items: Mapping[str, object]) -> dict[str, Resumable]:
    return {name: item for name, item in items.items() if isinstance(item, Resumable)}
