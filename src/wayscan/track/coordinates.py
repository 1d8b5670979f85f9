"""Coordinates as words: each coordinate of a box is one of V bins that span [-0.5, 1.5] of the search crop.

One bin is 2 / V wide, everywhere. Boxes here are corners (x1, y1, x2, y2) in units of the crop.
"""

import torch
from torch import Tensor

from wayscan.track.config import COORDINATE_SPAN

LOW, HIGH = COORDINATE_SPAN


def bin_centres(bins: int, like: Tensor) -> Tensor:
    """The middle of each bin: (V,)."""
    width = (HIGH - LOW) / bins
    return LOW + width * (torch.arange(bins, device=like.device, dtype=torch.float32) + 0.5)


def to_bins(coordinates: Tensor, bins: int) -> Tensor:
    """The bin of each coordinate (…), int64; what lies outside falls into the first or last bin."""
    places = (coordinates.float() - LOW) * (bins / (HIGH - LOW))
    return places.floor().clamp(0, bins - 1).long()


def soft_labels(coordinates: Tensor, bins: int, spread: float) -> Tensor:
    """Distributions (…, V) around the coordinates (…), normal with a deviation of `spread` bins; one-hot for
    0.
    """
    if spread == 0:
        return torch.nn.functional.one_hot(to_bins(coordinates, bins), bins).float()
    centres = bin_centres(bins, coordinates)
    inside = coordinates.float().clamp(LOW, HIGH)[..., None]
    distances = (inside - centres) * (bins / (HIGH - LOW)) / spread
    return (-0.5 * distances.square()).softmax(-1)


def expected_values(logits: Tensor) -> Tensor:
    """The mean (…) of the distributions that logits (…, V) give."""
    return logits.float().softmax(-1) @ bin_centres(logits.shape[-1], logits)


def decode(logits: Tensor) -> Tensor:
    """Coordinates (…) from logits (…, V): the mean of the likeliest bin's middle and the expected value."""
    likeliest = bin_centres(logits.shape[-1], logits)[logits.argmax(-1)]
    return (likeliest + expected_values(logits)) / 2
