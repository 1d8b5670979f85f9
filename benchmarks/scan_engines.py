"""Who runs in the scan's bench: our engines, the yardstick and the peers, all through one door.

Each takes its problem contiguous and with its dimensions in its own order (mamba.py has time before
channels), so that nobody pays for a transposition that is not its own.
"""

import functools
import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

from wayscan import selective_scan

from .scan_problems import Problem, Results, Size, gradient_of_out
from .yardstick.autograd import yardstick_scan
from .yardstick.build import yardstick

INSTALL = "pip install 'wayscan[bench]'"
QUADRATIC = 1024  # steps from which a backward pass that is quadratic in them takes minutes


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One way to compute the scan.

    Args:
        label: as the report names it.
        scan: from the tensors of a Problem to out.
        why_not: why it cannot run here; "" if it can.
        grouped: whether it knows groups of channels with their own B and C.
        quadratic: whether its backward pass takes time quadratic in L.
        time_first: whether sequences are (B, L, D), B and C (B, L, N), and out is (B, L, D).
    """

    label: str
    scan: Callable[..., Tensor]
    why_not: str = ""
    grouped: bool = True
    quadratic: bool = False
    time_first: bool = False

    def why_not_here(self, size: Size, backward: bool) -> str:
        if self.why_not:
            return self.why_not
        if size.groups > 1 and not self.grouped:
            return "it has no groups of channels"
        if backward and self.quadratic and size.length >= QUADRATIC:
            return f"its backward pass is quadratic in L: {size.length} steps take many minutes"
        return ""


class Prepared:
    """An engine with a problem in its own layout, ready to run again and again."""

    def __init__(self, engine: Engine, problem: Problem, size: Size) -> None:
        self._engine = engine
        tensors = [self._turn(x).contiguous() if x.ndim > 2 else x for x in problem]
        self._inputs = Problem(*tensors)
        self._leaves = Problem(*(x.clone().requires_grad_() for x in tensors))
        self._grad_out = self._turn(gradient_of_out(size).to(problem.u.device)).contiguous()

    def forward(self) -> Tensor:
        return self._engine.scan(*self._inputs)

    def both(self) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Forward and backward."""
        out = self._engine.scan(*self._leaves)
        return out, torch.autograd.grad(out, self._leaves, self._grad_out)

    def results(self, out: Tensor, grads: tuple[Tensor, ...] = ()) -> Results:
        """In the layout of the problem."""
        turned = [self._turn(x) if x.ndim > 2 else x for x in grads]
        return Results(self._turn(out.detach()), dict(zip(Problem._fields, turned, strict=False)))

    def _turn(self, x: Tensor) -> Tensor:
        return x.mT if self._engine.time_first else x


# ---- ours -----------------------------------------------------------------------------------------------


def _ours(*problem: Tensor, backend: str = "cpu") -> Tensor:
    return selective_scan(*problem, delta_softplus=True, backend=backend)


def _yardstick(*problem: Tensor) -> Tensor:
    return yardstick_scan(*problem, softplus=True)


# ---- peers ----------------------------------------------------------------------------------------------


@functools.cache
def transformers_mamba() -> ModuleType:
    """transformers' Mamba, without its advice to install CUDA kernels."""
    transformers = importlib.import_module("transformers")
    transformers.logging.set_verbosity_error()
    return importlib.import_module("transformers.models.mamba.modeling_mamba")


def _transformers(u, delta, A, B, C, D, z, delta_bias) -> Tensor:
    return transformers_mamba().mamba_selective_scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus=True)


def with_our_scan() -> AbstractContextManager:
    """Inside it, transformers' MambaMixer runs on our scan; nothing else is exchanged."""

    def scan(*tensors, use_mambapy, use_associative_scan, **options):
        return selective_scan(*tensors, **options)

    return patch.object(transformers_mamba(), "mamba_selective_scan", scan)


def _mamba_py(u, delta, A, B, C, D, z, delta_bias) -> Tensor:
    """As its MambaBlock calls it; the method uses nothing of the block."""
    block = importlib.import_module("mambapy.mamba").MambaBlock
    y = block.selective_scan(None, u, softplus(delta + delta_bias), A, B, C, D)
    return y * silu(z)


def missing(package: str) -> str:
    """Why a peer cannot run; "" if it can."""
    return "" if find_spec(package) else f"{package} is not installed: {INSTALL}"


def _labelled(name: str, package: str) -> str:
    return name if missing(package) else f"{name} {version(package)}"


# ---- all of them ----------------------------------------------------------------------------------------


@functools.cache
def engines() -> dict[str, Engine]:
    return {
        "ours": Engine(label="wayscan", scan=_ours),
        "yardstick": Engine(label="the C yardstick", scan=_yardstick, why_not=yardstick().why_not),
        "fallback": Engine(label="wayscan's fallback", scan=functools.partial(_ours, backend="fallback")),
        "transformers": Engine(
            label=_labelled("transformers", "transformers"),
            scan=_transformers,
            why_not=missing("transformers"),
            grouped=False,
            quadratic=True,
        ),
        "mamba.py": Engine(
            label=_labelled("mamba.py", "mambapy"),
            scan=_mamba_py,
            why_not=missing("mambapy"),
            grouped=False,
            time_first=True,
        ),
    }
