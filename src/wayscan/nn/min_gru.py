"""minGRU: the smallest gated recurrence, which can be scanned because its gates see the input alone."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wayscan.nn.initialise import precise
from wayscan.ops import selective_scan

SHUT = -80.0  # a gate of 1e-35: shut, and still safe to divide by


class MinGRU(nn.Module):
    """h_t = (1 − z_t) h_{t−1} + z_t h̃_t with z = σ(to_z(x)) and h̃ = to_h(x), (B, L, D) → (B, L, H).

    It runs as a selective scan of one state a channel. With A = −1 and Δ = softplus(k), where z = σ(k), the
    decay exp(ΔA) is 1 − z exactly, and the scan's input term Δ · u is z · h̃ if u = h̃ · z / Δ.

    Parameters: 2(DH + H).

    Args:
        d_model: D. hidden: H; D if not given.
    """

    def __init__(self, d_model: int, hidden: int | None = None) -> None:
        super().__init__()
        self.hidden = hidden or d_model
        self.to_z = nn.Linear(d_model, self.hidden)
        self.to_h = nn.Linear(d_model, self.hidden)

    def forward(
        self, x: Float[Tensor, "B L D"], state: Float[Tensor, "B H"] | None = None
    ) -> Float[Tensor, "B L H"] | tuple[Float[Tensor, "B L H"], Float[Tensor, "B H"]]:
        """Run over a sequence, or over the next piece of one.

        Args:
            state: from `initial_state` or from the piece before; with it the new state is returned as well.
        """
        k, candidate = self.to_z(x), self.to_h(x)
        k = k.to(precise(k.dtype)).clamp(min=SHUT)
        steps = F.softplus(k)
        ones = k.new_ones(k.shape[0], 1, k.shape[1])
        h, last = selective_scan(
            (candidate * (torch.sigmoid(k) / steps).to(candidate.dtype)).transpose(1, 2),
            steps.transpose(1, 2),
            -k.new_ones(self.hidden, 1),
            ones,
            ones,
            return_last_state=True,
            initial_state=None if state is None else state.unsqueeze(-1),
        )
        h = h.transpose(1, 2)
        return h if state is None else (h, last.squeeze(-1).to(h.dtype))

    def step(
        self, x: Float[Tensor, "B D"], state: Float[Tensor, "B H"]
    ) -> tuple[Float[Tensor, "B H"], Float[Tensor, "B H"]]:
        """One step of a stream; what it gives is also its new state."""
        h = torch.lerp(state, self.to_h(x), torch.sigmoid(self.to_z(x)))
        return h, h

    def initial_state(self, batch: int) -> Float[Tensor, "B H"]:
        """The state before the first step of `batch` sequences."""
        return self.to_h.weight.new_zeros(batch, self.hidden)
