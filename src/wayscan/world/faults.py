"""What goes wrong with images on a robot: noise, holes, lost frames, delay, blur. All off by default.

faults = ImageFaults(Faults(noise=0.01, holes=2), count=4, far=20.0)
faults.reset(k, rng)                 # a new episode of stream k
images = faults.apply(images)        # (W, H, W') or (W, H, W', C) float32; what was given is kept
"""

from dataclasses import dataclass, fields
from math import inf, isfinite

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Faults:
    """How much of each. They strike in the order light takes: blur, noise, holes, then delay and loss."""

    blur: float = 0.0  # pixels, standard deviation
    noise: float = 0.0  # of a depth d metres: standard deviation noise · d², as stereo has it
    grain: float = 0.0  # standard deviation everywhere, in the image's unit
    holes: float = 0.0  # patches a frame on average that read as nothing there
    hole_size: float = 0.2  # share of the image's side that a hole takes at most
    dropout: float = 0.0  # share of frames that are lost: the one before is shown again
    blackout: float = 0.0  # share of frames that read as nothing there
    latency: int = 0  # frames that pictures come late

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            most = 1 if each.name in ("dropout", "blackout", "hole_size") else inf
            if not (isfinite(value) and 0 <= value <= most):
                raise ValueError(
                    f"faults: {each.name} is {value!r}; expected a finite number from 0"
                    + ("" if most == inf else " to 1")
                )
        if self.latency != int(self.latency):
            raise ValueError(f"faults: latency is {self.latency!r}; expected a whole number of frames")

    @property
    def any(self) -> bool:
        """Whether anything goes wrong at all."""
        return any((self.blur, self.noise, self.grain, self.holes, self.dropout, self.blackout, self.latency))


class ImageFaults:
    """`count` streams of images, each with its own chance; `far` is the value of nothing there."""

    def __init__(self, faults: Faults, count: int, far: float) -> None:
        self.faults, self.far = faults, far
        self._rngs = [np.random.default_rng(k) for k in range(count)]
        self._late: list[list[Images]] = [[] for _ in range(count)]  # oldest first

    def reset(self, index: int, rng: np.random.Generator) -> None:
        """Stream `index` starts anew, with chances of its own drawn from rng."""
        self._rngs[index] = np.random.default_rng(rng.integers(2**63))
        self._late[index] = []

    def apply(self, images: Images, streams: NDArray[np.int64] | None = None) -> Images:
        """The next image of every stream (or of `streams`), spoiled: same shape, a new array."""
        if not self.faults.any:
            return images.copy()
        which = range(len(images)) if streams is None else streams.tolist()
        return np.stack([self._next(image, k) for image, k in zip(images, which, strict=True)])

    def _next(self, image: Images, index: int) -> Images:
        faults, late = self.faults, self._late[index]
        seen = self._spoiled(image, self._rngs[index])
        lost = self._rngs[index].random(2) < (faults.dropout, faults.blackout)
        if lost[1]:
            seen = np.full_like(seen, self.far)
        elif lost[0] and late:
            seen = late[-1]
        late.append(seen)
        del late[: -faults.latency - 1]
        return late[0]

    def _spoiled(self, image: Images, rng: np.random.Generator) -> Images:
        faults = self.faults
        if faults.blur:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), faults.blur), dtype=np.float32).reshape(
                image.shape
            )
        if faults.noise or faults.grain:
            strength = faults.grain + faults.noise * np.square(image)
            noisy = image + strength * rng.standard_normal(image.shape, dtype=np.float32)
            image = np.where(image < self.far, np.clip(noisy, 0, self.far), image)
        if faults.holes:
            image = image.copy()
            height, width = image.shape[:2]
            for _ in range(rng.poisson(faults.holes)):
                y, x = rng.random(2) * (height, width)
                half = rng.uniform(0.1, 0.5, 2) * faults.hole_size * (height, width)
                rows, columns = (
                    slice(max(int(c - h), 0), int(c + h) + 1) for c, h in zip((y, x), half, strict=True)
                )
                image[rows, columns] = self.far
        return np.asarray(image, dtype=np.float32)
