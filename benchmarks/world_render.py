"""The renderer: frames a second of depth and of pictures, beside MuJoCo's rays, and its error.

CPU time of one thread. The forest has 30 cylinders over the ground, 64 × 64 pixels, as learning to fly sees
it; the street has 40 solids of all shapes, a textured ground with road, lane lines and a crossing, sun,
shadows and smooth outlines, 128 × 128 pixels. MuJoCo casts the same rays at the same cylinders and the same
plane by mj_multiRay, which is its fastest way without OpenGL; results are compared before anything is timed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from math import pi

import numpy as np
from numpy.typing import NDArray

from wayscan.world import warmup
from wayscan.world.cameras import CAMERA, Camera, ray_length
from wayscan.world.render import depth_images, instance_boxes, render
from wayscan.world.render.reference import rays_of, reference_view
from wayscan.world.scene import (
    Ground,
    Light,
    Look,
    Scene,
    Solids,
    Texture,
    box,
    capsule,
    cylinder,
    ellipsoid,
    paint,
    solids,
    sphere,
)

from .claims import Findings
from .timing import medians, take_turns

DEPTH_GOAL, PEER_GOAL, PICTURE_GOAL = 30_000, 10, 1_500
ERROR_GOAL, PARITY, BOX_GOAL = 1e-4, 1e-3, 1e-4
WORLDS, SIDE, TREES = 16, 64, 30
PICTURE_SIDE, THINGS = 128, 40
REPEATS = 60
CLEAR = 3e-3  # radians of surface slant at which a ray grazes: rounding is amplified there, for everybody


def forest(seed: int) -> Solids:
    """30 trunks, none at the camera."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((2, -12), (25, 12), (TREES, 2))
    return solids(
        [
            cylinder((x, y, 0), rng.uniform(0.15, 0.4), rng.uniform(4, 8), instance=k)
            for k, (x, y) in enumerate(places)
        ]
    )


def street() -> Scene:
    """40 solids of all shapes beside a road."""
    rng, parts = np.random.default_rng(1), []
    for k in range(THINGS):
        x, y = rng.uniform(4, 30), rng.uniform(-12, 12)
        look = Look(tuple(rng.uniform(0.2, 0.9, 3)), Texture(k % 10), 0.8, 0.5)
        parts.append(
            (
                box((x, y, 0.8), (1.2, 0.6, 0.8), look, yaw=rng.uniform(0, pi), instance=k),
                cylinder((x, y, 0), 0.3, 3, look, instance=k),
                sphere((x, y, 1), 0.6, look, instance=k),
                capsule((x, y, 0.3), (x + 0.5, y, 1.5), 0.3, look, instance=k),
                ellipsoid((x, y, 2), (0.8, 0.6, 1), look, instance=k),
            )[k % 5]
        )
    asphalt, white = Look((0.32, 0.32, 0.33), Texture.FINE, 2.0, 0.35), Look((0.9, 0.9, 0.88))
    paints = [
        paint((40, 0), (60, 3.5), asphalt),
        paint((40, 0), (60, 0.08), white, period=4),
        paint((40, 3.3), (60, 0.07), white),
        paint((40, -3.3), (60, 0.07), white),
        paint((12, 0), (3.2, 1.5), white, yaw=pi / 2, period=1.0),
    ]
    return Scene(solids=solids(parts), ground=Ground(paints=np.concatenate(paints)), light=Light(fog=150))


@dataclass(frozen=True, kw_only=True)
class MujocoRays:
    """A forest of cylinders on a plane in MuJoCo, and one camera's rays."""

    model: object
    data: object
    origin: NDArray[np.float64]
    directions: NDArray[np.float64]  # (rays · 3,)
    hit: NDArray[np.int32]
    distance: NDArray[np.float64]

    def cast(self) -> NDArray[np.float64]:
        """Distance along each ray, −1 for a miss."""
        import mujoco

        mujoco.mj_multiRay(
            self.model,
            self.data,
            self.origin,
            self.directions,
            None,
            1,
            -1,
            self.hit,
            self.distance,
            None,
            len(self.distance),
            mujoco.mjMAXVAL,
        )
        return self.distance


def mujoco_rays(table: Solids, camera: Camera) -> MujocoRays:
    """The same cylinders, the same plane and the same rays."""
    import mujoco

    geoms = "".join(
        f'<geom type="cylinder" pos="{row["a"][0]} {row["a"][1]} {row["a"][2] + row["b"][2] / 2}" '
        f'size="{row["radius"]} {row["b"][2] / 2}"/>'
        for row in table
    )
    xml = f'<mujoco><worldbody><geom type="plane" size="0 0 1"/>{geoms}</worldbody></mujoco>'
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    rays = rays_of(camera)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    count = camera.width * camera.height
    return MujocoRays(
        model=model,
        data=data,
        origin=np.array(camera.position, dtype=np.float64),
        directions=rays.reshape(-1).copy(),
        hit=np.zeros(count, dtype=np.int32),
        distance=np.zeros(count),
    )


def disagreement(table: Solids, camera: Camera) -> tuple[float, float]:
    """Largest relative difference where both hit, and the share of rays that only one of them hits."""
    peer = mujoco_rays(table, camera).cast().reshape(camera.height, camera.width)
    depth = depth_images(table[None], camera.record()[None], camera.width, camera.height)[0]
    ours = ray_length(depth, camera)
    both = np.isfinite(ours) & (peer >= 0) & _clear(table, camera)
    difference = np.abs(ours[both] - peer[both]) / peer[both]
    return float(difference.max(initial=0)), float((np.isfinite(ours) != (peer >= 0)).mean())


def _clear(table: Solids, camera: Camera) -> NDArray[np.bool_]:
    """Pixels whose neighbours show the same solid and which do not graze it."""
    depth, number = reference_view(table, camera)
    clear = np.isfinite(depth)
    for axis in (0, 1):
        for shift in (1, -1):
            with np.errstate(invalid="ignore"):
                slope = np.abs(np.roll(depth, shift, axis) - depth) * camera.focal / depth
            clear &= (np.roll(number, shift, axis) == number) & (slope < 1 / CLEAR)
    return clear


def measure_depth(findings: Findings) -> None:
    """Depth of 16 forests at once, beside MuJoCo's rays at one of them."""
    warmup()
    tables = np.stack([forest(seed) for seed in range(WORLDS)])
    camera = Camera(width=SIDE, height=SIDE)
    records = np.array([camera.record()] * WORLDS, dtype=CAMERA)
    out = np.empty((WORLDS, SIDE, SIDE), dtype=np.float32)
    calls = {"ours": lambda: depth_images(tables, records, SIDE, SIDE, out=out)}
    title = f"depth {SIDE} × {SIDE}, {TREES} cylinders and ground"
    if find_spec("mujoco") is None:
        findings.skip(f"{title}: faster than MuJoCo", 'needs mujoco: pip install "wayscan[fly]"')
    else:
        off, alone = disagreement(tables[0], camera)
        if off > PARITY or alone > PARITY:
            findings.fail(
                title, f"ours and MuJoCo differ by {off:.1e} of the distance, on {alone:.1e} of the rays"
            )
            return
        findings.claim(
            f"{title}: difference from MuJoCo",
            off,
            goal=PARITY,
            better="lower",
            against="mj_multiRay, of the distance, outlines apart",
        )
        calls["MuJoCo"] = mujoco_rays(tables[0], camera).cast
    seconds = medians(take_turns(calls, dict.fromkeys(calls, REPEATS)))
    frames = WORLDS / seconds["ours"]
    findings.claim(f"{title}: frames a second", frames, goal=DEPTH_GOAL)
    if "MuJoCo" in seconds:
        findings.claim(
            f"{title}: faster than MuJoCo",
            frames * seconds["MuJoCo"],
            unit="×",
            goal=PEER_GOAL,
            against=f"mj_multiRay, {1 / seconds['MuJoCo']:.0f} frames a second",
        )


def measure_pictures(findings: Findings) -> None:
    """RGB, depth and ids of a street."""
    warmup()
    scene, camera = street(), Camera(width=PICTURE_SIDE, height=PICTURE_SIDE, position=(0.0, 0.0, 1.6))
    title = f"pictures {PICTURE_SIDE} × {PICTURE_SIDE}, {THINGS} solids"
    frame = render(scene, camera)
    _, number = reference_view(scene.solids, camera)
    agree = float((frame.ids == number).mean())  # a solid's row is its instance here
    if agree < 0.999:
        findings.fail(title, f"ids agree with the definition in {agree:.4f} of the pixels; expected 0.999")
        return
    calls = {
        "picture": lambda: render(scene, camera),
        "boxes": lambda: instance_boxes(scene, camera, frame.ids),
    }
    seconds = medians(take_turns(calls, dict.fromkeys(calls, REPEATS)))
    findings.claim(f"{title}: RGB, depth and ids, frames a second", 1 / seconds["picture"], goal=PICTURE_GOAL)
    findings.claim(f"{title}: boxes and visible shares", 1000 * seconds["boxes"], unit="ms", better="lower")


def measure_closed_forms(findings: Findings) -> None:
    """Errors against formulas in float64: of depth, and of boxes against dense points of surfaces."""
    warmup()
    rng, worst, farther = np.random.default_rng(5), 0.0, 0.0
    for _ in range(40):
        distance, size = rng.uniform(1, 100), rng.uniform(0.1, 1)
        camera = Camera(width=48, height=48, position=(0, 0, 30.0), yaw=rng.uniform(-pi, pi), field=0.6)
        place = np.array(camera.position) + (distance + 3 * size) * camera.axes[2]
        for part in (
            sphere(place, size, instance=0),
            box(place, (size, 2 * size, size), yaw=1.0, instance=0),
            cylinder(place, size, 2 * size, instance=0),
            capsule(place, place + size, size, instance=0),
            ellipsoid(place, (size, 2 * size, size), yaw=1.0, instance=0),
        ):
            expected, number = reference_view(part, camera)
            found = depth_images(part[None], camera.record()[None], 48, 48)[0]
            seen = _clear(part, camera) & (number == 0)
            error = np.abs(found[seen] - expected[seen])
            worst = max(worst, (error / np.maximum(expected[seen], 10) * 10).max(initial=0))
            farther = max(farther, error.max(initial=0))
    findings.claim(
        "depth: worst error, metres up to 10 m, of a tenth of the distance beyond",
        worst,
        goal=ERROR_GOAL,
        better="lower",
        against="closed forms in float64, five shapes, 1 to 100 m, radii from 0.1 m, grazing rays apart",
    )
    findings.claim("depth: worst error up to 100 m", farther, unit="m", better="lower")
    findings.claim(
        "boxes: worst relative error",
        _box_error(rng),
        goal=BOX_GOAL,
        better="lower",
        against="outlines of boxes, cylinders, spheres and capsules, 200,000 points each",
    )


def _box_error(rng: np.random.Generator) -> float:
    """Of exact boxes against extents of the points that make the outline, as a share of the larger side."""
    worst = 0.0
    for _ in range(20):
        camera = Camera(width=256, height=256, position=(0, 0, 5.0), pitch=-0.2, roll=rng.uniform(-1, 1))
        place = np.array([rng.uniform(6, 9), rng.uniform(-1, 1), rng.uniform(3, 4)]).astype(np.float32)
        for part, points in _outlines(place.astype(np.float64), np.array(camera.position)):
            pixels, _ = camera.project(points)
            x, y, w, h = instance_boxes(Scene(solids=part), camera).boxes[0]
            expected = np.array([*pixels.min(axis=0), *np.ptp(pixels, axis=0)])
            worst = max(worst, float(np.abs(expected - [x, y, w, h]).max() / max(w, h)))
    return worst


def _outlines(place: NDArray[np.float64], eye: NDArray[np.float64]) -> Iterator[tuple[Solids, NDArray]]:
    """Solids at a place, each with points (N, 3) between which its outline lies, as seen from the eye."""
    radius, up = 0.5, np.array([0, 0, 1.5])
    angle = np.linspace(0, 2 * pi, 200_000)
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)

    def contour(centre: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where lines from the eye touch a sphere: a circle."""
        way = centre - eye
        far = np.linalg.norm(way)
        share = 1 - (radius / far) ** 2
        side = np.cross(way, up) / np.linalg.norm(np.cross(way, up))
        other = np.cross(way / far, side)
        return eye + share * way + radius * share**0.5 * (ring[:, :1] * side + ring[:, 1:2] * other)

    corners = np.stack(np.meshgrid(*[[-radius, radius]] * 3), axis=-1).reshape(-1, 3)
    yield box(place, (radius,) * 3, instance=0), place + corners
    yield (
        cylinder(place, radius, up[2], instance=0),
        place + np.concatenate([radius * ring, radius * ring + up]),
    )
    yield sphere(place, radius, instance=0), contour(place)
    rod = np.concatenate([contour(place), contour(place + up)])
    yield capsule(place, place + up, radius, instance=0), rod
