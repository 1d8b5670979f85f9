"""The selective scan on NVIDIA GPUs, in Triton; float32.

This file cuts a scan into programs and launches `triton_kernels.py`. The forward pass keeps the states before
every CHUNK steps, from which the backward pass recomputes the others. Nothing is summed with atomics: equal
inputs give equal bits.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportIndexIssue=false
# A kernel's tl.constexpr arguments are plain numbers to its caller.

from typing import NamedTuple

import torch
import triton
from torch import Tensor

from wayscan.ops.selective_scan import triton_kernels as kernels
from wayscan.ops.selective_scan.triton_tiles import STEPS, Grouped, Sequence, Sizes, States

CHUNK = 32

# Chosen by counting instructions and registers, to be tuned on a GPU. A thread holds 8 states: with more, the
# backward pass spills registers. Fewer programs than ENOUGH leave processors idle: blocks shrink until there
# are as many, and then time is cut into segments, unless there would be too few to pay for their first pass.
STATES_PER_WARP = 256
ENOUGH_PROGRAMS = 1024
FEWEST_SEGMENTS = 4


def checkpoint_shape(batch: int, channels: int, length: int, state: int, groups: int) -> tuple[int, ...]:
    """Shape of the states before each chunk, channels innermost."""
    return (batch, (length + CHUNK - 1) // CHUNK, state, channels)


def forward(
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
    save: bool,
    keep_last: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Scan a whole sequence.

    Args:
        u, delta, z: (B, D, L). A: (D, N). B, C: (B, G, N, L). D, delta_bias: (D,).
        initial_state: (B, D, N), zeros if absent.
        save: keep the checkpoints that `backward` needs.
        keep_last: return the last state, not an empty tensor in its place.

    Returns:
        out (B, D, L), laid out as u; the last state (B, D, N); the checkpoints, empty unless `save`.
    """
    batch, channels, length = u.shape
    groups, state = B.shape[1:3]
    out = torch.empty_like(u)
    last_state = u.new_empty(batch, channels, state)
    checkpoints = u.new_empty(checkpoint_shape(batch, channels, length, state, groups)) if save else None
    cut = _cut(u, B)
    rates = _states(A.expand(batch, -1, -1))
    bias = _dense(delta_bias)
    with torch.cuda.device_of(u):
        before = _states(initial_state)
        if cut.segments > 1:
            decays, sums, joined = _room_for_segments(u, A, cut)
            kernels.segment_kernel[cut.grid](
                _sequence(u),
                _sequence(delta),
                _grouped(B),
                rates,
                bias,
                decays,
                sums,
                cut.sizes,
                SOFTPLUS=delta_softplus,
                **cut.options,
            )
            kernels.join_kernel[cut.grid[:1]](
                before, decays, sums, joined, cut.segments, cut.sizes, REVERSE=False, **cut.options
            )
            before = joined
        kernels.forward_kernel[cut.grid](
            _sequence(u),
            _sequence(delta),
            _sequence(z),
            _sequence(out),
            _grouped(B),
            _grouped(C),
            rates,
            before,
            _states(last_state),
            _moments(checkpoints),
            _dense(D),
            bias,
            cut.sizes,
            CHUNK=CHUNK,
            SOFTPLUS=delta_softplus,
            **cut.options,
        )
    nothing = u.new_empty(0)
    return out, last_state if keep_last else nothing, nothing.clone() if checkpoints is None else checkpoints


def backward(
    grad_out: Tensor,
    grad_last: Tensor | None,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    initial_state: Tensor | None,
    checkpoints: Tensor,
    delta_softplus: bool,
) -> tuple[Tensor, ...]:
    """Differentiate `forward`.

    Args:
        grad_out: (B, D, L). grad_last: (B, D, N), or None for zeros.
        The others: as `forward` took and returned them.

    Returns:
        The gradients of u, delta, A, B, C, D, z, delta_bias and initial_state, in the shapes of these; an
        empty tensor for an absent argument.
    """
    if grad_last is None:
        grad_last = u.new_zeros(u.shape[0], *A.shape)
    batch, channels, length = u.shape
    groups, state = B.shape[1:3]
    cut = _cut(u, B)
    rates = _states(A.expand(batch, -1, -1))
    bias = _dense(delta_bias)
    du, ddelta, dinitial_state = (torch.empty_like(x) for x in (u, delta, grad_last))
    dz = None if z is None else torch.empty_like(z)
    # Partial sums: over the batch and segments, over blocks of channels.
    dA = u.new_empty(batch, cut.segments, state, channels)
    dD, ddelta_bias = (u.new_empty(batch, cut.segments, channels) for _ in range(2))
    whole_tiles = triton.cdiv(length, STEPS.value) * STEPS.value
    dB, dC = (u.new_empty(cut.blocks, batch, groups, whole_tiles, state) for _ in range(2))
    scratch = u.new_empty(batch, cut.segments * CHUNK // STEPS.value, state, channels)
    with torch.cuda.device_of(u):
        after = _states(grad_last)
        if cut.segments > 1:
            decays, sums, joined = _room_for_segments(u, A, cut)
            kernels.backward_segment_kernel[cut.grid](
                _sequence(grad_out),
                _sequence(delta),
                _sequence(z),
                _grouped(C),
                rates,
                bias,
                decays,
                sums,
                cut.sizes,
                SOFTPLUS=delta_softplus,
                **cut.options,
            )
            kernels.join_kernel[cut.grid[:1]](
                after, decays, sums, joined, cut.segments, cut.sizes, REVERSE=True, **cut.options
            )
            after = joined
        kernels.backward_kernel[cut.grid](
            _sequence(grad_out),
            after,
            _sequence(u),
            _sequence(delta),
            _sequence(z),
            _grouped(B),
            _grouped(C),
            rates,
            _moments(checkpoints),
            _moments(scratch),
            _dense(D),
            bias,
            _sequence(du),
            _sequence(ddelta),
            _sequence(dz),
            dB,
            dC,
            _moments(dA),
            dD,
            ddelta_bias,
            _states(dinitial_state),
            cut.sizes,
            CHUNK=CHUNK,
            SOFTPLUS=delta_softplus,
            **cut.options,
        )
    return (
        du,
        ddelta,
        dA.sum((0, 1)).mT.contiguous(),
        dB.sum(0)[:, :, :length].mT.contiguous(),
        dC.sum(0)[:, :, :length].mT.contiguous(),
        u.new_empty(0) if D is None else dD.sum((0, 1)),
        u.new_empty(0) if dz is None else dz,
        u.new_empty(0) if delta_bias is None else ddelta_bias.sum((0, 1)),
        u.new_empty(0) if initial_state is None else dinitial_state,
    )


def step(
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
    """One step of the scan: a sequence of length 1.

    Args:
        state: (B, D, N); moves on in place.
        u, delta, z: (B, D). A: (D, N). B, C: (B, G, N). D, delta_bias: (D,).

    Returns:
        out (B, D), contiguous.
    """
    out = torch.empty_like(u, memory_format=torch.contiguous_format)
    u, delta, B, C = (x.unsqueeze(-1) for x in (u, delta, B, C))
    cut = _cut(u, B)
    with torch.cuda.device_of(u):
        kernels.forward_kernel[cut.grid](
            _sequence(u),
            _sequence(delta),
            None if z is None else _sequence(z.unsqueeze(-1)),
            _sequence(out.unsqueeze(-1)),
            _grouped(B),
            _grouped(C),
            _states(A.expand(u.shape[0], -1, -1)),
            _states(state),
            _states(state),
            None,
            _dense(D),
            _dense(delta_bias),
            cut.sizes,
            CHUNK=CHUNK,
            SOFTPLUS=delta_softplus,
            **cut.options,
        )
    return out


class _Cut(NamedTuple):
    """How a scan is cut into programs."""

    blocks: int  # of the channels of a group
    segments: int  # of time
    grid: tuple[int, int]
    sizes: Sizes
    options: dict[str, int]  # what the kernels are compiled for


def _cut(u: Tensor, B: Tensor) -> _Cut:
    batch, channels, length = u.shape
    groups, state = B.shape[1:3]
    per_group = channels // groups
    N = triton.next_power_of_2(state)
    W = max(8, 32 // N)
    H = min(4, max(1, STATES_PER_WARP // (N * W)))
    while H > 1 and (
        2 * per_group <= H * W or batch * groups * triton.cdiv(per_group, H * W) < ENOUGH_PROGRAMS
    ):
        H //= 2
    blocks = triton.cdiv(per_group, H * W)
    programs = batch * groups * blocks

    chunks = triton.cdiv(length, CHUNK)
    segments = min(ENOUGH_PROGRAMS // programs, chunks // 2)
    if segments < FEWEST_SEGMENTS:
        segments = 1
    segment = triton.cdiv(chunks, segments) * CHUNK
    segments = triton.cdiv(length, segment)
    warps = max(1, H * N * W // STATES_PER_WARP)
    return _Cut(
        blocks,
        segments,
        (programs, segments),
        Sizes(groups, per_group, state, length, segment),
        {"H": H, "N": N, "W": W, "num_warps": warps, "enable_fp_fusion": True},
    )


def _room_for_segments(u: Tensor, A: Tensor, cut: _Cut) -> list[States | None]:
    """Where the kernels put what each segment does to a state, and what enters each."""
    return [_moments(u.new_empty(u.shape[0], cut.segments, A.shape[1], A.shape[0])) for _ in range(3)]


def _sequence(x: Tensor | None) -> Sequence | None:
    return None if x is None else Sequence(x, *x.stride())


def _grouped(x: Tensor) -> Grouped:
    return Grouped(x, *x.stride())


def _states(x: Tensor | None) -> States | None:
    """From (B, D, N)."""
    return None if x is None else States(x, x.stride(0), 0, x.stride(1), x.stride(2))


def _moments(x: Tensor | None) -> States | None:
    """From (B, moments, N, D)."""
    return None if x is None else States(x, x.stride(0), x.stride(1), x.stride(3), x.stride(2))


def _dense(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.contiguous()
