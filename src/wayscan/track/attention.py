"""Attention blocks: the `vit` encoder, and the masked decoder of the dynamic template."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wayscan.nn import DropPath


class AttentionBlock(nn.Module):
    """Self-attention, then an MLP, each on a normalised input and added: (B, L, D) → (B, L, D).

    Parameters: 12 D² + 13 D.
    """

    def __init__(self, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.query_key_value(self.norm(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        x = x + self.drop_path(self.output(seen.transpose(1, 2).flatten(2)))
        return x + self.drop_path(self.mlp(self.mlp_norm(x)))


class MaskDecoder(nn.Module):
    """The pixels of the dynamic template from a random quarter of its encoded tokens.

    Parameters: 26.04 M for D = 768 and 64 tokens.

    Args:
        width: D of the encoder. tokens: N of a template.
    """

    def __init__(
        self, width: int, tokens: int, inner: int = 512, depth: int = 8, heads: int = 16, masked: float = 0.75
    ) -> None:
        super().__init__()
        self.masked = masked
        self.enter = nn.Linear(width, inner)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, inner))
        self.position = nn.Parameter(torch.zeros(1, tokens, inner))
        self.blocks = nn.ModuleList(AttentionBlock(inner, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(inner)
        self.pixels = nn.Linear(inner, 3 * 16 * 16)
        for parameter in (self.mask_token, self.position):
            nn.init.trunc_normal_(parameter, std=0.02)

    def forward(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded tokens (B, N, D) → patches (B, N, 768), and which tokens were hidden, (B, N) bool.

        Nothing is hidden in evaluation mode.
        """
        x = self.enter(encoded)
        hidden = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        if self.training:
            count = round(self.masked * x.shape[1])
            hidden.scatter_(1, torch.rand(x.shape[:2], device=x.device).argsort(1)[:, :count], True)
        x = torch.where(hidden[..., None], self.mask_token.to(x.dtype), x) + self.position
        for block in self.blocks:
            x = block(x)
        return self.pixels(self.norm(x)), hidden


def to_patches(image: Tensor) -> Tensor:
    """(B, 3, H, W) → the 16 × 16 patches, row by row, (B, N, 768)."""
    return F.unfold(image, 16, stride=16).transpose(1, 2)
