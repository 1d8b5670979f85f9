"""The yardstick computes the scan: forward and every gradient, as wayscan's own CPU kernels do."""

import subprocess
import sys

import pytest
import torch
from benchmarks.yardstick import build
from benchmarks.yardstick.autograd import yardstick_scan

from wayscan import selective_scan

needs_yardstick = pytest.mark.skipif(
    build.yardstick().library is None, reason=build.yardstick().why_not or "there is one"
)


def problem(batch, channels, length, states, groups, optional):
    random = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=random).requires_grad_()

    shared = (batch, groups, states, length) if groups > 1 else (batch, states, length)
    A = (-torch.rand(channels, states, generator=random) - 0.1).requires_grad_()
    D, z, bias = (
        (normal(channels), normal(batch, channels, length), normal(channels)) if optional else [None] * 3
    )
    u, delta = normal(batch, channels, length), torch.rand(batch, channels, length, generator=random)
    return u, delta.requires_grad_(), A, normal(*shared), normal(*shared), D, z, bias


@needs_yardstick
@pytest.mark.parametrize(
    ("batch", "channels", "length", "states", "groups", "softplus", "optional"),
    [
        (2, 32, 70, 16, 1, True, True),  # more than a chunk, and a tail
        (1, 64, 64, 1, 4, True, True),  # exactly a chunk
        (3, 16, 4, 31, 1, True, True),  # every group of states: 16, 8, 4, 2, 1
        (2, 32, 1, 3, 2, False, False),
        (1, 16, 129, 32, 1, True, False),
    ],
)
def test_the_yardstick_agrees_with_our_kernels(batch, channels, length, states, groups, softplus, optional):
    inputs = problem(batch, channels, length, states, groups, optional)
    given = [x for x in inputs if x is not None]
    found = []
    for scan in (
        lambda *x: yardstick_scan(*x, softplus),
        lambda *x: selective_scan(*x, softplus, backend="cpu"),
    ):
        out = scan(*inputs)
        found.append([out, *torch.autograd.grad(out.sin().sum(), given)])
    for mine, ours in zip(*found, strict=True):
        torch.testing.assert_close(mine, ours, rtol=1e-4, atol=1e-5 * ours.detach().abs().max().item())


@needs_yardstick
def test_what_it_cannot_do_is_refused():
    inputs = problem(1, 24, 3, 2, 1, True)
    with pytest.raises(ValueError, match="expected G · 16 = 16 to divide D, got D = 24"):
        yardstick_scan(*inputs, True)


def test_without_a_compiler_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(build.shutil, "which", lambda _: None)
    library, why_not = build.yardstick.__wrapped__()
    assert library is None
    assert "gcc" in why_not


def test_without_avx512_there_is_a_reason(monkeypatch):
    monkeypatch.setattr(build.shutil, "which", lambda _: sys.executable)
    monkeypatch.setattr(build, "processor_features", lambda: {"avx2"})
    library, why_not = build.yardstick.__wrapped__()
    assert library is None
    assert "avx512f" in why_not


def test_a_compiler_that_fails_is_quoted(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "scan512.c: no\nmore")
    monkeypatch.setattr(build.shutil, "which", lambda _: "gcc")
    monkeypatch.setattr(build, "processor_features", lambda: set(build.NEEDS))
    monkeypatch.setattr(build, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(build.subprocess, "run", lambda *_, **__: failed)
    assert build.yardstick.__wrapped__() == (None, "the compiler failed: scan512.c: no")
