"""What a caller may hand in: frames of any common kind and a box, made plain or refused in one line.

Needs no torch.
"""

import re
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.geometry.boxes import Boxes, clip_to_image, enclosing_box


def rgb_frame(frame: Any) -> NDArray[np.uint8]:
    """A frame as RGB uint8 (H, W, 3): grey is repeated, alpha is dropped, 16 bits become 8."""
    image = np.asarray(frame)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(
            f"frame has shape {np.shape(frame)}; expected (H, W, 3), or grey (H, W), or RGBA (H, W, 4); pass "
            "one picture at a time"
        )
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(
            f"frame is {image.dtype}; expected uint8 or uint16; scale the values to 0-255 and convert them"
        )
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image[..., :3])


def first_box(box: ArrayLike, width: int, height: int) -> Boxes:
    """The box (4,) to start from, cut at the edges of the image; one that shows nothing is refused."""
    try:
        asked = np.asarray(box, dtype=np.float64).reshape(4)
    except (TypeError, ValueError):
        raise ValueError(f"box is {box!r}; expected four numbers x, y, w, h in pixels") from None
    numbers = tuple(round(value, 2) for value in asked.tolist())
    if not np.isfinite(asked).all() or min(asked[2:]) <= 0:
        raise ValueError(f"box is {numbers}; expected finite x, y, w, h in pixels with w, h > 0")
    inside = clip_to_image(asked, width, height)
    if min(inside[2:]) < 1:
        raise ValueError(
            f"box {numbers} shows less than one pixel of the {width} x {height} frame; expected x, y, w, h "
            "in pixels from the top-left corner"
        )
    return inside


def box_from_words(words: str) -> Boxes:
    """A box that a person wrote, or the first line of an annotation: x, y, w, h, or a polygon's 8 numbers.

    >>> box_from_words("205\\t151\\t17\\t50")
    array([205., 151.,  17.,  50.])
    >>> box_from_words("0,0, 4,0, 4,2, 0,2")
    array([0., 0., 4., 2.])
    """
    parts = [part for part in re.split(r"[,;\s]+", words.strip()) if part]
    try:
        numbers = np.array([float(part) for part in parts])
    except ValueError:
        numbers = np.empty(0)
    if len(numbers) not in (4, 8):
        raise ValueError(f"box is {words!r}; expected four numbers x,y,w,h in pixels, or a polygon's eight")
    return numbers if len(numbers) == 4 else enclosing_box(numbers.reshape(4, 2))
