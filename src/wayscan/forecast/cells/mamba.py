"""Mamba's block around the selective scan S6 (Gu and Dao, 2023), forward and backward by hand."""

from typing import Any

import numpy as np

from wayscan.forecast.cells.layer import Array, Layer, State, flat, product, sigmoid, softplus, uniform
from wayscan.forecast.cells.selective_scan import scan, scan_backward


class Mamba(Layer):
    """x, gate = x_in W_in; v = conv(x), causal and by channel; u = silu(v);
    Δ', B, C = u W_x; Δ = softplus(Δ' W_Δ + b_Δ); A = −exp(A_log);
    h' = exp(Δ A) h + Δ B u; y = C h' + D u; out = (y · silu(gate)) W_out.

    Step size Δ, B and C depend on the input: that is the selection.

    Args:
        states: N. taps: K of the convolution. expand: E / H. rank: R of Δ'; H / 16 if not given.
    """

    name = "mamba"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        dtype: np.dtype[Any],
        rng: np.random.Generator,
        *,
        states: int = 16,
        taps: int = 4,
        expand: int = 2,
        rank: int | None = None,
    ) -> None:
        super().__init__(inputs, outputs, dtype)
        E, R = expand * outputs, rank or -(-outputs // 16)
        self.states, self.taps, self.inner, self.rank = states, taps, E, R
        steps = np.exp(rng.uniform(np.log(1e-3), np.log(0.1), E))  # Δ where the input says nothing
        self.add_weight("W_in", uniform(rng, inputs, inputs, 2 * E))
        self.add_weight("conv", uniform(rng, taps, taps, E))
        self.add_weight("b_conv", np.zeros(E))
        self.add_weight("W_x", uniform(rng, E, E, R + 2 * states))
        self.add_weight("W_dt", uniform(rng, R, R, E))
        self.add_weight("b_dt", steps + np.log(-np.expm1(-steps)))  # softplus of it is Δ
        self.add_weight("A_log", np.tile(np.log(np.arange(1, states + 1))[:, None], (1, E)))
        self.add_weight("D", np.ones(E))
        self.add_weight("W_out", uniform(rng, E, E, outputs))

    def forward(self, x: Array) -> Array:
        L, batch, _ = x.shape
        E, N, R, K = self.inner, self.states, self.rank, self.taps
        W_in, conv, b_conv, W_x, W_dt, b_dt, A_log, D, W_out = self.weights.values()
        padded = self.scratch("padded", K - 1 + L, batch, E)  # K − 1 steps of nothing before the first
        gate = self.scratch("gate", L, batch, E)
        padded[: K - 1] = 0
        product(x, W_in[:, :E], padded[K - 1 :])
        product(x, W_in[:, E:], gate)

        v, room = self.scratch("v", L, batch, E), self.scratch("room", L, batch, E)
        np.multiply(padded[:L], conv[0], out=v)
        for k in range(1, K):
            v += np.multiply(padded[k : k + L], conv[k], out=room)
        v += b_conv
        open_v = sigmoid(v, out=self.scratch("open_v", L, batch, E))
        u = np.multiply(v, open_v, out=self.scratch("u", L, batch, E))

        selected = flat(u) @ W_x
        low = selected[:, :R]
        B = np.ascontiguousarray(selected[:, R : R + N]).reshape(L, batch, N)
        C = np.ascontiguousarray(selected[:, R + N :]).reshape(L, batch, N)
        raw = (low @ W_dt).reshape(L, batch, E)
        raw += b_dt
        delta = softplus(raw)
        A = -np.exp(A_log)
        y = scan(u, delta, A, B, C, self.scratch)
        y += np.multiply(u, D, out=room)

        open_gate = sigmoid(gate, out=self.scratch("open_gate", L, batch, E))
        shut = np.multiply(gate, open_gate, out=self.scratch("shut", L, batch, E))  # silu(gate)
        gated = np.multiply(y, shut, out=self.scratch("gated", L, batch, E))
        self._kept = (x, low, B, C, raw, delta, A, y)
        return (flat(gated) @ W_out).reshape(L, batch, self.outputs)

    def backward(self, dout: Array, *, to_input: bool = True) -> Array | None:
        L, batch, _ = dout.shape
        E, K = self.inner, self.taps
        W_in, conv, _, W_x, W_dt, _, _, D, W_out = self.weights.values()
        x, low, B, C, raw, delta, A, y = self._kept
        padded = self.scratch("padded", K - 1 + L, batch, E)
        open_v, u, open_gate, shut, gated, room = (
            self.scratch(name, L, batch, E) for name in ("open_v", "u", "open_gate", "shut", "gated", "room")
        )
        dW_out = flat(gated).T @ flat(dout)
        d_gated = np.matmul(flat(dout), W_out.T, out=flat(gated)).reshape(gated.shape)
        dy = np.multiply(d_gated, shut, out=self.scratch("dy", L, batch, E))
        d_inner = self.scratch("d_inner", L, batch, 2 * E)  # gradients of x and gate side by side
        d_gated *= y
        np.multiply(d_gated, silu_slope(shut, open_gate, out=shut), out=d_inner[..., E:])

        du = np.multiply(dy, D, out=self.scratch("du", L, batch, E))
        dD = flat(np.multiply(dy, u, out=room)).sum(axis=0)
        d_delta, dA, dB, dC = scan_backward(dy, du, u, delta, A, B, C, self.scratch)
        d_delta *= np.exp(np.subtract(raw, delta, out=room), out=room)  # softplus' = σ(raw) = exp(raw − Δ)
        d_low = flat(d_delta) @ W_dt.T
        d_selected = np.concatenate([d_low, flat(dB), flat(dC)], axis=1)
        du += np.matmul(d_selected, W_x.T, out=flat(room)).reshape(du.shape)
        dW_x = flat(u).T @ d_selected

        dv = du
        dv *= silu_slope(u, open_v, out=room)
        dx = np.multiply(dv, conv[K - 1], out=d_inner[..., :E])  # tap k reaches K − 1 − k steps back
        for k in range(K - 1):
            back = min(K - 1 - k, L)
            dx[: L - back] += np.multiply(dv[back:], conv[k], out=room[back:])
        d_conv = np.stack([np.einsum("lbe,lbe->e", padded[k : k + L], dv) for k in range(K)])
        self.gradients = {
            "W_in": flat(x).T @ flat(d_inner),
            "conv": d_conv,
            "b_conv": flat(dv).sum(axis=0),
            "W_x": dW_x,
            "W_dt": low.T @ flat(d_delta),
            "b_dt": flat(d_delta).sum(axis=0),
            "A_log": dA * A,  # A = −exp(A_log) is its own derivative
            "D": dD,
            "W_out": dW_out,
        }
        return (flat(d_inner) @ W_in.T).reshape(x.shape) if to_input else None

    def initial_state(self, batch: int) -> State:
        return {
            "past": self.zeros(batch, self.taps - 1, self.inner),
            "h": self.zeros(batch, self.states, self.inner),
        }

    def step(self, x: Array, state: State) -> tuple[Array, State]:
        E, N, R = self.inner, self.states, self.rank
        W_in, conv, b_conv, W_x, W_dt, b_dt, A_log, D, W_out = self.weights.values()
        inner = x @ W_in
        recent = np.concatenate([state["past"], inner[:, None, :E]], axis=1)  # (B, K, E)
        v = (recent * conv).sum(axis=1) + b_conv
        u = v * sigmoid(v)
        selected = u @ W_x
        delta = softplus(selected[:, :R] @ W_dt + b_dt)
        B, C = selected[:, R : R + N, None], selected[:, R + N :, None]
        h = np.exp(delta[:, None] * -np.exp(A_log)) * state["h"] + (delta * u)[:, None] * B
        y = (C * h).sum(axis=1) + D * u
        gate = inner[:, E:]
        return (y * gate * sigmoid(gate)) @ W_out, {"past": recent[:, 1:], "h": h}


def silu_slope(value: Array, opening: Array, out: Array) -> Array:
    """silu'(x) = σ + x σ (1 − σ), of value = x σ and opening = σ; `out` may be `value`."""
    np.subtract(value, np.multiply(value, opening), out=out)
    out += opening
    return out
