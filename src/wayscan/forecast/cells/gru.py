"""The gated recurrent unit; the seed's `min_gru` is this cell, for it has a reset gate."""

from typing import Any

import numpy as np

from wayscan.forecast.cells.layer import Array, Layer, State, flat, product, sigmoid, uniform


class GRU(Layer):
    """z = σ(x W_z + h U_z + b_z), r = σ(x W_r + h U_r + b_r), c = tanh(x W_c + (r h) U_c + b_c),
    h' = (1 − z) h + z c.

    W (3, D, H) holds W_z, W_r and W_c, b (3, H) their biases, U (2, H, H) U_z and U_r. The products with x
    need no recurrence and are made for all steps at once.

    Parameters: 3(DH + H² + H).
    """

    name = "gru"

    def __init__(self, inputs: int, outputs: int, dtype: np.dtype[Any], rng: np.random.Generator) -> None:
        super().__init__(inputs, outputs, dtype)
        H = outputs
        self.add_weight("W", uniform(rng, inputs, 3, inputs, H))
        self.add_weight("U", uniform(rng, H, 2, H, H))
        self.add_weight("U_c", uniform(rng, H, H, H))
        self.add_weight("b", np.zeros((3, H)))

    def forward(self, x: Array) -> Array:
        L, B, _ = x.shape
        H, W, U, U_c, b = self.outputs, *self.weights.values()
        gates = self.scratch("gates", 2, L, B, H)  # z and r
        c, reset = self.scratch("c", L, B, H), self.scratch("reset", L, B, H)  # reset is r h
        h = self.scratch("h", L + 1, B, H)  # h[t] is the state before step t
        for each, W_each, b_each in zip((*gates, c), W, b, strict=True):
            product(x, W_each, each)
            each += b_each
        from_h, change = self.scratch("from_h", 2, B, H), self.scratch("change", B, H)
        h[0] = 0
        steps = zip(gates.swapaxes(0, 1), reset, c, h[:-1], h[1:], strict=True)
        for gates_t, reset_t, c_t, before, after in steps:
            gates_t += np.matmul(before, U, out=from_h)
            z, r = sigmoid(gates_t, out=gates_t)
            np.multiply(r, before, out=reset_t)
            c_t += np.matmul(reset_t, U_c, out=change)
            np.tanh(c_t, out=c_t)
            np.subtract(c_t, before, out=change)
            change *= z
            np.add(before, change, out=after)
        self._x = x
        return h[1:]

    def backward(self, dy: Array, *, to_input: bool = True) -> Array | None:
        L, B, H = dy.shape
        W, U, U_c, _ = self.weights.values()
        z, r = self.scratch("gates", 2, L, B, H)
        c, h, reset = (
            self.scratch("c", L, B, H),
            self.scratch("h", L + 1, B, H),
            self.scratch("reset", L, B, H),
        )
        # What the steps multiply their gradients with, up to the arguments of σ and tanh, for all at once.
        keep = np.subtract(1, z, out=self.scratch("keep", L, B, H))
        to_c = np.multiply(c, c, out=self.scratch("to_c", L, B, H))
        np.subtract(1, to_c, out=to_c)
        to_c *= z  # dh'/dc tanh'
        to_z = np.subtract(c, h[:-1], out=c)
        to_z *= z
        to_z *= keep  # dh'/dz σ'
        to_r = np.subtract(1, r, out=self.scratch("to_r", L, B, H))
        to_r *= reset  # d(r h)/dr σ' = h r (1 − r)

        d_z, d_r = d_gates = self.scratch("d_gates", 2, L, B, H)
        d_c, dh = self.scratch("d_c", L, B, H), self.scratch("dh", B, H)
        from_gates, d_reset = self.scratch("from_h", 2, B, H), self.scratch("change", B, H)
        U_T, U_c_T = U.swapaxes(1, 2), U_c.T
        dh[...] = 0
        steps = zip(dy, keep, to_c, to_z, to_r, r, d_c, d_gates.swapaxes(0, 1), strict=True)
        for dy_t, keep_t, to_c_t, to_z_t, to_r_t, r_t, d_c_t, d_gates_t in reversed(list(steps)):
            dh += dy_t
            np.multiply(dh, to_c_t, out=d_c_t)
            np.multiply(dh, to_z_t, out=d_gates_t[0])
            np.matmul(d_c_t, U_c_T, out=d_reset)
            np.multiply(d_reset, to_r_t, out=d_gates_t[1])
            d_reset *= r_t
            dh *= keep_t
            dh += d_reset
            np.matmul(d_gates_t, U_T, out=from_gates)
            dh += from_gates[0]
            dh += from_gates[1]

        parts = [flat(each) for each in (d_z, d_r, d_c)]
        x, h_T = flat(self._x), flat(h[:-1]).T
        self.gradients = {
            "W": np.stack([x.T @ part for part in parts]),
            "U": np.stack([h_T @ part for part in parts[:2]]),
            "U_c": flat(reset).T @ parts[2],
            "b": np.stack([part.sum(axis=0) for part in parts]),
        }
        if not to_input:
            return None
        dx = sum((part @ W_each.T for part, W_each in zip(parts, W, strict=True)), self.zeros(1))
        return dx.reshape(self._x.shape)

    def initial_state(self, batch: int) -> State:
        return {"h": self.zeros(batch, self.outputs)}

    def step(self, x: Array, state: State) -> tuple[Array, State]:
        W, U, U_c, b = self.weights.values()
        h = state["h"]
        z, r, c = x @ W + b[:, None]
        z, r = sigmoid(z + h @ U[0]), sigmoid(r + h @ U[1])
        c = np.tanh(c + (r * h) @ U_c)
        h = h + z * (c - h)
        return h, {"h": h}
