"""What cameras, exposure and compression do to a picture."""

from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from wayscan.world.sprites.compose import line_kernel
from wayscan.world.sprites.motion import wander

GREY_SHARE = 0.08
NOISE_SIDE = 512


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Damage to one picture; the defaults do nothing. Lengths are the camera's pixels."""

    motion: tuple[float, float] = (0.0, 0.0)  # camera shake during exposure
    defocus: float = 0.0  # standard deviation of the lens blur
    shrink: float = 1.0  # drawn this much smaller, then enlarged again
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)  # light and colour of the light
    gamma: float = 1.0
    lift: float = 0.0  # added to every pixel, in grey levels
    slope: tuple[float, float] = (0.0, 0.0)  # light that falls off over (x, y), relative
    noise: float = 0.0  # standard deviation in grey levels
    noise_start: tuple[int, int] = (0, 0)
    jpeg: int | None = None  # quality
    grey: bool = False


def draw_damage(rng: np.random.Generator) -> Damage:
    """What the frames of one video share: its lens, sensor, compression and light."""
    chance = rng.random(5)
    light = rng.normal(0, (0.05, 0.05, 0.05, 0.1, 0.15))
    red, green, blue = np.exp(light[:3] + light[3]).tolist()
    return Damage(
        defocus=float(rng.uniform(0.3, 1.1)) if chance[0] < 0.4 else 0.0,
        shrink=float(rng.uniform(1.2, 2.2)) if chance[1] < 0.12 else 1.0,
        gain=(red, green, blue),
        gamma=float(np.exp(light[4])),
        noise=min(float(rng.exponential(4.0)), 14.0) if chance[2] < 0.4 else 0.0,
        jpeg=int(rng.integers(25, 92)) if chance[3] < 0.4 else None,
        grey=bool(chance[4] < GREY_SHARE),
    )


def vary_damage(damage: Damage, rng: np.random.Generator, strength: float = 1.0) -> Damage:
    """The same camera at another moment: exposure drifts, noise is new, some frames shake."""
    chance = rng.random(5)
    deviations = np.array([0.025, 0.025, 0.025, 0.1, 0.06, 4.0])
    drift = strength * rng.normal(0, deviations)
    if chance[0] < 0.07 * strength:
        drift[3] += rng.normal(0, 0.3)
    gain = np.minimum(damage.gain * np.exp(drift[:3] + drift[3]), 1.8).tolist()
    angle = np.pi * chance[4]
    length = min(rng.gamma(2.0, 1.8), 10.0) if chance[1] < 0.15 * strength else 0.0
    slope = rng.normal(0, 0.25, 2).tolist() if chance[2] < 0.12 * strength else (0.0, 0.0)
    start = rng.integers(0, NOISE_SIDE, 2).tolist() if damage.noise > 0 else (0, 0)
    return replace(
        damage,
        gain=tuple(gain),
        gamma=damage.gamma * float(np.exp(drift[4])),
        lift=float(drift[5]),
        motion=(length * float(np.cos(angle)), length * float(np.sin(angle))),
        slope=tuple(slope),
        noise_start=tuple(start),
    )


def draw_damages(rng: np.random.Generator, places: NDArray[np.float64]) -> list[Damage]:
    """Damage in each frame of a video whose picture shifts to `places` (K, 2), in pixels: light that wanders
    and may jump, blur where the camera moves.
    """
    frames = len(places)
    camera = draw_damage(rng)
    light = rng.uniform(0, 0.12) * wander(rng, frames)
    if rng.random() < 0.15:
        light[int(rng.integers(1, frames)) :] += rng.normal(0, 0.25)
    starts = rng.integers(0, NOISE_SIDE, (frames, 2)).tolist()
    shutter = rng.uniform(0, 0.7)
    damages = []
    for k in range(frames):
        moved = shutter * (places[k] - places[max(k - 1, 0)])
        gain = np.minimum(np.array(camera.gain) * np.exp(light[k]), 1.8).tolist()
        motion = np.clip(moved, -12, 12).tolist()
        damages.append(replace(camera, gain=tuple(gain), motion=tuple(motion), noise_start=tuple(starts[k])))
    return damages


def apply_damage(picture: NDArray[np.uint8], damage: Damage) -> NDArray[np.uint8]:
    """Damage a picture (H, W, 3) in the order a camera does: optics, light, sensor, compression."""
    image: cv2.typing.MatLike = picture
    height, width = image.shape[:2]
    if max(abs(damage.motion[0]), abs(damage.motion[1])) > 1:
        image = cv2.filter2D(image, -1, line_kernel(*damage.motion), borderType=cv2.BORDER_REFLECT_101)
    if damage.defocus > 0:
        side = 3 if damage.defocus < 0.7 else 5
        image = cv2.GaussianBlur(image, (side, side), damage.defocus)
    if damage.shrink > 1:
        small = (max(round(width / damage.shrink), 8), max(round(height / damage.shrink), 8))
        image = cv2.resize(cv2.resize(image, small, interpolation=cv2.INTER_AREA), (width, height))
    image = cv2.LUT(image, _tone_curve(damage))
    if damage.slope != (0.0, 0.0):
        image = _shade(image, damage.slope)
    if damage.grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if damage.noise > 0:
        image = _add_noise(image, damage)
    return np.asarray(image if damage.jpeg is None else _compressed(image, damage.jpeg), dtype=np.uint8)


def _compressed(image: cv2.typing.MatLike, quality: int) -> cv2.typing.MatLike:
    _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert unpacked is not None
    return unpacked


@lru_cache(maxsize=1)
def _noise_bank() -> NDArray[np.float32]:
    """Normal noise that pictures take windows of: drawing it anew would cost more than the rest."""
    bank = np.random.default_rng(7).normal(size=(2 * NOISE_SIDE, 2 * NOISE_SIDE, 3))
    return bank.astype(np.float32)


def _add_noise(image: cv2.typing.MatLike, damage: Damage) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    bank, (y, x) = _noise_bank(), damage.noise_start
    if y + height > bank.shape[0] or x + width > bank.shape[1]:
        bank = np.tile(bank, (-(-(y + height) // bank.shape[0]), -(-(x + width) // bank.shape[1]), 1))
    window = bank[y : y + height, x : x + width]
    return np.asarray(
        cv2.scaleAdd(window, damage.noise, image.astype(np.float32)).clip(0, 255), dtype=np.uint8
    )


def _tone_curve(damage: Damage) -> NDArray[np.uint8]:
    """A table (1, 256, 3) that applies gamma, gain and lift."""
    grey = (np.arange(256, dtype=np.float32) / 255) ** np.float32(damage.gamma) * 255
    curve = grey[:, None] * np.array(damage.gain, dtype=np.float32) + np.float32(damage.lift)
    return np.clip(curve, 0, 255).astype(np.uint8)[None]


def _shade(image: cv2.typing.MatLike, slope: tuple[float, float]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32) * slope[0]
    y = np.linspace(-1, 1, height, dtype=np.float32) * slope[1]
    light = np.clip(128 * (1 + np.add.outer(y, x)), 16, 255).astype(np.uint8)
    return np.asarray(
        cv2.multiply(image, cv2.cvtColor(light, cv2.COLOR_GRAY2RGB), scale=1 / 128), dtype=np.uint8
    )
