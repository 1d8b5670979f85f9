"""Pictures, depth and instances of scenes: the public functions.

Depth is planar (metres along the optical axis; `cameras.ray_length` turns it into distances), inf in the sky.
A scene's pixels are the same on every run.
"""

import threading
from collections.abc import Sequence
from functools import cache
from math import inf, prod

import numpy as np
from numpy.typing import NDArray

from wayscan.data.records import Frame
from wayscan.world.atlas import atlas
from wayscan.world.cameras import Camera
from wayscan.world.kernels import compiled
from wayscan.world.render.inside import check_view
from wayscan.world.render.tables import as_numbers
from wayscan.world.scene import PAINT, Ground, Light, Scene, Solids

LANES = 16  # rows of nearness are padded to a multiple: the widest vector
PARTS, PART = 8, 8  # parts of a solid, numbers of a part (rectangles.py)
_TWICE_THE_PIXELS = np.array([1.0] * 12 + [2.0])  # along each side, by the focal length


def render(scene: Scene, camera: Camera, *, time: float = 0.0) -> Frame:
    """What one camera sees: image (H, W, 3), planar depth (H, W), ids (H, W) with GROUND and SKY.

    >>> from wayscan.world.scene import Scene, solids, sphere
    >>> scene = Scene(solids=solids([sphere((5, 0, 1.5), 1, instance=0)]))
    >>> frame = render(scene, Camera(width=9, height=9))
    >>> float(frame.depth[4, 4].round(4)), [frame.ids[row, 0].item() for row in (0, 8)]
    (4.0, [-2, -1])
    """
    return render_all(scene, (camera,), time=time)[0]


def render_all(scene: Scene, cameras: Sequence[Camera], *, time: float = 0.0) -> tuple[Frame, ...]:
    """What several cameras see of one scene: a frame each."""
    for camera in cameras:
        check_view(scene, camera)
    shade, cast_shadows = compiled("render.shading").shade, compiled("render.shadows").cast_shadows
    table, paints = as_numbers(np.ascontiguousarray(scene.solids)), as_numbers(_paints(scene.ground))
    light, chosen = _light(scene.light), np.empty(len(paints), dtype=np.int64)
    shadows = _shadow_balls(table, light) if scene.light.shadows and light[2] > 0 else None
    frames = []
    for camera in cameras:
        height, width = camera.height, camera.width
        view = view_of(camera)
        fine_view = view * _TWICE_THE_PIXELS
        near, winner = seen(table[None], view, width, height)
        fine_near, fine_winner = seen(table[None], fine_view, 2 * width, 2 * height, "fine")
        lit = np.ones_like(near[0])
        if shadows is not None:
            where = extents_of(shadows[None], view, width, height)
            cast_shadows(table, view, where, width, height, light[:3], lit)
        image = np.empty((height, width, 3), dtype=np.uint8)
        depth, ids = np.empty((height, width), np.float32), np.empty((height, width), np.int32)
        shade(
            *(table, view, paints, light, atlas(), chosen, near[0], winner[0], fine_near[0], fine_winner[0]),
            *(lit, image, depth, ids),
        )
        frames.append(Frame(image=image, time=time, camera=camera.name, depth=depth, ids=ids))
    return tuple(frames)


def depth_images(
    tables: Solids,
    cameras: NDArray[np.void],
    width: int,
    height: int,
    *,
    far: float = inf,
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Planar depth of many worlds at once, nothing else and nothing checked: what learning to fly reads.

    Args:
        tables: (W, P) solids, padded with NOTHING; each over the ground z = 0.
        cameras: (W,) of cameras.CAMERA, above the ground.
        far: metres; what is farther, the sky too, is `far`.
        out: (W, height, width) float32 to write into.
    """
    if out is None:
        out = np.empty((len(tables), height, width), dtype=np.float32)
    near, _ = seen(as_numbers(tables), as_numbers(cameras), width, height)
    compiled("render.visibility").to_depth(near, far, out)
    return out


def view_of(camera: Camera) -> NDArray[np.float64]:
    """A camera as kernels read it (1, 13)."""
    return as_numbers(camera.record()[None])


def extents_of(
    tables: NDArray[np.float32], views: NDArray[np.float64], width: int, height: int
) -> NDArray[np.float64]:
    """Where each world's solids lie in its image: left, top, right, bottom in pixels (W, P, 4)."""
    extents = np.empty((*tables.shape[:2], 4))
    compiled("render.rectangles").extents(tables, views, width, height, np.empty((PARTS, PART)), extents)
    return extents


def seen(
    tables: NDArray[np.float32],
    views: NDArray[np.float64],
    width: int,
    height: int,
    purpose: str = "plain",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The visibility pass: nearness, and which solid, of each world (W, H, stride).

    They are this thread's own until it asks again for the same purpose.
    """
    shape = (2, len(tables), height, -(-width // LANES) * LANES)
    near, winner = _scratch(purpose, shape)
    extents = extents_of(tables, views, width, height)
    compiled("render.visibility").see(tables, views, extents, width, height, 0, 0, near, winner)
    return near, winner


_kept = threading.local()


def _scratch(purpose: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Memory that this thread keeps: fresh pages would take as long as the visibility pass."""
    memory = _kept.__dict__.get(purpose)
    if memory is None or memory.size < prod(shape):
        memory = _kept.__dict__[purpose] = np.empty(prod(shape), dtype=np.float32)
    return memory[: prod(shape)].reshape(shape)


def _shadow_balls(table: NDArray[np.float32], light: NDArray[np.float32]) -> NDArray[np.float32]:
    balls = table.copy()
    compiled("render.shadows").shadow_balls(table, light[:3], balls)
    return balls


def _paints(ground: Ground) -> NDArray[np.void]:
    """The ground's paints under which the bare ground lies as the first."""
    paints = np.zeros(len(ground.paints) + 1, dtype=PAINT)
    paints[1:] = ground.paints
    bare, look = paints[0], ground.look
    bare["half"], bare["turn"] = inf, (1, 0)
    bare["colour"], bare["texture"] = look.colour, look.texture
    bare["tile"], bare["contrast"] = look.tile, look.contrast if look.texture >= 0 else 0
    return paints


@cache
def _light(light: Light) -> NDArray[np.float32]:
    """(12,) as surfaces.Lamp has them."""
    sun = np.array(light.sun, dtype=np.float64)
    sun /= np.linalg.norm(sun)
    parts = (*sun, light.strength, light.ambient, *light.zenith, *light.horizon, 1 / light.fog)
    return np.array(parts, dtype=np.float32)
