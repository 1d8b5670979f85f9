"""The problems of the scan's bench, their exact results, and how far a result is from them."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from wayscan import selective_scan

PIECE = 64  # steps that the exact scan differentiates at a time


@dataclass(frozen=True, kw_only=True)
class Size:
    """Shape of a problem: B batch, D channels, L length, N state, G groups of channels."""

    name: str
    batch: int
    channels: int
    length: int
    states: int
    groups: int = 1


SIZES = {
    size.name: size
    for size in (
        Size(name="S1", batch=2, channels=1536, length=320, states=16),  # a tracker
        Size(name="S2 N=1", batch=4, channels=512, length=256, states=1, groups=4),  # a stage of VMamba
        Size(name="S2 N=16", batch=4, channels=512, length=256, states=16, groups=4),
        Size(name="S3", batch=128, channels=512, length=4, states=16),  # over a few frames
        Size(name="S4", batch=1, channels=512, length=4096, states=16),  # long
        Size(name="S5", batch=1, channels=1536, length=1, states=16),  # one step
    )
}


class Problem(NamedTuple):
    """u, delta, z (B, D, L) · A (D, N) · B, C (B, N, L) or (B, G, N, L) · D, delta_bias (D,)."""

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor
    z: Tensor
    delta_bias: Tensor


class Results(NamedTuple):
    """What a scan gives: out (B, D, L) and the gradient of each input, by name."""

    out: Tensor
    grads: dict[str, Tensor]


def make_problem(size: Size) -> Problem:
    """Numbers as a freshly initialised Mamba block meets them: A = -(1 … N), Δ between 0.001 and 0.1."""
    random = torch.Generator().manual_seed(0)
    sequence = (size.batch, size.channels, size.length)
    groups = (size.groups,) if size.groups > 1 else ()
    shared = (size.batch, *groups, size.states, size.length)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    step = 0.001 * 100 ** torch.rand(size.channels, generator=random)
    return Problem(
        u=normal(*sequence),
        delta=normal(*sequence) * 0.5,
        A=-torch.arange(1.0, size.states + 1).repeat(size.channels, 1),
        B=normal(*shared),
        C=normal(*shared),
        D=normal(size.channels),
        z=normal(*sequence),
        delta_bias=step + torch.log(-torch.expm1(-step)),
    )


def gradient_of_out(size: Size) -> Tensor:
    """(B, D, L)"""
    random = torch.Generator().manual_seed(1)
    return torch.randn(size.batch, size.channels, size.length, generator=random)


@functools.cache
def exact_results(size: Size) -> Results:
    """The definition of the scan in float64, differentiated by autograd, a piece of time after another.

    In pieces because autograd of the whole keeps every state; each piece is computed again on the way back.
    """
    inputs = Problem(*(x.double().requires_grad_() for x in make_problem(size)))
    state = torch.zeros(size.batch, size.channels, size.states, dtype=torch.float64)
    over_time = (x.split(PIECE, dim=-1) for x in (inputs.u, inputs.delta, inputs.B, inputs.C, inputs.z))
    outs = []
    for u, delta, B, C, z in zip(*over_time, strict=True):
        piece = (u, delta, inputs.A, B, C, inputs.D, z, inputs.delta_bias, state)
        out, state = checkpoint(_exact_piece, *piece, use_reentrant=False)
        outs.append(out)
    out = torch.cat(outs, dim=-1)
    grads = torch.autograd.grad(out, inputs, gradient_of_out(size).double())
    return Results(out.detach(), dict(zip(Problem._fields, grads, strict=True)))


def _exact_piece(u, delta, A, B, C, D, z, delta_bias, state):
    return selective_scan(
        u,
        delta,
        A,
        B,
        C,
        D,
        z,
        delta_bias,
        True,
        return_last_state=True,
        initial_state=state,
        backend="reference",
    )


class Errors(NamedTuple):
    """Largest error as a share of the largest value: of out, of the worst gradient (0 without gradients)."""

    out: float
    grad: float
    worst: str


def errors_of(results: Results, exact: Results) -> Errors:
    shares = {name: _error(grad, exact.grads[name]) for name, grad in results.grads.items()}
    worst = max(shares, key=lambda name: shares[name], default="")
    return Errors(_error(results.out, exact.out), shares.get(worst, 0.0), worst)


def _error(x: Tensor, exact: Tensor) -> float:
    """Infinite if x is not finite anywhere."""
    error = ((x.double() - exact).abs().max() / exact.abs().max()).item()
    return error if error == error else float("inf")
