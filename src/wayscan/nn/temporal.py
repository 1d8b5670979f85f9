"""Mixing over the frames that a policy has seen."""

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor, nn

from wayscan.names import expect_one_of
from wayscan.nn.mamba import Mamba
from wayscan.nn.vss import SS2D

Variant = Literal["ss2d", "lean", "none"]


class TemporalMamba(nn.Module):
    """Residual mixers over K frames, each followed by a norm, (B, K, D) → (B, K, D):

        x = norm_after(x + mixer(norm_before(x)))       `layers` times

    ss2d
        Time is taken for the height of an image of width one, and a vision mixer does the rest. Every frame
        sees all others. On such an image the ways along rows and columns are the same, so that the four scans
        are two pairs of duplicates with weights of their own, and of the nine taps of the convolution six
        never meet a pixel and never get gradient.
    lean
        A causal `Mamba` over time: a frame sees those before it. A fraction of the weights and of the work.
    none
        No mixing, no weights: what is left for the pooling after it to do.

    Parameters: layers · (4D + those of `SS2D` or of `Mamba`); none for "none".

    Args:
        d_model: D. layers: how many. variant: as above. d_state, expand: of the mixer.
    """

    def __init__(
        self,
        d_model: int,
        layers: int = 1,
        variant: Variant = "ss2d",
        *,
        d_state: int = 16,
        expand: int | float = 2.0,
    ) -> None:
        super().__init__()
        self.variant = expect_one_of("TemporalMamba: variant", variant, get_args(Variant))
        self.mixers = nn.ModuleList()
        self.norms_before = nn.ModuleList()
        self.norms_after = nn.ModuleList()
        for _ in range(0 if variant == "none" else layers):
            if variant == "ss2d":
                mixer = SS2D(d_model, d_state=d_state, ssm_ratio=expand)
            else:
                mixer = Mamba(d_model, d_state=d_state, expand=expand)
            self.mixers.append(mixer)
            self.norms_before.append(nn.LayerNorm(d_model))
            self.norms_after.append(nn.LayerNorm(d_model))

    def forward(self, x: Float[Tensor, "B K D"]) -> Float[Tensor, "B K D"]:
        for before, mixer, after in zip(self.norms_before, self.mixers, self.norms_after, strict=True):
            h = before(x)
            h = mixer(h.unsqueeze(2)).squeeze(2) if self.variant == "ss2d" else mixer(h)
            x = after(x + h)
        return x
