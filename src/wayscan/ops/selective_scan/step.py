"""One step of the scan on a CPU: the kernel of streaming.

The state (B, D, N) lies with N fastest, so here the lanes are states, not channels; softplus, skip and
gate still go WIDTH channels at a time.
"""

from llvmlite import ir
from numba import njit, types

from wayscan.ops.selective_scan.tiles import sum_lanes
from wayscan.ops.simd import (
    LOG2E,
    WIDTH,
    broadcast,
    exp2,
    fma,
    load,
    load_first,
    primitive,
    sigmoid,
    softplus,
    splat,
    store,
    store_first,
)


@primitive(types.int64)
def _stack_tile(builder):
    """Address of a tile of WIDTH rows and two rows more, on the stack."""
    rows = ir.ArrayType(ir.FloatType(), (WIDTH + 2) * WIDTH)
    with builder.goto_entry_block():
        slot = builder.alloca(rows)
        slot.align = 64
    return builder.ptrtoint(slot, ir.IntType(64))


@njit(forceinline=True)
def _step_block(tile, steps, inputs, state, A, B, C, states, lanes):
    """Move `lanes` channels on; tile row k gathers products whose lanes add up to C h of channel k."""
    for n in range(0, states, WIDTH):
        count = min(WIDTH, states - n)
        b, c = load_first(B, n, count), load_first(C, n, count)
        for lane in range(lanes):
            at = lane * states + n
            decay = exp2(broadcast(steps, lane) * load_first(A, at, count))
            h = fma(decay, load_first(state, at, count), broadcast(inputs, lane) * b)
            store_first(state, at, count, h)
            store(tile, lane * WIDTH, h * c if n == 0 else fma(h, c, load(tile, lane * WIDTH)))


@njit(types.void(*[types.int64] * 15), nogil=True, cache=True, error_model="numpy", boundscheck=False)
def step_worker(batches, channels, states, groups, softplused, state, u, delta, A, B, C, D, bias, z, out):
    """The step. Sizes, then addresses of dense arrays (0 if absent).

    state (B, D, N) · u, delta, z, out (B, D) · A (D, N) · B, C (B, G, N) · D, bias (D,)
    """
    tile = _stack_tile()
    steps, inputs = tile + 4 * WIDTH * WIDTH, tile + 4 * (WIDTH + 1) * WIDTH
    per_group = channels // groups
    for batch in range(batches):
        for group in range(groups):
            B_now, C_now = (
                B + 4 * (batch * groups + group) * states,
                C + 4 * (batch * groups + group) * states,
            )
            for inside in range(0, per_group, WIDTH):
                first, lanes = group * per_group + inside, min(WIDTH, per_group - inside)
                at = batch * channels + first
                step, value = load_first(delta, at, lanes), load_first(u, at, lanes)
                if bias != 0:
                    step = step + load_first(bias, first, lanes)
                if softplused != 0:
                    step = softplus(step)
                store(steps, 0, step * splat(LOG2E))
                store(inputs, 0, step * value)
                _step_block(
                    tile,
                    steps,
                    inputs,
                    state + 4 * at * states,
                    A + 4 * first * states,
                    B_now,
                    C_now,
                    states,
                    lanes,
                )
                y = sum_lanes(tile, 0)
                if D != 0:
                    y = fma(load_first(D, first, lanes), value, y)
                if z != 0:
                    gate = load_first(z, at, lanes)
                    y = y * gate * sigmoid(gate)
                store_first(out, at, lanes, y)
