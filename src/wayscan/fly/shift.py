"""Random shifts of images: what regularises TD3 from pixels most cheaply (Kostrikov 2020). Needs no torch."""

import numpy as np
from numpy.typing import NDArray


def randomly_shifted(frames: NDArray[np.uint8], most: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Frames (B, K, C, H, W), those of a window moved alike by up to `most` pixels; edges are repeated."""
    height, width = frames.shape[-2:]
    padded = np.pad(frames, ((0, 0),) * 3 + ((most, most),) * 2, mode="edge")
    shifted = np.empty_like(frames)
    for row, (down, right) in enumerate(rng.integers(0, 2 * most + 1, (len(frames), 2)).tolist()):
        shifted[row] = padded[row, ..., down : down + height, right : right + width]
    return shifted
