"""Exact boxes of instances in the image, and the share of each that nothing hides."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.world.cameras import Camera
from wayscan.world.kernels import compiled
from wayscan.world.render.inside import check_view
from wayscan.world.render.picture import LANES, extents_of, seen, view_of
from wayscan.world.render.tables import as_numbers
from wayscan.world.scene import GROUND, Scene


class InstanceBoxes(NamedTuple):
    """Of instances 0 … I − 1."""

    boxes: NDArray[np.float64]  # (I, 4) x, y, w, h of the whole extent, cut at the image; NaN: out of view
    visible: NDArray[np.float64]  # (I,) share of its pixels that are seen; 0 where it has none


def instance_boxes(scene: Scene, camera: Camera, ids: NDArray[np.int32] | None = None) -> InstanceBoxes:
    """Boxes by closed forms (what occludes an instance does not shrink its box), and visible shares.

    `visible` is the pixels of an instance over those it would have alone on the ground.

    Args:
        ids: of `render(scene, camera)`, where there are some already.
    """
    check_view(scene, camera)
    if ids is not None and (ids.shape != (camera.height, camera.width) or ids.dtype != np.int32):
        raise ValueError(
            f"ids are {ids.dtype} {ids.shape}; expected int32 {(camera.height, camera.width)}, the ids of "
            f"render(scene, camera)"
        )
    table = scene.solids[np.argsort(scene.solids["instance"], kind="stable")]
    table = np.ascontiguousarray(table[table["instance"] >= 0])
    instances = table["instance"]
    count = max(len(scene.names), int(instances[-1]) + 1 if len(table) else 0)
    solids, view, size = as_numbers(table), view_of(camera), (camera.width, camera.height)
    extents = extents_of(solids[None], view, *size)
    boxes = _boxes(extents[0], instances, count, size)
    if ids is None:
        number = seen(solids[None], view, *size)[1][0, :, : camera.width].astype(np.int64)
        instance_of = np.append(instances, np.full(2, GROUND, dtype=np.int32))  # −1 and −2 find the last
        ids = instance_of[number]
    alone = _pixels_alone(solids, view, extents, instances, boxes, size)
    shown = np.bincount(ids[ids >= 0], minlength=count)[:count]
    return InstanceBoxes(boxes, np.minimum(shown / np.maximum(alone, 1), 1.0))


def _pixels_alone(solids, view, extents, instances, boxes, size) -> NDArray[np.int64]:
    """(I,) pixels of each instance if nothing but the ground were there; solids lie by instance."""
    see, alone = compiled("render.visibility").see, np.zeros(len(boxes), dtype=np.int64)
    starts = np.searchsorted(instances, np.arange(len(boxes) + 1))
    for k in np.flatnonzero(~np.isnan(boxes[:, 0])):
        low = np.floor(boxes[k, :2]).astype(np.int64)
        wide, tall = np.ceil(boxes[k, :2] + boxes[k, 2:]).astype(np.int64) - low
        near, winner = np.empty((2, 1, tall, -(-wide // LANES) * LANES), dtype=np.float32)
        rows = slice(starts[k], starts[k + 1])
        see(solids[None, rows], view, extents[:, rows], *size, *low, near, winner)
        alone[k] = np.count_nonzero(winner[0, :, :wide] >= 0)
    return alone


def _boxes(extents: NDArray[np.float64], instances: NDArray[np.int32], count: int, size: tuple[int, int]):
    """(I, 4), from the extents (P, 4) of the instances' solids."""
    corners = np.full((count, 4), (np.inf, np.inf, -np.inf, -np.inf))
    np.minimum.at(corners[:, :2], instances, extents[:, :2])
    np.maximum.at(corners[:, 2:], instances, extents[:, 2:])
    low, high = np.maximum(corners[:, :2], 0), np.minimum(corners[:, 2:], size)
    out_of_view = (low >= high).any(axis=1)
    boxes = np.concatenate([low, high - low], axis=1)
    boxes[out_of_view] = np.nan
    return boxes
