"""Mamba in both directions along a sequence, for inputs that are all there at once."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wayscan.names import expect_one_of
from wayscan.nn.mamba import SelectiveMixer

Mode = Literal["shared", "gated", "separate", "vim_v2"]


class BidirectionalMamba(SelectiveMixer):
    """A Mamba mixer that reads a sequence forwards and backwards, (B, L, D) → (B, L, D).

    With f = mixer(x) and b = flip(mixer′(flip(x))), both in the order of x, the modes are:

    shared
        y = (f + b) / 2 with mixer′ = mixer. The projections are linear and commute with flipping, so each
        runs once, and only convolution and scan run twice.
        Parameters: those of `Mamba`; 3,770,880 for D = 768.
    gated
        y = g · f + (1 − g) · b with mixer′ = mixer and g = σ(W₂ gelu(W₁ [f, b] + c₁) + c₂), of hidden width
        M = ⌈D / 4⌉. W₂ = c₂ = 0 at first, which is "shared". The gate needs both finished outputs, so that
        out_proj runs twice.
        Parameters: those of `Mamba` + 3DM + M + D.
    separate
        y = (f + b) / 2 with a mixer′ of its own. Parameters: twice those of `Mamba`; 7,541,760 for D = 768.
    vim_v2
        y = out_proj((s + s′) · silu(z) / 2), where s and s′ are convolved and scanned with weights of their
        own after one in_proj. This is Vim's "bimamba v2", whose checkpoints load into it.
        Parameters: those of `Mamba` + E(W + 1) + E(R + 2N) + RE + E + EN + E; 4,002,816 for D = 768.

    Weights of the second direction have names with `_b`; `merge_directions` makes one set out of both.

    Args:
        d_model: D.
        mode: as above.
        if_divide_out: only for "vim_v2": divide by 2, as Vim's later checkpoints do and as keeps a deep stack
            from overflowing, or take the plain sum.
        options: the other arguments of `Mamba`.
    """

    def __init__(self, d_model: int, mode: Mode = "shared", *, if_divide_out: bool = True, **options) -> None:
        super().__init__(d_model, **options)
        self.mode = expect_one_of("BidirectionalMamba: mode", mode, get_args(Mode))
        self.if_divide_out = if_divide_out
        if mode in ("separate", "vim_v2"):
            self.add_direction("_b")
        if mode == "separate":
            self.in_proj_b = nn.Linear(d_model, 2 * self.d_inner, bias=self.in_proj.bias is not None)
            self.out_proj_b = nn.Linear(self.d_inner, d_model, bias=self.in_proj.bias is not None)
        if mode == "gated":
            self.fusion = GatedFusion(d_model)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        if self.mode == "separate":
            backwards = self._one_way(x.flip(1), self.in_proj_b, self.out_proj_b, "_b").flip(1)
            return (self._one_way(x, self.in_proj, self.out_proj, "") + backwards) / 2

        x, z = self.in_proj(x).chunk(2, dim=-1)
        forwards, backwards = self._both_ways(x)
        gate = F.silu(z)
        if self.mode == "gated":
            return self.fusion(self.out_proj(forwards * gate), self.out_proj(backwards * gate))
        divide = self.mode == "shared" or self.if_divide_out
        both = torch.lerp(forwards, backwards, 0.5) if divide else forwards + backwards
        return self.out_proj(both * gate)

    def _one_way(
        self, x: Float[Tensor, "B L D"], in_proj: nn.Linear, out_proj: nn.Linear, suffix: Literal["", "_b"]
    ) -> Float[Tensor, "B L D"]:
        x, z = in_proj(x).chunk(2, dim=-1)
        return out_proj(self.travel(x, z, suffix=suffix)[0])

    def _both_ways(self, x: Float[Tensor, "B L E"]) -> tuple[Float[Tensor, "B L E"], Float[Tensor, "B L E"]]:
        """Convolve and scan, not gated, both results in the order of x."""
        if self.mode == "vim_v2":
            forwards, backwards = self.travel(x)[0], self.travel(x.flip(1), suffix="_b")[0]
        else:
            forwards, backwards = self.travel(torch.cat([x, x.flip(1)]))[0].chunk(2)
        return forwards, backwards.flip(1)


class GatedFusion(nn.Module):
    """g · f + (1 − g) · b with g = σ(W₂ gelu(W₁ [f, b] + c₁) + c₂); the mean while W₂ and c₂ are zero.

    Parameters: 3DM + M + D with M = ⌈D / 4⌉.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        hidden = -(-d_model // 4)
        self.hidden = nn.Linear(2 * d_model, hidden)
        self.gate = nn.Linear(hidden, d_model)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(
        self, forwards: Float[Tensor, "B L D"], backwards: Float[Tensor, "B L D"]
    ) -> Float[Tensor, "B L D"]:
        gate = torch.sigmoid(self.gate(F.gelu(self.hidden(torch.cat([forwards, backwards], dim=-1)))))
        return torch.lerp(backwards, forwards, gate)


def merge_directions(
    weights: dict[str, Tensor], backward: Literal["drop", "average"] = "drop"
) -> dict[str, Tensor]:
    """Turn the weights of two directions ("separate", "vim_v2") into those of a "shared" mixer.

    Args:
        weights: a state dict of a mixer, or of a model with mixers in it; the names of the second direction
            hold `_b`, as in "mixer.conv1d_b.weight".
        backward: "drop" what the second direction has learnt, or "average" both.
    """
    if backward not in ("drop", "average"):
        raise ValueError(f"merge_directions: backward is {backward!r}, expected 'drop' or 'average'")
    second = {name: _first_direction(name) for name in weights}
    second = {name: first for name, first in second.items() if first != name and first in weights}
    merged = {name: weight for name, weight in weights.items() if name not in second}
    if backward == "average":
        merged |= {first: (weights[first] + weights[name]) / 2 for name, first in second.items()}
    return merged


def _first_direction(name: str) -> str:
    """The same weight in the first direction: "x.A_b_log" → "x.A_log", "conv1d_b.bias" → "conv1d.bias"."""
    parts = ["A_log" if part == "A_b_log" else part.removesuffix("_b") for part in name.split(".")]
    return ".".join(parts)
