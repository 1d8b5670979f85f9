"""Drawing on frames: boxes, paths, words and contact sheets, for people who would rather look than read.

Images are RGB uint8 (H, W, 3); colours RGB 0-255. What draws on an image changes it and returns it: copy
first what must stay as it is.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.data.footage import Image

Colour = tuple[int, int, int]

GREEN, ORANGE, BLUE, RED, WHITE, DARK = (
    (40, 220, 90),
    (255, 150, 30),
    (70, 150, 255),
    (240, 60, 60),
    (255, 255, 255),
    (24, 26, 30),
)
FINENESS = 3  # OpenCV takes coordinates in 1/2**FINENESS pixels


def draw_box(image: Image, box: ArrayLike, colour: Colour = GREEN, words: str = "") -> Image:
    """Outline a box (x, y, w, h); one that is not finite is left out."""
    x, y, w, h = np.asarray(box, dtype=np.float64)
    if not np.isfinite([x, y, w, h]).all():
        return image
    corners = np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]) - 0.5
    _outline(image, corners, colour, closed=True)
    if words:
        size = _text_size(image)
        write(image, words, (x, max(y - 22 * size - 3, 0)), colour=colour)
    return image


def draw_path(image: Image, pixels: ArrayLike, colour: Colour = ORANGE, dots: bool = True) -> Image:
    """A line through points (T, 2) in pixels; points that are NaN (behind the camera) break it."""
    import cv2

    points = np.asarray(pixels, dtype=np.float64)
    known = np.asarray((np.abs(points) < 1e4).all(axis=1))  # False for NaN
    for piece in np.split(np.arange(len(points)), np.flatnonzero(~known)):
        piece = piece[known[piece]]
        if len(piece) > 1:
            _outline(image, points[piece], colour, closed=False)
    for point in points[known] if dots else ():
        centre = np.round(point * 2**FINENESS).astype(int)
        cv2.circle(image, centre.tolist(), 2 * 2**FINENESS, colour, -1, cv2.LINE_AA, FINENESS)
    return image


def write(image: Image, words: str, place: tuple[float, float] = (4, 4), colour: Colour = WHITE) -> Image:
    """ASCII words with their top-left corner at `place`, in lines that fit, on a dark ground."""
    import cv2

    size, top = _text_size(image), place[1]
    for line in _lines(words, size, image.shape[1] - 4):
        (width, height), below = cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
        x, y = int(np.clip(place[0], 0, max(image.shape[1] - width - 4, 0))), int(max(top, 0))
        ground = image[y : y + height + below + 3, x : x + width + 4]
        ground[:] = ground // 3
        origin = (x + 2, y + height + 1)
        cv2.putText(image, line, origin, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
        top = y + height + below + 3
    return image


def _lines(words: str, size: float, widest: int) -> list[str]:
    """The words in lines of at most so many pixels; a word that is wider alone stands alone."""
    import cv2

    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        fits = cv2.getTextSize(longer, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0] <= widest
        lines = [*lines[:-1], longer] if lines and fits else [*lines, word]
    return lines


def paint_depth(depth: NDArray[np.float32], far: float = 20.0) -> Image:
    """Planar depth (H, W) in metres as a picture: near is bright, the sky black."""
    import cv2

    nearness = np.where(np.isfinite(depth), np.clip(1 - depth / far, 0.02, 1), 0)
    picture = cv2.applyColorMap((255 * nearness).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def enlarged(image: Image, factor: int) -> Image:
    """Each pixel as a square of `factor` pixels."""
    return np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)


def contact_sheet(images: Sequence[Image], columns: int, gap: int = 6) -> Image:
    """Pictures side by side and below one another; smaller ones stand in the corner of their cell."""
    if not images or columns < 1:
        raise ValueError(
            f"a contact sheet of {len(images)} images in {columns} columns; expected at least one of each"
        )
    height, width = max(i.shape[0] for i in images), max(i.shape[1] for i in images)
    rows = -(-len(images) // columns)
    sheet = np.empty((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), dtype=np.uint8)
    sheet[:] = DARK
    for number, image in enumerate(images):
        top = gap + (number // columns) * (height + gap)
        left = gap + (number % columns) * (width + gap)
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def save_picture(path: Path | str, image: Image) -> Path:
    """Write a PNG or JPEG, by the name's ending; folders are made."""
    import cv2

    path = Path(path)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise ValueError(f"picture {path} ends in {path.suffix!r}; expected a name in .png or .jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = cv2.imencode(path.suffix.lower(), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    path.write_bytes(packed.tobytes())
    return path


def _text_size(image: Image) -> float:
    """Of letters, in OpenCV's unit (22 pixels high), fit for the picture."""
    return float(np.clip(image.shape[0] / 480, 0.32, 0.8))


def _outline(image: Image, points: NDArray[np.float64], colour: Colour, *, closed: bool) -> None:
    """A line with a dark rim, so that it shows on any ground."""
    import cv2

    path = [np.round(np.clip(points, -1e5, 1e5) * 2**FINENESS).astype(np.int32)]
    thickness = 1 + image.shape[0] // 400
    cv2.polylines(image, path, closed, DARK, thickness + 2, cv2.LINE_AA, FINENESS)
    cv2.polylines(image, path, closed, colour, thickness, cv2.LINE_AA, FINENESS)
