"""Sprites (things that move) and scenes (what they move over), cut out of pictures.

A sprite is premultiplied RGBA with soft edges and its outline; both kinds keep a pyramid of halved copies,
because
a cut-out is drawn at any size and must not flicker when it is small.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

SpriteKind = Literal["object", "shape", "texture", "slab"]
OUTLINE_POINTS = 48
LEVELS = 4


@dataclass(frozen=True, eq=False)
class Sprite:
    """A cut-out. `levels[0]` is premultiplied RGBA (h, w, 4); `outline` (n, 2) runs around it in pixels."""

    levels: tuple[NDArray[np.uint8], ...]
    outline: NDArray[np.float64]
    area: float  # pixels covered, at level 0
    kind: SpriteKind
    scene: int  # the scene it was cut from, -1 for none

    @cached_property
    def colour(self) -> NDArray[np.float64]:
        """Mean RGB of what is opaque."""
        coarse = self.levels[-1].reshape(-1, 4).astype(np.float64)
        return 255 * coarse[:, :3].sum(axis=0) / max(coarse[:, 3].sum(), 1.0)

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.levels[0].shape[:2]
        return width, height


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture to stand behind everything. `regions` are outlines (n, 2) of things seen in it."""

    levels: tuple[NDArray[np.uint8], ...]
    regions: tuple[NDArray[np.float64], ...]
    natural: bool  # a photograph, not a procedural texture

    @cached_property
    def colour(self) -> NDArray[np.float64]:
        """Mean RGB."""
        return self.levels[-1].mean(axis=(0, 1))

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.levels[0].shape[:2]
        return width, height


def pyramid(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """The picture and its halved copies, until one is smaller than 12 pixels."""
    levels = [np.ascontiguousarray(picture)]
    while len(levels) < LEVELS and min(levels[-1].shape[:2]) >= 24:
        height, width = levels[-1].shape[:2]
        half = ((width + 1) // 2, (height + 1) // 2)
        levels.append(np.asarray(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA), dtype=np.uint8))
    return tuple(levels)


def outline_of(mask: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Points (n, 2) around the largest blob of a mask, in continuous pixels; None when there is nothing."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    contour = max(contours, key=cv2.contourArea)
    if cv2.contourArea(contour) < 16:
        return None
    spread = np.linspace(0, len(contour) - 1, OUTLINE_POINTS).astype(int)
    corners = cv2.convexHull(contour, returnPoints=False)[:, 0]
    points = contour[np.union1d(spread, corners), 0].astype(np.float64) + 0.5
    # A contour runs through the centres of the outermost pixels: step half a pixel out.
    return points + 0.5 * np.sign(points - points.mean(axis=0))


def cut_out(
    picture: NDArray[np.uint8], mask: NDArray[np.uint8], *, kind: SpriteKind, scene: int, feather: float = 0.8
) -> Sprite | None:
    """The part of a picture (H, W, 3) under a mask (H, W) of 0 and 255, with feathered edges."""
    x, y, w, h = cv2.boundingRect(mask)
    if min(w, h) < 6:
        return None
    pad = 3
    alpha = cv2.copyMakeBorder(mask[y : y + h, x : x + w], pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    alpha = np.asarray(alpha, dtype=np.uint8)
    outline = outline_of(alpha)
    if outline is None:
        return None
    rows = np.clip(np.arange(y - pad, y + h + pad), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(x - pad, x + w + pad), 0, picture.shape[1] - 1)
    return soft_sprite(
        picture[np.ix_(rows, columns)], alpha, outline, kind=kind, scene=scene, feather=feather
    )


def soft_sprite(
    picture: NDArray[np.uint8],
    alpha: NDArray[np.uint8],
    outline: NDArray[np.float64],
    *,
    kind: SpriteKind,
    scene: int,
    feather: float,
) -> Sprite:
    """A sprite from a picture (h, w, 3), its hard mask (h, w) and its outline."""
    soft = cv2.GaussianBlur(alpha, (0, 0), feather).astype(np.float32) / 255
    premultiplied = np.empty((*alpha.shape, 4), dtype=np.uint8)
    premultiplied[..., :3] = picture * soft[..., None] + 0.5
    premultiplied[..., 3] = soft * 255 + 0.5
    return Sprite(pyramid(premultiplied), outline, float(soft.sum()), kind, scene)


def object_masks(labels: NDArray[np.uint8], rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    """Masks of segments, and of a few unions of neighbours, that look like objects."""
    masks = {int(label): np.where(labels == label, 255, 0).astype(np.uint8) for label in np.unique(labels)}
    small = {label: mask for label, mask in masks.items() if mask.mean() < 255 * 0.25}
    found = [mask for mask in small.values() if looks_like_object(mask)]
    names = list(small)
    for _ in range(min(2 * len(names), 12)):
        first, second = rng.choice(names, size=2)
        if first == second or not _touch(small[first], small[second]):
            continue
        union = small[first] | small[second]
        if looks_like_object(union) and not any(np.array_equal(union, mask) for mask in found):
            found.append(union)
    return found


def looks_like_object(mask: NDArray[np.uint8], *, least: float = 0.005, most: float = 0.25) -> bool:
    """Whether a mask has a reasonable area, is compact and hardly touches the border."""
    x, y, w, h = cv2.boundingRect(mask)
    covered = cv2.countNonZero(mask)
    if not least * mask.size <= covered <= most * mask.size or min(w, h) < 12 or max(w, h) > 8 * min(w, h):
        return False
    border = sum(int(np.count_nonzero(edge)) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    contours, _ = cv2.findContours(mask[y : y + h, x : x + w], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea)
    solid = cv2.contourArea(largest) / max(cv2.contourArea(cv2.convexHull(largest)), 1.0)
    whole = cv2.contourArea(largest) / covered
    return border < 0.12 * len(largest) and solid > 0.5 and whole > 0.7


def colour_segments(
    picture: NDArray[np.uint8], rng: np.random.Generator, groups: int = 10
) -> NDArray[np.uint8]:
    """A rough segmentation (H, W) of a picture that came without one: k-means over colour and place."""
    height, width = picture.shape[:2]
    small = cv2.resize(
        cv2.medianBlur(picture, 7), (160, max(160 * height // width, 8)), interpolation=cv2.INTER_AREA
    )
    colour = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    y, x = np.mgrid[: small.shape[0], : small.shape[1]].astype(np.float32)
    features = np.concatenate([colour, 0.5 * x[..., None], 0.5 * y[..., None]], axis=2).reshape(-1, 5)
    start = rng.integers(0, groups, size=(len(features), 1)).astype(np.int32)
    stop = (cv2.TERM_CRITERIA_MAX_ITER, 12, 0.0)
    _, labels, _ = cv2.kmeans(features, groups, start, stop, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    labels = cv2.medianBlur(labels.reshape(small.shape[:2]).astype(np.uint8), 5)
    return np.asarray(cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def blob_mask(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """A random shape that fills (height, width): a blob, an ellipse, a polygon or a box."""
    mask = np.zeros((height, width), dtype=np.uint8)
    middle, half = np.array([width, height]) / 2, np.array([width, height]) / 2 - 1
    style = rng.random()
    if style < 0.2:
        cv2.ellipse(mask, (tuple(middle), tuple(2 * half), 0.0), 255, -1)
    elif style < 0.35:
        mask[1:-1, 1:-1] = 255
    else:
        angles = (
            np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7)))) if style < 0.5 else _full_turn(64)
        )
        radii = np.ones(len(angles))
        for wave in range(2, 6) if style >= 0.5 else ():
            radii += rng.normal(0, 0.5 / wave) * np.cos(wave * angles + rng.uniform(0, 2 * np.pi))
        corners = np.clip(radii, 0.25, 2)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        low, high = corners.min(axis=0), corners.max(axis=0)
        corners = middle + (2 * (corners - low) / np.maximum(high - low, 1e-6) - 1) * half
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255)
    return mask


def _full_turn(points: int) -> NDArray[np.float64]:
    return np.linspace(0, 2 * np.pi, points, endpoint=False)


def _touch(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    x, y, w, h = cv2.boundingRect(first)
    grown = cv2.dilate(first[max(y - 3, 0) : y + h + 3, max(x - 3, 0) : x + w + 3], np.ones((5, 5), np.uint8))
    return (
        cv2.countNonZero(cv2.bitwise_and(grown, second[max(y - 3, 0) : y + h + 3, max(x - 3, 0) : x + w + 3]))
        > 24
    )
