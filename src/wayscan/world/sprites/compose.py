"""Draw a stage of sprites into any view of it, and say how much of the target is seen.

World coordinates are the pixels of an imagined video frame, continuous (pixel i covers [i, i + 1]). A view
is a
rectangle of the world drawn at some size, so a crop is composed directly, without its frame.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, cos, floor, hypot, log2, sin
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wayscan.geometry.boxes import Boxes, enclosing_box
from wayscan.world.sprites.cutouts import Scene, Sprite

Matrix = NDArray[np.float64]  # (2, 3), from a picture's pixels to the world
NO_LAYER = -1  # of a target that is nowhere on the stage


class View(NamedTuple):
    """The world's rectangle that starts at (left, top), drawn `zoom` canvas pixels a world pixel."""

    left: float
    top: float
    zoom: float
    width: int
    height: int


class Wave(NamedTuple):
    """A displacement amplitude · sin(frequency · coordinate + phase), in world pixels."""

    amplitude: float
    frequency: float
    phase: float

    def at(self, coordinate: NDArray) -> NDArray:
        return self.amplitude * np.sin(self.frequency * coordinate + self.phase)


class Bend(NamedTuple):
    """A smooth deformation. Each part depends on one coordinate: a map costs one outer sum."""

    x_by_y: Wave
    x_by_x: Wave
    y_by_x: Wave
    y_by_y: Wave

    def undo(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where points (n, 2) of the rigid picture go: inverts point + displacement(point)."""
        fixed_x, fixed_y = x, y = points[:, 0], points[:, 1]
        for _ in range(5):
            x, y = (
                fixed_x - self.x_by_y.at(y) - self.x_by_x.at(x),
                fixed_y - self.y_by_x.at(x) - self.y_by_y.at(y),
            )
        return np.column_stack([x, y])

    @property
    def reach(self) -> tuple[float, float]:
        """The farthest that anything moves along x and along y."""
        return (
            abs(self.x_by_y.amplitude) + abs(self.x_by_x.amplitude),
            abs(self.y_by_x.amplitude) + abs(self.y_by_y.amplitude),
        )


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a picture lies in the world."""

    matrix: Matrix
    bend: Bend | None = None

    def of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """World positions (n, 2) of points (n, 2) of the picture."""
        world = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return world if self.bend is None else self.bend.undo(world)

    def extent(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """An upright rectangle (x1, y1, x2, y2) of the world that a picture of this size stays inside."""
        (a, b, x), (c, d, y) = self.matrix.tolist()
        width, height = size
        middle_x, middle_y = x + (a * width + b * height) / 2, y + (c * width + d * height) / 2
        half_x, half_y = (abs(a) * width + abs(b) * height) / 2, (abs(c) * width + abs(d) * height) / 2
        if self.bend is not None:
            reach_x, reach_y = self.bend.reach
            half_x, half_y = half_x + reach_x, half_y + reach_y
        return middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y

    @cached_property
    def magnification(self) -> float:
        """√ of the world pixels that a pixel of the picture covers."""
        (a, b, _), (c, d, _) = self.matrix.tolist()
        return abs(a * d - b * c) ** 0.5


@dataclass(frozen=True, eq=False)
class Layer:
    """A sprite in the world; `gain` is its light, `streak` its (x, y) motion during exposure."""

    sprite: Sprite
    placement: Placement
    gain: float = 1.0
    streak: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Target:
    """What is followed: the whole sprite of a layer, a part of it, or a part of the scene (`layer` None).

    With `layer` NO_LAYER it has gone, and its outline says where it would have been.
    """

    outline: NDArray[np.float64]  # (n, 2) world
    layer: int | None
    whole: bool = True

    @cached_property
    def box(self) -> Boxes:
        """Its extent (x, y, w, h) in world pixels, not cut at the frame's edge."""
        return enclosing_box(self.outline)


@dataclass(frozen=True, eq=False)
class Stage:
    """One moment: a scene, sprites from back to front, the target, the video frame's size."""

    scene: Scene
    backdrop: Placement
    layers: tuple[Layer, ...]
    target: Target
    frame: tuple[float, float]

    def with_layer(self, layer: Layer) -> "Stage":
        return replace(self, layers=(*self.layers, layer))


class Picture(NamedTuple):
    """A drawn view: RGB (height, width, 3) and the share of the target that it shows."""

    image: NDArray[np.uint8]
    visible: float


def place(
    anchor: tuple[float, float],
    centre: tuple[float, float],
    *,
    scale: float,
    aspect: float = 1.0,
    angle: float = 0.0,
) -> Matrix:
    """Scale (x by √aspect more, y less), turn by `angle` and put the anchor at the centre."""
    across, down = scale * aspect**0.5, scale / aspect**0.5
    c, s = cos(angle), sin(angle)
    a, b, d, e = c * across, -s * down, s * across, c * down
    x, y = anchor
    return np.array([[a, b, centre[0] - a * x - b * y], [d, e, centre[1] - d * x - e * y]])


def compose(stage: Stage, view: View) -> Picture:
    """Draw the stage into the view.

    Only what lies inside the video frame counts as visible; blacken the rest after damage, with
    `blacken_outside`.
    """
    canvas = _warp(
        stage.scene.levels, stage.backdrop, view, (0, 0, view.width, view.height), edge=cv2.BORDER_REFLECT_101
    )
    target = stage.target
    seen = (
        _filled(target, view) if target.layer is None else np.zeros((view.height, view.width), dtype=np.uint8)
    )
    for k, layer in enumerate(stage.layers):
        painted = _paint(canvas, layer, view)
        if painted is None:
            continue
        (x0, y0, x1, y1), alpha = painted
        part = seen[y0:y1, x0:x1]
        if k == target.layer:
            part[...] = alpha if target.whole else cv2.bitwise_and(alpha, _filled(target, view)[y0:y1, x0:x1])
        elif target.layer is None or k > target.layer:
            cv2.multiply(part, cv2.bitwise_not(alpha), dst=part, scale=1 / 255)
    blacken_outside(seen, stage.frame, view)
    return Picture(canvas, _share(stage, seen, view))


def blacken_outside(canvas: NDArray[np.uint8], frame: tuple[float, float], view: View) -> None:
    """Set to 0, in place, what lies outside the video frame (zero padding)."""
    left, top = round(-view.left * view.zoom), round(-view.top * view.zoom)
    right, bottom = round((frame[0] - view.left) * view.zoom), round((frame[1] - view.top) * view.zoom)
    if left > 0:
        canvas[:, :left] = 0
    if top > 0:
        canvas[:top] = 0
    if right < view.width:
        canvas[:, max(right, 0) :] = 0
    if bottom < view.height:
        canvas[max(bottom, 0) :] = 0


def _share(stage: Stage, seen: NDArray[np.uint8], view: View) -> float:
    """Seen area of the target over its whole area."""
    target = stage.target
    if target.whole and target.layer is not None:
        layer = stage.layers[target.layer]
        whole = layer.sprite.area * layer.placement.magnification**2
    else:
        whole = cv2.contourArea(target.outline.astype(np.float32))
    total = 255 * whole * view.zoom**2
    return min(float(cv2.sumElems(seen)[0]) / total, 1.0) if total > 0 else 0.0


def _filled(target: Target, view: View) -> NDArray[np.uint8]:
    """Mask of the target's outline in the view."""
    mask = np.zeros((view.height, view.width), dtype=np.uint8)
    points = (target.outline - (view.left, view.top)) * view.zoom - 0.5
    fixed = np.round(np.clip(points, -2000, 4000) * 16).astype(np.int32)  # 4 fractional bits
    cv2.fillPoly(mask, [fixed], 255, shift=4)
    return mask


def _paint(
    canvas: NDArray[np.uint8], layer: Layer, view: View
) -> tuple[tuple[int, int, int, int], NDArray[np.uint8]] | None:
    """Blend one sprite over the canvas, in place; returns the rectangle touched and its alpha."""
    left, top, right, bottom = layer.placement.extent(layer.sprite.size)
    streak = (layer.streak[0] * view.zoom, layer.streak[1] * view.zoom)
    spread = 1 + ceil(max(abs(streak[0]), abs(streak[1])) / 2)
    x0 = max(floor((left - view.left) * view.zoom) - spread, 0)
    y0 = max(floor((top - view.top) * view.zoom) - spread, 0)
    x1 = min(ceil((right - view.left) * view.zoom) + spread, view.width)
    y1 = min(ceil((bottom - view.top) * view.zoom) + spread, view.height)
    if x1 <= x0 or y1 <= y0:
        return None
    drawn = _warp(layer.sprite.levels, layer.placement, view, (x0, y0, x1, y1), edge=cv2.BORDER_CONSTANT)
    if hypot(*streak) > 1:
        drawn = cv2.filter2D(drawn, -1, line_kernel(*streak), borderType=cv2.BORDER_CONSTANT)
    alpha = cv2.extractChannel(drawn, 3)
    colour = cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB)
    if layer.gain != 1:
        colour = cv2.convertScaleAbs(colour, alpha=layer.gain)
    under = canvas[y0:y1, x0:x1]
    rest = cv2.cvtColor(cv2.bitwise_not(alpha), cv2.COLOR_GRAY2RGB)
    cv2.add(cv2.multiply(under, rest, scale=1 / 255), colour, dst=under)
    return (x0, y0, x1, y1), np.asarray(alpha, dtype=np.uint8)


def line_kernel(x: float, y: float) -> NDArray[np.float32]:
    """A normalised motion-blur kernel along (x, y) pixels."""
    half = max(ceil(max(abs(x), abs(y)) / 2), 1)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    ends = [(round((half + sign * x / 2) * 16), round((half + sign * y / 2) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 4)
    return kernel / kernel.sum()


def _warp(
    levels: tuple[NDArray[np.uint8], ...],
    placement: Placement,
    view: View,
    area: tuple[int, int, int, int],
    *,
    edge: int,
) -> NDArray[np.uint8]:
    """Draw a picture into the view's rectangle `area`, from the nearest larger pyramid level."""
    x0, y0, x1, y1 = area
    shrink = placement.magnification * view.zoom
    level = min(max(floor(log2(1 / max(shrink, 1e-6)) + 0.2), 0), len(levels) - 1)
    picture = levels[level]
    across = picture.shape[1] / levels[0].shape[1]
    down = picture.shape[0] / levels[0].shape[0]

    # World → picture (at its level): source = inverse · world + shift.
    (a, b, tx), (c, d, ty) = placement.matrix.tolist()
    determinant = a * d - b * c
    ia, ib, ic, id_ = (
        d / determinant * across,
        -b / determinant * across,
        -c / determinant * down,
        a / determinant * down,
    )
    sx, sy = -(ia * tx + ib * ty) - 0.5, -(ic * tx + id_ * ty) - 0.5
    size = (x1 - x0, y1 - y0)
    if placement.bend is None:
        left, top = view.left + (x0 + 0.5) / view.zoom, view.top + (y0 + 0.5) / view.zoom
        z = 1 / view.zoom
        inverse = np.array(
            [[ia * z, ib * z, ia * left + ib * top + sx], [ic * z, id_ * z, ic * left + id_ * top + sy]]
        )
        drawn = cv2.warpAffine(
            picture, inverse, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=edge
        )
        return np.asarray(drawn, dtype=np.uint8)

    bend = placement.bend
    x = view.left + (np.arange(x0, x1) + 0.5) / view.zoom
    y = view.top + (np.arange(y0, y1) + 0.5) / view.zoom
    # x' = x + f(x) + g(y), y' = y + h(x) + k(y): source coordinates are sums of a row and a column.
    row_x, row_y = x + bend.x_by_x.at(x), bend.y_by_x.at(x)
    column_x, column_y = bend.x_by_y.at(y), y + bend.y_by_y.at(y)
    map_x = np.add.outer(ia * column_x + ib * column_y + sx, ia * row_x + ib * row_y).astype(np.float32)
    map_y = np.add.outer(ic * column_x + id_ * column_y + sy, ic * row_x + id_ * row_y).astype(np.float32)
    drawn = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=edge)
    return np.asarray(drawn, dtype=np.uint8)
