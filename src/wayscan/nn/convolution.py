"""Depthwise convolution along sequences whose channels run fastest in memory, as between linear layers."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def depthwise_conv1d(
    x: Float[Tensor, "B padded D"], weight: Float[Tensor, "D 1 W"], bias: Float[Tensor, "D"] | None
) -> Float[Tensor, "B L D"]:
    """Convolve every channel with a kernel of its own; the caller pads.

    Args:
        x: (B, L + W − 1, D). weight: (D, 1, W), as `nn.Conv1d(D, D, W, groups=D)` keeps it. bias: (D,).

    Returns:
        (B, L, D).

    `F.conv1d` would copy to channel rows and back. A two-dimensional convolution of height one takes this
    memory as it is, but is slow backwards, so that the gradient of the weight is one multiply and sum a tap.
    """
    return _DepthwiseConv1d.apply(x, weight, bias)


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    image = x.transpose(1, 2).unsqueeze(2)
    return F.conv2d(image, weight.unsqueeze(2), bias, groups=weight.shape[0]).squeeze(2).transpose(1, 2)


class _DepthwiseConv1d(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        return (
            _grad_x(grad, weight) if wants_x else None,
            _grad_weight(grad, x, weight) if wants_weight else None,
            grad.sum((0, 1), dtype=weight.dtype) if wants_bias else None,
        )


def _grad_x(grad: Tensor, weight: Tensor) -> Tensor:
    reach = weight.shape[-1] - 1
    return _convolve(F.pad(grad, (0, 0, reach, reach)), weight.to(grad.dtype).flip(-1), None)


def _grad_weight(grad: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    product = torch.empty_like(grad, dtype=torch.promote_types(grad.dtype, x.dtype))
    taps = []
    for k in range(weight.shape[-1]):
        torch.mul(grad, x[:, k : k + grad.shape[1]], out=product)
        taps.append(product.sum((0, 1), dtype=weight.dtype))
    return torch.stack(taps, dim=-1).unsqueeze(1)
