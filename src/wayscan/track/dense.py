"""The dense head: where the target's centre is, and a box at each place."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

TYPICAL = 0.12  # half a target's side in units of the search crop


class DenseHead(nn.Module):
    """Search tokens and the stem's finer cells → centre heat map and a box at each cell.

    Args:
        width: D. channels: C of the cells. ratio: cells along one side of a token. inner: channels inside.
    """

    def __init__(self, width: int, channels: int, ratio: int, inner: int) -> None:
        super().__init__()
        self.spread = nn.Sequential(nn.Conv2d(width, inner * ratio**2, 1), nn.PixelShuffle(ratio))
        self.fine = nn.Conv2d(channels, inner, 1)
        self.mix = nn.Sequential(
            nn.Conv2d(2 * inner, inner, 3, 1, 1), nn.GELU(), nn.Conv2d(inner, inner, 3, 1, 1)
        )
        self.heat = nn.Conv2d(inner, 1, 1)
        self.sides = nn.Conv2d(inner, 4, 1)
        nn.init.zeros_(self.sides.weight)
        # A centre is rare: the map starts without a flood of false ones.
        for layer, value in (
            (self.heat, -4.0),
            (self.sides, 0.0),
        ):
            nn.init.constant_(layer.get_parameter("bias"), value)

    def forward(self, tokens: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """tokens (B, N, D), cells (B, C, h, w) → heat (B, h, w), boxes (B, 4, h, w), what was found (B, inner
        + 1).

        What was found are the features where the heat is, and its peak.
        """
        grid = round(tokens.shape[1] ** 0.5)
        coarse = tokens.transpose(1, 2).unflatten(2, (grid, grid))
        x = F.gelu(self.mix(torch.cat([self.spread(coarse), self.fine(cells)], dim=1)))
        heat = self.heat(x).squeeze(1).float()
        sides = TYPICAL * self.sides(x).float().clamp(-6, 3).exp()
        share = heat.flatten(1).softmax(-1)
        features = torch.einsum("bn,bcn->bc", share, x.flatten(2).float())
        peak = heat.flatten(1).amax(-1, keepdim=True)
        return heat, self._boxes(sides), torch.cat([features, peak], dim=-1).to(x.dtype)

    @staticmethod
    def _boxes(sides: Tensor) -> Tensor:
        """Distances to left, top, right, bottom (B, 4, h, w) → corners."""
        centres = cell_centres(sides.shape[-2], sides.shape[-1], sides)
        return torch.cat([centres - sides[:, :2], centres + sides[:, 2:]], dim=1)


def cell_centres(height: int, width: int, like: Tensor) -> Tensor:
    """x and y of each cell's middle: (2, h, w)."""
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) / height
    return torch.stack([x.expand(height, -1), y[:, None].expand(-1, width)])


def best_box(heat: Tensor, boxes: Tensor) -> Tensor:
    """The box (B, 4) at the peak of heat (B, h, w) among boxes (B, 4, h, w)."""
    place = heat.flatten(1).argmax(-1)
    return boxes.flatten(2).gather(2, place[:, None, None].expand(-1, 4, 1)).squeeze(2)
