"""Causal self-attention, the other half of a hybrid."""

from typing import Any

import numpy as np

from wayscan.forecast.cells.layer import Array, Layer, State, flat, uniform

REACH = 512  # steps of a stream that are attended to; windows in training are shorter


class Attention(Layer):
    """softmax(q kᵀ / √d) v over the steps so far, in several heads, then W_out; d = H / heads.

    It has no positions of its own: the recurrent layer below it has put order into what it sees.

    Parameters: 3DH + H².
    """

    name = "attention"

    def __init__(
        self, inputs: int, outputs: int, dtype: np.dtype[Any], rng: np.random.Generator, *, heads: int = 4
    ) -> None:
        super().__init__(inputs, outputs, dtype)
        if outputs % heads:
            raise ValueError(f"heads is {heads}; expected a divisor of hidden_size, which is {outputs}")
        self.heads = heads
        self.add_weight("W", uniform(rng, inputs, inputs, 3 * outputs))
        self.add_weight("W_out", uniform(rng, outputs, outputs, outputs))

    def forward(self, x: Array) -> Array:
        L, B, _ = x.shape
        W, W_out = self.weights.values()
        q, k, v = self._split(flat(x) @ W, L, B)
        scores = q @ k.swapaxes(2, 3)
        scores *= (self.outputs // self.heads) ** -0.5
        scores += np.triu(np.full((L, L), -np.inf, self.dtype), 1)  # nothing looks ahead
        scores -= scores.max(axis=-1, keepdims=True)
        share = np.exp(scores, out=scores)
        share /= share.sum(axis=-1, keepdims=True)
        mixed = self._join(share @ v)
        self._kept = (x, q, k, v, share, mixed)
        return (mixed @ W_out).reshape(L, B, self.outputs)

    def backward(self, dy: Array, *, to_input: bool = True) -> Array | None:
        L, B, H = dy.shape
        W, W_out = self.weights.values()
        x, q, k, v, share, mixed = self._kept
        d_mixed = self._split(flat(dy) @ W_out.T, L, B)[0]
        d_share = d_mixed @ v.swapaxes(2, 3)
        d_scores = share * (d_share - (d_share * share).sum(axis=-1, keepdims=True))
        d_scores *= (H // self.heads) ** -0.5
        parts = (d_scores @ k, d_scores.swapaxes(2, 3) @ q, share.swapaxes(2, 3) @ d_mixed)
        d_qkv = np.concatenate([self._join(part) for part in parts], axis=1)
        self.gradients = {"W": flat(x).T @ d_qkv, "W_out": mixed.T @ flat(dy)}
        return (d_qkv @ W.T).reshape(x.shape) if to_input else None

    def _split(self, rows: Array, L: int, B: int) -> Array:
        """(L·B, parts · H) → (parts, B, heads, L, d)."""
        return rows.reshape(L, B, -1, self.heads, self.outputs // self.heads).transpose(2, 1, 3, 0, 4)

    def _join(self, part: Array) -> Array:
        """(B, heads, L, d) → (L·B, H)."""
        return part.transpose(2, 0, 1, 3).reshape(-1, self.outputs)

    def initial_state(self, batch: int) -> State:
        return {name: self.zeros(0, batch, self.outputs) for name in ("k", "v")}

    def step(self, x: Array, state: State) -> tuple[Array, State]:
        W, W_out = self.weights.values()
        H, B = self.outputs, len(x)
        rows = x @ W
        k = np.concatenate([state["k"][1 - REACH :], rows[None, :, H : 2 * H]])
        v = np.concatenate([state["v"][1 - REACH :], rows[None, :, 2 * H :]])
        query, keys, values = (self._split(flat(each), len(each), B)[0] for each in (rows[None, :, :H], k, v))
        scores = query @ keys.swapaxes(2, 3) * (H // self.heads) ** -0.5
        share = np.exp(scores - scores.max(axis=-1, keepdims=True))
        share /= share.sum(axis=-1, keepdims=True)
        return self._join(share @ values) @ W_out, {"k": k, "v": v}
