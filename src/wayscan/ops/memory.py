"""Memory for what kernels write."""

import math

import numpy as np
import torch
from torch import Tensor

MANY_FLOATS = 1 << 20  # from here on numpy asks for huge pages


def empty(shape: tuple[int, ...]) -> Tensor:
    """Like torch.empty, but numpy asks for huge pages: faulting small ones in can cost more than the scan."""
    count = math.prod(shape)
    return (
        torch.from_numpy(np.empty(count, np.float32)).view(shape)
        if count > MANY_FLOATS
        else torch.empty(shape)
    )
