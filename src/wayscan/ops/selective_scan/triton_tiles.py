"""What the Triton kernels of the selective scan share: where things lie, and the arithmetic of one step.

One program walks a block of H·W channels of one group and one batch element through a segment of time, with
its states in registers. Its tensors:

    a tile: STEPS steps of u, Δ, z, y       (H, W, STEPS)
    a tile of B, C                          (N, 1, STEPS)
    one step of either                      (H, W), (N, 1)
    states, decays exp(Δ A)                 (H, N, W)        N a power of two, padded with zeros

Tiles are read and written whole, which is coalesced whether time or channels are innermost. Triton's default
layout of an (H, N, W) tensor puts W and a part of N on the lanes of a warp and the rest into registers: this
serves both sums that the scan needs, over N for y, and over H and W for the gradients of B and C.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# Triton compiles what is below: types and loops are its own.

from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

STEPS = tl.constexpr(4)
LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)


class Sequence(NamedTuple):
    """A (B, D, L) tensor and its strides."""

    address: Tensor
    batch: int
    channel: int
    time: int


class Grouped(NamedTuple):
    """A (B, G, N, L) tensor and its strides."""

    address: Tensor
    batch: int
    group: int
    state: int
    time: int


class States(NamedTuple):
    """A (B, moments, D, N) tensor and its strides."""

    address: Tensor
    batch: int
    moment: int
    channel: int
    state: int


class Sizes(NamedTuple):
    groups: int
    per_group: int
    state: int
    length: int
    segment: int


class Place(NamedTuple):
    """What a program works on: its number of a block, a batch element, a group, and channels (H, W)."""

    block: int
    batch: int
    group: int
    channel: tl.tensor
    real: tl.tensor  # which of the channels exist


class Cells(NamedTuple):
    """The states of a block, flat (H·N·W,)."""

    channel: tl.tensor
    state: tl.tensor
    real: tl.tensor


# ---- places ---------------------------------------------------------------------------------------------


@triton.jit
def find_place(sizes, H: tl.constexpr, W: tl.constexpr):
    blocks = tl.cdiv(sizes.per_group, H * W)
    program = tl.program_id(0)
    block = program % blocks
    group = program // blocks % sizes.groups
    batch = (program // blocks // sizes.groups).to(tl.int64)
    inside = block * (H * W) + tl.arange(0, H)[:, None] * W + tl.arange(0, W)[None, :]
    return Place(block, batch, group, group * sizes.per_group + inside, inside < sizes.per_group)


@triton.jit
def find_cells(sizes, at, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    i = tl.arange(0, H * N * W)
    inside = at.block * (H * W) + i // (N * W) * W + i % W
    n = i // W % N
    return Cells(at.group * sizes.per_group + inside, n, (inside < sizes.per_group) & (n < sizes.state))


@triton.jit
def state_pointers(x, batch, moment, cells):
    """Flat access to single floats has but one layout, and it is the one in which states are computed."""
    start = x.address + batch * x.batch + moment * x.moment
    return tl.max_contiguous(start + (cells.channel * x.channel + cells.state * x.state), [1])


@triton.jit
def load_states(x, batch, moment, cells, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    return tl.reshape(tl.load(state_pointers(x, batch, moment, cells), cells.real, 0.0), (H, N, W))


@triton.jit
def store_states(x, batch, moment, cells, h, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    tl.store(state_pointers(x, batch, moment, cells), tl.reshape(h, (H * N * W,)), cells.real)


@triton.jit
def tile_pointers(x, at, start):
    time = start + tl.arange(0, STEPS)
    return (
        x.address + at.batch * x.batch + (at.channel[:, :, None] * x.channel + time[None, None, :] * x.time)
    )


@triton.jit
def exists(at, start, sizes):
    """(H, W, STEPS)."""
    return at.real[:, :, None] & (start + tl.arange(0, STEPS) < sizes.length)[None, None, :]


@triton.jit
def load_tile(x, at, start, sizes):
    return tl.load(tile_pointers(x, at, start), exists(at, start, sizes), 0.0)


@triton.jit
def store_tile(x, at, start, sizes, tile):
    tl.store(tile_pointers(x, at, start), tile, exists(at, start, sizes))


@triton.jit
def load_group(x, at, start, sizes, N: tl.constexpr):
    """A tile of B or C."""
    n = tl.arange(0, N)
    time = start + tl.arange(0, STEPS)
    base = x.address + at.batch * x.batch + at.group * x.group
    pointers = base + (n[:, None, None] * x.state + time[None, None, :] * x.time)
    return tl.load(pointers, (n < sizes.state)[:, None, None] & (time < sizes.length)[None, None, :], 0.0)


@triton.jit
def per_channel(x, at, H: tl.constexpr, W: tl.constexpr):
    """One float a channel, (H, W, 1); zeros if absent."""
    floats = tl.zeros((H, W), tl.float32) if x is None else tl.load(x + at.channel, at.real, 0.0)
    return floats[:, :, None]


@triton.jit
def unstack(tile, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The STEPS steps of a tile."""
    even, odd = tl.split(tl.reshape(tile, (ROWS, COLUMNS, 2, 2)))
    x0, x2 = tl.split(even)
    x1, x3 = tl.split(odd)
    return x0, x1, x2, x3


@triton.jit
def stack(steps, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The inverse of `unstack`."""
    even = tl.join(steps[0], steps[2])
    odd = tl.join(steps[1], steps[3])
    return tl.reshape(tl.join(even, odd), (ROWS, COLUMNS, STEPS))


@triton.jit
def stack_reversed(steps, H: tl.constexpr, W: tl.constexpr):
    """Steps that were found last first."""
    return stack((steps[3], steps[2], steps[1], steps[0]), H, W)


# ---- arithmetic -----------------------------------------------------------------------------------------


@triton.jit
def softplus(x):
    """log(1 + exp(x)) that keeps its digits where it vanishes: log1p(e) = 2 artanh(e / (2 + e))."""
    e = tl.exp(-tl.abs(x))
    s = e / (2 + e)
    q = s * s
    series = 1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q / 15))))))
    return tl.maximum(x, 0.0) + 2 * s * series


@triton.jit
def step_sizes(raw, at, start, sizes, SOFTPLUS: tl.constexpr):
    """Δ; zero past the end, where it leaves the state alone."""
    if SOFTPLUS:
        raw = softplus(raw)
    return tl.where(exists(at, start, sizes), raw, 0.0)


@triton.jit
def decay(delta, rates):
    return tl.exp2(delta[:, None, :] * rates)


@triton.jit
def advance(h, delta, x, B, rates):
    """One step of the state; x is Δ u."""
    return decay(delta, rates) * h + x[:, None, :] * B[None, :, :]


@triton.jit
def advance_tile(
    h,
    rates,
    u,
    delta,
    shift,
    B,
    at,
    start,
    sizes,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """All steps of a tile; the state after it, and the sum of its Δ (H, W)."""
    delta_tile = step_sizes(load_tile(delta, at, start, sizes) + shift, at, start, sizes, SOFTPLUS)
    deltas = unstack(delta_tile, H, W)
    inputs = unstack(delta_tile * load_tile(u, at, start, sizes), H, W)
    Bs = unstack(load_group(B, at, start, sizes, N), N, 1)
    for i in tl.static_range(STEPS):
        h = advance(h, deltas[i], inputs[i], Bs[i], rates)
    return h, deltas[0] + deltas[1] + deltas[2] + deltas[3]


@triton.jit
def over_states(x):
    """(H, N, W) → (H, W)."""
    return tl.sum(x, axis=1)


@triton.jit
def over_channels(x):
    """(H, N, W) → (N,)."""
    return tl.sum(tl.sum(x, axis=0), axis=1)
