"""Training samples for a tracker that looks at crops: two templates, a search crop, the past boxes and the
truth.

A sample shows one target at three moments. Only the three crops are drawn, each at the resolution that an
imagined
video frame would have given it, damaged there, and then resized: small targets come out as soft as in real
video.
Letters: B samples, S template size, X search size.
"""

from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from wayscan.geometry.boxes import (
    Boxes,
    CropRegion,
    clip_to_image,
    crop_region,
    cxcywh_to_xywh,
    to_crop,
    xywh_to_cxcywh,
    xywh_to_xyxy,
)
from wayscan.world.sprites.compose import Picture, Stage, View, blacken_outside, compose
from wayscan.world.sprites.damage import Damage, apply_damage, draw_damage, vary_damage
from wayscan.world.sprites.library import Library, Sources, library_for
from wayscan.world.sprites.moments import covered, draw_stages, occluded, without_target

PAIR_VERSION = 2  # of what samples look like
PAST = 7
LEAST_VISIBLE = 0.15  # a target that shows less counts as absent
Absence = Literal["removed", "covered", "elsewhere"]


@dataclass(frozen=True, kw_only=True)
class PairSpec:
    """What a sample looks like. The defaults are frozen with the generator's version."""

    template_size: int = 64
    search_size: int = 128
    template_factor: float = 2.0
    search_factor: float = 4.0
    scale_jitter: float = 0.35  # standard deviation of the search crop's log scale
    aspect_jitter: float = 0.12  # of the target's log aspect, at each moment
    absent_share: float = 0.12
    occluded_share: float = 0.2
    wrong_share: float = 0.2  # search crops around a deliberately wrong box
    sources: Sources = field(default_factory=Sources)

    def __post_init__(self) -> None:
        if min(self.template_size, self.search_size) < 16:
            raise ValueError(
                f"template_size, search_size are {(self.template_size, self.search_size)}; expected >= 16"
            )
        for name in ("absent_share", "occluded_share", "wrong_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a probability in [0, 1]")


def training_batch(
    seed: int, start: int, count: int, spec: PairSpec | None = None, library: Library | None = None
) -> dict[str, NDArray]:
    """Samples start … start + count - 1 of a seed; each depends on (seed, index) alone, however batches are
    cut.

    Without `library`, the one of `spec.sources` is built once a process (or read from its cache file). A
    worker process should call `cv2.setNumThreads(0)` first: OpenCV's own threads only get in each other's
    way.

    Returns arrays by name:
        first, dynamic: (B, S, S, 3) uint8 templates. search: (B, X, X, 3) uint8.
        template_boxes: (B, 2, 4) the target in the two templates.
        past: (B, 7, 4) boxes of the last frames, oldest first, as a tracker would remember them, within
        [-0.5, 1.5].
        box: (B, 4) the truth in the search crop. present: (B,) 1 where there is something to find; where it
        is 0,
        `box` is not to be learnt. visible: (B,) share of the target that the search crop shows.
        Boxes are x1, y1, x2, y2 in units of their crop: (0, 0, 1, 1) is the whole crop. All but images are
        float32.
    """
    spec = spec or PairSpec()
    if count < 1 or start < 0 or seed < 0:
        raise ValueError(
            f"seed, start, count are {(seed, start, count)}; expected seed, start >= 0 and count >= 1"
        )
    library = library or library_for(spec.sources)
    samples = [training_sample(seed, index, spec, library) for index in range(start, start + count)]
    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def training_sample(seed: int, index: int, spec: PairSpec, library: Library) -> dict[str, NDArray]:
    """One sample: the arrays of `training_batch` without their first axis."""
    rng = np.random.default_rng((seed, index))
    first, later, now = draw_stages(rng, library, spec.aspect_jitter)
    absence = _draw_absence(rng, spec, removable=now.target.layer is not None)
    past, believed = _remember(rng, now, spec, elsewhere=absence == "elsewhere")
    if absence == "removed":
        now = without_target(rng, library, now)
    elif absence == "covered":
        now = covered(rng, library, now)
    elif rng.random() < spec.occluded_share:
        now = occluded(rng, library, now)

    first_region = crop_region(_moved(first.target.box, *rng.normal(0, 0.03, 4)), spec.template_factor)
    astray = 4.0 if rng.random() < 0.06 else 1.0
    later_region = crop_region(
        _moved(later.target.box, *(astray * rng.normal(0, 0.07, 4))), spec.template_factor
    )
    region = crop_region(believed, spec.search_factor)

    camera = draw_damage(rng)
    first_picture = shoot(first, first_region, spec.template_size, vary_damage(camera, rng, 0.5))
    later_picture = shoot(later, later_region, spec.template_size, vary_damage(camera, rng))
    picture = shoot(now, region, spec.search_size, vary_damage(camera, rng))

    truth = clip_to_image(now.target.box, *now.frame)
    present = absence is None and picture.visible >= LEAST_VISIBLE and min(truth[2:]) >= 2
    sample = {
        "first": first_picture.image,
        "dynamic": later_picture.image,
        "search": picture.image,
        "template_boxes": np.stack(
            [corners(first.target.box, first_region), corners(later.target.box, later_region)]
        ),
        "past": np.clip(corners(past, region), -0.5, 1.5),
        "box": corners(truth, region),
        "present": np.array(present, dtype=np.float32),
        "visible": np.array(picture.visible, dtype=np.float32),
    }
    return _repainted(rng, mirrored(sample) if rng.random() < 0.5 else sample)


def shoot(stage: Stage, region: CropRegion, size: int, damage: Damage) -> Picture:
    """The crop (size, size, 3) of a region, drawn no finer than the frame's own pixels."""
    native = int(np.clip(round(region.side), 16, size))
    view = View(region.left, region.top, native / region.side, native, native)
    drawn = compose(stage, view)
    image = apply_damage(drawn.image, damage)
    blacken_outside(image, stage.frame, view)
    if native != size:
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
    return Picture(np.asarray(image, dtype=np.uint8), drawn.visible)


def _draw_absence(rng: np.random.Generator, spec: PairSpec, *, removable: bool) -> Absence | None:
    if rng.random() >= spec.absent_share:
        return None
    ways: tuple[Absence, ...] = ("removed", "covered", "elsewhere") if removable else ("covered", "elsewhere")
    return ways[int(rng.integers(len(ways)))]


def _remember(
    rng: np.random.Generator, stage: Stage, spec: PairSpec, *, elsewhere: bool
) -> tuple[Boxes, Boxes]:
    """The past boxes (7, 4) that a tracker would hold, and the box (4,) it crops the search region around:
    its last one. Sometimes tracking has just begun, and the first box is repeated.
    """
    truth = np.maximum(stage.target.box, [-np.inf, -np.inf, 2.0, 2.0])
    side = float((truth[2] * truth[3]) ** 0.5)
    steps = np.arange(PAST, 0, -1)[:, None]  # frames ago, oldest first
    velocity = rng.normal(0, 1, 2) * side * np.exp(rng.normal(-3.0, 1.0))
    path = np.repeat(xywh_to_cxcywh(truth)[None], PAST, axis=0)
    path[:, :2] -= velocity * steps
    path[:, 2:] *= np.exp(rng.normal(0, 0.012) * steps)

    if elsewhere:
        believed = _far_off(rng, stage, truth, spec)
    else:
        believed = _jittered(rng, cxcywh_to_xywh(path[-1]), spec)
    if rng.random() < 0.1:
        return np.repeat(believed[None], PAST, axis=0), believed
    noise = rng.normal(0, 0.02, (PAST - 1, 4)) * side
    return strayed(rng, cxcywh_to_xywh(path), believed, noise), believed


def strayed(
    rng: np.random.Generator, path: Boxes, believed: Boxes, noise: NDArray[np.float64] | float = 0.0
) -> Boxes:
    """The memory of a tracker that has strayed off its target's path (T, 4) to the box that it believes.

    Half the time it was as far off all along, in place, in size or in both: whoever could read the truth off
    its oldest boxes would learn to copy them, and so would keep its own mistakes for ever. `noise` (T - 1, 4)
    is added to all but the last.
    """
    centres = xywh_to_cxcywh(path)
    slide = np.linspace(0, 1, len(path))[:, None] ** np.exp(rng.normal(0, 0.7))
    already = np.repeat(np.minimum(rng.uniform(0, 2, 2), 1), 2)  # place, size
    off = already + (1 - already) * slide
    remembered = centres + off * (xywh_to_cxcywh(believed) - centres[-1])
    remembered[:-1] += noise
    return cxcywh_to_xywh(np.maximum(remembered, [-np.inf, -np.inf, 2.0, 2.0]))


def _jittered(rng: np.random.Generator, box: Boxes, spec: PairSpec) -> Boxes:
    """A box whose search region still shows the truth's centre; some are deliberately wrong."""
    if rng.random() < spec.wrong_share:
        growth = rng.normal(0.15, 0.45, 2)  # too large more often than too small: that is how trackers fail
    else:
        growth = rng.normal(0, spec.scale_jitter) + rng.normal(0, 0.1, 2)
    sizes = np.maximum(box[2:] * np.exp(np.clip(growth, -1.1, 1.1)), 2.0)
    side = float((sizes[0] * sizes[1]) ** 0.5)
    near = rng.random() < 0.45
    reach = rng.normal(0, 0.2, 2) if near else rng.uniform(-0.5, 0.5, 2) * 0.75 * spec.search_factor
    centre = box[:2] + box[2:] / 2 + reach * side
    return np.concatenate([centre - sizes / 2, sizes])


def _far_off(rng: np.random.Generator, stage: Stage, truth: Boxes, spec: PairSpec) -> Boxes:
    """A box so far away, towards the frame's middle, that its search region misses the target."""
    middle, centre = np.array(stage.frame) / 2, truth[:2] + truth[2:] / 2
    sizes = truth[2:] * np.exp(rng.normal(0, spec.scale_jitter))
    heading = np.arctan2(*(middle - centre)[::-1]) + rng.normal(0, 0.5)
    region_side = spec.search_factor * float((sizes[0] * sizes[1]) ** 0.5)
    distance = 0.72 * region_side + 0.75 * float(max(truth[2:])) + 2
    away = centre + distance * np.array([np.cos(heading), np.sin(heading)])
    return np.concatenate([away - sizes / 2, sizes])


def _moved(box: Boxes, right: float, down: float, wider: float, taller: float) -> Boxes:
    """A box moved and grown by shares of its own size."""
    x, y, w, h = np.maximum(box, [-np.inf, -np.inf, 2.0, 2.0])
    grown = np.array([w * np.exp(wider), h * np.exp(taller)])
    centre = np.array([x + w / 2 + right * w, y + h / 2 + down * h])
    return np.concatenate([centre - grown / 2, grown])


def corners(boxes: Boxes, region: CropRegion) -> NDArray[np.float32]:
    """Boxes of the frame, (…, 4) x, y, w, h, as corners in units of a crop."""
    return xywh_to_xyxy(to_crop(boxes, region)).astype(np.float32)


def mirrored(sample: dict[str, NDArray]) -> dict[str, NDArray]:
    """The sample left-right reversed."""
    turned = dict(sample)
    for name in ("first", "dynamic", "search"):
        turned[name] = cv2.flip(sample[name], 1)
    for name in ("template_boxes", "past", "box"):
        boxes = sample[name].copy()
        boxes[..., [0, 2]] = 1 - boxes[..., [2, 0]]
        turned[name] = boxes
    return turned


def _repainted(rng: np.random.Generator, sample: dict[str, NDArray]) -> dict[str, NDArray]:
    """One sample in ten with its colour channels exchanged."""
    if rng.random() >= 0.1:
        return sample
    order = rng.permutation(3)
    images = {name: np.ascontiguousarray(sample[name][..., order]) for name in ("first", "dynamic", "search")}
    return {**sample, **images}
