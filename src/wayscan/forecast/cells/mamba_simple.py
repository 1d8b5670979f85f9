"""The seed's simplified Mamba: a fixed linear recurrence between two gates. It selects nothing."""

from typing import Any

import numpy as np

from wayscan.forecast.cells.layer import Array, Layer, State, flat, product, sigmoid, uniform

GATE_CLIP, OUTPUT_CLIP = 50.0, 10.0


class MambaSimple(Layer):
    """p = x W + b, g = silu(clip(p, ±50)), s' = s · exp(A) + g B, u = s' C + D p, y = g · clip(u, ±10).

    A, B, C do not depend on the input and there is no step size Δ, so unlike S6 it is not selective. The
    gradient is that of the clipped formula: where a clip is at work, nothing passes it.

    Parameters: DH + 2HN + N + 2H.
    """

    name = "mamba_simple"

    def __init__(
        self, inputs: int, outputs: int, dtype: np.dtype[Any], rng: np.random.Generator, *, states: int = 16
    ) -> None:
        super().__init__(inputs, outputs, dtype)
        H = outputs
        self.add_weight("W", uniform(rng, inputs, inputs, H))
        self.add_weight("b", np.zeros(H))
        self.add_weight("A", -np.geomspace(1e-2, 1.0, states))  # memories of 100 steps to one
        self.add_weight("B", uniform(rng, H, H, states))
        self.add_weight("C", uniform(rng, states, states, H))
        self.add_weight("D", np.ones(H))

    def forward(self, x: Array) -> Array:
        L, batch, _ = x.shape
        W, b, A, B, C, D = self.weights.values()
        H, N = C.shape[1], C.shape[0]
        p, u = self.scratch("p", L, batch, H), self.scratch("u", L, batch, H)
        s, decay = self.scratch("s", L + 1, batch, N), np.exp(A)
        product(x, W, p)
        p += b
        self._slope = sigmoid(np.clip(p, -GATE_CLIP, GATE_CLIP))
        g = np.clip(p, -GATE_CLIP, GATE_CLIP) * self._slope
        s[0] = 0
        product(g, B, s[1:])
        for t in range(L):
            s[t + 1] += decay * s[t]
        product(s[1:], C, u)
        u += D * p
        self._x, self._g = x, g
        return g * np.clip(u, -OUTPUT_CLIP, OUTPUT_CLIP)

    def backward(self, dy: Array, *, to_input: bool = True) -> Array | None:
        L, batch, H = dy.shape
        W, _, A, B, C, D = self.weights.values()
        N = C.shape[0]
        p, u, s = (
            self.scratch("p", L, batch, H),
            self.scratch("u", L, batch, H),
            self.scratch("s", L + 1, batch, N),
        )
        g, decay = self._g, np.exp(A)
        dg = dy * np.clip(u, -OUTPUT_CLIP, OUTPUT_CLIP)
        du = dy * g
        du *= np.abs(u) <= OUTPUT_CLIP
        ds = (flat(du) @ C.T).reshape(L, batch, N)
        for t in reversed(range(1, L)):
            ds[t - 1] += decay * ds[t]
        dg += (flat(ds) @ B.T).reshape(dg.shape)
        # silu' = σ (1 + p (1 − σ))
        dp = dg * (self._slope + g * (1 - self._slope))
        dp *= np.abs(p) <= GATE_CLIP
        dp += du * D
        self.gradients = {
            "W": flat(self._x).T @ flat(dp),
            "b": flat(dp).sum(axis=0),
            "A": decay * flat(ds * s[:-1]).sum(axis=0),
            "B": flat(g).T @ flat(ds),
            "C": flat(s[1:]).T @ flat(du),
            "D": flat(du * p).sum(axis=0),
        }
        return (flat(dp) @ W.T).reshape(self._x.shape) if to_input else None

    def initial_state(self, batch: int) -> State:
        return {"s": self.zeros(batch, self.weights["A"].size)}

    def step(self, x: Array, state: State) -> tuple[Array, State]:
        W, b, A, B, C, D = self.weights.values()
        p = x @ W + b
        clipped = np.clip(p, -GATE_CLIP, GATE_CLIP)
        g = clipped * sigmoid(clipped)
        s = state["s"] * np.exp(A) + g @ B
        return g * np.clip(s @ C + D * p, -OUTPUT_CLIP, OUTPUT_CLIP), {"s": s}
