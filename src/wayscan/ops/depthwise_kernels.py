"""The depthwise convolution on a CPU: kernels compiled by numba with explicit SIMD.

A row is the channels of one step, which lie next to each other. A kernel goes through the rows in the order
of memory, WIDTH channels at a time. Rows before the first and after the last are zero; none is read.
"""

import ctypes

import numpy as np
from numba import cfunc, njit, types
from numba.np.numpy_support import carray, from_dtype

from wayscan.ops.simd import (
    OPTIONS,
    WIDTH,
    fma,
    load,
    load_first,
    sigmoid,
    splat,
    store,
    store_first,
    take_ticket,
)


class Problem(ctypes.Structure):
    """Sizes, addresses (0 if absent) and strides in floats.

    x (B, rows, D) with strides x_batch, x_time and 1 · weight (W, D), bias (D,), both dense ·
    out or grad_out (B, L, D) with strides y_batch, y_time and 1 ·
    sums (tasks, W + 1, D): partial gradients of the weight, and of the bias in the last row.
    """

    _fields_ = [
        (name, ctypes.c_int64)
        for name in (
            *("batches", "rows", "length", "channels", "taps", "before", "silu"),
            *("x", "x_batch", "x_time", "weight", "bias", "y", "y_batch", "y_time", "sums"),
            *("tasks", "next_task"),
        )
    ]


_record = types.CPointer(from_dtype(np.dtype(Problem)))


@njit(forceinline=True)
def _get(address, index, lanes):
    return load(address, index) if lanes == WIDTH else load_first(address, index, lanes)


@njit(forceinline=True)
def _put(address, index, lanes, value):
    if lanes == WIDTH:
        store(address, index, value)
    else:
        store_first(address, index, lanes, value)


@njit(forceinline=True)
def _taps(p, t):
    """The first and the last tap but one that meet a row of x at step t."""
    return max(0, p.before - t), min(p.taps, p.rows + p.before - t)


@njit
def _convolve_row(p, x, y, t):
    first, end = _taps(p, t)
    for c in range(0, p.channels, WIDTH):
        lanes = min(WIDTH, p.channels - c)
        total = _get(p.bias, c, lanes) if p.bias != 0 else splat(np.float32(0))
        for k in range(first, end):
            value = _get(x, (t + k - p.before) * p.x_time + c, lanes)
            total = fma(value, _get(p.weight, k * p.channels + c, lanes), total)
        _put(y, t * p.y_time + c, lanes, total * sigmoid(total) if p.silu != 0 else total)


@njit
def _add_row_to_sums(p, x, y, sums, t):
    first, end = _taps(p, t)
    for c in range(0, p.channels, WIDTH):
        lanes = min(WIDTH, p.channels - c)
        grad = _get(y, t * p.y_time + c, lanes)
        for k in range(first, end):
            value = _get(x, (t + k - p.before) * p.x_time + c, lanes)
            at = k * p.channels + c
            _put(sums, at, lanes, fma(grad, value, _get(sums, at, lanes)))
        at = p.taps * p.channels + c
        _put(sums, at, lanes, grad + _get(sums, at, lanes))


@njit(forceinline=True)
def _share(p, task):
    """The first output row of a task and the first of the next, counted through the batch."""
    rows = p.batches * p.length
    return rows * task // p.tasks, rows * (task + 1) // p.tasks


@cfunc(types.void(_record), **OPTIONS)
def convolve_worker(problem):
    """Convolve shares of the rows until none is left."""
    p = carray(problem, (1,))[0]
    task = take_ticket(p.next_task)
    while task < p.tasks:
        for row in range(*_share(p, task)):
            batch, t = row // p.length, row % p.length
            _convolve_row(p, p.x + 4 * batch * p.x_batch, p.y + 4 * batch * p.y_batch, t)
        task = take_ticket(p.next_task)


@cfunc(types.void(_record), **OPTIONS)
def sums_worker(problem):
    """Sum the gradients of shares of the rows, into zeros, until none is left."""
    p = carray(problem, (1,))[0]
    task = take_ticket(p.next_task)
    while task < p.tasks:
        sums = p.sums + 4 * task * (p.taps + 1) * p.channels
        for row in range(*_share(p, task)):
            batch, t = row // p.length, row % p.length
            _add_row_to_sums(p, p.x + 4 * batch * p.x_batch, p.y + 4 * batch * p.y_batch, sums, t)
        task = take_ticket(p.next_task)
