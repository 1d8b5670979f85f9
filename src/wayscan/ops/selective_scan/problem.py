"""What a kernel is told, and where things lie: sizes, addresses, scratch memory."""

import ctypes
from typing import NamedTuple

import numpy as np
from numba import njit

from wayscan.ops.selective_scan.tiles import STEPS, Rows, load_tile, store_tile
from wayscan.ops.simd import LOG2E, WIDTH, load, load_first, softplus, splat, store

ZERO, ONE = np.float32(0), np.float32(1)


class Sequence(ctypes.Structure):
    """A (B, D, L) array: its address (0 if absent) and its strides in floats."""

    _fields_ = [(name, ctypes.c_int64) for name in ("address", "batch", "channel", "time")]


class Grouped(ctypes.Structure):
    """A (B, G, N, L) array, likewise."""

    _fields_ = [(name, ctypes.c_int64) for name in ("address", "batch", "group", "state", "time")]


class Problem(ctypes.Structure):
    """All a kernel needs to know. Single numbers are sizes, or addresses of dense arrays (0 if absent)."""

    _fields_ = [
        *(
            (name, ctypes.c_int64)
            for name in ("batches", "channels", "length", "states", "groups", "softplus")
        ),
        *((name, Sequence) for name in ("u", "delta", "z", "out")),
        *((name, Grouped) for name in ("B", "C")),
        *((name, ctypes.c_int64) for name in ("A", "D", "bias", "initial", "last", "checkpoints")),
        *((name, Sequence) for name in ("grad_out", "grad_u", "grad_delta", "grad_z")),
        # Partial sums: (batch splits, D, N), (batch splits, D) twice, (channel splits, B, G, N, L) twice.
        *((name, ctypes.c_int64) for name in ("grad_A", "grad_D", "grad_bias", "grad_B", "grad_C")),
        *((name, ctypes.c_int64) for name in ("grad_last", "grad_initial")),
        # How the work is cut; two counters that threads draw from; scratch memory, a share for each thread.
        *((name, ctypes.c_int64) for name in ("batch_splits", "channel_splits", "tasks")),
        *((name, ctypes.c_int64) for name in ("next_task", "next_thread", "scratch", "scratch_floats")),
    ]


@njit
def padded(states):
    """Scratch rows that hold `states` rows which come and go by whole tiles."""
    return -(-states // STEPS) * STEPS


def scratch_floats(states: int) -> int:
    """Scratch that one thread needs, and room to align it to a page."""
    return (_STATE_ROWS + 4 * padded.py_func(states)) * WIDTH + 1024


# ---- places ---------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """WIDTH channels, of which `lanes` exist."""

    number: int
    first: int
    lanes: int
    group: int


class Trace(NamedTuple):
    """Tiles of one state n in the backward pass."""

    decay: int
    history: int  # h before the first step, then after each
    grad_h: int


class Scratch(NamedTuple):
    """Addresses in one thread's scratch memory."""

    u: int  # tiles
    delta: int  # Δ
    x: int  # Δ u
    y: int
    z: int
    slope: int  # of softplus
    grad_x: int
    grad_rate: int  # of Δ through the decay
    grad_y: int
    one: Trace
    two: Trace
    rates: int  # one row for each state: A log2(e)
    state: int
    carry: int  # gradient that reaches the states from later steps
    grad_a: int


# A load waits for an earlier store whose address agrees in its low 12 bits, even where the rest differs.
# So the tiles that a loop stores lie at least 13 rows from those it loads next, modulo 4096 bytes, which
# was worth a factor of up to two. Row numbers:
_ROWS = {"u": 128, "delta": 316, "x": 80, "y": 96, "z": 144, "slope": 160}
_ROWS |= {"grad_x": 0, "grad_rate": 16, "grad_y": 48}
_TILES = tuple(_ROWS.values())
_TRACE_ONE, _TRACE_TWO = (112, 184, 32), (244, 370, 227)
_STATE_ROWS = 387


@njit
def scratch_at(base, states):
    row = 4 * WIDTH
    u, delta, x, y, z, slope, grad_x, grad_rate, grad_y = _TILES
    one, two = _TRACE_ONE, _TRACE_TWO
    rates, group = base + row * _STATE_ROWS, row * padded(states)
    return Scratch(
        base + row * u,
        base + row * delta,
        base + row * x,
        base + row * y,
        base + row * z,
        base + row * slope,
        base + row * grad_x,
        base + row * grad_rate,
        base + row * grad_y,
        Trace(base + row * one[0], base + row * one[1], base + row * one[2]),
        Trace(base + row * two[0], base + row * two[1], base + row * two[2]),
        rates,
        rates + group,
        rates + 2 * group,
        rates + 3 * group,
    )


class Coefficients(NamedTuple):
    """B and C of one state from some step on: addresses, strides in floats."""

    B: int
    B_time: int
    C: int
    C_time: int


@njit
def coefficients(p, B, C, n, start):
    return Coefficients(
        B + 4 * (n * p.B.state + start * p.B.time),
        p.B.time,
        C + 4 * (n * p.C.state + start * p.C.time),
        p.C.time,
    )


@njit
def blocks_per_group(p):
    return (p.channels // p.groups + WIDTH - 1) // WIDTH


@njit
def block_of(p, number):
    per_group, blocks = p.channels // p.groups, blocks_per_group(p)
    inside = number % blocks * WIDTH
    group = number // blocks
    return Block(number, group * per_group + inside, min(WIDTH, per_group - inside), group)


@njit
def rows_of(sequence, batch, block):
    address = sequence.address + 4 * (batch * sequence.batch + block.first * sequence.channel)
    return Rows(address, sequence.channel, sequence.time)


@njit
def state_rows(address, p, batch, block):
    """A (…, D, N) array as rows: the states of a channel take the place of time steps."""
    return Rows(address + 4 * (batch * p.channels + block.first) * p.states, p.states, 1)


@njit
def group_address(grouped, batch, block):
    return grouped.address + 4 * (batch * grouped.batch + block.group * grouped.group)


@njit
def checkpoint_rows(p, batch, block, tile):
    """Where the states before a tile are kept; the first tile has none."""
    blocks = p.groups * blocks_per_group(p)
    tiles = (p.length - 1) // STEPS
    return p.checkpoints + 4 * ((batch * blocks + block.number) * tiles + tile - 1) * p.states * WIDTH


@njit
def load_states(target, rows, states, lanes):
    for n in range(0, states, STEPS):
        load_tile(target + 4 * n * WIDTH, rows, n, lanes, min(STEPS, states - n))


@njit
def store_states(source, rows, states, lanes):
    for n in range(0, states, STEPS):
        store_tile(source + 4 * n * WIDTH, rows, n, lanes, min(STEPS, states - n))


@njit
def load_states_or_zeros(target, address, p, batch, block):
    """From a (B, D, N) array, or zeros where there is none."""
    if address != 0:
        load_states(target, state_rows(address, p, batch, block), p.states, block.lanes)
    else:
        for n in range(p.states):
            store(target, n * WIDTH, splat(ZERO))


@njit
def load_rates(target, p, block):
    load_states(target, state_rows(p.A, p, 0, block), p.states, block.lanes)
    for n in range(p.states):
        store(target, n * WIDTH, load(target, n * WIDTH) * splat(LOG2E))


@njit
def channel_vector(address, block):
    """One float a channel; zeros if the array is absent."""
    return load_first(address, block.first, block.lanes) if address != 0 else splat(ZERO)


@njit
def discretise(s, steps, softplused, bias, skip):
    """Δ = softplus(δ + bias), x = Δ u, and y begins with D u."""
    for t in range(steps):
        step = load(s.delta, t * WIDTH) + bias
        if softplused:
            step = softplus(step)
        value = load(s.u, t * WIDTH)
        store(s.delta, t * WIDTH, step)
        store(s.x, t * WIDTH, step * value)
        store(s.y, t * WIDTH, skip * value)
