"""How weights move: SGD, Adam and RMSProp, decay, clipping, and the course of the learning rate."""

import math
from collections.abc import Mapping

import numpy as np

from wayscan.forecast.cells.layer import Array
from wayscan.forecast.config import ForecastConfig

Arrays = dict[str, Array]


class Optimiser:
    """Moves weights in place. `memory` holds what it remembers, by name, for a checkpoint."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.weights = weights
        self.memory: Arrays = {}
        self.updates = 0

    def update(self, gradients: Mapping[str, Array], rate: float) -> None:
        self.updates += 1
        for name, weight in self.weights.items():
            weight -= weight.dtype.type(rate) * self.direction(name, gradients[name])

    def direction(self, name: str, gradient: Array) -> Array:
        raise NotImplementedError

    def remembered(self, kind: str, name: str) -> Array:
        """The running array of this kind for a weight; zeros at first."""
        return self.memory.setdefault(f"{kind}.{name}", np.zeros_like(self.weights[name]))


class SGD(Optimiser):
    """w ← w − rate · v, v ← momentum · v + gradient; the seed's has no momentum."""

    def __init__(self, weights: Mapping[str, Array], momentum: float = 0.0) -> None:
        super().__init__(weights)
        self.momentum = momentum

    def direction(self, name: str, gradient: Array) -> Array:
        if not self.momentum:
            return gradient
        velocity = self.remembered("velocity", name)
        velocity *= self.momentum
        velocity += gradient
        return velocity


class Adam(Optimiser):
    """w ← w − rate · m̂ / (√v̂ + ε), with running means of gradient and square, freed of their start."""

    def __init__(
        self, weights: Mapping[str, Array], betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8
    ) -> None:
        super().__init__(weights)
        self.betas, self.epsilon = betas, epsilon

    def direction(self, name: str, gradient: Array) -> Array:
        first, second = self.betas
        mean, square = self.remembered("mean", name), self.remembered("square", name)
        mean += (1 - first) * (gradient - mean)
        square += (1 - second) * (gradient * gradient - square)
        spread = np.sqrt(square / (1 - second**self.updates))
        spread += self.epsilon
        return mean / (1 - first**self.updates) / spread


class RMSProp(Optimiser):
    """w ← w − rate · gradient / (√s + ε), with s a running mean of the gradient's square."""

    def __init__(self, weights: Mapping[str, Array], decay: float = 0.99, epsilon: float = 1e-8) -> None:
        super().__init__(weights)
        self.decay, self.epsilon = decay, epsilon

    def direction(self, name: str, gradient: Array) -> Array:
        square = self.remembered("square", name)
        square += (1 - self.decay) * (gradient * gradient - square)
        return gradient / (np.sqrt(square) + self.epsilon)


def make_optimiser(config: ForecastConfig, weights: Mapping[str, Array]) -> Optimiser:
    if config.optimiser == "sgd":
        return SGD(weights, config.momentum)
    return {"adam": Adam, "rmsprop": RMSProp}[config.optimiser](weights)


def regularise(gradients: Arrays, weights: Mapping[str, Array], l2: float, l1: float) -> None:
    """Add the gradients of l2/2 · Σ w² and l1 · Σ |w| over all but biases and A_log, which is a rate."""
    for name, weight in weights.items():
        if weight.ndim > 1 and name.rpartition(".")[2] not in ("b", "A_log"):
            if l2:
                gradients[name] += weight.dtype.type(l2) * weight
            if l1:
                gradients[name] += weight.dtype.type(l1) * np.sign(weight)


def clip(gradients: Arrays, longest: float | None, largest: float | None) -> float:
    """Clip each entry to ±largest, then all together to the norm `longest`; return the norm before."""
    before = left = _norm(gradients)
    if largest is not None:
        for each in gradients.values():
            np.clip(each, -largest, largest, out=each)
        left = _norm(gradients)
    if longest is not None and left > longest:
        for each in gradients.values():
            each *= each.dtype.type(longest / left)
    return before


def _norm(gradients: Arrays) -> float:
    return math.sqrt(sum(float(np.vdot(each, each)) for each in gradients.values()))


def rate_at(config: ForecastConfig, update: int, updates: int) -> float:
    """The learning rate of an update, counted from 0, of so many."""
    peak = config.learning_rate
    if update < config.warmup:
        return peak * (update + 1) / config.warmup
    done = (update - config.warmup) / max(1, updates - config.warmup)
    if config.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * done))
    return peak * 0.5 ** int(3 * done) if config.schedule == "step" else peak
