"""Boxes in pixels and in crops.

A box is (x, y, w, h): top-left corner and size, in continuous pixels, so that pixel i covers [i, i + 1].
Every function takes boxes (..., 4), keeps the leading shape and computes in float64.
"""

from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Boxes = NDArray[np.float64]


def xywh_to_xyxy(boxes: ArrayLike) -> Boxes:
    """(x, y, w, h) → (x1, y1, x2, y2)."""
    boxes = _as_boxes(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def xyxy_to_xywh(corners: ArrayLike) -> Boxes:
    """(x1, y1, x2, y2) → (x, y, w, h)."""
    corners = _as_boxes(corners)
    return np.concatenate([corners[..., :2], corners[..., 2:] - corners[..., :2]], axis=-1)


def xywh_to_cxcywh(boxes: ArrayLike) -> Boxes:
    """(x, y, w, h) → (centre x, centre y, w, h)."""
    boxes = _as_boxes(boxes)
    return np.concatenate([boxes[..., :2] + boxes[..., 2:] / 2, boxes[..., 2:]], axis=-1)


def cxcywh_to_xywh(boxes: ArrayLike) -> Boxes:
    """(centre x, centre y, w, h) → (x, y, w, h)."""
    boxes = _as_boxes(boxes)
    return np.concatenate([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., 2:]], axis=-1)


def area(boxes: ArrayLike) -> NDArray[np.float64]:
    """Area of each box (...,); a box of negative size has none."""
    sizes = np.maximum(_as_boxes(boxes)[..., 2:], 0)
    return sizes[..., 0] * sizes[..., 1]


def iou(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of boxes that broadcast against each other; 0 where both are empty."""
    first, second = _as_boxes(first), _as_boxes(second)
    a, b = xywh_to_xyxy(first), xywh_to_xyxy(second)
    overlap = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    intersection = overlap[..., 0] * overlap[..., 1]
    union = area(first) + area(second) - intersection
    return np.where(union == 0, 0.0, intersection / np.where(union == 0, 1.0, union))


def clip_to_image(boxes: ArrayLike, width: float, height: float, margin: float = 0.0) -> Boxes:
    """Cut boxes at the image's edges; at least `margin` pixels of each stay inside the image."""
    corners = xywh_to_xyxy(boxes)
    limits = np.array([width, height], dtype=corners.dtype)
    low = np.clip(corners[..., :2], 0, limits - margin)
    high = np.clip(corners[..., 2:], margin, limits)
    return np.concatenate([low, np.maximum(high - low, 0)], axis=-1)


def enclosing_box(points: ArrayLike) -> Boxes:
    """Smallest upright box around points (..., n, 2), for example a polygon's corners."""
    points = np.asarray(points, dtype=np.float64)
    low, high = points.min(axis=-2), points.max(axis=-2)
    return np.concatenate([low, high - low], axis=-1)


class CropRegion(NamedTuple):
    """A square of the image, possibly reaching over its edges: top-left corner and side in pixels."""

    left: float
    top: float
    side: float


def crop_region(box: ArrayLike, factor: float) -> CropRegion:
    """The square around one box whose side is ceil(√(w·h) · factor)."""
    x, y, w, h = (float(value) for value in np.asarray(box, dtype=np.float64).reshape(4))
    if not (w > 0 and h > 0 and np.isfinite([x, y, w, h]).all()):
        raise ValueError(
            f"box is {(x, y, w, h)}; a crop needs finite x, y and w, h > 0; check the box that came before"
        )
    side = max(ceil((w * h) ** 0.5 * factor), 1)
    return CropRegion(x + (w - side) / 2, y + (h - side) / 2, float(side))


def to_crop(boxes: ArrayLike, region: CropRegion) -> Boxes:
    """Image boxes in pixels → the same boxes in units of the crop, which is (0, 0, 1, 1)."""
    boxes = _as_boxes(boxes)
    return (boxes - np.array([region.left, region.top, 0, 0])) / region.side


def from_crop(boxes: ArrayLike, region: CropRegion) -> Boxes:
    """Inverse of `to_crop`."""
    return _as_boxes(boxes) * region.side + np.array([region.left, region.top, 0, 0])


def crop_image(image: NDArray[np.uint8], region: CropRegion, size: int) -> NDArray[np.uint8]:
    """The region of image (H, W, 3), resized to (size, size, 3); black outside the image."""
    import cv2

    # Shrinking by more than 1.5 with bilinear sampling alone would alias: sample finer, then average.
    finer = min(ceil(region.side / size / 1.5), 4) if region.side > 1.5 * size else 1
    zoom = size * finer / region.side
    matrix = np.array(
        [[1 / zoom, 0, region.left + 0.5 / zoom - 0.5], [0, 1 / zoom, region.top + 0.5 / zoom - 0.5]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(
        image, matrix, (size * finer, size * finer), flags=flags, borderMode=cv2.BORDER_CONSTANT
    )
    if finer > 1:
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8)


def _as_boxes(boxes: ArrayLike) -> Boxes:
    array = np.asarray(boxes, dtype=np.float64)
    if array.shape[-1:] != (4,):
        raise ValueError(f"boxes have shape {array.shape}; expected (..., 4); give four numbers per box")
    return array
