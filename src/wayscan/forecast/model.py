"""The network: recurrent layers with a skip path, attention among them, a linear head on the last step."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from wayscan.forecast.cells.attention import Attention
from wayscan.forecast.cells.gru import GRU
from wayscan.forecast.cells.layer import Array, Layer, Scratch, State, flat, uniform
from wayscan.forecast.cells.mamba import Mamba
from wayscan.forecast.cells.mamba_simple import MambaSimple
from wayscan.forecast.cells.mingru import MinGRU, MinGRULog
from wayscan.forecast.cells.norm import RMSNorm
from wayscan.forecast.config import ForecastConfig


class Network:
    """x (L, F, B), windows as columns → y (1, B), the value after each window.

    Each layer's output is `layer(x)`, or with skip `layer(x) + x P`, where P is learnt if the widths differ
    and the identity if not. With norm, a layer above another reads `norm(x)`. The head is y = h_L W + b.

    Args:
        features: F.
        rng: where the first weights come from.
    """

    def __init__(self, config: ForecastConfig, features: int, rng: np.random.Generator) -> None:
        self.features, self.hidden = features, config.hidden_size
        self.dtype = np.dtype(config.precision)
        self.skip = config.skip == "add"
        self.layers: list[Layer] = []
        for number in range(config.layers):
            self.layers.append(_recurrent(config, self.hidden if number else features, rng))
            if config.attention == "each" or (config.attention == "last" and number == config.layers - 1):
                self.layers.append(Attention(self.hidden, self.hidden, self.dtype, rng, heads=config.heads))
        self.head = {
            "W": uniform(rng, self.hidden, self.hidden, 1).astype(self.dtype),
            "b": np.zeros(1, self.dtype),
        }
        self.paths: list[Array | None] = [
            uniform(rng, layer.inputs, layer.inputs, self.hidden).astype(self.dtype)
            if self.skip and layer.inputs != self.hidden
            else None
            for layer in self.layers
        ]
        self.norms = [
            RMSNorm(self.hidden, self.dtype) if config.norm == "rms" and n else None
            for n in range(len(self.layers))
        ]
        self.gradients: dict[str, Array] = {}
        self._scratch = Scratch(self.dtype)

    @property
    def weights(self) -> dict[str, Array]:
        """All weights by name; writing into an array changes the network."""
        named = {
            f"layers.{n}.{name}": weight
            for n, layer in enumerate(self.layers)
            for name, weight in layer.weights.items()
        }
        named |= {f"paths.{n}": path for n, path in enumerate(self.paths) if path is not None}
        named |= {f"norms.{n}": norm.weights["g"] for n, norm in enumerate(self.norms) if norm is not None}
        return named | {f"head.{name}": weight for name, weight in self.head.items()}

    def load(self, weights: Mapping[str, Array]) -> None:
        """Take over weights; a name or shape that does not fit is refused."""
        own = self.weights
        if odd := sorted(set(own) ^ set(weights)):
            raise ValueError(f"the weights {', '.join(odd)} are on one side only; expected {', '.join(own)}")
        for name, weight in weights.items():
            if own[name].shape != weight.shape:
                raise ValueError(f"weight {name} is {weight.shape}; expected {own[name].shape}")
            own[name][...] = weight

    def forward(self, x: Array) -> Array:
        """Windows (L, F, B) → predictions (1, B); keeps what `backward` needs."""
        h = np.ascontiguousarray(x.transpose(0, 2, 1), self.dtype)  # time-major: (L, B, F)
        self._inputs = []
        for layer, path, norm in zip(self.layers, self.paths, self.norms, strict=True):
            self._inputs.append(h)
            out = layer.forward(h if norm is None else norm.forward(h))
            if self.skip:
                out = out + (h if path is None else (flat(h) @ path).reshape(out.shape))
            h = out
        self._last = h[-1]
        self._length = len(h)
        return (self._last @ self.head["W"] + self.head["b"]).T

    def backward(self, dy: Array, *, to_input: bool = False) -> Array | None:
        """The loss's gradient by the predictions (1, B) → that by the windows, if asked; sets `gradients`."""
        dy = np.ascontiguousarray(dy.T, self.dtype)
        self.gradients = {"head.W": self._last.T @ dy, "head.b": dy.sum(axis=0)}
        dh = self._scratch("dh", self._length, len(dy), self.hidden)
        dh[:-1] = 0  # only the last step is read
        np.matmul(dy, self.head["W"].T, out=dh[-1])
        for n in reversed(range(len(self.layers))):
            layer, path, norm, x = self.layers[n], self.paths[n], self.norms[n], self._inputs[n]
            dx = layer.backward(dh, to_input=to_input or n > 0)
            self.gradients |= {f"layers.{n}.{name}": each for name, each in layer.gradients.items()}
            if path is not None:
                self.gradients[f"paths.{n}"] = flat(x).T @ flat(dh)
            if dx is None:
                return None
            if norm is not None:
                dx = norm.backward(dx)
                self.gradients[f"norms.{n}"] = norm.gradients["g"]
            if self.skip:
                dx += dh if path is None else (flat(dh) @ path.T).reshape(dx.shape)
            dh = dx
        return dh.transpose(0, 2, 1)

    def predict(self, x: Array, batch: int = 512) -> Array:
        """Predictions (W,) for any number of windows (L, F, W), some at a time."""
        parts = [self.forward(x[:, :, at : at + batch])[0] for at in range(0, x.shape[2], batch)]
        return np.concatenate(parts)

    def initial_state(self, batch: int = 1) -> list[State]:
        return [layer.initial_state(batch) for layer in self.layers]

    def step(self, x: Array, state: list[State]) -> tuple[Array, list[State]]:
        """One step of a stream: x (B, F) → the value that comes next (B,), and the state after it."""
        h, after = x.astype(self.dtype, copy=False), []
        for layer, path, norm, before in zip(self.layers, self.paths, self.norms, state, strict=True):
            out, now = layer.step(h if norm is None else norm.step(h, {})[0], before)
            if self.skip:
                out = out + (h if path is None else h @ path)
            h = out
            after.append(now)
        return (h @ self.head["W"] + self.head["b"])[:, 0], after

    def size(self) -> int:
        """How many numbers are learnt."""
        return sum(weight.size for weight in self.weights.values())


def _recurrent(config: ForecastConfig, inputs: int, rng: np.random.Generator) -> Layer:
    sizes: tuple[int, int, np.dtype[Any]] = (inputs, config.hidden_size, np.dtype(config.precision))
    if config.model == "mamba":
        return Mamba(*sizes, rng, states=config.states, expand=config.expand)
    if config.model == "mamba_simple":
        return MambaSimple(*sizes, rng, states=config.states)
    return {"gru": GRU, "mingru": MinGRU, "mingru_log": MinGRULog}[config.model](*sizes, rng)


def mean_squared_error(prediction: Array, y: Array) -> tuple[float, Array]:
    """The loss of a batch, and its gradient by the predictions; both (1, B)."""
    error = prediction - y
    return float(np.mean(error * error)), error * prediction.dtype.type(2 / error.size)
