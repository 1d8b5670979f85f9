"""From pictures as they are stored to what the network takes."""

from collections.abc import Mapping
from functools import lru_cache

import torch
from numpy.typing import NDArray
from torch import Tensor

IMAGES = ("first", "dynamic", "search")
MEAN = (0.485, 0.456, 0.406)  # of ImageNet, per channel, in [0, 1]
DEVIATION = (0.229, 0.224, 0.225)


def normalise(images: Tensor) -> Tensor:
    """uint8 (…, H, W, 3) → float32 (…, 3, H, W), channels last in memory."""
    # Whole rows at once: three channels alone are too short an inner loop.
    mean, deviation = (x.repeat(images.shape[-2]) for x in _statistics(images.device))
    rows = images.float().flatten(-2).sub_(mean).div_(deviation)
    return rows.unflatten(-1, (-1, 3)).movedim(-1, -3)


@lru_cache(maxsize=4)
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation (3,) of the channels, in grey levels."""
    with torch.inference_mode(False):
        return torch.tensor(MEAN, device=device) * 255, torch.tensor(DEVIATION, device=device) * 255


def to_tensors(batch: Mapping[str, NDArray], device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """A batch of the sprite world as tensors on a device; pictures stay uint8."""
    return {name: torch.from_numpy(array).to(device) for name, array in batch.items()}


def prepare(
    batch: Mapping[str, Tensor], light: float = 0.0, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Normalise the pictures of a batch.

    Args:
        light: share by which brightness and contrast of a sample may change, the same way in its three
            pictures.
    """
    prepared = dict(batch)
    for name in IMAGES:
        prepared[name] = normalise(batch[name])
    if light:
        count, device = len(batch["search"]), batch["search"].device
        draws = torch.rand(2, count, 1, 1, 1, device=device, generator=generator) * 2 - 1
        gain, shift = 1 + light * draws[0], 2 * light * draws[1]
        for name in IMAGES:
            prepared[name] = prepared[name] * gain + shift
    return prepared
