"""The engines as PyTorch operators: one pair, forward and backward, for each engine.

An engine is a module with `forward`, `backward` and `checkpoint_shape`; this file gives it shapes for
tracing, a gradient, and the memory layout that every engine promises: results lie as their inputs do.

Shapes (B batch, D channels, L length, N state, G groups):
    u, delta, z, out (B, D, L) · A (D, N) · B, C (B, G, N, L) · D, delta_bias (D,)
    initial_state, last_state (B, D, N) · checkpoints: the engine's own
The last state is empty unless `keep_last`, and its gradient may be absent: for short sequences both cost
as much as the scan.
"""

import functools
import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_ENGINE_MODULES = {"cpu": "launch", "fallback": "fallback", "triton": "triton"}

_LIBRARY = torch.library.Library("wayscan", "FRAGMENT")

_INPUTS = (
    "Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, Tensor? delta_bias, "
    "Tensor? initial_state"
)
_SCHEMA = f"({_INPUTS}, bool delta_softplus, bool save, bool keep_last) -> (Tensor, Tensor, Tensor)"
_BACKWARD_SCHEMA = (
    f"(Tensor grad_out, Tensor? grad_last, {_INPUTS}, Tensor checkpoints, bool delta_softplus) -> ("
    + ", ".join(["Tensor"] * 9)
    + ")"
)


def _engine(backend: str) -> Any:
    return importlib.import_module(f"wayscan.ops.selective_scan.{_ENGINE_MODULES[backend]}")


def _laid_out_like(result: Tensor, x: Tensor | None) -> Tensor:
    """`result` in the memory layout that `empty_like(x)` has."""
    if x is None or result.stride() == x.stride() == torch.empty_like(x, device="meta").stride():
        return result
    target = torch.empty_like(x)
    return result if result.stride() == target.stride() else target.copy_(result)


def register(backend: str) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """Define wayscan::selective_scan_<backend> and its backward operator; the forward one."""
    name = f"wayscan::selective_scan_{backend}"
    torch.library.define(name, _SCHEMA)
    torch.library.define(f"{name}_backward", _BACKWARD_SCHEMA)

    @torch.library.impl(name, "CompositeExplicitAutograd")
    def forward(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus, save, keep_last):
        with torch.autocast(u.device.type, enabled=False):
            out, last, checkpoints = _engine(backend).forward(
                u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus, save, keep_last
            )
        return _laid_out_like(out, u), last, checkpoints

    @torch.library.register_fake(name)
    def fake_forward(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus, save, keep_last):
        batch, channels, length = u.shape
        shape = (
            _engine(backend).checkpoint_shape(batch, channels, length, A.shape[1], B.shape[1])
            if save
            else (0,)
        )
        return torch.empty_like(u), u.new_empty((batch, *A.shape) if keep_last else (0,)), u.new_empty(shape)

    @torch.library.impl(f"{name}_backward", "CompositeExplicitAutograd")
    def backward(
        grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, delta_softplus
    ):
        inputs = (u, delta, A, B, C, D, z, delta_bias, initial_state)
        with torch.autocast(u.device.type, enabled=False):
            grads = _engine(backend).backward(grad_out, grad_last, *inputs, checkpoints, delta_softplus)
        return tuple(_laid_out_like(grad, x) for grad, x in zip(grads, inputs, strict=True))

    @torch.library.register_fake(f"{name}_backward")
    def fake_backward(
        grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, delta_softplus
    ):
        inputs = (u, delta, A, B, C, D, z, delta_bias, initial_state)
        return tuple(u.new_empty(0) if x is None else torch.empty_like(x) for x in inputs)

    def save_inputs(ctx, inputs, output):
        *tensors, ctx.delta_softplus, _, _ = inputs
        _, _, checkpoints = output
        ctx.save_for_backward(*tensors, checkpoints)
        ctx.mark_non_differentiable(checkpoints)
        ctx.set_materialize_grads(False)

    backward_operator = getattr(torch.ops.wayscan, f"selective_scan_{backend}_backward")

    def differentiate(ctx, grad_out, grad_last, _):
        *inputs, checkpoints = ctx.saved_tensors
        if grad_out is None:
            grad_out = torch.zeros_like(inputs[0])
        grads = backward_operator(grad_out, grad_last, *inputs, checkpoints, ctx.delta_softplus)
        return *(None if x is None else grad for grad, x in zip(grads, inputs, strict=True)), None, None, None

    def refuse(ctx, *grads):
        raise RuntimeError(
            "selective_scan has first derivatives only; use backend='reference' for higher ones"
        )

    torch.library.register_autograd(name, differentiate, setup_context=save_inputs)
    torch.library.register_autograd(f"{name}_backward", refuse)
    return getattr(torch.ops.wayscan, f"selective_scan_{backend}")


OPERATORS = {backend: register(backend) for backend in _ENGINE_MODULES}

_STEP_SCHEMA = (
    "(Tensor(a!) state, Tensor u, Tensor delta, Tensor A, Tensor B, Tensor C, Tensor? D, Tensor? z, "
    "Tensor? delta_bias, bool delta_softplus) -> Tensor"
)


def register_step(backend: str) -> Callable[..., Tensor]:
    """Define wayscan::selective_step_<backend>: state (B, D, N) moves on in place; out (B, D)."""
    name = f"wayscan::selective_step_{backend}"
    torch.library.define(name, _STEP_SCHEMA)
    engine = functools.cache(lambda: _engine(backend).step)

    _LIBRARY.impl(name.split("::")[1], torch.library.fallthrough_kernel, "Autograd")  # no gradient

    @torch.library.impl(name, "CompositeExplicitAutograd")
    def step(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus):
        return engine()(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus)

    @torch.library.register_fake(name)
    def fake_step(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus):
        return torch.empty_like(u, memory_format=torch.contiguous_format)

    return getattr(torch.ops.wayscan, f"selective_step_{backend}").default


STEPS = {backend: register_step(backend) for backend in ("cpu", "triton")}
