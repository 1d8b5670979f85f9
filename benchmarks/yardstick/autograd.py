"""The yardstick as a function of tensors with a gradient.

Letters of the shapes: B batch, D channels, L length, N state, G groups of channels that share B and C.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor

from wayscan.ops.memory import empty  # as wayscan's own kernels allocate: both shall have huge pages

from .build import yardstick

LANES, CHUNK = 16, 64  # as in scan512.c

_SIZES = ("batches", "channels", "length", "states", "groups", "softplus")
_INPUTS = ("u", "delta", "A", "B", "C", "D", "z", "bias", "out", "checkpoints", "grad_out")
_GRADIENTS = ("grad_u", "grad_delta", "grad_z", "grad_A", "grad_B", "grad_C", "grad_D", "grad_bias")


class _Problem(ctypes.Structure):
    """`Problem` of scan512.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _SIZES),
        *((name, ctypes.c_void_p) for name in (*_INPUTS, *_GRADIENTS)),
        *((name, ctypes.c_int64) for name in ("shares", "threads")),
    )


def yardstick_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    softplus: bool,
) -> Tensor:
    """`selective_scan` of float32 tensors whose groups have a multiple of 16 channels.

    Args:
        u, delta, z: (B, D, L). A: (D, N). B, C: (B, N, L) or (B, G, N, L). D, delta_bias: (D,).

    Returns:
        out (B, D, L).
    """
    groups = B.shape[1] if B.ndim == 4 else 1
    if u.shape[1] % (groups * LANES):
        raise ValueError(
            f"u: the yardstick expected G · {LANES} = {groups * LANES} to divide D, got D = {u.shape[1]}"
        )
    return _Scan.apply(u, delta, A, B, C, D, z, delta_bias, softplus)


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u, delta, A, B, C, D, z, bias, softplus):
        arrays = _dense(u=u, delta=delta, A=A, B=_steps_first(B), C=_steps_first(C), D=D, z=z, bias=bias)
        batch, channels, length = u.shape
        out, checkpoints = empty(u.shape), None
        if any(ctx.needs_input_grad):
            checkpoints = empty((batch, channels // LANES, -(-length // CHUNK), A.shape[1], LANES))
        _call("scan512_forward", softplus, arrays | {"out": out, "checkpoints": checkpoints})
        ctx.save_for_backward(*arrays.values(), checkpoints)
        ctx.names, ctx.softplus, ctx.grouped = tuple(arrays), softplus, B.ndim == 4
        return out

    @staticmethod
    def backward(ctx, *grads):
        *saved, checkpoints = ctx.saved_tensors
        arrays = dict(zip(ctx.names, saved, strict=True))
        u, A, B, z = (arrays[name] for name in ("u", "A", "B", "z"))
        batch, channels, _ = u.shape
        shares = _shares(batch * B.shape[1], channels // LANES // B.shape[1])
        results = {
            "grad_u": empty(u.shape),
            "grad_delta": empty(u.shape),
            "grad_z": None if z is None else empty(u.shape),
            "grad_A": empty((batch, *A.shape)),
            "grad_B": empty((shares, *B.shape)),
            "grad_C": empty((shares, *B.shape)),
            "grad_D": empty((batch, channels)),
            "grad_bias": empty((batch, channels)),
        }
        inputs = arrays | {"checkpoints": checkpoints, "grad_out": grads[0].contiguous()}
        _call("scan512_backward", ctx.softplus, inputs | results, shares)
        grad_B, grad_C = (_states_first(results[name], ctx.grouped) for name in ("grad_B", "grad_C"))
        return (
            results["grad_u"],
            results["grad_delta"],
            results["grad_A"].sum(0),
            grad_B,
            grad_C,
            None if arrays["D"] is None else results["grad_D"].sum(0),
            results["grad_z"],
            None if arrays["bias"] is None else results["grad_bias"].sum(0),
            None,
        )


def _call(function: str, softplus: bool, arrays: dict[str, Any], shares: int = 0) -> None:
    """Describe the problem to the library, and run it. Arrays by their names in C, None where absent."""
    library, why_not = yardstick()
    if library is None:
        raise RuntimeError(f"the yardstick cannot run: {why_not}")
    u, A, B = arrays["u"], arrays["A"], arrays["B"]
    sizes = (*u.shape, A.shape[1], B.shape[1], softplus)
    addresses = {name: None if x is None else x.data_ptr() for name, x in arrays.items()}
    problem = _Problem(*sizes, **addresses, shares=shares, threads=torch.get_num_threads())
    getattr(library, function)(ctypes.byref(problem))


def _shares(groups: int, blocks: int) -> int:
    """Into how many tasks to cut each group's blocks so that every thread finds work."""
    threads, shares = torch.get_num_threads(), 1
    while shares < 8 and groups * shares < 4 * threads and blocks >= 2 * shares:
        shares *= 2
    return shares


def _dense(**arrays: Tensor | None) -> dict[str, Tensor | None]:
    return {name: None if x is None else x.contiguous() for name, x in arrays.items()}


def _steps_first(x: Tensor) -> Tensor:
    """(B, N, L) or (B, G, N, L) → (B, G, L, N)."""
    return (x if x.ndim == 4 else x.unsqueeze(1)).mT


def _states_first(partial: Tensor, grouped: bool) -> Tensor:
    """(shares, B, G, L, N) → (B, G, N, L) or (B, N, L)."""
    total = (partial.sum(0) if len(partial) > 1 else partial[0]).mT
    return total if grouped else total.squeeze(1)
