"""The selective scan on a CPU, backward.

The forward pass keeps the states before every tile. Here each tile, the last one first, computes its
states again and then walks the adjoint recurrence, g being the gradient of h and ȳ that of y:

    g = g + ȳ_t C_t                    gradient of C_t: Σ ȳ_t h_t over the channels of the group
    gradient of x_t: g B_t             gradient of B_t: Σ g x_t, likewise
    g = exp2(Δ_t a) g                  gradient of Δ_t a: g h_{t-1} ln 2

States are taken two at a time: they share most of what they load. In the code: p the Problem, s the
Scratch of this thread, k the coefficients of one state.
"""

import numpy as np
from numba import njit

from wayscan.ops.selective_scan.problem import (
    ONE,
    ZERO,
    block_of,
    blocks_per_group,
    channel_vector,
    checkpoint_rows,
    coefficients,
    discretise,
    group_address,
    load_rates,
    load_states_or_zeros,
    rows_of,
    scratch_at,
    state_rows,
    store_states,
)
from wayscan.ops.selective_scan.tiles import (
    SHORT,
    STEPS,
    add_short_dots,
    dot_lanes,
    load_tile,
    prefetch_tile,
    store_tile,
)
from wayscan.ops.simd import (
    WIDTH,
    broadcast,
    exp2,
    fma,
    load,
    load_first,
    sigmoid,
    splat,
    store,
    store_first,
)

LN2 = np.float32(0.6931471805599453)


# ---- before and after the recurrence -------------------------------------------------------------------


@njit
def _ungate(s, steps):
    """From the gradient of out = y z σ(z): that of y, and that of z but for its factor y."""
    for t in range(steps):
        z, grad = load(s.z, t * WIDTH), load(s.grad_y, t * WIDTH)
        share = sigmoid(z)
        store(s.grad_y, t * WIDTH, grad * z * share)
        store(s.z, t * WIDTH, grad * share * fma(z, splat(ONE) - share, splat(ONE)))


@njit
def _begin(s, steps, softplused, bias):
    """The slope of softplus, taken before `discretise` overwrites its argument; sums begin at zero."""
    for t in range(steps):
        if softplused:
            store(s.slope, t * WIDTH, sigmoid(load(s.delta, t * WIDTH) + bias))
        store(s.grad_x, t * WIDTH, splat(ZERO))
        store(s.grad_rate, t * WIDTH, splat(ZERO))


@njit
def _finish(s, steps, softplused, gated, skip, grad_D, grad_bias):
    """Gradients of u, δ and z in the tiles of u, Δ and z; D and bias gather theirs, tile by tile."""
    tile_D, tile_bias = splat(ZERO), splat(ZERO)  # short sums first: rounding grows with the length of a sum
    for t in range(steps):
        value, step = load(s.u, t * WIDTH), load(s.delta, t * WIDTH)
        grad_y, grad_x = load(s.grad_y, t * WIDTH), load(s.grad_x, t * WIDTH)
        grad_step = fma(grad_x, value, load(s.grad_rate, t * WIDTH) * splat(LN2))
        if softplused:
            grad_step = grad_step * load(s.slope, t * WIDTH)
        tile_D = fma(grad_y, value, tile_D)
        tile_bias = tile_bias + grad_step
        store(s.u, t * WIDTH, fma(grad_x, step, grad_y * skip))
        store(s.delta, t * WIDTH, grad_step)
        if gated:
            store(s.z, t * WIDTH, load(s.z, t * WIDTH) * load(s.y, t * WIDTH))
    return grad_D + tile_D, grad_bias + tile_bias


# ---- the recurrence of one state, or of two --------------------------------------------------------------


@njit(forceinline=True)
def _forward_step(trace, t, h, a, step, x, b):
    """h = exp2(Δ a) h + x B, remembered."""
    decay = exp2(step * a)
    h = fma(decay, h, x * b)
    store(trace.decay, t * WIDTH, decay)
    store(trace.history, (t + 1) * WIDTH, h)
    return h


@njit(forceinline=True)
def _backward_step(trace, t, grad_y, step, a, b, c, grad_h, grad_a, grad_x, grad_rate):
    """The adjoint of `_forward_step`; keeps g for the gradient of B."""
    grad_h = fma(grad_y, c, grad_h)
    store(trace.grad_h, t * WIDTH, grad_h)
    grad_x = fma(grad_h, b, grad_x)
    grad_h = grad_h * load(trace.decay, t * WIDTH)
    through_decay = grad_h * load(trace.history, t * WIDTH)
    return grad_h, fma(through_decay, step, grad_a), grad_x, fma(through_decay, a, grad_rate)


@njit
def _recompute(s, before, n, k, steps):
    """State n through the tile again, from the states `before` it."""
    h, a = load(before, n * WIDTH), load(s.rates, n * WIDTH)
    store(s.one.history, 0, h)
    for t in range(steps):
        step, x = load(s.delta, t * WIDTH), load(s.x, t * WIDTH)
        h = _forward_step(s.one, t, h, a, step, x, broadcast(k.B, t * k.B_time))
        store(s.y, t * WIDTH, fma(h, broadcast(k.C, t * k.C_time), load(s.y, t * WIDTH)))


@njit
def _recompute_two(s, before, n, k, k2, steps):
    """`_recompute` for states n and n + 1."""
    h, a = load(before, n * WIDTH), load(s.rates, n * WIDTH)
    h2, a2 = load(before, (n + 1) * WIDTH), load(s.rates, (n + 1) * WIDTH)
    store(s.one.history, 0, h)
    store(s.two.history, 0, h2)
    for t in range(steps):
        step, x = load(s.delta, t * WIDTH), load(s.x, t * WIDTH)
        h = _forward_step(s.one, t, h, a, step, x, broadcast(k.B, t * k.B_time))
        h2 = _forward_step(s.two, t, h2, a2, step, x, broadcast(k2.B, t * k2.B_time))
        y = fma(h, broadcast(k.C, t * k.C_time), load(s.y, t * WIDTH))
        store(s.y, t * WIDTH, fma(h2, broadcast(k2.C, t * k2.C_time), y))


@njit
def _walk_back(s, n, k, steps):
    """State n from the end of the tile to its start."""
    a, grad_h, grad_a = load(s.rates, n * WIDTH), load(s.carry, n * WIDTH), splat(ZERO)
    for t in range(steps - 1, -1, -1):
        grad_y, step = load(s.grad_y, t * WIDTH), load(s.delta, t * WIDTH)
        b, c = broadcast(k.B, t * k.B_time), broadcast(k.C, t * k.C_time)
        grad_x, grad_rate = load(s.grad_x, t * WIDTH), load(s.grad_rate, t * WIDTH)
        grad_h, grad_a, grad_x, grad_rate = _backward_step(
            s.one, t, grad_y, step, a, b, c, grad_h, grad_a, grad_x, grad_rate
        )
        store(s.grad_x, t * WIDTH, grad_x)
        store(s.grad_rate, t * WIDTH, grad_rate)
    store(s.carry, n * WIDTH, grad_h)
    store(s.grad_a, n * WIDTH, load(s.grad_a, n * WIDTH) + grad_a)


@njit
def _walk_back_two(s, n, k, k2, steps):
    """`_walk_back` for states n and n + 1."""
    m = n + 1
    a, grad_h, grad_a = load(s.rates, n * WIDTH), load(s.carry, n * WIDTH), splat(ZERO)
    a2, grad_h2, grad_a2 = load(s.rates, m * WIDTH), load(s.carry, m * WIDTH), splat(ZERO)
    for t in range(steps - 1, -1, -1):
        grad_y, step = load(s.grad_y, t * WIDTH), load(s.delta, t * WIDTH)
        b, c = broadcast(k.B, t * k.B_time), broadcast(k.C, t * k.C_time)
        b2, c2 = broadcast(k2.B, t * k2.B_time), broadcast(k2.C, t * k2.C_time)
        grad_x, grad_rate = load(s.grad_x, t * WIDTH), load(s.grad_rate, t * WIDTH)
        grad_h, grad_a, grad_x, grad_rate = _backward_step(
            s.one, t, grad_y, step, a, b, c, grad_h, grad_a, grad_x, grad_rate
        )
        grad_h2, grad_a2, grad_x, grad_rate = _backward_step(
            s.two, t, grad_y, step, a2, b2, c2, grad_h2, grad_a2, grad_x, grad_rate
        )
        store(s.grad_x, t * WIDTH, grad_x)
        store(s.grad_rate, t * WIDTH, grad_rate)
    store(s.carry, n * WIDTH, grad_h)
    store(s.grad_a, n * WIDTH, load(s.grad_a, n * WIDTH) + grad_a)
    store(s.carry, m * WIDTH, grad_h2)
    store(s.grad_a, m * WIDTH, load(s.grad_a, m * WIDTH) + grad_a2)


@njit
def _add_dots(target, tile, other, steps):
    """Add the sum over lanes of tile · other to one float a time step."""
    if steps == SHORT:
        add_short_dots(target, tile, other)
        return
    for first in range(0, steps, WIDTH):
        sums = dot_lanes(tile, other, first)
        count = min(WIDTH, steps - first)
        if count == WIDTH:
            store(target, first, load(target, first) + sums)
        else:
            store_first(target, first, count, load_first(target, first, count) + sums)


@njit
def _add_outer(s, trace, grad_B, grad_C, steps):
    """Gradients of B and C of one state, from its g and h."""
    _add_dots(grad_B, trace.grad_h, s.x, steps)
    _add_dots(grad_C, trace.history + 4 * WIDTH, s.grad_y, steps)


@njit
def _states_back(p, s, before, B, C, grad_B, grad_C, start, steps):
    """All states of one tile, again and back."""
    row = 4 * p.length
    grad_B, grad_C = grad_B + 4 * start, grad_C + 4 * start
    for n in range(0, p.states - 1, 2):
        k, k2 = coefficients(p, B, C, n, start), coefficients(p, B, C, n + 1, start)
        _recompute_two(s, before, n, k, k2, steps)
        _walk_back_two(s, n, k, k2, steps)
        _add_outer(s, s.one, grad_B + n * row, grad_C + n * row, steps)
        _add_outer(s, s.two, grad_B + (n + 1) * row, grad_C + (n + 1) * row, steps)
    if p.states % 2 == 1:
        n = p.states - 1
        k = coefficients(p, B, C, n, start)
        _recompute(s, before, n, k, steps)
        _walk_back(s, n, k, steps)
        _add_outer(s, s.one, grad_B + n * row, grad_C + n * row, steps)


# ---- a sequence, a task ---------------------------------------------------------------------------------


@njit
def _backward_sequence(p, batch, block, s, grad_B, grad_C, bias, skip, grad_D, grad_bias):
    """One block of one batch element, from its last tile to its first."""
    u, delta, z = rows_of(p.u, batch, block), rows_of(p.delta, batch, block), rows_of(p.z, batch, block)
    grad_out, grad_u = rows_of(p.grad_out, batch, block), rows_of(p.grad_u, batch, block)
    grad_delta, grad_z = rows_of(p.grad_delta, batch, block), rows_of(p.grad_z, batch, block)
    B, C = group_address(p.B, batch, block), group_address(p.C, batch, block)
    gated, softplused, lanes = p.z.address != 0, p.softplus != 0, block.lanes
    load_states_or_zeros(s.carry, p.grad_last, p, batch, block)
    load_states_or_zeros(s.state, p.initial, p, batch, block)
    for tile in range((p.length - 1) // STEPS, -1, -1):
        start = tile * STEPS
        steps = min(STEPS, p.length - start)
        load_tile(s.u, u, start, lanes, steps)
        load_tile(s.delta, delta, start, lanes, steps)
        load_tile(s.grad_y, grad_out, start, lanes, steps)
        if tile > 0:
            prefetch_tile(u, start - STEPS, lanes)
            prefetch_tile(delta, start - STEPS, lanes)
            prefetch_tile(grad_out, start - STEPS, lanes)
        prefetch_tile(grad_u, start, lanes)
        prefetch_tile(grad_delta, start, lanes)
        if gated:
            load_tile(s.z, z, start, lanes, steps)
            if tile > 0:
                prefetch_tile(z, start - STEPS, lanes)
            prefetch_tile(grad_z, start, lanes)
            _ungate(s, steps)
        _begin(s, steps, softplused, bias)
        discretise(s, steps, softplused, bias, skip)
        before = checkpoint_rows(p, batch, block, tile) if tile > 0 else s.state
        _states_back(p, s, before, B, C, grad_B, grad_C, start, steps)
        grad_D, grad_bias = _finish(s, steps, softplused, gated, skip, grad_D, grad_bias)
        store_tile(s.u, grad_u, start, lanes, steps)
        store_tile(s.delta, grad_delta, start, lanes, steps)
        if gated:
            store_tile(s.z, grad_z, start, lanes, steps)
    if p.initial != 0:
        store_states(s.carry, state_rows(p.grad_initial, p, batch, block), p.states, lanes)
    return grad_D, grad_bias


@njit
def _clear(target, count):
    for i in range(0, count, WIDTH):
        store_first(target, i, min(WIDTH, count - i), splat(ZERO))


@njit
def backward_task(p, task, scratch):
    """A share of one group's blocks, a share of the batch; each has partial sums of its own."""
    channel_share, rest = task % p.channel_splits, task // p.channel_splits
    batch_share, group = rest % p.batch_splits, rest // p.batch_splits
    batches = range(
        p.batches * batch_share // p.batch_splits, p.batches * (batch_share + 1) // p.batch_splits
    )
    per_group = blocks_per_group(p)
    blocks = range(
        group * per_group + per_group * channel_share // p.channel_splits,
        group * per_group + per_group * (channel_share + 1) // p.channel_splits,
    )
    s = scratch_at(scratch, p.states)
    size = p.states * p.length
    partial = 4 * (channel_share * p.batches * p.groups + group) * size
    for batch in batches:
        _clear(p.grad_B + partial + 4 * batch * p.groups * size, size)
        _clear(p.grad_C + partial + 4 * batch * p.groups * size, size)
    for number in blocks:
        block = block_of(p, number)
        load_rates(s.rates, p, block)
        bias, skip = channel_vector(p.bias, block), channel_vector(p.D, block)
        grad_D, grad_bias = splat(ZERO), splat(ZERO)
        for n in range(p.states):
            store(s.grad_a, n * WIDTH, splat(ZERO))
        for batch in batches:
            at = partial + 4 * batch * p.groups * size
            grad_D, grad_bias = _backward_sequence(
                p, batch, block, s, p.grad_B + at, p.grad_C + at, bias, skip, grad_D, grad_bias
            )
        store_states(s.grad_a, state_rows(p.grad_A, p, batch_share, block), p.states, block.lanes)
        store_first(p.grad_D, batch_share * p.channels + block.first, block.lanes, grad_D)
        store_first(p.grad_bias, batch_share * p.channels + block.first, block.lanes, grad_bias)
