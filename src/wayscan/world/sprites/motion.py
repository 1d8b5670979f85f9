"""How things and cameras move over the K frames of a clip: smooth paths, perspective, shake, leaving and
coming back.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayscan.world.sprites.compose import Matrix, place

Series = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Path:
    """An actor's state in each frame, on the ground that the camera looks at (pixels of a camera at rest)."""

    centres: Series  # (K, 2)
    scales: Series  # (K,) relative to its size in the first frame
    aspects: Series  # (K,) relative, 1 at rest
    angles: Series  # (K,) radians

    def away(self, offsets: Series) -> "Path":
        """The same path moved by offsets (K, 2)."""
        return Path(self.centres + offsets, self.scales, self.aspects, self.angles)


def wander(rng: np.random.Generator, frames: int, quickest: float = 25.0) -> Series:
    """A smooth series (K,) around 0 of about unit deviation; its shortest period is `quickest` frames."""
    time = np.arange(frames)[:, None]
    periods = quickest * np.exp(rng.uniform(0, 2.2, 4))
    weights = periods / np.linalg.norm(periods)
    return np.sqrt(2) * (weights * np.sin(2 * np.pi * time / periods + rng.uniform(0, 2 * np.pi, 4))).sum(
        axis=1
    )


def shake(rng: np.random.Generator, frames: int, strength: float) -> Series:
    """A hand's tremor (K, 2): each frame keeps part of the last one's error."""
    series = np.zeros((frames, 2))
    for k in range(1, frames):
        series[k] = 0.6 * series[k - 1] + rng.normal(0, strength, 2)
    return series


def draw_path(
    rng: np.random.Generator, frames: int, frame: tuple[float, float], start: Series, side: float
) -> Path:
    """A path from `start` for a thing of `side` pixels: it drifts, turns, comes closer or goes."""
    speed = side * np.exp(rng.normal(-3.0, 0.7))  # pixels a frame
    heading = rng.uniform(0, 2 * np.pi)
    straight = np.arange(frames)[:, None] * speed * np.array([np.cos(heading), 0.5 * np.sin(heading)])
    sway = (
        side
        * np.exp(rng.normal(-0.7, 0.7))
        * np.stack([wander(rng, frames), 0.6 * wander(rng, frames)], axis=1)
    )
    centres = bounced(start + straight + sway - sway[0], np.array(frame))
    closer = rng.normal(0, 0.22) * wander(rng, frames, 40)
    closer -= closer[0]
    # What comes closer also moves away from the vanishing point.
    vanishing = np.array(frame) * (rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.5))
    centres = vanishing + (centres - vanishing) * np.exp(0.5 * closer)[:, None]
    aspects = np.exp(rng.uniform(0, 0.12) * wander(rng, frames))
    angles = rng.uniform(0, 0.15) * wander(rng, frames)
    if rng.random() < 0.1:
        angles = angles + np.arange(frames) * rng.normal(0, 0.02)
    return Path(centres, np.exp(closer), aspects, angles - angles[0])


def bounced(centres: Series, frame: NDArray[np.float64]) -> Series:
    """Positions (K, 2) reflected into the middle nine tenths of the frame."""
    low, room = 0.05 * frame, 0.9 * frame
    phase = np.mod(centres - low, 2 * room)
    return low + np.where(phase < room, phase, 2 * room - phase)


def excursion(rng: np.random.Generator, path: Path, frame: tuple[float, float], side: float) -> Series:
    """Offsets (K, 2) that take a path out of the frame and, most of the time, back in."""
    frames = len(path.centres)
    leaves = int(rng.integers(frames // 4, max(3 * frames // 4, frames // 4 + 1)))
    ramp, hold = int(rng.integers(8, 22)), int(rng.integers(4, 24))
    x, y = path.centres[min(leaves + ramp, frames - 1)]
    distance = 0.8 * side * float(path.scales.max())
    exits = (
        (-x - distance, 0.0),
        (frame[0] - x + distance, 0.0),
        (0.0, -y - distance),
        (0.0, frame[1] - y + distance),
    )
    exit_to = np.array(exits[int(rng.integers(4))])
    time = np.arange(frames)
    gone = np.clip((time - leaves) / ramp, 0, 1)
    if rng.random() < 0.85:
        gone = np.minimum(gone, np.clip((leaves + 2 * ramp + hold - time) / ramp, 0, 1))
    return (gone * gone * (3 - 2 * gone))[:, None] * exit_to


def draw_camera(
    rng: np.random.Generator, frames: int, frame: tuple[float, float], followed: Series, *, restless: float
) -> list[Matrix]:
    """Matrices from the ground to the frame: pan, zoom, roll, shake; it may follow a path (K, 2)."""
    middle = np.array(frame) / 2
    follows = rng.uniform(0, 0.9) if rng.random() < 0.6 else 0.0
    lag = int(rng.integers(1, 12))
    smooth = np.stack(
        [
            np.convolve(np.pad(axis, (lag, 0), mode="edge"), np.full(lag + 1, 1 / (lag + 1)), "valid")
            for axis in followed.T
        ],
        axis=1,
    )
    pan = restless * 0.06 * max(frame) * np.stack([wander(rng, frames), 0.5 * wander(rng, frames)], axis=1)
    tremor = (
        shake(rng, frames, float(np.exp(rng.uniform(np.log(0.1), np.log(2.0)))))
        if rng.random() < 0.5
        else 0.0
    )
    looks_at = middle + follows * (smooth - smooth[0]) + pan - pan[0] + tremor
    zooms = np.exp(restless * rng.uniform(0, 0.08) * wander(rng, frames, 40))
    rolls = restless * rng.uniform(0, 0.03) * wander(rng, frames, 40)
    return [
        place(
            (float(x), float(y)), (float(middle[0]), float(middle[1])), scale=float(zoom), angle=float(roll)
        )
        for (x, y), zoom, roll in zip(looks_at, zooms, rolls, strict=True)
    ]


def through(camera: Matrix, matrix: Matrix) -> Matrix:
    """First `matrix`, then the camera."""
    linear = camera[:, :2] @ matrix[:, :2]
    return np.column_stack([linear, camera[:, :2] @ matrix[:, 2] + camera[:, 2]])
