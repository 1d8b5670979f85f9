"""What keeps deep residual networks trainable: dropped branches and scaled branches."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class DropPath(nn.Module):
    """Drop a residual branch for a random share of the batch, and scale the others so that the mean stays.

    Does nothing in evaluation mode. Parameters: none.

    Args:
        rate: probability of dropping, in [0, 1).
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"DropPath: rate is {rate}, expected a probability in [0, 1)")
        self.rate = rate

    def forward(self, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        if not self.training or self.rate == 0:
            return x
        kept = 1 - self.rate
        return x * (x.new_empty(x.shape[0], *[1] * (x.ndim - 1)).bernoulli_(kept) / kept)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class LayerScale(nn.Module):
    """A learnable factor for each channel of a residual branch.

    A small initial value starts a block near the identity, and starves its inside of gradient as much.
    Parameters: D.
    """

    def __init__(self, d_model: int, initial_value: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((d_model,), initial_value))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return x * self.gamma
