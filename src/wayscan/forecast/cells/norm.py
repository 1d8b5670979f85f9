"""Root-mean-square normalisation, which keeps what a layer reads at one size however far a series goes."""

from typing import Any

import numpy as np

from wayscan.forecast.cells.layer import Array, Layer, State, flat

EPSILON = 1e-5


class RMSNorm(Layer):
    """y = g · x / √(mean of x² + ε), over the channels of each step.

    With r = 1 / √(…): dx = r (g dy − x r² · mean of (g dy x)).

    Parameters: H.
    """

    name = "norm"

    def __init__(self, width: int, dtype: np.dtype[Any]) -> None:
        super().__init__(width, width, dtype)
        self.add_weight("g", np.ones(width))

    def forward(self, x: Array) -> Array:
        r = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
        self._kept = (x, r)
        return x * r * self.weights["g"]

    def backward(self, dy: Array, *, to_input: bool = True) -> Array:
        x, r = self._kept
        self.gradients = {"g": flat(dy * x * r).sum(axis=0)}
        scaled = dy * self.weights["g"]
        return r * (scaled - x * r * r * np.mean(scaled * x, axis=-1, keepdims=True))

    def initial_state(self, batch: int) -> State:
        return {}

    def step(self, x: Array, state: State) -> tuple[Array, State]:
        r = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
        return x * r * self.weights["g"], state
