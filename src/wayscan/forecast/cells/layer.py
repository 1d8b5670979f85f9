"""What every layer is: named weights, their gradients, forward, backward, and one step of a stream."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
State = dict[str, Array]


class Scratch:
    """Arrays that are kept between calls: taking fresh memory each time costs more than the arithmetic.

    An array is good until the same name is asked for again.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._kept: dict[str, Array] = {}

    def __call__(self, name: str, *shape: int) -> Array:
        kept = self._kept.get(name)
        if kept is None or kept.shape != shape:
            kept = self._kept[name] = np.empty(shape, self.dtype)
        return kept


class Layer:
    """(L, B, D) → (L, B, H).

    `forward` keeps what `backward` needs in scratch arrays; each pair of calls must be finished before the
    next. `backward` sets `gradients`, under the names of `weights`, and returns the gradient of its input,
    which the lowest layer is not asked for.
    """

    name: ClassVar[str]

    def __init__(self, inputs: int, outputs: int, dtype: np.dtype[Any]) -> None:
        self.inputs, self.outputs, self.dtype = inputs, outputs, dtype
        self.weights: dict[str, Array] = {}
        self.gradients: dict[str, Array] = {}
        self.scratch = Scratch(dtype)

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array, *, to_input: bool = True) -> Array | None:
        raise NotImplementedError

    def initial_state(self, batch: int) -> State:
        """What a stream starts from."""
        raise NotImplementedError

    def step(self, x: Array, state: State) -> tuple[Array, State]:
        """One step, (B, D) → (B, H), and the state after it."""
        raise NotImplementedError

    def add_weight(self, name: str, value: Array) -> None:
        self.weights[name] = np.ascontiguousarray(value, self.dtype)

    def zeros(self, *shape: int) -> Array:
        return np.zeros(shape, self.dtype)


def uniform(rng: np.random.Generator, fan_in: int, *shape: int) -> Array:
    """Uniform within ±1/√fan_in, which keeps a sum over `fan_in` inputs near their size."""
    bound = fan_in**-0.5
    return rng.uniform(-bound, bound, shape)


def flat(x: Array) -> Array:
    """All steps of all sequences as rows, (L, B, D) → (L·B, D): one large product instead of L small ones."""
    return x.reshape(-1, x.shape[-1])


def product(x: Array, W: Array, out: Array) -> Array:
    """x W for all steps of all sequences, (L, B, D) and (D, H) → (L, B, H), written into `out`."""
    if W.shape[0] == 1:  # one feature: a matrix product with an inner size of 1 is five times slower
        return np.multiply(x, W, out=out)
    np.matmul(flat(x), W, out=flat(out))
    return out


def sigmoid(x: Array, out: Array | None = None) -> Array:
    """σ(x) = (1 + tanh(x/2)) / 2, which cannot overflow.

    >>> float(sigmoid(np.zeros(1))[0])
    0.5
    """
    out = np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out *= 0.5
    out += 0.5
    return out


def softplus(x: Array) -> Array:
    """log(1 + eˣ), which is x where eˣ would overflow.

    >>> softplus(np.array([-800.0, 0.0, 800.0])).round(4).tolist()
    [0.0, 0.6931, 800.0]
    """
    out = np.minimum(x, x.dtype.type(80))
    np.exp(out, out=out)
    np.log1p(out, out=out)
    return np.maximum(out, x, out=out)
