"""Noise on actions, for W environments side by side. Needs no torch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.train.determinism import generator

Floats = NDArray[np.float32]


class GaussianNoise:
    """Independent at every step; its standard deviation goes from `sigma` to `sigma_min`."""

    def __init__(self, shape: tuple[int, int], sigma: float, sigma_min: float, seed: int = 0) -> None:
        self.shape, self.first, self.sigma_min, self.seed = shape, sigma, sigma_min, seed
        self.sigma, self.count = sigma, 0

    def scale_sigma(self, progress_ratio: float) -> None:
        """Anneal by the share of the environment's steps that are done."""
        annealed = self.first * (1 - progress_ratio) + self.sigma_min * progress_ratio
        self.sigma = max(annealed, min(self.sigma_min, self.first))

    def sample(self) -> Floats:
        """(W, A)."""
        self.count += 1
        drawn = generator(self.seed, "noise", self.count).standard_normal(self.shape)
        return (self.sigma * drawn).astype(np.float32)

    def reset(self, lane: int | None = None) -> None:
        """An episode begins, in one environment or in all: nothing to forget."""

    def state_dict(self) -> dict[str, Any]:
        return {"sigma": self.sigma, "count": self.count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.sigma, self.count = state["sigma"], state["count"]
        self.reset()


class OUNoise(GaussianNoise):
    """Ornstein-Uhlenbeck: x ← x − θ x + σ ε. It drifts for 1 / θ steps, and begins at 0 in each episode."""

    def __init__(
        self, shape: tuple[int, int], sigma: float, sigma_min: float, seed: int = 0, *, theta: float = 0.15
    ) -> None:
        super().__init__(shape, sigma, sigma_min, seed)
        self.theta = theta
        self._value = np.zeros(shape, np.float32)

    def sample(self) -> Floats:
        self._value = (1 - self.theta) * self._value + super().sample()
        return self._value.copy()

    def reset(self, lane: int | None = None) -> None:
        """The drift of an earlier episode is forgotten."""
        self._value[slice(None) if lane is None else lane] = 0
