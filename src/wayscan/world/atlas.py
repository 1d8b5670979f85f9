"""The atlas: small grey tiles that colours are modulated with, made from a fixed seed, with mipmaps.

A tile repeats without a seam. 128 is neutral and the mean of every tile: a texture keeps its colour's mean.
"""

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from wayscan.world.scene import Texture

SIZE = 128  # texels of a tile's side
LEVELS = 8  # 128, 64, … 1
SEED = 7

Tile = NDArray[np.floating]  # (SIZE, SIZE)


@cache
def atlas() -> NDArray[np.uint8]:
    """(tiles, texels): one row a tile of `Texture`, its levels one after another, each row by row."""
    rows = []
    for texture in Texture:
        if texture != Texture.PLAIN:
            tile = TILES[texture](np.random.default_rng((SEED, int(texture))))
            rows.append(np.concatenate([level.ravel() for level in _levels(tile)]))
    return np.stack(rows)


def _levels(tile: Tile) -> list[NDArray[np.uint8]]:
    """The tile around 128 and its halvings."""
    tile = tile - tile.mean()
    level, levels = (tile * (100 / max(float(np.abs(tile).max()), 1e-6))).astype(np.float32), []
    for _ in range(LEVELS):
        levels.append((level + 128).round().clip(0, 255).astype(np.uint8))
        half = len(level) // 2
        level = level.reshape(half, 2, half, 2).mean(axis=(1, 3)) if half else level
    return levels


def _noise(rng: np.random.Generator, falloff: float, stretch: float = 1.0) -> Tile:
    """Noise whose amplitude falls as 1/f^falloff, clipped at 2.5 σ; stretched along the columns."""
    y, x = np.fft.fftfreq(SIZE)[:, None] * stretch, np.fft.rfftfreq(SIZE)[None, :]
    frequency = np.hypot(y, x)
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.normal(size=(SIZE, SIZE))) * frequency**-falloff
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(SIZE, SIZE))
    return np.clip(noise / noise.std(), -2.5, 2.5).astype(np.float32)


def _leaves(rng: np.random.Generator) -> Tile:
    """Dead leaves: ellipses that cover each other, drawn across the tile's borders."""
    tile = np.zeros((SIZE, SIZE), dtype=np.float32)
    for radius in np.sort(4 / np.sqrt(1 - rng.random(700) * 0.93))[::-1]:
        x, y = rng.uniform(0, SIZE, 2)
        size, angle = (float(2 * radius), float(radius)), float(rng.uniform(0, 180))
        shade = float(rng.normal() - 0.8 * (radius > 8))
        for dx in (-SIZE, 0, SIZE):
            for dy in (-SIZE, 0, SIZE):
                cv2.ellipse(tile, ((x + dx, y + dy), size, angle), shade, -1)
    return np.clip(tile, -2, 2)


def _fine(rng: np.random.Generator) -> Tile:
    return _noise(rng, 0.35) + 0.5 * _noise(rng, 1.2)


def _stripes(rng: np.random.Generator) -> Tile:
    """Upright bars of two widths."""
    phase = np.arange(SIZE) / SIZE * 4 % 1
    bars = np.where(phase < 0.5, 1.0, -1.0) + np.where(np.abs(phase - 0.75) < 0.06, 1.4, 0)
    return np.broadcast_to(bars, (SIZE, SIZE)).astype(np.float32) + 0.1 * _noise(rng, 0.5)


def _checks(rng: np.random.Generator) -> Tile:
    k = np.arange(SIZE) * 4 // SIZE
    return np.where((k[:, None] + k[None, :]) % 2 == 0, 1, -1).astype(np.float32) + 0.08 * _noise(rng, 1.0)


def _bricks(rng: np.random.Generator) -> Tile:
    """Eight courses of four bricks, half a brick aside in turn, with light mortar."""
    tile = np.zeros((SIZE, SIZE), dtype=np.float32)
    course, length, joint = SIZE // 8, SIZE // 4, 2
    for row in range(8):
        for brick in range(4):
            left, top = brick * length + (row % 2) * length // 2, row * course
            columns = np.arange(left, left + length - joint) % SIZE
            tile[top : top + course - joint, columns] = -1.2 + 0.45 * rng.normal()
    return np.where(tile == 0, 1.0, tile).astype(np.float32) + 0.15 * _noise(rng, 0.5)


def _bark(rng: np.random.Generator) -> Tile:
    """Noise drawn out upwards, with dark furrows."""
    ridges = _noise(rng, 1.1, stretch=5.0)
    return -np.abs(ridges) + 0.3 * _noise(rng, 0.6)


def _letters(rng: np.random.Generator) -> Tile:
    """Three rows of three capitals."""
    ink = np.zeros((SIZE, SIZE), dtype=np.uint8)
    cell = SIZE // 3
    for row in range(3):
        for column in range(3):
            letter = "ABCDEFGHKLMNPRSTUVXYZ"[int(rng.integers(21))]
            (w, h), _ = cv2.getTextSize(letter, cv2.FONT_HERSHEY_DUPLEX, 1.3, 3)
            x, y = column * cell + (cell - w) // 2 + 1, row * cell + (cell + h) // 2
            cv2.putText(ink, letter, (x, y), cv2.FONT_HERSHEY_DUPLEX, 1.3, 255, 3, cv2.LINE_AA)
    return ink.astype(np.float32) / -255


def _grass(rng: np.random.Generator) -> Tile:
    """Patches and short upright blades."""
    return 0.8 * _noise(rng, 1.0) + 0.6 * _noise(rng, 0.3, stretch=2.5)


def _windows(rng: np.random.Generator) -> Tile:
    """Two by two windows with light frames in a wall."""
    tile = np.full((SIZE, SIZE), 0.5, dtype=np.float32) + 0.05 * _noise(rng, 0.8)
    cell = SIZE // 2
    for top in (0, cell):
        for left in (0, cell):
            y, x = top + 12, left + 16
            tile[y - 3 : y + 39, x - 3 : x + 35] = 1.2
            tile[y : y + 36, x : x + 32] = np.linspace(-2.2, -1.4, 36)[:, None] + 0.25 * rng.normal()
            tile[y : y + 36, x + 15 : x + 17] = tile[y + 17 : y + 19, x : x + 32] = 1.0
    return tile


TILES: dict[Texture, Callable[[np.random.Generator], Tile]] = {
    Texture.LEAVES: _leaves,
    Texture.NOISE: lambda rng: _noise(rng, 1.2),
    Texture.FINE: _fine,
    Texture.STRIPES: _stripes,
    Texture.CHECKS: _checks,
    Texture.BRICKS: _bricks,
    Texture.BARK: _bark,
    Texture.LETTERS: _letters,
    Texture.GRASS: _grass,
    Texture.WINDOWS: _windows,
}
