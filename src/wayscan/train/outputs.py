"""All that a run says while it trains: metrics, timings, state, progress; only the main process speaks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wayscan.data.runs.folder import Run, RunState
from wayscan.train.best import Best
from wayscan.train.config import TrainConfig
from wayscan.train.logging import Metrics, MetricsLog, Progress


class Outputs:
    """Speaks for a run.

    Args:
        start: the step that the run goes on from.
        steps: the last step.
        speaks: whether this is the main process.
    """

    def __init__(
        self, run: Run, config: TrainConfig, best: Best, *, start: int, steps: int, speaks: bool
    ) -> None:
        self._run, self._best, self._steps, self._speaks = run, best, steps, speaks
        self._batch_size = config.batch_size
        self._log = MetricsLog(run, config.loggers, start=start) if speaks else None
        self._progress = Progress(steps, start, shown=config.progress and speaks)
        self._logged_at, self._logged_step = time.perf_counter(), start
        self.step = start
        self._spent: dict[str, float] = {}  # seconds since the last line of timings
        if speaks and start:
            run.timings.append(start, {"resumed": True})

    def arrive(self, step: int) -> None:
        self.step = step
        self._progress.step(step)

    def write(self, metrics: Metrics) -> None:
        if self._log is not None:
            self._log.write(self.step, metrics)
        self._progress.tell(self.step, metrics)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Count the time spent inside of this block as that of `what`: "loading", "saving", "evaluating"."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._spent[what] = self._spent.get(what, 0.0) + time.perf_counter() - begun

    def write_timing(self) -> None:
        """How long the steps since the last line took, and what of that was not training."""
        now, steps = time.perf_counter(), self.step - self._logged_step
        if not self._speaks or steps == 0:
            return
        seconds = now - self._logged_at
        speeds = {
            "steps_per_second": steps / seconds,
            "records_per_second": steps * self._batch_size / seconds,
        }
        spent = {f"{what}_seconds": count for what, count in sorted(self._spent.items())}
        self._run.timings.append(self.step, {"seconds": seconds, **speeds, **spent})
        self._logged_at, self._logged_step, self._spent = now, self.step, {}

    def write_state(self, state: Any, reason: str | None = None) -> None:
        if self._speaks:
            self._run.write_state(RunState(state, self.step, self._steps, self._best.as_dict(), reason))

    def say(self, text: str) -> None:
        if self._speaks:
            self._progress.say(text)

    def close(self) -> None:
        self._progress.close()
        if self._log is not None:
            self._log.close()
