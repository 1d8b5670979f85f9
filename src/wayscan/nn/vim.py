"""The block that vision Mambas are stacked from."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wayscan.nn.initialise import keep_initial_value, precise
from wayscan.nn.regularise import DropPath, LayerScale
from wayscan.ops import depthwise_conv1d


class VimBlock(nn.Module):
    """A residual block, (B, L, D) → (B, L, D):

        h = RMSNorm(x)
        h = h + local_conv(h)                        if `local_conv`
        output = x + drop_path(scale · mixer(h))     scale only with `layer_scale`

    There is no MLP. The residual stream x stays in float32, whatever the precision of the mixer.
    Parameters: those of the mixer + D, + 4D with the local convolution, + D with the scale.

    Args:
        mixer: any (B, L, D) → (B, L, D) module, such as `BidirectionalMamba`.
        d_model: D.
        drop_path: rate at which the mixer's branch is dropped in training.
        local_conv: put a `LocalConv` before the mixer.
        layer_scale: initial value of a `LayerScale`; None leaves it out.
    """

    def __init__(
        self,
        mixer: nn.Module,
        d_model: int,
        *,
        drop_path: float = 0.0,
        local_conv: bool = False,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(d_model, eps=1e-5)
        self.local_conv = LocalConv(d_model) if local_conv else None
        self.mixer = mixer
        self.layer_scale = None if layer_scale is None else LayerScale(d_model, layer_scale)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        x = x.to(precise(x.dtype))
        # Not `self.norm(x)`: x may be more precise than the weights.
        h = F.rms_norm(x, self.norm.normalized_shape, self.norm.weight.to(x.dtype), self.norm.eps)
        h = h.to(self.norm.weight.dtype)
        if self.local_conv is not None:
            h = self.local_conv(h)
        h = self.mixer(h)
        if self.layer_scale is not None:
            h = self.layer_scale(h)
        return x + self.drop_path(h)


class LocalConv(nn.Module):
    """x + conv(x), every channel with a kernel of its own over its nearest neighbours in the sequence.

    The kernel starts at zero, so that it does not disturb what a pretrained mixer expects; it gets gradient
    from the first step on. Parameters: D(W + 1).

    Args:
        d_model: D. width: W, odd.
    """

    def __init__(self, d_model: int, width: int = 3) -> None:
        super().__init__()
        if width % 2 == 0:
            raise ValueError(f"LocalConv: width is {width}, expected an odd number, to have a middle")
        self.conv = nn.Conv1d(d_model, d_model, width, padding=width // 2, groups=d_model)
        for parameter in self.conv.parameters():
            nn.init.zeros_(parameter)
            keep_initial_value(parameter)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        reach = self.conv.kernel_size[0] // 2
        return x + depthwise_conv1d(x, self.conv.weight, self.conv.bias, before=reach, after=reach)
