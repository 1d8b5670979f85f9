"""Procedural textures: pictures (H, W, 3) RGB uint8 with the statistics of natural ones, from a random
generator.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def dead_leaves(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Discs and boxes that occlude each other, radii by a power law, as in natural scenes."""
    palette = _palette(rng, 24)
    picture = np.full((height, width, 3), palette[0], dtype=np.uint8)
    smallest, largest = 2.0, 0.3 * height
    count = int(rng.integers(400, 1400))
    radii = smallest / np.sqrt(1 - rng.random(count) * (1 - (smallest / largest) ** 2))
    centres = rng.random((count, 2)) * (width, height)
    angles = rng.random(count) * 180
    stretch = np.exp(rng.normal(0, 0.5, count))
    colours = np.clip(palette[rng.integers(len(palette), size=count)] + rng.normal(0, 14, (count, 3)), 0, 255)
    boxy = rng.random()
    for k in np.argsort(-radii if rng.random() < 0.5 else rng.random(count)):
        centre = (float(centres[k, 0]), float(centres[k, 1]))
        size = (float(2 * radii[k]), float(2 * radii[k] * stretch[k]))
        colour = tuple(float(c) for c in colours[k])
        rotated = (centre, size, float(angles[k]))
        if rng.random() < boxy:
            cv2.fillPoly(picture, [cv2.boxPoints(rotated).astype(np.int32)], colour)
        else:
            cv2.ellipse(picture, rotated, colour, -1)
    return _soften(rng, picture)


def pink_noise(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Noise whose amplitude falls as 1/f^a, coloured by correlated channels: clouds, walls, foliage."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = 1.0
    falloff = frequency ** -rng.uniform(0.8, 1.8)
    falloff[0, 0] = 0.0
    spectra = np.fft.rfft2(rng.normal(size=(3, height, width))) * falloff
    planes = np.fft.irfft2(spectra, s=(height, width))
    planes /= planes.std(axis=(1, 2), keepdims=True)
    mixing = rng.normal(0, 0.4, (3, 3)) + rng.choice([-1.0, 1.0]) * np.array(
        [[1, 0, 0], [1, 0, 0], [1, 0, 0]]
    )
    mixed = np.tensordot(mixing, planes, axes=1) * rng.uniform(20, 50) + rng.uniform(60, 190, (3, 1, 1))
    return np.clip(mixed, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


def stripes(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Bars, checks or waves over a slow gradient: fences, facades, clothes."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(6), np.log(60)))
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    wave = np.sin(2 * np.pi * along / period + rng.uniform(0, 3) * np.sin(2 * np.pi * across / (4 * period)))
    if rng.random() < 0.4:
        wave = wave * np.sin(2 * np.pi * across / (period * rng.uniform(0.6, 1.6)))
    share = (np.tanh(wave * np.exp(rng.uniform(0, 2))) + 1)[..., None] / 2
    first, second = _palette(rng, 2).astype(np.float32)
    grain = pink_noise(rng, height, width).astype(np.float32) - 128
    return np.clip(first * share + second * (1 - share) + 0.3 * grain, 0, 255).astype(np.uint8)


def letters(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Rows of letters and digits on a plain or noisy ground: signs, shirts, pages."""
    ground, ink = _palette(rng, 2)
    picture = np.clip(
        ground + 0.2 * (pink_noise(rng, height, width).astype(np.float32) - 128), 0, 255
    ).astype(np.uint8)
    scale, y = rng.uniform(0.5, 2.5), 0.0
    alphabet = list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghkmnpqrstuvwxyz0123456789&?!")
    while y < height + 30:
        y += 26 * scale
        text = "".join(rng.choice(alphabet, size=int(width / (14 * scale)) + 4))
        font = int(rng.integers(0, 8))
        colour = tuple(float(c) for c in ink)
        origin = (int(rng.integers(-30, 10)), int(y))
        cv2.putText(
            picture, text, origin, font, scale, colour, int(1 + 2 * scale * rng.random()), cv2.LINE_AA
        )
    return picture


def leaves_on_noise(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Dead leaves lit by slow noise, so that no patch is flat."""
    light = cv2.GaussianBlur(pink_noise(rng, height, width), (0, 0), 2).astype(np.float32) / 128
    return np.clip(dead_leaves(rng, height, width) * (0.4 + 0.6 * light), 0, 255).astype(np.uint8)


# A family and its share of the textures.
FAMILIES: tuple[tuple[Callable[[np.random.Generator, int, int], Picture], float], ...] = (
    (dead_leaves, 0.3),
    (leaves_on_noise, 0.3),
    (pink_noise, 0.2),
    (stripes, 0.12),
    (letters, 0.08),
)


def texture(rng: np.random.Generator, height: int, width: int) -> Picture:
    """One texture of a family drawn by its share."""
    shares = [share for _, share in FAMILIES]
    return FAMILIES[int(rng.choice(len(FAMILIES), p=shares))][0](rng, height, width)


def _palette(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Colours (count, 3) that share a tint, muted as most things outdoors are."""
    tint = rng.uniform(60, 190, 3)
    grey = rng.normal(0, 45, (count, 1))
    return np.clip(tint + grey + rng.normal(0, 30, (count, 3)) * rng.random(), 5, 250)


def _soften(rng: np.random.Generator, picture: Picture) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.2)), dtype=np.uint8)
