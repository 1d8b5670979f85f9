"""The public functions: check the arguments, bring them into one form, choose an engine."""

import os
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, Literal, overload

import torch
from torch import Tensor

from wayscan.names import expect_one_of
from wayscan.ops.dispatch import may_pass_the_dispatcher
from wayscan.ops.selective_scan import launch
from wayscan.ops.selective_scan.arguments import canonical, canonical_step, check_finite
from wayscan.ops.selective_scan.operator import OPERATORS, STEPS
from wayscan.ops.selective_scan.reference import selective_scan_reference, selective_step_reference

BACKENDS = ("reference", "fallback", "cpu", "triton")

_NEEDS = {"cpu": "numba", "triton": "triton"}
_RUNS_ON = {"cpu": {"cpu"}, "triton": {"cuda"}}
_INSTALLED = {name for name in BACKENDS if name not in _NEEDS or find_spec(_NEEDS[name]) is not None}


@overload
def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = ...,
    z: Tensor | None = ...,
    delta_bias: Tensor | None = ...,
    delta_softplus: bool = ...,
    return_last_state: Literal[False] = ...,
    *,
    initial_state: Tensor | None = ...,
    backend: str | None = ...,
    check: bool = ...,
) -> Tensor: ...


@overload
def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = ...,
    z: Tensor | None = ...,
    delta_bias: Tensor | None = ...,
    delta_softplus: bool = ...,
    *,
    return_last_state: Literal[True],
    initial_state: Tensor | None = ...,
    backend: str | None = ...,
    check: bool = ...,
) -> tuple[Tensor, Tensor]: ...


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    *,
    initial_state: Tensor | None = None,
    backend: str | None = None,
    check: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Run the selective state space recurrence over a sequence.

        h_t = exp(Δ_t A) h_{t-1} + Δ_t B_t u_t        Δ = softplus(delta + delta_bias), or without softplus
        out_t = (C_t · h_t + D u_t) · silu(z_t)

    Args:
        u, delta, z: (B, D, L) in any memory layout.
        A: (D, N), real; complex A runs on the reference.
        B, C: (B, N, L), or (B, G, N, L) where each of G groups of channels has its own, or (D, N) if they do
            not depend on the input. With complex A, B and C over time are (…, 2L): real, imaginary in turn.
        D, delta_bias: (D,).
        initial_state: (B, D, N); zeros if absent.
        return_last_state: return (out, last_state) with last_state (B, D, N) in float32.
        backend: "reference", "fallback", "cpu" or "triton"; otherwise $WAYSCAN_SCAN, otherwise the fastest
            for the device. float64 input is computed in float64 by the fallback unless an engine is named.
        check: refuse input that is not finite and say where it is.

    Returns:
        out (B, D, L) in u's dtype; it lies in memory as u does (not so the reference's).

    >>> import torch
    >>> u = torch.ones(1, 2, 3)
    >>> selective_scan(u, u, -torch.ones(2, 1), torch.ones(1, 1, 3), torch.ones(1, 1, 3))[0, 0]
    tensor([1.0000, 1.3679, 1.5032])
    """
    named = canonical(u, delta, A, B, C, D, z, delta_bias, initial_state)
    if check:
        check_finite(named)
    engine = _choose(backend, u, A)
    inputs = _cast(named.values(), _computed_in(engine, named.values()))
    if engine == "reference":
        with torch.autocast(u.device.type, enabled=False):
            out, last = selective_scan_reference(*inputs, delta_softplus=delta_softplus)
    else:
        save = torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs)
        past_dispatcher = engine == "cpu" and not save and may_pass_the_dispatcher(u)
        scan: Any = launch.forward if past_dispatcher else OPERATORS[engine]
        out, last, _ = scan(*inputs, delta_softplus, save, return_last_state)
    out = out if out.dtype is u.dtype else out.to(u.dtype)
    return (out, last) if return_last_state else out


def selective_step(
    state: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    *,
    backend: str | None = None,
) -> Tensor:
    """One step of `selective_scan`, for streaming; there is no gradient through it.

    Args:
        state: (B, D, N), float32; moves on in place.
        u, delta, z: (B, D). A: (D, N). B, C: (B, N) or (B, G, N). D, delta_bias: (D,).

    Returns:
        out (B, D) in u's dtype.
    """
    tensors, plain = canonical_step(state, u, delta, A, B, C, D, z, delta_bias)
    engine = _choose(backend, u, A)
    if engine == "cpu" and plain and may_pass_the_dispatcher(u):
        return launch.step(*tensors, delta_softplus=delta_softplus)
    dtype = _computed_in(engine, tensors)
    if state.dtype is not dtype and not state.is_complex():
        raise ValueError(f"state: expected {dtype}, in which the {engine} engine computes, got {state.dtype}")
    inputs = _cast(tensors, dtype)
    if engine in STEPS:
        out = STEPS[engine](*inputs, delta_softplus)
    else:
        with torch.no_grad():
            out = selective_step_reference(*inputs, delta_softplus=delta_softplus)
    return out if out.dtype is u.dtype else out.to(u.dtype)


def _choose(backend: str | None, u: Tensor, A: Tensor) -> str:
    wanted = backend or os.environ.get("WAYSCAN_SCAN") or None
    if wanted is None:
        return _fastest(u, A)
    came = f"backend={backend!r}" if backend else f"WAYSCAN_SCAN={wanted!r}"
    expect_one_of("backend" if backend else "WAYSCAN_SCAN", wanted, BACKENDS)
    if wanted not in _INSTALLED:
        raise ValueError(
            f"{came}: expected {_NEEDS[wanted]} to be installed, and it is not; pip install {_NEEDS[wanted]}"
        )
    if A.is_complex() and wanted != "reference":
        raise ValueError(f"{came}: expected real A, got {A.dtype}; complex A runs on backend='reference'")
    devices = _RUNS_ON.get(wanted, {u.device.type})
    if u.device.type not in devices:
        raise ValueError(f"{came}: expected tensors on {' or '.join(sorted(devices))}, got {u.device}")
    return wanted


def _fastest(u: Tensor, A: Tensor) -> str:
    if u.dtype is torch.float64 or A.dtype is not torch.float32:
        if A.is_complex():
            return "reference"
        if torch.float64 in (u.dtype, A.dtype):
            return "fallback"
    engine = "cpu" if u.is_cpu else "triton" if u.is_cuda else "fallback"
    return engine if engine in _INSTALLED else "fallback"


def _computed_in(engine: str, tensors: Iterable[Tensor | None]) -> torch.dtype:
    """float32, but float64 where an engine can and an argument asks for it."""
    if engine in _NEEDS:
        return torch.float32
    exact = any(x is not None and x.dtype in (torch.float64, torch.complex128) for x in tensors)
    return torch.float64 if exact else torch.float32


def _cast(tensors: Iterable[Tensor | None], dtype: torch.dtype) -> Any:
    return [x if x is None or x.dtype is dtype or x.is_complex() else x.to(dtype) for x in tensors]
