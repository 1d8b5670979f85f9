"""Depthwise convolution along sequences whose channels run fastest in memory, as between linear layers.

`F.conv1d` would copy to channel rows and back. On a CPU kernels of our own take float32 as it lies; for
everything else, and where operators are watched, a two-dimensional convolution of height one does.
"""

import ctypes
import os

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from wayscan.ops.dispatch import HAS_NUMBA, may_pass_the_dispatcher
from wayscan.ops.kernel_cache import KernelSet
from wayscan.ops.memory import empty
from wayscan.ops.threads import run_on_threads

KERNELS = KernelSet(package="wayscan.ops", sources=("simd.py", "depthwise_kernels.py"))
TASKS = 8  # whatever the number of threads, so that sums do not depend on it
FEW_PRODUCTS = 500_000  # under this many, waking a second thread costs more than it saves


def depthwise_conv1d(
    x: Float[Tensor, "B rows D"],
    weight: Float[Tensor, "D 1 W"],
    bias: Float[Tensor, "D"] | None,
    before: int = 0,
    after: int = 0,
    silu: bool = False,
) -> Float[Tensor, "B L D"]:
    """Convolve every channel with a kernel of its own.

        out_t = bias + Σ_k weight_k x_{t + k - before}        x is zero outside its rows

    Args:
        x: (B, R, D). weight: (D, 1, W), as `nn.Conv1d(D, D, W, groups=D)` keeps it. bias: (D,).
        before, after: rows of zeros around x; before = W − 1 alone is causal.
        silu: return silu(out).

    Returns:
        (B, L, D) with L = before + R + after − W + 1.
    """
    if torch.is_grad_enabled():
        y = _DepthwiseConv1d.apply(x, weight, bias, before, after)
        return F.silu(y) if silu else y
    return _convolve(x, weight, bias, before, after, silu)


class _DepthwiseConv1d(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, before: int, after: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.around = before, after
        return _convolve(x, weight, bias, before, after)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        before, after = ctx.around
        grad_x = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            reach, flipped = weight.shape[-1] - 1, weight.to(grad.dtype).flip(-1)
            grad_x = _convolve(grad, flipped, None, reach - before, reach - after)
        if any(ctx.needs_input_grad[1:3]):
            grad_weight, grad_bias = _weight_gradients(grad, x, weight, before, after)
        wanted = zip((grad_x, grad_weight, grad_bias), ctx.needs_input_grad[:3], strict=True)
        return *(each if wants else None for each, wants in wanted), None, None


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, before: int, after: int, silu: bool = False
) -> Tensor:
    if not _kernels_take(x, weight):
        image = F.pad(x, (0, 0, before, after)).transpose(1, 2).unsqueeze(2)
        y = F.conv2d(image, weight.unsqueeze(2), bias, groups=weight.shape[0])
        y = y.squeeze(2).transpose(1, 2)
        return F.silu(y) if silu else y
    x, taps = _rows(x), weight.squeeze(1).t().contiguous()
    bias = None if bias is None else bias.contiguous()
    batches, rows, channels = x.shape
    y = empty((batches, before + rows + after - len(taps) + 1, channels))
    problem = _describe(x, y, len(taps), before)
    problem.weight, problem.bias = taps.data_ptr(), 0 if bias is None else bias.data_ptr()
    problem.silu = silu
    _run("convolve_worker", problem)
    return y


def _weight_gradients(
    grad: Tensor, x: Tensor, weight: Tensor, before: int, after: int
) -> tuple[Tensor, Tensor]:
    """Of the weight (D, 1, W) and of the bias (D,)."""
    if not (_kernels_take(x, weight) and _kernels_take(grad, weight)):
        x = F.pad(x, (0, 0, before, after))
        product = torch.empty_like(grad, dtype=torch.promote_types(grad.dtype, x.dtype))
        taps = []
        for k in range(weight.shape[-1]):
            torch.mul(grad, x[:, k : k + grad.shape[1]], out=product)
            taps.append(product.sum((0, 1), dtype=weight.dtype))
        return torch.stack(taps, dim=-1).unsqueeze(1), grad.sum((0, 1), dtype=weight.dtype)
    x, grad, taps = _rows(x), _rows(grad), weight.shape[-1]
    sums = torch.zeros(TASKS, taps + 1, x.shape[2])
    problem = _describe(x, grad, taps, before)
    problem.sums = sums.data_ptr()
    _run("sums_worker", problem)
    total = sums.sum(0)
    return total[:taps].t().unsqueeze(1), total[taps]


def _kernels_take(x: Tensor, weight: Tensor) -> bool:
    return (
        HAS_NUMBA
        and x.dtype is weight.dtype is torch.float32
        and x.is_cpu
        and may_pass_the_dispatcher(x)
        and may_pass_the_dispatcher(weight)
        and not torch.is_autocast_enabled("cpu")
        and os.environ.get("WAYSCAN_SCAN", "") in ("", "cpu")
    )


def _rows(x: Tensor) -> Tensor:
    """x itself if its channels lie next to each other, else a copy where they do."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _describe(x: Tensor, y: Tensor, taps: int, before: int):
    """What both kernels are told of x (B, R, D) and of what comes out, or its gradient, (B, L, D)."""
    problem = KERNELS.compiled("depthwise_kernels").Problem()
    problem.batches, problem.rows, problem.channels = x.shape
    problem.length, problem.taps, problem.before, problem.tasks = y.shape[1], taps, before, TASKS
    problem.x, problem.x_batch, problem.x_time = x.data_ptr(), x.stride(0), x.stride(1)
    problem.y, problem.y_batch, problem.y_time = y.data_ptr(), y.stride(0), y.stride(1)
    return problem


def _run(worker: str, problem) -> None:
    products = problem.batches * problem.length * problem.channels * problem.taps
    threads = 1 if products < FEW_PRODUCTS else min(torch.get_num_threads(), TASKS)
    counter = ctypes.c_int64(0)
    problem.next_task = ctypes.addressof(counter)
    run_on_threads(getattr(KERNELS.compiled("depthwise_kernels"), worker), ctypes.addressof(problem), threads)
