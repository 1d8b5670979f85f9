"""From pictures to tokens: plain patches or a convolutional stem, and what the search sees of the
templates.
"""

from typing import NamedTuple

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


class Matches(NamedTuple):
    """What the templates' cells are compared by: keys (B, C, 2M), and what each adds, values (B, 2M, C)."""

    keys: Tensor
    values: Tensor


class Correlation(nn.Module):
    """Add to each search cell what the templates' cells that look like it have to say.

    The similarity is the cosine times a learnt sharpness, and its softmax over the 2M cells of both templates
    weighs their values: a cell's features, whether the target covers it, and its place, which says on which
    side of the target the search cell may lie. The best similarity itself is added too, because a softmax
    hides whether anything fits at all. Parameters: C² + M C + 4 C + 1 for templates of M cells.
    """

    def __init__(self, channels: int, template_cells: int) -> None:
        super().__init__()
        self.value = nn.Linear(channels, channels)
        self.covered = nn.Parameter(torch.zeros(channels))
        self.dynamic = nn.Parameter(torch.zeros(channels))
        self.place = nn.Parameter(torch.zeros(template_cells, channels))
        self.best = nn.Parameter(torch.zeros(channels))
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        for parameter in (self.covered, self.dynamic, self.place, self.best):
            nn.init.trunc_normal_(parameter, std=0.1)

    def remember(self, templates: Tensor, covered: Tensor) -> Matches:
        """Templates (B, 2, M, C) and the share of each cell that is target, (B, 2, M)."""
        keys = self.sharpness * F.normalize(templates.float(), dim=-1)
        values = self.value(templates) + self.place * covered[..., None]
        values = values + covered[..., None] * self.covered
        kinds = torch.stack([torch.zeros_like(self.dynamic), self.dynamic])
        values = values + kinds[:, None]
        return Matches(keys.flatten(1, 2).transpose(1, 2), values.flatten(1, 2))

    def forward(self, search: Tensor, matches: Matches) -> Tensor:
        """search (B, C, h, w) → (B, C, h, w)."""
        cells = search.flatten(2).transpose(1, 2)
        similar = F.normalize(cells.float(), dim=-1) @ matches.keys
        found = similar.softmax(-1).to(matches.values.dtype) @ matches.values
        best = similar.amax(-1, keepdim=True) / self.sharpness
        added = found + best * self.best
        return search + added.to(search.dtype).transpose(1, 2).unflatten(2, search.shape[2:])


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
