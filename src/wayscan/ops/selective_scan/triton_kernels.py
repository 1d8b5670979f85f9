"""The selective scan's Triton kernels; `triton.py` launches them.

One program walks a block of H·W channels of one group and one batch element through a segment of time, with
its states in registers. A small batch of long sequences has several segments: a first pass finds what each
does to a state as a whole, `join_kernel` finds the state before each, and the main pass walks them side by
side. Sums over programs are written as partial sums, which the host adds in a fixed order.
"""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# Triton compiles what is below: types and loops are its own.

import triton
import triton.language as tl

from wayscan.ops.selective_scan.triton_tiles import (
    LN2,
    LOG2E,
    STEPS,
    advance,
    advance_tile,
    decay,
    exists,
    find_cells,
    find_place,
    load_group,
    load_states,
    load_tile,
    over_channels,
    over_states,
    per_channel,
    stack,
    stack_reversed,
    step_sizes,
    store_states,
    store_tile,
    unstack,
)


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
    CHUNK: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """Walk a segment: from the state `before` it to `out`, `checkpoints` and the state `after` the last."""
    segment = tl.program_id(1)
    at = find_place(sizes, H, W)
    cells = find_cells(sizes, at, H, N, W)
    rates = load_states(A, at.batch, 0, cells, H, N, W) * LOG2E
    skip = per_channel(D, at, H, W)
    shift = per_channel(bias, at, H, W)
    h = tl.zeros((H, N, W), tl.float32)
    if before is not None:
        h = load_states(before, at.batch, segment, cells, H, N, W)

    begin = segment * sizes.segment
    end = min(begin + sizes.segment, sizes.length)
    u_next = load_tile(u, at, begin, sizes)
    delta_next = load_tile(delta, at, begin, sizes)
    B_next = load_group(B, at, begin, sizes, N)
    C_next = load_group(C, at, begin, sizes, N)
    for tile in range(tl.cdiv(end - begin, STEPS)):
        start = begin + tile * STEPS
        if checkpoints is not None:  # noqa: SIM102 - known when compiled; the next when it runs
            if start % CHUNK == 0:
                store_states(checkpoints, at.batch, start // CHUNK, cells, h, H, N, W)
        u_tile = u_next
        delta_tile = step_sizes(delta_next + shift, at, start, sizes, SOFTPLUS)
        Bs = unstack(B_next, N, 1)
        Cs = unstack(C_next, N, 1)
        # The next tile is on its way while this one is computed.
        u_next = load_tile(u, at, start + STEPS, sizes)
        delta_next = load_tile(delta, at, start + STEPS, sizes)
        B_next = load_group(B, at, start + STEPS, sizes, N)
        C_next = load_group(C, at, start + STEPS, sizes, N)

        deltas = unstack(delta_tile, H, W)
        inputs = unstack(delta_tile * u_tile, H, W)
        outputs = ()
        for i in tl.static_range(STEPS):
            h = advance(h, deltas[i], inputs[i], Bs[i], rates)
            outputs += (over_states(h * Cs[i][None, :, :]),)
        y = stack(outputs, H, W) + skip * u_tile
        if z is not None:
            gate = load_tile(z, at, start, sizes)
            y *= gate * tl.sigmoid(gate)
        store_tile(out, at, start, sizes, y)
    if end == sizes.length:
        store_states(after, at.batch, 0, cells, h, H, N, W)


@triton.jit
def segment_kernel(
    u,
    delta,
    B,
    A,
    bias,
    decays,
    sums,
    sizes,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """What a segment does to a state: multiply it by `decays`, then add `sums`."""
    segment = tl.program_id(1)
    at = find_place(sizes, H, W)
    cells = find_cells(sizes, at, H, N, W)
    rates = load_states(A, at.batch, 0, cells, H, N, W) * LOG2E
    shift = per_channel(bias, at, H, W)
    h = tl.zeros((H, N, W), tl.float32)
    total = tl.zeros((H, W), tl.float32)
    begin = segment * sizes.segment
    end = min(begin + sizes.segment, sizes.length)
    for tile in range(tl.cdiv(end - begin, STEPS)):
        start = begin + tile * STEPS
        h, tile_total = advance_tile(h, rates, u, delta, shift, B, at, start, sizes, SOFTPLUS, H, N, W)
        total += tile_total
    store_states(decays, at.batch, segment, cells, decay(total, rates), H, N, W)
    store_states(sums, at.batch, segment, cells, h, H, N, W)


@triton.jit
def backward_segment_kernel(
    grad_out,
    delta,
    z,
    C,
    A,
    bias,
    decays,
    sums,
    sizes,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """What a segment does to the gradient of the state after it: multiply it by `decays`, then add `sums`."""
    segment = tl.program_id(1)
    at = find_place(sizes, H, W)
    cells = find_cells(sizes, at, H, N, W)
    rates = load_states(A, at.batch, 0, cells, H, N, W) * LOG2E
    shift = per_channel(bias, at, H, W)
    carried = tl.zeros((H, N, W), tl.float32)
    total = tl.zeros((H, W), tl.float32)
    begin = segment * sizes.segment
    tiles = tl.cdiv(min(sizes.segment, sizes.length - begin), STEPS)
    for later in range(tiles):
        start = begin + (tiles - 1 - later) * STEPS
        delta_tile = step_sizes(load_tile(delta, at, start, sizes) + shift, at, start, sizes, SOFTPLUS)
        deltas = unstack(delta_tile, H, W)
        grad_y = load_tile(grad_out, at, start, sizes)
        if z is not None:
            gate = load_tile(z, at, start, sizes)
            grad_y *= gate * tl.sigmoid(gate)
        grads = unstack(grad_y, H, W)
        Cs = unstack(load_group(C, at, start, sizes, N), N, 1)
        for i in tl.static_range(STEPS - 1, -1, -1):
            carried = (carried + grads[i][:, None, :] * Cs[i][None, :, :]) * decay(deltas[i], rates)
            total += deltas[i]
    store_states(decays, at.batch, segment, cells, decay(total, rates), H, N, W)
    store_states(sums, at.batch, segment, cells, carried, H, N, W)


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
    at = find_place(sizes, H, W)
    cells = find_cells(sizes, at, H, N, W)
    carried = tl.zeros((H, N, W), tl.float32)
    if first is not None:
        carried = load_states(first, at.batch, 0, cells, H, N, W)
    for i in range(segments):
        segment = i
        if REVERSE:
            segment = segments - 1 - i
        store_states(joined, at.batch, segment, cells, carried, H, N, W)
        carried *= load_states(decays, at.batch, segment, cells, H, N, W)
        carried += load_states(sums, at.batch, segment, cells, H, N, W)


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
    CHUNK: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    """Walk a segment back: from the gradient of the state `after` it to that of the one `before` the first.

    A chunk's states are recomputed from its checkpoint: those before each tile go to `scratch`, those within
    a tile stay in registers.
    """
    segment = tl.program_id(1)
    at = find_place(sizes, H, W)
    cells = find_cells(sizes, at, H, N, W)
    n = tl.arange(0, N)
    rates = load_states(A, at.batch, 0, cells, H, N, W) * LOG2E
    skip = per_channel(D, at, H, W)
    shift = per_channel(bias, at, H, W)
    carried = load_states(after, at.batch, segment, cells, H, N, W)
    sum_A = tl.zeros((H, N, W), tl.float32)
    sum_D = tl.zeros((H, W, STEPS), tl.float32)
    sum_bias = tl.zeros((H, W, STEPS), tl.float32)

    begin = segment * sizes.segment
    end = min(begin + sizes.segment, sizes.length)
    room = segment * (CHUNK // STEPS)
    chunks = tl.cdiv(end - begin, CHUNK)
    for later_chunk in range(chunks):
        first = begin + (chunks - 1 - later_chunk) * CHUNK
        tiles = tl.cdiv(min(CHUNK, end - first), STEPS)
        h = load_states(checkpoints, at.batch, first // CHUNK, cells, H, N, W)
        for tile in range(tiles):
            start = first + tile * STEPS
            store_states(scratch, at.batch, room + tile, cells, h, H, N, W)
            h, _ = advance_tile(h, rates, u, delta, shift, B, at, start, sizes, SOFTPLUS, H, N, W)
        tl.debug_barrier()

        for later_tile in range(tiles):
            tile = tiles - 1 - later_tile
            start = first + tile * STEPS
            u_tile = load_tile(u, at, start, sizes)
            raw = load_tile(delta, at, start, sizes) + shift
            delta_tile = step_sizes(raw, at, start, sizes, SOFTPLUS)
            deltas = unstack(delta_tile, H, W)
            inputs = unstack(delta_tile * u_tile, H, W)
            Bs = unstack(load_group(B, at, start, sizes, N), N, 1)
            Cs = unstack(load_group(C, at, start, sizes, N), N, 1)
            h = load_states(scratch, at.batch, room + tile, cells, H, N, W)
            states = (h,)
            for i in tl.static_range(STEPS):
                h = advance(h, deltas[i], inputs[i], Bs[i], rates)
                states += (h,)

            grad_y = load_tile(grad_out, at, start, sizes)
            if z is not None:
                outputs = ()
                for i in tl.static_range(STEPS):
                    outputs += (over_states(states[i + 1] * Cs[i][None, :, :]),)
                y = stack(outputs, H, W) + skip * u_tile
                gate = load_tile(z, at, start, sizes)
                opening = tl.sigmoid(gate)
                store_tile(dz, at, start, sizes, grad_y * y * opening * (1 + gate * (1 - opening)))
                grad_y *= gate * opening
            grads = unstack(grad_y, H, W)

            grad_inputs = ()
            grad_exponents = ()
            for i in tl.static_range(STEPS - 1, -1, -1):
                here = partial_sums(sizes, at, start + i, H, W) + n
                grad_i = grads[i][:, None, :]
                tl.store(dC + here, over_channels(states[i + 1] * grad_i), n < sizes.state)
                carried += grad_i * Cs[i][None, :, :]
                tl.store(dB + here, over_channels(carried * inputs[i][:, None, :]), n < sizes.state)
                grad_inputs += (over_states(carried * Bs[i][None, :, :]),)
                carried *= decay(deltas[i], rates)
                exponent = carried * states[i]
                sum_A += exponent * deltas[i][:, None, :]
                grad_exponents += (over_states(exponent * rates),)

            grad_input = stack_reversed(grad_inputs, H, W)
            grad_delta = stack_reversed(grad_exponents, H, W) * LN2 + grad_input * u_tile
            if SOFTPLUS:
                grad_delta *= tl.sigmoid(raw)
            store_tile(ddelta, at, start, sizes, grad_delta)
            store_tile(du, at, start, sizes, grad_input * delta_tile + grad_y * skip)
            sum_bias += tl.where(exists(at, start, sizes), grad_delta, 0.0)
            sum_D += grad_y * u_tile
        tl.debug_barrier()

    store_states(dA, at.batch, segment, cells, sum_A, H, N, W)
    row = (at.batch * tl.num_programs(1) + segment) * sizes.groups * sizes.per_group
    tl.store(dD + row + at.channel, tl.sum(sum_D, axis=2), at.real)
    tl.store(dbias + row + at.channel, tl.sum(sum_bias, axis=2), at.real)
    if segment == 0:
        store_states(before, at.batch, 0, cells, carried, H, N, W)


@triton.jit
def partial_sums(sizes, at, time, H: tl.constexpr, W: tl.constexpr):
    """Where a step lies in the partial sums of dB and dC: (blocks, B, G, L, N) with room for whole tiles."""
    batches = tl.num_programs(0) // (sizes.groups * tl.cdiv(sizes.per_group, H * W))
    steps = tl.cdiv(sizes.length, STEPS) * STEPS
    return (((at.block * batches + at.batch) * sizes.groups + at.group) * steps + time) * sizes.state
