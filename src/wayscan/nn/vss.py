"""VMamba's vision blocks: selective scans over images whose channels come last, (B, H, W, D)."""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wayscan.nn.initialise import initial_log_rates, initial_skips, initialise_dt, precise
from wayscan.nn.regularise import DropPath, LayerScale
from wayscan.ops import cross_merge, cross_order, cross_scan, selective_scan

WAYS = 4


class SS2D(nn.Module):
    """A gated selective scan along four ways through an image, (B, H, W, D) → (B, H, W, D).

        x, z = in_proj(input)
        x = silu(conv2d(x))                              each channel over its neighbours
        Δ_k, B_k, C_k = projections_k(x)                 for the ways k = 0 … 3, each with weights of its own
        y = sum of scan_k(x, Δ_k, B_k, C_k) over k       see `wayscan.ops.cross_scan`
        output = out_proj(out_norm(y) · silu(z))

    Layout and parameter names are those of VMamba's first release ("v0"); its later releases scan without the
    gate z and with N = 1, so that their weights do not fit. All four ways run as one grouped scan.

    Parameters, with E = ssm_ratio · D and R = dt_rank, no bias outside, convolution w × w:
    3DE + E(w² + 1) + 4E(R + 2N) + 4(RE + E) + 4EN + 4E + 2E.

    Args:
        d_model: D. d_state: N. ssm_ratio: E / D. dt_rank: R; "auto" is ⌈D / 16⌉. d_conv: w, odd.
        dt_min, dt_max, dt_init, dt_scale, dt_init_floor: see `wayscan.nn.initialise.initialise_dt`.
        conv_bias, bias: whether the convolution, and the two outer projections, have one.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        ssm_ratio: int | float = 2.0,
        dt_rank: int | Literal["auto"] = "auto",
        d_conv: int = 3,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init: Literal["random", "constant"] = "random",
        dt_scale: float = 1.0,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.d_state = d_state
        self.dt_rank = math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        E, N, R = int(ssm_ratio * d_model), d_state, self.dt_rank

        self.in_proj = nn.Linear(d_model, 2 * E, bias=bias)
        self.conv2d = nn.Conv2d(E, E, d_conv, padding=d_conv // 2, groups=E, bias=conv_bias)
        self.x_proj_weight = nn.Parameter(torch.empty(WAYS, R + 2 * N, E).uniform_(-(E**-0.5), E**-0.5))
        self.dt_projs_weight = nn.Parameter(torch.empty(WAYS, E, R))
        self.dt_projs_bias = nn.Parameter(torch.empty(WAYS, E))
        initialise_dt(
            self.dt_projs_weight, self.dt_projs_bias, dt_min, dt_max, dt_init, dt_scale, dt_init_floor
        )
        self.A_logs = initial_log_rates(WAYS * E, N)
        self.Ds = initial_skips(WAYS * E)
        self.out_norm = nn.LayerNorm(E)
        self.out_proj = nn.Linear(E, d_model, bias=bias)

    def forward(self, x: Float[Tensor, "B H W D"]) -> Float[Tensor, "B H W D"]:
        x, z = self.in_proj(x).chunk(2, dim=-1)
        x = F.silu(self.conv2d(x.permute(0, 3, 1, 2)))
        y = self.out_norm(self._scan_four_ways(x).permute(0, 2, 3, 1))
        return self.out_proj(y * F.silu(z))

    def _scan_four_ways(self, x: Float[Tensor, "B E H W"]) -> Float[Tensor, "B E H W"]:
        ways = cross_scan(x)
        delta, B, C = self._scan_inputs(x)
        y = selective_scan(
            ways.flatten(1, 2),
            delta.flatten(1, 2),
            -torch.exp(self.A_logs.to(precise(self.A_logs.dtype))),
            B,
            C,
            self.Ds,
            delta_bias=self.dt_projs_bias.flatten(),
            delta_softplus=True,
        )
        return cross_merge(y.unflatten(1, (WAYS, -1)), x.shape[2], x.shape[3])

    def _scan_inputs(self, x: Float[Tensor, "B E H W"]) -> tuple[Tensor, Tensor, Tensor]:
        """Δ before its bias (B, 4, E, L), B and C (B, 4, N, L); in memory (B, L, 4, …)."""
        pieces = [self.dt_rank, self.d_state, self.d_state]
        of_pixels = F.linear(x.permute(0, 2, 3, 1), self.x_proj_weight.flatten(0, 1))
        dt, B, C = cross_order(of_pixels.unflatten(3, (WAYS, -1))).split(pieces, dim=-1)
        delta = torch.stack([F.linear(dt[:, :, k], self.dt_projs_weight[k]) for k in range(WAYS)], dim=2)
        return delta.permute(0, 2, 3, 1), B.permute(0, 2, 3, 1), C.permute(0, 2, 3, 1)


class VSSBlock(nn.Module):
    """VMamba's residual block, (B, H, W, D) → (B, H, W, D):

        h = x + drop_path(scale · self_attention(ln_1(x)))      self_attention is an SS2D
        output = h + drop_path(scale · mlp(ln_2(h)))            if mlp_ratio > 0

    `ln_1` and `self_attention` are the names of VMamba's first release and of the many models made from it,
    which have no MLP: with `mlp_ratio=0` their blocks load as they are. Later releases call the same parts
    `norm` and `op`, and those of the MLP `norm2`, `mlp.fc1` and `mlp.fc2`; here the last two are `mlp.0` and
    `mlp.2`.

    Parameters: 2D + those of `SS2D`; + 2D + 2 · mlp_ratio · D² + mlp_ratio · D + D with the MLP; + D for each
    branch with a scale.

    Args:
        hidden_dim: D.
        drop_path: rate at which a branch is dropped in training.
        d_state, ssm_ratio, dt_rank: of the `SS2D`.
        mlp_ratio: hidden width of the MLP / D; 0 leaves the MLP out.
        layer_scale: initial value of a `LayerScale` on each branch; None leaves them out.
    """

    def __init__(
        self,
        hidden_dim: int,
        *,
        drop_path: float = 0.0,
        d_state: int = 16,
        ssm_ratio: int | float = 2.0,
        dt_rank: int | Literal["auto"] = "auto",
        mlp_ratio: int | float = 4.0,
        layer_scale: float | None = None,
    ) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(hidden_dim, eps=1e-6)
        self.self_attention = SS2D(hidden_dim, d_state=d_state, ssm_ratio=ssm_ratio, dt_rank=dt_rank)
        self.scale_1 = nn.Identity() if layer_scale is None else LayerScale(hidden_dim, layer_scale)
        self.drop_path = DropPath(drop_path)
        self.mlp = None
        if mlp_ratio > 0:
            width = int(mlp_ratio * hidden_dim)
            self.ln_2 = nn.LayerNorm(hidden_dim, eps=1e-6)
            self.mlp = nn.Sequential(nn.Linear(hidden_dim, width), nn.GELU(), nn.Linear(width, hidden_dim))
            self.scale_2 = nn.Identity() if layer_scale is None else LayerScale(hidden_dim, layer_scale)

    def forward(self, x: Float[Tensor, "B H W D"]) -> Float[Tensor, "B H W D"]:
        x = x + self.drop_path(self.scale_1(self.self_attention(self.ln_1(x))))
        if self.mlp is not None:
            x = x + self.drop_path(self.scale_2(self.mlp(self.ln_2(x))))
        return x


class PatchPartition(nn.Module):
    """Cut an image into square patches and embed each: (B, C, H, W) → (B, H / p, W / p, D).

    Parameters: Cp²D + D + 2D.
    """

    def __init__(self, in_channels: int, d_model: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, d_model, patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, image: Float[Tensor, "B C H W"]) -> Float[Tensor, "B h w D"]:
        height, width = image.shape[2:]
        p = self.proj.kernel_size[0]
        if height % p or width % p:
            raise ValueError(
                f"PatchPartition: the image is {height} × {width}, expected multiples of the patch size {p}; "
                f"resize it to {max(p, height // p * p)} × {max(p, width // p * p)}"
            )
        return self.norm(self.proj(image).permute(0, 2, 3, 1))


class Downsample(nn.Module):
    """Halve the grid and double the channels: (B, H, W, D) → (B, ⌈H / 2⌉, ⌈W / 2⌉, 2D).

    Parameters: 18D² + 2D + 4D.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(d_model, 2 * d_model, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm(2 * d_model)

    def forward(self, x: Float[Tensor, "B H W D"]) -> Float[Tensor, "B h w D2"]:
        return self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
