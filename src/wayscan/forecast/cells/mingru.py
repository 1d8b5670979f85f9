"""minGRU (Feng et al., 2024): a gate and a candidate that see the input alone."""

from typing import Any

import numpy as np

from wayscan.forecast.cells.layer import Array, Layer, State, flat, product, sigmoid, softplus, uniform


class MinGRU(Layer):
    """z = σ(x W_z + b_z), c = x W_h + b_h, h' = (1 − z) h + z c.

    W (2, D, H) holds W_z and W_h, b (2, H) their biases. Neither gate nor candidate sees h, so all products
    are made at once, and the recurrence is left with one multiplication and one addition a step.

    Parameters: 2(DH + H).
    """

    name = "mingru"

    def __init__(self, inputs: int, outputs: int, dtype: np.dtype[Any], rng: np.random.Generator) -> None:
        super().__init__(inputs, outputs, dtype)
        self.add_weight("W", uniform(rng, inputs, 2, inputs, outputs))
        self.add_weight("b", np.zeros((2, outputs)))

    def forward(self, x: Array) -> Array:
        L, B, _ = x.shape
        H, W, b = self.outputs, *self.weights.values()
        z, c = self.scratch("z", L, B, H), self.scratch("c", L, B, H)
        for each, W_each, b_each in zip((z, c), W, b, strict=True):
            product(x, W_each, each)
            each += b_each
        self._x = x
        return self._scan(z, self.candidate(c))

    def _scan(self, k: Array, c: Array) -> Array:
        """h' = (1 − z) h + z c with z = σ(k), which is written over k."""
        L, B, H = k.shape
        z = sigmoid(k, out=k)
        keep, h = self.scratch("keep", L, B, H), self.scratch("h", L + 1, B, H)
        np.subtract(1, z, out=keep)
        h[0] = 0
        np.multiply(z, c, out=h[1:])
        product = self.scratch("product", B, H)
        for t in range(L):
            h[t + 1] += np.multiply(keep[t], h[t], out=product)
        return h[1:]

    def backward(self, dy: Array, *, to_input: bool = True) -> Array | None:
        L, B, H = dy.shape
        W, _ = self.weights.values()
        z, c, keep = (self.scratch(name, L, B, H) for name in ("z", "c", "keep"))
        h, dh = self.scratch("h", L + 1, B, H), self.scratch("dh", L, B, H)
        product = self.scratch("product", B, H)
        dh[...] = dy
        for t in reversed(range(1, L)):
            dh[t - 1] += np.multiply(keep[t], dh[t], out=product)

        d_c = self.scratch("d_c", L, B, H)  # dh'/dc = z
        np.multiply(dh, z, out=d_c)
        d_k = self.scratch("d_k", L, B, H)  # dh'/dz = c − h, and σ' = z (1 − z)
        np.subtract(self.candidate(c), h[:-1], out=d_k)
        d_k *= d_c
        d_k *= keep
        d_c *= self.candidate_slope(c)

        x, parts = flat(self._x), [flat(d_k), flat(d_c)]
        self.gradients = {
            "W": np.stack([x.T @ part for part in parts]),
            "b": np.stack([part.sum(axis=0) for part in parts]),
        }
        if not to_input:
            return None
        dx = sum((part @ W_each.T for part, W_each in zip(parts, W, strict=True)), self.zeros(1))
        return dx.reshape(self._x.shape)

    def candidate(self, c: Array) -> Array:
        """What is done to x W_h + b_h; here nothing."""
        return c

    def candidate_slope(self, c: Array) -> Array | float:
        return 1.0

    def initial_state(self, batch: int) -> State:
        return {"h": self.zeros(batch, self.outputs)}

    def step(self, x: Array, state: State) -> tuple[Array, State]:
        W, b = self.weights.values()
        k, c = x @ W + b[:, None]
        z, c = sigmoid(k), self.candidate(c)
        h = state["h"] + z * (c - state["h"])
        return h, {"h": h}


class MinGRULog(MinGRU):
    """minGRU whose states are positive, so that it can be scanned in the space of logarithms.

    c = g(x W_h + b_h), g(a) = a + ½ for a ≥ 0, else σ(a). With log(1 − z) = −softplus(k), its sum s over the
    steps so far, and log z = −softplus(−k),

        h_t = exp(s_t + log Σ_{i ≤ t} exp(log z_i + log c_i − s_i)),

    which needs no loop over steps where sums can be made in parallel. In NumPy it is the slower way, kept
    because the parallel form is how minGRU is trained on GPUs. It is summed in double precision, for s grows
    with t and takes the digits. As g forbids h < 0 it is another model.
    """

    name = "mingru_log"

    def _scan(self, k: Array, c: Array) -> Array:
        L, B, H = k.shape
        keep, h = self.scratch("keep", L, B, H), self.scratch("h", L + 1, B, H)
        wide = k.astype(np.float64)
        s = np.cumsum(-softplus(wide), axis=0)
        h[0] = 0
        h[1:] = np.exp(s + np.logaddexp.accumulate(-softplus(-wide) + np.log(c) - s, axis=0))
        np.subtract(1, sigmoid(k, out=k), out=keep)
        return h[1:]

    def candidate(self, c: Array) -> Array:
        return np.where(c >= 0, c + c.dtype.type(0.5), sigmoid(c))

    def candidate_slope(self, c: Array) -> Array:
        value = sigmoid(c)
        return np.where(c >= 0, c.dtype.type(1), value * (1 - value))
