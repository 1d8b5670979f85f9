"""All that a run says while it trains: metrics, timings, state, progress; only the main process speaks."""

import time
from typing import Any

from wayscan.data.runs.folder import Run, RunState
from wayscan.train.best import Best
from wayscan.train.config import TrainConfig
from wayscan.train.logging import Metrics, MetricsLog, Progress


class Outputs:
    """Args:
    start: the step that the run goes on from.
    steps: the last step.
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
        self.loading = self.pause = 0.0  # seconds since the last line of timings
        if speaks and start:
            run.timings.append(start, {"resumed": True})

    def arrive(self, step: int) -> None:
        self.step = step
        self._progress.step(step)

    def write(self, metrics: Metrics) -> None:
        if self._log is not None:
            self._log.write(self.step, metrics)
        self._progress.tell(self.step, metrics)

    def write_timing(self) -> None:
        now, steps = time.perf_counter(), self.step - self._logged_step
        if not self._speaks or steps == 0:
            return
        seconds = now - self._logged_at
        self._run.timings.append(
            self.step,
            {
                "seconds": seconds,
                "steps_per_second": steps / seconds,
                "records_per_second": steps * self._batch_size / seconds,
                "loading_share": self.loading / seconds,
                "checkpoint_pause": self.pause,
            },
        )
        self._logged_at, self._logged_step = now, self.step
        self.loading = self.pause = 0.0

    def write_state(self, state: Any, reason: str | None = None) -> None:
        if self._speaks:
            self._run.write_state(RunState(state, self.step, self._steps, self._best.as_dict(), reason))

    def sync(self) -> None:
        """Let all metrics so far survive a power cut; a checkpoint relies on them."""
        self._run.metrics.sync()

    def say(self, text: str) -> None:
        if self._speaks:
            self._progress.say(text)

    def close(self) -> None:
        self._progress.close()
        if self._log is not None:
            self._log.close()
