"""The `cpu` engine: from tensors to kernels.

Describes the problem, allocates what comes back, and runs the workers on threads. Tensors are float32;
their shapes are those of `operator.py`. Results lie in memory as their inputs do.
"""

import ctypes
import math
import threading
from typing import Any

import torch
from torch import Tensor

from wayscan.ops.memory import MANY_FLOATS, empty
from wayscan.ops.selective_scan.kernels import compiled
from wayscan.ops.threads import run_on_threads

FEW_STATES = 200_000  # under this many, waking a second thread costs more than it saves
TASKS = 8  # at least, whatever the number of threads, so that sums do not depend on it


def checkpoint_shape(batch, channels, length, states, groups):
    """Room for the states before every 16th step but the first, in blocks of up to 16 channels.

    Tracing asks for it too. So it does not depend on the processor, which only numba knows, and it is never
    empty, or a traced graph would hold for short sequences alone.
    """
    blocks = groups * -(-(channels // groups) // 16)
    return (batch * blocks * ((length - 1) // 16) * states * 16 + 16,)


def forward(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus, save, keep_last=True):
    u, delta, z = _dense(u), _dense(delta), _dense(z)
    A, D, delta_bias, initial_state = _contiguous(A, D, delta_bias, initial_state)
    batch, channels, length = u.shape
    states, groups = A.shape[1], B.shape[1]
    out, last = _empty_like(u), empty((batch, channels, states) if keep_last else (0,))
    blocks = groups * _blocks(channels, groups)
    checkpoints = empty(checkpoint_shape(batch, channels, length, states, groups) if save else (0,))
    if save:
        kernels = compiled("cpu")
        used = batch * blocks * ((length - 1) // kernels.STEPS) * states * kernels.WIDTH
        checkpoints[used:].zero_()  # an operator's result must not depend on old memory

    problem = _describe(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus)
    problem.out = _sequence(out)
    problem.last = last.data_ptr() if keep_last else 0
    problem.checkpoints = checkpoints.data_ptr() if save else 0
    problem.batch_splits = min(batch, -(-TASKS // blocks))
    problem.tasks = blocks * problem.batch_splits
    _run("forward_worker", problem)
    return out, last, checkpoints


def backward(
    grad_out, grad_last, u, delta, A, B, C, D, z, delta_bias, initial_state, checkpoints, delta_softplus
):
    u, delta, z, grad_out = _dense(u), _dense(delta), _dense(z), _dense(grad_out)
    A, D, delta_bias, initial_state = _contiguous(A, D, delta_bias, initial_state)
    grad_last = grad_last if grad_last is None else grad_last.contiguous()
    batch, channels, length = u.shape
    states, groups = A.shape[1], B.shape[1]
    batch_splits = min(batch, TASKS)
    channel_splits = min(_blocks(channels, groups), -(-TASKS // (batch_splits * groups)))
    grad_u, grad_delta, grad_z = _empty_like(u), _empty_like(delta), _empty_like(z)
    grad_initial = _empty_like(initial_state)
    partials = _workspace(
        (batch_splits, channels, states),
        (channel_splits, batch, groups, states, length),
        (channel_splits, batch, groups, states, length),
        (batch_splits, channels),
        (batch_splits, channels),
    )

    problem = _describe(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus)
    problem.checkpoints = checkpoints.data_ptr()
    problem.grad_out, problem.grad_u = _sequence(grad_out), _sequence(grad_u)
    problem.grad_delta, problem.grad_z = _sequence(grad_delta), _sequence(grad_z)
    problem.grad_last, problem.grad_initial = _address(grad_last), grad_initial.data_ptr()
    addresses = [partial.data_ptr() for partial in partials]
    problem.grad_A, problem.grad_B, problem.grad_C, problem.grad_D, problem.grad_bias = addresses
    problem.batch_splits, problem.channel_splits = batch_splits, channel_splits
    problem.tasks = groups * batch_splits * channel_splits
    _run("backward_worker", problem)

    grad_A, grad_B, grad_C, grad_D, grad_bias = (partial.sum(0) for partial in partials)
    nothing = torch.empty(0)
    return (
        grad_u,
        grad_delta,
        grad_A,
        grad_B,
        grad_C,
        nothing if D is None else grad_D,
        grad_z,
        nothing.clone() if delta_bias is None else grad_bias,
        grad_initial,
    )


def step(state, u, delta, A, B, C, D, z, delta_bias, delta_softplus):
    """One step; B and C may be (B, N) or (B, G, N). Written plainly: its own cost is near the kernel's."""
    worker = compiled("step").step_worker
    dense = state.contiguous()
    u, delta, A, B, C = u.contiguous(), delta.contiguous(), A.contiguous(), B.contiguous(), C.contiguous()
    D = D if D is None else D.contiguous()
    z = z if z is None else z.contiguous()
    delta_bias = delta_bias if delta_bias is None else delta_bias.contiguous()
    out = _empty_like(u)
    worker(
        *dense.shape,
        1 if B.ndim == 2 else B.shape[1],
        int(delta_softplus),
        dense.data_ptr(),
        u.data_ptr(),
        delta.data_ptr(),
        A.data_ptr(),
        B.data_ptr(),
        C.data_ptr(),
        0 if D is None else D.data_ptr(),
        0 if delta_bias is None else delta_bias.data_ptr(),
        0 if z is None else z.data_ptr(),
        out.data_ptr(),
    )
    if dense is not state:
        state.copy_(dense)
    return out


# ---- describing -----------------------------------------------------------------------------------------


def _describe(u, delta, A, B, C, D, z, delta_bias, initial_state, delta_softplus):
    """The part of the problem that both directions share."""
    batch, channels, length = u.shape
    problem = compiled("problem").Problem()
    problem.batches, problem.channels, problem.length = batch, channels, length
    problem.states, problem.groups, problem.softplus = A.shape[1], B.shape[1], delta_softplus
    problem.u, problem.delta, problem.z = _sequence(u), _sequence(delta), _sequence(z)
    problem.B, problem.C = (B.data_ptr(), *B.stride()), (C.data_ptr(), *C.stride())
    problem.A, problem.D = A.data_ptr(), _address(D)
    problem.bias, problem.initial = _address(delta_bias), _address(initial_state)
    return problem


def _address(x: Tensor | None) -> int:
    return 0 if x is None else x.data_ptr()


def _sequence(x: Tensor | None) -> tuple[int, ...]:
    return (0, 0, 0, 0) if x is None else (x.data_ptr(), *x.stride())


def _blocks(channels: int, groups: int) -> int:
    """Blocks of WIDTH channels in one group."""
    return -(-(channels // groups) // compiled("cpu").WIDTH)


def _dense(x: Any) -> Any:
    """x itself if time or channels lie next to each other, else a copy where time does."""
    return x if x is None or 1 in x.stride()[1:] else x.contiguous()


def _contiguous(*tensors: Any) -> list[Any]:
    return [None if x is None else x.contiguous() for x in tensors]


# ---- memory ---------------------------------------------------------------------------------------------


def _empty_like(x: Tensor | None) -> Tensor:
    """A tensor of x's memory layout; an empty one if x is absent."""
    if x is None:
        return torch.empty(0)
    if x.numel() <= MANY_FLOATS:
        return torch.empty_like(x)
    strides = torch.empty_like(x, device="meta").stride()
    return empty((x.numel(),)).as_strided(x.shape, strides)


_memory = threading.local()


def _workspace(*shapes: tuple[int, ...]) -> list[Tensor]:
    """Scratch tensors in memory that is kept from call to call; valid until this thread's next call."""
    counts = [math.prod(shape) for shape in shapes]
    kept = getattr(_memory, "floats", None)
    if kept is None or kept.numel() < sum(counts):
        kept = _memory.floats = empty((sum(counts),))
    parts = kept[: sum(counts)].split(counts)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _run(worker: str, problem) -> None:
    """Give the problem its counters and scratch memory, and run it."""
    states = problem.batches * problem.channels * problem.length * problem.states
    threads = 1 if states < FEW_STATES else min(torch.get_num_threads(), problem.tasks)
    floats = compiled("problem").scratch_floats(problem.states)
    scratch = empty((threads * floats,))
    counters = (ctypes.c_int64 * 16)()  # two of them, a cache line apart
    problem.next_task = ctypes.addressof(counters)
    problem.next_thread = problem.next_task + 64
    problem.scratch, problem.scratch_floats = scratch.data_ptr(), floats
    run_on_threads(getattr(compiled("cpu"), worker), ctypes.addressof(problem), threads)
