"""The selective scan on a CPU, forward: kernels compiled by numba with explicit SIMD.

One *block* is WIDTH neighbouring channels of one group, a lane each. A kernel walks a block through time
tile by tile. Inside a tile the state index n is the outer loop and time the inner one, so that the state
stays in a register and the loop reads as the recurrence:

    h = exp2(Δ_t a) h + (Δ_t u_t) B_t          a = A log2(e)
    y_t = y_t + h C_t

Work is cut into tasks by the shape alone, never by the number of threads: sums are formed in one order,
and results do not depend on how many threads there are.

In the code: p the Problem, s the Scratch of this thread.
"""

import numpy as np
from numba import cfunc, njit, types
from numba.np.numpy_support import carray, from_dtype

from wayscan.ops.selective_scan.cpu_backward import backward_task
from wayscan.ops.selective_scan.problem import (
    Problem,
    block_of,
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
from wayscan.ops.selective_scan.tiles import STEPS, load_tile, prefetch_tile, store_tile
from wayscan.ops.simd import (
    OPTIONS,
    WIDTH,
    broadcast,
    exp2,
    fma,
    load,
    sigmoid,
    store,
    take_ticket,
)


@njit
def _recur(s, n, k, steps):
    """State n through one tile: it moves on, and y gathers h C."""
    h, a = load(s.state, n * WIDTH), load(s.rates, n * WIDTH)
    for t in range(steps):
        decay = exp2(load(s.delta, t * WIDTH) * a)
        h = fma(decay, h, load(s.x, t * WIDTH) * broadcast(k.B, t * k.B_time))
        store(s.y, t * WIDTH, fma(h, broadcast(k.C, t * k.C_time), load(s.y, t * WIDTH)))
    store(s.state, n * WIDTH, h)


@njit
def _gate(s, steps):
    """y = y z σ(z)"""
    for t in range(steps):
        z = load(s.z, t * WIDTH)
        store(s.y, t * WIDTH, load(s.y, t * WIDTH) * z * sigmoid(z))


@njit
def _keep_states(p, batch, block, tile, s):
    kept = checkpoint_rows(p, batch, block, tile)
    for n in range(p.states):
        store(kept, n * WIDTH, load(s.state, n * WIDTH))


@njit
def _forward_sequence(p, batch, block, s, bias, skip):
    """One block of one batch element, from its first step to its last."""
    u, delta = rows_of(p.u, batch, block), rows_of(p.delta, batch, block)
    z, out = rows_of(p.z, batch, block), rows_of(p.out, batch, block)
    B, C = group_address(p.B, batch, block), group_address(p.C, batch, block)
    gated, lanes = p.z.address != 0, block.lanes
    load_states_or_zeros(s.state, p.initial, p, batch, block)
    for start in range(0, p.length, STEPS):
        steps = min(STEPS, p.length - start)
        if start > 0 and p.checkpoints != 0:
            _keep_states(p, batch, block, start // STEPS, s)
        load_tile(s.u, u, start, lanes, steps)
        load_tile(s.delta, delta, start, lanes, steps)
        if start + STEPS < p.length:
            prefetch_tile(u, start + STEPS, lanes)
            prefetch_tile(delta, start + STEPS, lanes)
            prefetch_tile(out, start + STEPS, lanes)
            if gated:
                prefetch_tile(z, start + STEPS, lanes)
        discretise(s, steps, p.softplus != 0, bias, skip)
        for n in range(p.states):
            _recur(s, n, coefficients(p, B, C, n, start), steps)
        if gated:
            load_tile(s.z, z, start, lanes, steps)
            _gate(s, steps)
        store_tile(s.y, out, start, lanes, steps)
    if p.last != 0:
        store_states(s.state, state_rows(p.last, p, batch, block), p.states, lanes)


@njit
def _forward_task(p, task, scratch):
    """One block of channels, a share of the batch."""
    block, share = block_of(p, task // p.batch_splits), task % p.batch_splits
    s = scratch_at(scratch, p.states)
    load_rates(s.rates, p, block)
    bias, skip = channel_vector(p.bias, block), channel_vector(p.D, block)
    for batch in range(p.batches * share // p.batch_splits, p.batches * (share + 1) // p.batch_splits):
        _forward_sequence(p, batch, block, s, bias, skip)


# ---- what threads run -----------------------------------------------------------------------------------

_record = types.CPointer(from_dtype(np.dtype(Problem)))


@njit
def _own_scratch(p):
    """This thread's scratch, at the start of a page."""
    thread = take_ticket(p.next_thread)
    return (p.scratch + 4 * thread * p.scratch_floats + 4095) // 4096 * 4096


@cfunc(types.void(_record), **OPTIONS)
def forward_worker(problem):
    """Take forward tasks until none is left."""
    p = carray(problem, (1,))[0]
    scratch = _own_scratch(p)
    task = take_ticket(p.next_task)
    while task < p.tasks:
        _forward_task(p, task, scratch)
        task = take_ticket(p.next_task)


@cfunc(types.void(_record), **OPTIONS)
def backward_worker(problem):
    """Take backward tasks until none is left."""
    p = carray(problem, (1,))[0]
    scratch = _own_scratch(p)
    task = take_ticket(p.next_task)
    while task < p.tasks:
        backward_task(p, task, scratch)
        task = take_ticket(p.next_task)
