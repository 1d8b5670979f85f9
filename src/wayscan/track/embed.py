"""From pictures to tokens: plain patches or a convolutional stem, and what the search sees of the
templates.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchStem(nn.Module):
    """One linear map for each 16 × 16 patch. Cells and tokens are the same. Parameters: 768 D + D."""

    cells_per_token = 1

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels = width
        self.patches = nn.Conv2d(3, width, 16, 16)

    def cells(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, D, H / 16, W / 16)."""
        return self.patches(image)

    def tokens(self, cells: Tensor) -> Tensor:
        """(B, D, h, w) → (B, h · w, D), row by row."""
        return cells.flatten(2).transpose(1, 2)


class ConvStem(nn.Module):
    """Convolutions down to stride 8, then one token for 2 × 2 cells.

    Parameters, with C channels at stride 8: 45/8 C² · 2 + 9 C² + 27/4 C + 4 C D and the norms and biases.
    """

    cells_per_token = 2

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.channels = channels
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, 2, 1)
            for before, after in (
                (3, channels // 4),
                (channels // 4, channels // 2),
                (channels // 2, channels),
            )
        )
        self.down_norms = nn.ModuleList([ChannelNorm(channels // 2), ChannelNorm(channels)])
        self.refine = nn.Conv2d(channels, channels, 3, 1, 1)
        self.norm = ChannelNorm(channels)
        self.merge = nn.Conv2d(channels, width, 2, 2)

    def cells(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, C, H / 8, W / 8)."""
        x = F.relu(self.down[0](image))
        for convolution, norm in zip(self.down[1:], self.down_norms, strict=True):
            x = F.relu(norm(convolution(x)))
        return self.norm(x + self.refine(x))

    def tokens(self, cells: Tensor) -> Tensor:
        """(B, C, h, w) → (B, h / 2 · w / 2, D), row by row."""
        return self.merge(cells).flatten(2).transpose(1, 2)


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each place alone, (B, C, H, W) → (B, C, H, W).

    A template and a search crop then stay comparable, whatever else they show.
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Correlation(nn.Module):
    """Add to each search cell what it has in common with each cell of the two templates.

    The similarity is the cosine; each similarity comes twice, weighted with the share of the template's cell
    that the target covers and with the rest, so that target and background can be told apart. Parameters: 4 M
    C + C for templates of M cells.
    """

    def __init__(self, channels: int, template_cells: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(4 * template_cells, channels, 1)
        self.sharpness = nn.Parameter(torch.tensor(4.0))

    def forward(self, search: Tensor, templates: Tensor, covered: Tensor) -> Tensor:
        """search (B, C, h, w), templates (B, 2, C, M), covered (B, 2, M) → (B, C, h, w)."""
        keys = F.normalize(templates.float(), dim=2)
        queries = F.normalize(search.flatten(2).float(), dim=1)
        similar = self.sharpness * torch.einsum("bkcm,bcn->bkmn", keys, queries)
        share = covered[..., None]
        both = torch.cat([similar * share, similar * (1 - share)], dim=2).flatten(1, 2)
        return search + self.mix(both.unflatten(2, search.shape[2:]).to(search.dtype))


def coverage(boxes: Tensor, grid: int) -> Tensor:
    """The share of each cell of a grid that a box covers: boxes (…, 4) in units of the crop → (…, grid ·
    grid).
    """
    edges = torch.arange(grid + 1, device=boxes.device, dtype=torch.float32) / grid
    along = [
        (
            torch.minimum(boxes[..., k + 2, None], edges[1:]) - torch.maximum(boxes[..., k, None], edges[:-1])
        ).clamp(min=0)
        for k in (0, 1)
    ]
    return (along[1][..., :, None] * along[0][..., None, :]).flatten(-2) * grid**2
