"""The kernels touch no float outside their arrays: every array ends where an unreadable page begins."""

import ctypes
import mmap
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wayscan.ops import depthwise_conv
from wayscan.ops.selective_scan import launch

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="guard pages by mprotect")

PAGE = mmap.PAGESIZE
_kept: list[mmap.mmap] = []


def guarded_empty(shape, before=False):
    """A float32 tensor with an unreadable page right after its last byte (or right before its first)."""
    shape = tuple(shape)
    size = 4 * int(np.prod(shape))
    pages = -(-max(size, 1) // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    _kept.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    forbidden = start if before else start + pages * PAGE
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(forbidden), ctypes.c_size_t(PAGE), 0) == 0
    offset = PAGE if before else pages * PAGE - size
    return torch.from_numpy(np.frombuffer(memory, np.float32, size // 4, offset)).view(shape)


def guarded(x, before, channels_last):
    if x is None:
        return None
    turn = channels_last and x.ndim == 3
    source = x.transpose(1, 2) if turn else x
    copy = guarded_empty(source.shape, before).copy_(source)
    return copy.transpose(1, 2) if turn else copy


@pytest.mark.parametrize("before", [False, True])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(1, 2),
    channels=st.integers(1, 35),
    length=st.integers(1, 50),
    states=st.integers(1, 18),
    groups=st.integers(1, 3),
    channels_last=st.booleans(),
    optional=st.booleans(),
)
def test_scan_and_step_stay_inside(
    scan_problem, monkeypatch, before, batch, channels, length, states, groups, channels_last, optional
):
    monkeypatch.setattr(launch, "empty", lambda shape: guarded_empty(shape, before))
    monkeypatch.setattr(
        launch,
        "_empty_like",
        lambda x: guarded(x, before, channels_last) if x is not None else torch.empty(0),
    )
    monkeypatch.setattr(
        launch, "_workspace", lambda *shapes: [guarded_empty(shape, before) for shape in shapes]
    )
    problem = scan_problem(
        batch, channels * groups, length, states, groups, D=optional, z=optional, delta_bias=optional,
        initial_state=optional,
    )  # fmt: skip
    inputs = [guarded(x, before, channels_last) for x in problem.values()]
    out, last, kept = launch.forward(*inputs, True, True)
    launch.backward(guarded(torch.ones_like(out), before, channels_last), last, *inputs, kept, True)

    u, delta, A, B, C, D, z, bias, _ = problem.values()
    step = [None if x is None else x[..., 0] for x in (u, delta, B, C, z)]
    u, delta, B, C, z = (guarded(x, before, False) for x in step)
    A, D, bias = (guarded(x, before, False) for x in (A, D, bias))
    launch.step(last, u, delta, A, B, C, D, z, bias, True)
    _kept.clear()


@pytest.mark.parametrize("low", [False, True])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(1, 2),
    rows=st.integers(1, 20),
    channels=st.integers(1, 35),
    width=st.integers(1, 5),
    after=st.integers(0, 4),
)
def test_convolutions_stay_inside(monkeypatch, low, batch, rows, channels, width, after):
    monkeypatch.setattr(depthwise_conv, "empty", lambda shape: guarded_empty(shape, low))
    shapes = (batch, rows, channels), (channels, 1, width), (channels,)
    x, weight, bias = (guarded(torch.randn(shape), low, False).requires_grad_() for shape in shapes)
    y = depthwise_conv.depthwise_conv1d(x, weight, bias, width - 1, after)
    y.backward(guarded(torch.ones_like(y), low, False))
    _kept.clear()
