"""The selective scan's Triton kernels; `triton.py` launches them.

One program walks a block of H·W channels of one group and one batch element through a segment of time, with its
states in registers. Its tensors:

    a tile: STEPS steps of u, Δ, z, y       (H, W, STEPS)
    a tile of B, C                          (N, 1, STEPS)
    one step of either                      (H, W), (N, 1)
    states, decays exp(Δ A)                 (H, N, W)        N a power of two, padded with zeros

Tiles are read and written whole, which is coalesced whether time or channels are innermost. Triton's default
layout of an (H, N, W) tensor puts W and a part of N on the lanes of a warp and the rest into registers: this
serves both sums that the scan needs, over N for y, and over H and W for the gradients of B and C.
"""

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


# ---- places ---------------------------------------------------------------------------------------------


@triton.jit
def _place(sizes, H: tl.constexpr, W: tl.constexpr):
    """This program's block number, batch element and group; its channels (H, W), and which of them exist."""
    blocks = tl.cdiv(sizes.per_group, H * W)
    program = tl.program_id(0)
    block = program % blocks
    group = program // blocks % sizes.groups
    batch = (program // blocks // sizes.groups).to(tl.int64)
    inside = block * (H * W) + tl.arange(0, H)[:, None] * W + tl.arange(0, W)[None, :]
    return block, batch, group, group * sizes.per_group + inside, inside < sizes.per_group


@triton.jit
def _cells(sizes, block, group, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    """Channel and state number of every state of a block, flat (H·N·W,), and which of them exist."""
    i = tl.arange(0, H * N * W)
    inside = block * (H * W) + i // (N * W) * W + i % W
    n = i // W % N
    return group * sizes.per_group + inside, n, (inside < sizes.per_group) & (n < sizes.state)


@triton.jit
def _state_pointers(x, batch, moment, cells):
    """Flat access to single floats has but one layout, and it is the one in which states are computed."""
    start = x.address + batch * x.batch + moment * x.moment
    return tl.max_contiguous(start + (cells[0] * x.channel + cells[1] * x.state), [1])


@triton.jit
def _load_states(x, batch, moment, cells, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    return tl.reshape(tl.load(_state_pointers(x, batch, moment, cells), cells[2], 0.0), (H, N, W))


@triton.jit
def _store_states(x, batch, moment, cells, h, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    tl.store(_state_pointers(x, batch, moment, cells), tl.reshape(h, (H * N * W,)), cells[2])


@triton.jit
def _pointers(x, batch, channel, time):
    return x.address + batch * x.batch + (channel[:, :, None] * x.channel + time[None, None, :] * x.time)


@triton.jit
def _valid(real, start, sizes):
    time = start + tl.arange(0, STEPS)
    return real[:, :, None] & (time < sizes.length)[None, None, :]


@triton.jit
def _load_tile(x, batch, channel, real, start, sizes):
    time = start + tl.arange(0, STEPS)
    return tl.load(_pointers(x, batch, channel, time), _valid(real, start, sizes), 0.0)


@triton.jit
def _store_tile(x, batch, channel, real, start, sizes, tile):
    time = start + tl.arange(0, STEPS)
    tl.store(_pointers(x, batch, channel, time), tile, _valid(real, start, sizes))


@triton.jit
def _load_group(x, batch, group, start, sizes, N: tl.constexpr):
    """A tile of B or C."""
    n = tl.arange(0, N)
    time = start + tl.arange(0, STEPS)
    base = x.address + batch * x.batch + group * x.group
    pointers = base + (n[:, None, None] * x.state + time[None, None, :] * x.time)
    return tl.load(pointers, (n < sizes.state)[:, None, None] & (time < sizes.length)[None, None, :], 0.0)


@triton.jit
def _unstack(tile, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The STEPS steps of a tile."""
    even, odd = tl.split(tl.reshape(tile, (ROWS, COLUMNS, 2, 2)))
    x0, x2 = tl.split(even)
    x1, x3 = tl.split(odd)
    return x0, x1, x2, x3


@triton.jit
def _stack(steps, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The inverse of `_unstack`."""
    even = tl.join(steps[0], steps[2])
    odd = tl.join(steps[1], steps[3])
    return tl.reshape(tl.join(even, odd), (ROWS, COLUMNS, STEPS))


# ---- arithmetic -----------------------------------------------------------------------------------------


@triton.jit
def _softplus(x):
    """log(1 + exp(x)) that keeps its digits where it vanishes: log1p(e) = 2 artanh(e / (2 + e))."""
    e = tl.exp(-tl.abs(x))
    s = e / (2 + e)
    q = s * s
    series = 1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q / 15))))))
    return tl.maximum(x, 0.0) + 2 * s * series


@triton.jit
def _step_sizes(raw, real, start, sizes, SOFTPLUS: tl.constexpr):
    """Δ; zero past the end, where it leaves the state alone."""
    if SOFTPLUS:
        raw = _softplus(raw)
    return tl.where(_valid(real, start, sizes), raw, 0.0)


@triton.jit
def _decay(delta, rates):
    return tl.exp2(delta[:, None, :] * rates)


@triton.jit
def _advance(h, decay, x, B):
    return decay * h + x[:, None, :] * B[None, :, :]


@triton.jit
def _over_states(x):
    """(H, N, W) → (H, W)."""
    return tl.sum(x, axis=1)


@triton.jit
def _over_channels(x):
    """(H, N, W) → (N,)."""
    return tl.sum(tl.sum(x, axis=0), axis=1)


@triton.jit
def _per_channel(x, channel, real):
    """One float a channel (H, W), zeros if absent."""
    if x is None:
        return tl.zeros_like(channel).to(tl.float32)
    else:
        return tl.load(x + channel, real, 0.0)


@triton.jit
def _whole_decay(total, rates):
    """The decay over all steps of a sum (H, W, STEPS) of Δ."""
    return _decay(tl.sum(total, axis=2), rates)


# ---- kernels --------------------------------------------------------------------------------------------


@triton.jit
def forward_kernel(
    u,
    delta,
    z,
    out,
    B,
    C,
    A,
    before,
    after,
    checkpoints,
    D,
    bias,
    sizes,
    SOFTPLUS: tl.constexpr,
    CHUNK: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """Walk a segment: from the state `before` it to `out`, `checkpoints` and, at the end, the state `after`."""
    segment = tl.program_id(1)
    block, batch, group, channel, real = _place(sizes, H, W)
    cells = _cells(sizes, block, group, H, N, W)
    rates = _load_states(A, batch, 0, cells, H, N, W) * LOG2E
    skip = _per_channel(D, channel, real)[:, :, None]
    shift = _per_channel(bias, channel, real)[:, :, None]
    h = _load_states(before, batch, segment, cells, H, N, W)

    begin = segment * sizes.segment
    end = min(begin + sizes.segment, sizes.length)
    u_next = _load_tile(u, batch, channel, real, begin, sizes)
    delta_next = _load_tile(delta, batch, channel, real, begin, sizes)
    B_next = _load_group(B, batch, group, begin, sizes, N)
    C_next = _load_group(C, batch, group, begin, sizes, N)
    for start in range(begin, end, STEPS):
        if checkpoints is not None:
            if start % CHUNK == 0:
                _store_states(checkpoints, batch, start // CHUNK, cells, h, H, N, W)
        u_tile = u_next
        delta_tile = _step_sizes(delta_next + shift, real, start, sizes, SOFTPLUS)
        Bs = _unstack(B_next, N, 1)
        Cs = _unstack(C_next, N, 1)
        # The next tile travels while this one is computed.
        u_next = _load_tile(u, batch, channel, real, start + STEPS, sizes)
        delta_next = _load_tile(delta, batch, channel, real, start + STEPS, sizes)
        B_next = _load_group(B, batch, group, start + STEPS, sizes, N)
        C_next = _load_group(C, batch, group, start + STEPS, sizes, N)

        deltas = _unstack(delta_tile, H, W)
        inputs = _unstack(delta_tile * u_tile, H, W)
        outputs = ()
        for i in tl.static_range(STEPS):
            h = _advance(h, _decay(deltas[i], rates), inputs[i], Bs[i])
            outputs = outputs + (_over_states(h * Cs[i][None, :, :]),)
        y = _stack(outputs, H, W) + skip * u_tile
        if z is not None:
            gate = _load_tile(z, batch, channel, real, start, sizes)
            y *= gate * tl.sigmoid(gate)
        _store_tile(out, batch, channel, real, start, sizes, y)
    if end == sizes.length:
        _store_states(after, batch, 0, cells, h, H, N, W)


@triton.jit
def segment_kernel(
    u,
    delta,
    B,
    A,
    bias,
    decays,
    afters,
    sizes,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """What a segment does to a state: decay it by `decays`, then add `afters`."""
    segment = tl.program_id(1)
    block, batch, group, channel, real = _place(sizes, H, W)
    cells = _cells(sizes, block, group, H, N, W)
    rates = _load_states(A, batch, 0, cells, H, N, W) * LOG2E
    shift = _per_channel(bias, channel, real)[:, :, None]
    h = tl.zeros((H, N, W), tl.float32)
    total = tl.zeros((H, W, STEPS), tl.float32)
    begin = segment * sizes.segment
    for start in range(begin, min(begin + sizes.segment, sizes.length), STEPS):
        raw = _load_tile(delta, batch, channel, real, start, sizes) + shift
        delta_tile = _step_sizes(raw, real, start, sizes, SOFTPLUS)
        total += delta_tile
        deltas = _unstack(delta_tile, H, W)
        inputs = _unstack(delta_tile * _load_tile(u, batch, channel, real, start, sizes), H, W)
        Bs = _unstack(_load_group(B, batch, group, start, sizes, N), N, 1)
        for i in tl.static_range(STEPS):
            h = _advance(h, _decay(deltas[i], rates), inputs[i], Bs[i])
    _store_states(decays, batch, segment, cells, _whole_decay(total, rates), H, N, W)
    _store_states(afters, batch, segment, cells, h, H, N, W)


@triton.jit
def backward_segment_kernel(
    grad_out,
    delta,
    z,
    C,
    A,
    bias,
    decays,
    befores,
    sizes,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """What a segment does to the gradient of the state after it: decay it by `decays`, then add `befores`."""
    segment = tl.program_id(1)
    block, batch, group, channel, real = _place(sizes, H, W)
    cells = _cells(sizes, block, group, H, N, W)
    rates = _load_states(A, batch, 0, cells, H, N, W) * LOG2E
    shift = _per_channel(bias, channel, real)[:, :, None]
    carried = tl.zeros((H, N, W), tl.float32)
    total = tl.zeros((H, W, STEPS), tl.float32)
    begin = segment * sizes.segment
    tiles = tl.cdiv(min(sizes.segment, sizes.length - begin), STEPS)
    for later in range(tiles):
        start = begin + (tiles - 1 - later) * STEPS
        raw = _load_tile(delta, batch, channel, real, start, sizes) + shift
        delta_tile = _step_sizes(raw, real, start, sizes, SOFTPLUS)
        total += delta_tile
        deltas = _unstack(delta_tile, H, W)
        grad_y = _load_tile(grad_out, batch, channel, real, start, sizes)
        if z is not None:
            gate = _load_tile(z, batch, channel, real, start, sizes)
            grad_y *= gate * tl.sigmoid(gate)
        grads = _unstack(grad_y, H, W)
        Cs = _unstack(_load_group(C, batch, group, start, sizes, N), N, 1)
        for i in tl.static_range(STEPS - 1, -1, -1):
            carried = (carried + grads[i][:, None, :] * Cs[i][None, :, :]) * _decay(deltas[i], rates)
    _store_states(decays, batch, segment, cells, _whole_decay(total, rates), H, N, W)
    _store_states(befores, batch, segment, cells, carried, H, N, W)


@triton.jit
def join_kernel(
    first,
    decays,
    sums,
    joined,
    segments,
    sizes,
    REVERSE: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """From what each segment does, what enters each: `first` enters the first, or the last if REVERSE."""
    block, batch, group, _, _ = _place(sizes, H, W)
    cells = _cells(sizes, block, group, H, N, W)
    carried = _load_states(first, batch, 0, cells, H, N, W)
    for i in range(segments):
        segment = i
        if REVERSE:
            segment = segments - 1 - i
        _store_states(joined, batch, segment, cells, carried, H, N, W)
        carried *= _load_states(decays, batch, segment, cells, H, N, W)
        carried += _load_states(sums, batch, segment, cells, H, N, W)


@triton.jit
def backward_kernel(
    grad_out,
    after,
    u,
    delta,
    z,
    B,
    C,
    A,
    checkpoints,
    scratch,
    D,
    bias,
    du,
    ddelta,
    dz,
    dB,
    dC,
    dA,
    dD,
    dbias,
    before,
    sizes,
    SOFTPLUS: tl.constexpr,
    CHUNK: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """Walk a segment back: from the gradient of the state `after` it to that of the state `before` the first.

    A chunk's states are recomputed from its checkpoint: those before each tile go to `scratch`, those within a
    tile stay in registers. What is summed over channels, the batch or segments is written as partial sums.
    """
    segment = tl.program_id(1)
    block, batch, group, channel, real = _place(sizes, H, W)
    cells = _cells(sizes, block, group, H, N, W)
    n = tl.arange(0, N)
    rates = _load_states(A, batch, 0, cells, H, N, W) * LOG2E
    skip = _per_channel(D, channel, real)[:, :, None]
    shift = _per_channel(bias, channel, real)[:, :, None]
    carried = _load_states(after, batch, segment, cells, H, N, W)
    sum_A = tl.zeros((H, N, W), tl.float32)
    sum_D = tl.zeros((H, W, STEPS), tl.float32)
    sum_bias = tl.zeros((H, W, STEPS), tl.float32)

    begin = segment * sizes.segment
    end = min(begin + sizes.segment, sizes.length)
    chunks = tl.cdiv(end - begin, CHUNK)
    for later_chunk in range(chunks):
        first = begin + (chunks - 1 - later_chunk) * CHUNK
        tiles = tl.cdiv(min(CHUNK, end - first), STEPS)
        h = _load_states(checkpoints, batch, first // CHUNK, cells, H, N, W)
        for tile in range(tiles):
            start = first + tile * STEPS
            _store_states(scratch, batch, segment * (CHUNK // STEPS) + tile, cells, h, H, N, W)
            raw = _load_tile(delta, batch, channel, real, start, sizes) + shift
            delta_tile = _step_sizes(raw, real, start, sizes, SOFTPLUS)
            deltas = _unstack(delta_tile, H, W)
            inputs = _unstack(delta_tile * _load_tile(u, batch, channel, real, start, sizes), H, W)
            Bs = _unstack(_load_group(B, batch, group, start, sizes, N), N, 1)
            for i in tl.static_range(STEPS):
                h = _advance(h, _decay(deltas[i], rates), inputs[i], Bs[i])
        tl.debug_barrier()

        for later_tile in range(tiles):
            tile = tiles - 1 - later_tile
            start = first + tile * STEPS
            u_tile = _load_tile(u, batch, channel, real, start, sizes)
            raw = _load_tile(delta, batch, channel, real, start, sizes) + shift
            delta_tile = _step_sizes(raw, real, start, sizes, SOFTPLUS)
            deltas = _unstack(delta_tile, H, W)
            inputs = _unstack(delta_tile * u_tile, H, W)
            Bs = _unstack(_load_group(B, batch, group, start, sizes, N), N, 1)
            Cs = _unstack(_load_group(C, batch, group, start, sizes, N), N, 1)
            h = _load_states(scratch, batch, segment * (CHUNK // STEPS) + tile, cells, H, N, W)
            states = (h,)
            for i in tl.static_range(STEPS):
                h = _advance(h, _decay(deltas[i], rates), inputs[i], Bs[i])
                states = states + (h,)

            grad_y = _load_tile(grad_out, batch, channel, real, start, sizes)
            if z is not None:
                outputs = ()
                for i in tl.static_range(STEPS):
                    outputs = outputs + (_over_states(states[i + 1] * Cs[i][None, :, :]),)
                y = _stack(outputs, H, W) + skip * u_tile
                gate = _load_tile(z, batch, channel, real, start, sizes)
                slope = tl.sigmoid(gate)
                grad_z = grad_y * y * slope * (1 + gate * (1 - slope))
                _store_tile(dz, batch, channel, real, start, sizes, grad_z)
                grad_y *= gate * slope
            grads = _unstack(grad_y, H, W)

            grad_inputs = ()
            grad_exponents = ()
            for i in tl.static_range(STEPS - 1, -1, -1):
                here = _partial(sizes, block, batch, group, start + i, H, W) + n
                grad_i = grads[i][:, None, :]
                tl.store(dC + here, _over_channels(states[i + 1] * grad_i), n < sizes.state)
                carried += grad_i * Cs[i][None, :, :]
                tl.store(dB + here, _over_channels(carried * inputs[i][:, None, :]), n < sizes.state)
                grad_inputs = (_over_states(carried * Bs[i][None, :, :]),) + grad_inputs
                carried *= _decay(deltas[i], rates)
                exponent = carried * states[i]
                sum_A += exponent * deltas[i][:, None, :]
                grad_exponents = (_over_states(exponent * rates),) + grad_exponents

            grad_input = _stack(grad_inputs, H, W)
            grad_delta = _stack(grad_exponents, H, W) * LN2 + grad_input * u_tile
            if SOFTPLUS:
                grad_delta *= tl.sigmoid(raw)
            _store_tile(ddelta, batch, channel, real, start, sizes, grad_delta)
            _store_tile(du, batch, channel, real, start, sizes, grad_input * delta_tile + grad_y * skip)
            sum_bias += tl.where(_valid(real, start, sizes), grad_delta, 0.0)
            sum_D += grad_y * u_tile
        tl.debug_barrier()

    _store_states(dA, batch, segment, cells, sum_A, H, N, W)
    row = (batch * tl.num_programs(1) + segment) * sizes.groups * sizes.per_group
    tl.store(dD + row + channel, tl.sum(sum_D, axis=2), real)
    tl.store(dbias + row + channel, tl.sum(sum_bias, axis=2), real)
    if segment == 0:
        _store_states(before, batch, 0, cells, carried, H, N, W)


@triton.jit
def _partial(sizes, block, batch, group, time, H: tl.constexpr, W: tl.constexpr):
    """Where a step lies in the partial sums of dB and dC: (blocks, B, G, L, N) with room for whole tiles."""
    batches = tl.num_programs(0) // (sizes.groups * tl.cdiv(sizes.per_group, H * W))
    steps = tl.cdiv(sizes.length, STEPS) * STEPS
    return (((block * batches + batch) * sizes.groups + group) * steps + time) * sizes.state


@triton.jit
def step_kernel(
    h,
    u,
    delta,
    z,
    out,
    B,
    C,
    A,
    D,
    bias,
    sizes,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """One step of everything; the states `h` move on in place."""
    ...
