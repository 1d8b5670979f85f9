"""The definition of what is seen: every ray against every solid, by textbook formulas in float64. Slow."""

import numpy as np
from numpy.typing import NDArray

from wayscan.world.cameras import Camera
from wayscan.world.scene import GROUND, SKY, Shape, Solids

Depths = NDArray[np.float64]  # (H, W), inf where a ray misses
Rays = NDArray[np.float64]  # (H, W, 3), planar depth 1 along each


def reference_view(solids: Solids, camera: Camera) -> tuple[Depths, NDArray[np.int64]]:
    """Planar depth and the row of the solid seen (H, W), GROUND and SKY where there is none."""
    rays, eye = rays_of(camera), np.array(camera.position, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        depth = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf)
        number = np.where(np.isfinite(depth), GROUND, SKY)
        for k, solid in enumerate(solids):
            found = depth_of(solid, rays, eye)
            number = np.where(found < depth, k, number)
            depth = np.minimum(depth, found)
    return depth, number


def rays_of(camera: Camera) -> Rays:
    """Through the centres of the pixels."""
    x = (np.arange(camera.width) + 0.5 - camera.width / 2) / camera.focal
    y = (np.arange(camera.height) + 0.5 - camera.height / 2) / camera.focal
    own = np.stack(np.broadcast_arrays(x[None, :], y[:, None], 1.0), axis=-1)
    return own @ camera.axes


def depth_of(solid: np.void, rays: Rays, eye: NDArray[np.float64]) -> Depths:
    """Where rays from `eye`, which is outside, enter one solid."""
    a, b, radius = (solid[name].astype(np.float64) for name in ("a", "b", "radius"))
    turn = solid["turn"].astype(np.float64)
    shape = Shape(int(solid["shape"]))
    if shape is Shape.SPHERE:
        return _quadric(rays, eye - a, np.ones(3), radius)
    if shape is Shape.ELLIPSOID:
        return _quadric(_turned(rays, turn), _turned(eye - a, turn), 1 / b, 1.0)
    if shape is Shape.BOX:
        return _between(_turned(rays, turn), _turned(eye - a, turn), -b, b)
    if shape is Shape.CYLINDER:
        return _rod(rays, eye - a, np.array([0.0, 0.0, 1.0]), b[2], radius)
    if shape is Shape.CAPSULE:
        ends = [_quadric(rays, eye - end, np.ones(3), radius) for end in (a, b)]
        length = float(np.linalg.norm(b - a))
        if length > 0:
            ends.append(_rod(rays, eye - a, (b - a) / length, length, radius))
        return np.minimum.reduce(ends)
    return np.full(rays.shape[:2], np.inf)


def _turned(v: NDArray, turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """World axes → a solid's own."""
    c, s = turn
    return np.stack([c * v[..., 0] + s * v[..., 1], c * v[..., 1] - s * v[..., 0], v[..., 2]], axis=-1)


def _roots(rays: Rays, origin: NDArray, scale: NDArray, radius: float) -> tuple[Depths, Depths]:
    """Both crossings of |scale · (origin + t ray)| = radius; NaN where there are none."""
    d, o = rays * scale, origin * scale
    a, half_b, c = (d * d).sum(-1), (d * o).sum(-1), (o * o).sum(-1) - radius**2
    root = np.sqrt(half_b**2 - a * c)
    return (-half_b - root) / a, (-half_b + root) / a


def _quadric(rays: Rays, origin: NDArray, scale: NDArray, radius: float) -> Depths:
    first, _ = _roots(rays, origin, scale, radius)
    return np.where(first > 0, first, np.inf)


def _slab(rays: Rays, origin: NDArray, low: NDArray, high: NDArray) -> tuple[Depths, Depths]:
    """Where rays are between low and high on every axis."""
    one, two = (low - origin) / rays, (high - origin) / rays
    return np.minimum(one, two).max(axis=-1), np.maximum(one, two).min(axis=-1)


def _between(rays: Rays, origin: NDArray, low: NDArray, high: NDArray) -> Depths:
    first, last = _slab(rays, origin, low, high)
    return np.where((first > 0) & (first < last), first, np.inf)


def _rod(rays: Rays, origin: NDArray, axis: NDArray, length: float, radius: float) -> Depths:
    """A cylinder with flat ends, its foot at the origin of `origin`."""
    along_rays, along = rays @ axis, float(origin @ axis)
    near, far = _roots(rays - along_rays[..., None] * axis, origin - along * axis, np.ones(3), radius)
    low, high = _slab(along_rays[..., None], np.array([along]), np.zeros(1), np.array([length]))
    first, last = np.maximum(near, low), np.minimum(far, high)
    return np.where((first > 0) & (first < last), first, np.inf)
