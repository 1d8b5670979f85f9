"""The selective scan as its definition reads: one step after another, in the precision of its input.

Every kernel is tested against this file. It is slow on purpose: nothing here is clever.

    Δ_t = softplus(δ_t + bias)            (softplus only if asked for)
    h_t = exp(Δ_t A) h_{t-1} + Δ_t B_t u_t
    y_t = C_t · h_t + D u_t
    out_t = y_t · silu(z_t)               (the gate only if z is given)
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def selective_scan_reference(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    initial_state: Tensor | None,
    delta_softplus: bool,
) -> tuple[Tensor, Tensor]:
    """Scan step by step; autograd differentiates it.

    Args:
        u, delta, z: (B, D, L). A: (D, N), real or complex. B, C: (B, G, N, L).
        D, delta_bias: (D,). initial_state: (B, D, N), zeros if absent.

    Returns:
        out (B, D, L) and the last state (B, D, N).
    """
    batch, channels, length = u.shape
    per_group = channels // B.shape[1]
    B = B.repeat_interleave(per_group, dim=1)
    C = C.repeat_interleave(per_group, dim=1)

    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)

    state = (
        torch.zeros(batch, *A.shape, dtype=A.dtype, device=u.device)
        if initial_state is None
        else initial_state
    )
    outputs = []
    for t in range(length):
        decay = torch.exp(delta[:, :, t, None] * A)
        state = decay * state + (delta[:, :, t] * u[:, :, t])[..., None] * B[..., t]
        outputs.append((state * C[..., t]).sum(-1))
    y = torch.stack(outputs, dim=-1)

    if y.is_complex():
        y = 2 * y.real  # a complex state stands for itself and its conjugate
    if D is not None:
        y = y + D[:, None] * u
    if z is not None:
        y = y * F.silu(z)
    return y, state


def selective_step_reference(
    state: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    delta_softplus: bool,
) -> Tensor:
    """One step of the scan; `state` (B, D, N) moves on in place.

    Args:
        u, delta, z: (B, D). A: (D, N). B, C: (B, N) or (B, G, N). D, delta_bias: (D,).

    Returns:
        out (B, D).
    """
    B, C = (x.unsqueeze(1) if x.ndim == 2 else x for x in (B, C))
    as_sequence: list[Any] = [None if x is None else x.unsqueeze(-1) for x in (u, delta, B, C, z)]
    u_, delta_, B_, C_, z_ = as_sequence
    out, last = selective_scan_reference(u_, delta_, A, B_, C_, D, z_, delta_bias, state, delta_softplus)
    state.copy_(last)
    return out.squeeze(-1)
