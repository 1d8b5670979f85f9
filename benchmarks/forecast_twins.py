"""The networks of wayscan.forecast once more, in eager PyTorch: the same loops, gradients by autograd.

NumPy's gradients are checked with them, and its speed is compared with theirs. All that can be is done for
all steps at once, as in NumPy; only the recurrence is a loop.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from wayscan.forecast.cells.attention import Attention
from wayscan.forecast.cells.norm import EPSILON
from wayscan.forecast.model import Network

Weights = Mapping[str, Tensor]


def gru(x: Tensor, w: Weights) -> Tensor:
    H = w["U_c"].shape[0]
    inputs = x @ side_by_side(w["W"]) + w["b"].flatten()
    U = side_by_side(w["U"])
    h, out = x.new_zeros(x.shape[1], H), []
    for each in inputs.unbind(0):
        z, r = torch.sigmoid(each[:, : 2 * H] + h @ U).chunk(2, dim=1)
        c = torch.tanh(each[:, 2 * H :] + (r * h) @ w["U_c"])
        h = h + z * (c - h)
        out.append(h)
    return torch.stack(out)


def side_by_side(stacked: Tensor) -> Tensor:
    """(G, D, H) → (D, G·H): one product for all gates is what suits PyTorch."""
    return stacked.transpose(0, 1).flatten(1)


def mingru(x: Tensor, w: Weights) -> Tensor:
    k, c = (x @ side_by_side(w["W"]) + w["b"].flatten()).chunk(2, dim=-1)
    return _gated(torch.sigmoid(k), c)


def mingru_log(x: Tensor, w: Weights) -> Tensor:
    k, c = (x @ side_by_side(w["W"]) + w["b"].flatten()).chunk(2, dim=-1)
    return _gated(torch.sigmoid(k), torch.where(c >= 0, c + 0.5, torch.sigmoid(c)))


def _gated(z: Tensor, c: Tensor) -> Tensor:
    keep, drive = 1 - z, z * c
    h, out = torch.zeros_like(z[0]), []
    for t in range(len(z)):
        h = keep[t] * h + drive[t]
        out.append(h)
    return torch.stack(out)


def mamba_simple(x: Tensor, w: Weights) -> Tensor:
    p = x @ w["W"] + w["b"]
    g = F.silu(p.clamp(-50, 50))
    decay, inflow = torch.exp(w["A"]), g @ w["B"]
    s, states = torch.zeros_like(inflow[0]), []
    for each in inflow.unbind(0):
        s = s * decay + each
        states.append(s)
    u = torch.stack(states) @ w["C"] + w["D"] * p
    return g * u.clamp(-10, 10)


def mamba(x: Tensor, w: Weights) -> Tensor:
    K, R = w["conv"].shape[0], w["W_dt"].shape[0]
    u, gate = (x @ w["W_in"]).chunk(2, dim=-1)
    padded = F.pad(u, (0, 0, 0, 0, K - 1, 0))
    v = w["b_conv"] + sum(w["conv"][k] * padded[k : k + len(x)] for k in range(K))
    u = F.silu(v)
    low, B, C = (u @ w["W_x"]).split([R, w["A_log"].shape[0], w["A_log"].shape[0]], dim=-1)
    y = selective_scan(u, F.softplus(low @ w["W_dt"] + w["b_dt"]), -torch.exp(w["A_log"]), B, C)
    return ((y + w["D"] * u) * F.silu(gate)) @ w["W_out"]


def selective_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """u and Δ (L, B, E), A (N, E), B and C (L, B, N)."""
    drive = delta * u
    h, out = u.new_zeros(u.shape[1], *A.shape), []
    for t in range(len(u)):
        h = torch.exp(delta[t, :, None] * A) * h + B[t, :, :, None] * drive[t, :, None]
        out.append((C[t, :, None] @ h)[:, 0])
    return torch.stack(out)


def attention(x: Tensor, w: Weights, heads: int) -> Tensor:
    L, B, _ = x.shape
    q, k, v = (each.reshape(L, B, heads, -1).permute(1, 2, 0, 3) for each in (x @ w["W"]).chunk(3, dim=-1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return mixed.permute(2, 0, 1, 3).reshape(L, B, -1) @ w["W_out"]


CELLS: dict[str, Callable[[Tensor, Weights], Tensor]] = {
    "gru": gru,
    "mingru": mingru,
    "mingru_log": mingru_log,
    "mamba_simple": mamba_simple,
    "mamba": mamba,
}


class Twin:
    """A network's copy: the same weights as torch leaves, the same predictions."""

    def __init__(self, network: Network, dtype: torch.dtype) -> None:
        self.layers = network.layers
        self.skip = network.skip
        self.weights = {
            name: torch.tensor(weight, dtype=dtype, requires_grad=True)
            for name, weight in network.weights.items()
        }

    def forward(self, x: Tensor) -> Tensor:
        """Windows (L, F, B) → predictions (1, B)."""
        h = x.permute(0, 2, 1)
        for n, layer in enumerate(self.layers):
            prefix = f"layers.{n}."
            own = {
                name.removeprefix(prefix): w for name, w in self.weights.items() if name.startswith(prefix)
            }
            scale = self.weights.get(f"norms.{n}")
            read = h if scale is None else F.rms_norm(h, scale.shape, scale, EPSILON)
            if isinstance(layer, Attention):
                out = attention(read, own, layer.heads)
            else:
                out = CELLS[layer.name](read, own)
            if self.skip:
                path = self.weights.get(f"paths.{n}")
                out = out + (h if path is None else h @ path)
            h = out
        return (h[-1] @ self.weights["head.W"] + self.weights["head.b"]).T
