"""Pairs from clips: two moments of a video as one training sample, cropped as a tracker would crop them.

Needs no torch.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wayscan.data.records import Clip
from wayscan.geometry.boxes import Boxes, crop_image, crop_region
from wayscan.world.sprites.pairs import LEAST_VISIBLE, PAST, corners, mirrored, strayed

IMAGES = ("first", "dynamic", "search")


@dataclass(frozen=True, kw_only=True)
class ClipPairSpec:
    """How a pair is cut from a clip."""

    template_size: int = 64
    search_size: int = 128
    template_factor: float = 2.0
    search_factor: float = 4.0
    gap: int = 200
    """Most frames between template and search."""
    centre_jitter: float = 3.0
    """The search crop's centre is off by up to half of it, in √(w · h)."""
    scale_jitter: float = 0.25
    """Standard deviation of the search crop's log scale."""
    grey_share: float = 0.05
    flip_share: float = 0.5


def usable_frames(clip: Clip) -> NDArray[np.intp]:
    """The frames that show enough of the target, in order."""
    known = np.isfinite(clip.boxes).all(axis=1) & (clip.boxes[:, 2:] >= 2).all(axis=1)
    return np.flatnonzero(known & ~clip.absent & (clip.visible >= LEAST_VISIBLE))


def pair_from_clip(rng: np.random.Generator, clip: Clip, spec: ClipPairSpec) -> dict[str, NDArray]:
    """A sample like those of the sprites: the first template is the earliest moment, the search the latest.

    The templates are not jittered; the search crop lies around a box that has strayed off the target, which
    is always there.
    """
    frames = usable_frames(clip)
    now = int(frames[rng.integers(1, len(frames))])
    earlier = frames[(frames < now) & (frames >= now - spec.gap)]
    if len(earlier) == 0:  # the gap before this frame is longer than allowed
        earlier = frames[frames < now][-1:]
    first, later = sorted(int(k) for k in rng.choice(earlier, 2))
    truth = clip.boxes[now]
    believed = _jittered(rng, truth, spec)
    region = crop_region(believed, spec.search_factor)
    views = [(k, crop_region(clip.boxes[k], spec.template_factor)) for k in (first, later)]
    sample: dict[str, NDArray] = {
        "first": crop_image(clip.frame(first), views[0][1], spec.template_size),
        "dynamic": crop_image(clip.frame(later), views[1][1], spec.template_size),
        "search": crop_image(clip.frame(now), region, spec.search_size),
        "template_boxes": np.stack([corners(clip.boxes[k], view) for k, view in views]),
        "past": np.clip(corners(_remembered(rng, clip, now, believed), region), -0.5, 1.5),
        "box": corners(truth, region),
        "present": np.array(1, dtype=np.float32),
        "visible": np.array(clip.visible[now], dtype=np.float32),
    }
    if rng.random() < spec.grey_share:
        sample |= {name: _grey(sample[name]) for name in IMAGES}
    return mirrored(sample) if rng.random() < spec.flip_share else sample


def _jittered(rng: np.random.Generator, box: Boxes, spec: ClipPairSpec) -> Boxes:
    side = float((box[2] * box[3]) ** 0.5)
    sizes = box[2:] * np.exp(np.clip(spec.scale_jitter * rng.normal(), -1, 1))
    centre = box[:2] + box[2:] / 2 + side * spec.centre_jitter * rng.uniform(-0.5, 0.5, 2)
    return np.concatenate([centre - sizes / 2, sizes])


def _remembered(rng: np.random.Generator, clip: Clip, now: int, believed: Boxes) -> Boxes:
    """The past boxes (7, 4) of a tracker that has strayed off the target to the box it believes."""
    frames = usable_frames(clip)
    last = frames[frames <= now][-PAST:]
    path = clip.boxes[np.concatenate([np.repeat(last[:1], PAST - len(last)), last])]
    return strayed(rng, path, believed)


def _grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
