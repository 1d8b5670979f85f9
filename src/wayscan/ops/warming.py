"""Compiling the kernels of operators ahead: once at start-up, or in an image's build."""

import torch

from wayscan.ops.depthwise_conv import depthwise_conv1d
from wayscan.ops.dispatch import HAS_NUMBA
from wayscan.ops.selective_scan.choose import selective_scan, selective_step


def warmup() -> None:
    """Compile the CPU kernels, or load them; nothing where numba is not installed."""
    x = torch.ones(1, 1, 1, requires_grad=True)
    depthwise_conv1d(x, x, None).sum().backward()
    if HAS_NUMBA:
        selective_scan(x, x, x[0], x, x, backend="cpu").sum().backward()
        selective_step(x.detach().clone(), x[0], x[0], x[0], x[0], x[0], backend="cpu")
