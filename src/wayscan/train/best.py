"""The best evaluation so far, and when to stop waiting for a better one."""

import math
from collections.abc import Mapping
from typing import Any

from wayscan.names import nearest


class Best:
    """Follows one metric.

    Args:
        metric: its name among an evaluation's metrics.
        better: "lower" or "higher".
        patience: evaluations without a better value after which to stop; None never stops.
    """

    def __init__(self, metric: str, better: str, patience: int | None) -> None:
        self.metric, self.better, self.patience = metric, better, patience
        self.value: float | None = None
        self.step = 0
        self.waited = 0

    def update(self, step: int, metrics: Mapping[str, float]) -> bool:
        """Note an evaluation; say whether it is the best."""
        if self.metric not in metrics:
            raise ValueError(
                f"monitor is {self.metric!r}, which no evaluation gives; {nearest(self.metric, metrics)}"
            )
        value = float(metrics[self.metric])
        improved = not math.isnan(value) and (self.value is None or self._is_better(value))
        self.waited = 0 if improved else self.waited + 1
        if improved:
            self.value, self.step = value, step
        return improved

    @property
    def is_over(self) -> bool:
        return self.patience is not None and self.waited >= self.patience

    def as_dict(self) -> dict[str, Any] | None:
        return None if self.value is None else {"metric": self.metric, "value": self.value, "step": self.step}

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value, "step": self.step, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.value, self.step, self.waited = state["value"], state["step"], state["waited"]

    def _is_better(self, value: float) -> bool:
        assert self.value is not None
        return value < self.value if self.better == "lower" else value > self.value
