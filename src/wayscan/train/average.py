"""An exponential moving average of the weights (EMA)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from wayscan.train.modules import Frozen


class ExponentialAverage:
    """Follows what learns and the floating-point buffers; the first steps are followed faster.

    The decay at update t is min(decay, (1 + t) / (10 + t)), so that the average forgets the initial weights.
    """

    def __init__(self, model: nn.Module, decay: float, frozen: Frozen) -> None:
        self.decay, self.updates = decay, 0
        self._live = dict(_followed(model, frozen))
        self._average = {name: value.detach().clone() for name, value in self._live.items()}

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        live = [value.detach() for value in self._live.values()]
        torch._foreach_lerp_(list(self._average.values()), live, 1 - decay)  # type: ignore[attr-defined]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averaged weights inside of this block, and its own again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state_dict(self) -> dict[str, Any]:
        return {"updates": self.updates, "average": dict(self._average)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        for name, value in self._average.items():
            value.copy_(state["average"][name])

    def _swap(self) -> None:
        for name, value in self._live.items():
            value.data, self._average[name] = self._average[name], value.data


def _followed(model: nn.Module, frozen: Frozen) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield name, parameter
    persistent = model.state_dict().keys()
    for name, buffer in model.named_buffers():
        if name in persistent and buffer.is_floating_point() and not frozen.holds(name):
            yield name, buffer
