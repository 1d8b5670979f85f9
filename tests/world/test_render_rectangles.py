"""Where solids lie in the image: rectangles that lose no pixel, and exact boxes of instances."""

from math import pi

import numpy as np
import pytest

from wayscan.world.cameras import Camera
from wayscan.world.kernels import compiled
from wayscan.world.render import instance_boxes, render
from wayscan.world.render.picture import extents_of, seen, view_of
from wayscan.world.render.tables import as_numbers
from wayscan.world.scene import Scene, Shape, box, capsule, cylinder, ellipsoid, solids, sphere

SHAPES = [shape for shape in Shape if shape is not Shape.NOTHING]


def random_solid(rng, shape, place, instance=0):
    half, yaw = rng.uniform(0.2, 1.2, 3), rng.uniform(0, 2 * pi)
    if shape is Shape.SPHERE:
        return sphere(place, half[0], instance=instance)
    if shape is Shape.BOX:
        return box(place, half, yaw=yaw, instance=instance)
    if shape is Shape.ELLIPSOID:
        return ellipsoid(place, half, yaw=yaw, instance=instance)
    if shape is Shape.CYLINDER:
        return cylinder(place, half[0], 2 * half[1], instance=instance)
    return capsule(place, place + rng.normal(0, 1, 3), half[0] / 2, instance=instance)


def random_camera(rng, width=80, height=60):
    yaw, pitch, roll = rng.uniform(0, 2 * pi), rng.uniform(-1.5, 1.0), rng.uniform(-pi, pi)
    return Camera(
        width=width,
        height=height,
        position=(0, 0, 10.0),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        field=rng.uniform(0.4, 2.4),
    )


def around(rng, camera, reach):
    """A place in front of or beside the camera, or a bit behind it."""
    x, y, z = rng.uniform(-reach, reach), rng.uniform(-reach, reach), rng.uniform(-0.3 * reach, reach)
    return np.array(camera.position) + np.array([x, y, z]) @ camera.axes


def surface(solid, rng, count=20000):
    """Points on a solid's surface, many of them, its edges among them."""
    a, b, r = (solid[name].astype(float) for name in ("a", "b", "radius"))
    v = rng.normal(size=(count, 3))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    c, s = solid["turn"].astype(float)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    shape = Shape(int(solid["shape"]))
    if shape is Shape.SPHERE:
        return a + r * v
    if shape is Shape.ELLIPSOID:
        return a + (b * v) @ turn
    if shape is Shape.BOX:
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return (
            a
            + np.concatenate([signs, signs[rng.integers(8, size=count)] * rng.random((count, 3))]) * b @ turn
        )
    if shape is Shape.CYLINDER:
        angle = np.linspace(0, 2 * pi, count // 2)
        ring = np.stack([r * np.cos(angle), r * np.sin(angle), 0 * angle], axis=1)
        return a + np.concatenate([ring, ring + np.array([0, 0, b[2]])])
    return np.concatenate([a + r * v, b + r * v])


@pytest.mark.parametrize("shape", SHAPES)
def test_extents_are_those_of_dense_surface_points(shape):
    """In front of the camera: within what a dense sampling leaves open."""
    rng, checked = np.random.default_rng(int(shape)), 0
    while checked < 25:
        camera = random_camera(rng)
        place = around(rng, camera, 6) + 4 * camera.axes[2]
        solid = random_solid(rng, shape, place)
        pixels, depth = camera.project(surface(solid[0], rng))
        if depth.min() < 0.2:
            continue
        checked += 1
        expected = [*pixels.min(axis=0), *pixels.max(axis=0)]
        found = extents_of(as_numbers(solid)[None], view_of(camera), camera.width, camera.height)[0, 0]
        size = max(found[2] - found[0], found[3] - found[1])
        exact = shape in (Shape.BOX, Shape.CYLINDER)
        np.testing.assert_allclose(found, expected, atol=(1e-6 if exact else 3e-3) * size)
        assert (found[:2] <= np.array(expected[:2]) + 1e-6 * size).all()
        assert (found[2:] >= np.array(expected[2:]) - 1e-6 * size).all()


def test_a_sphere_against_its_closed_form():
    """A sphere on the optical axis: its outline is a circle of tangent r / √(d² − r²)."""
    camera = Camera(width=200, height=100, position=(0, 0, 50.0), field=1.0)
    found = extents_of(as_numbers(sphere((7, 0, 50), 2, instance=0))[None], view_of(camera), 200, 100)[0, 0]
    radius = camera.focal * 2 / np.sqrt(49 - 4)
    np.testing.assert_allclose(found, [100 - radius, 50 - radius, 100 + radius, 50 + radius], rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_rectangles_lose_no_pixel(shape):
    """Rendering within rectangles and everywhere is the same, the camera close and at any angle."""
    rng, see = np.random.default_rng(10 + int(shape)), compiled("render.visibility").see
    for _ in range(80):
        camera = random_camera(rng)
        table = as_numbers(random_solid(rng, shape, around(rng, camera, rng.choice([2, 5, 12]))))[None]
        view = view_of(camera)
        within, _ = seen(table, view, camera.width, camera.height)
        everywhere = np.tile([-1e9, -1e9, 1e9, 1e9], (1, 1, 1))
        near, winner = np.empty((2, *within.shape), dtype=np.float32)
        see(table, view, everywhere, camera.width, camera.height, 0, 0, near, winner)
        one, two = within[..., : camera.width], near[..., : camera.width]
        assert (np.abs(one - two) > 1e-5 + 1e-3 * two).sum() <= 1  # outlines are rounded otherwise


def test_what_reaches_behind_the_camera():
    """A long rod passes overhead: its extent goes on to where it leaves the front, beyond the image."""
    camera = Camera(width=64, height=48, position=(0, 0, 2.0))
    rod = capsule((-5, 0.5, 3), (20, 0.5, 3), 0.2, instance=0)
    found = extents_of(as_numbers(rod)[None], view_of(camera), 64, 48)[0, 0]
    assert found[1] == -np.inf
    assert 0 < found[3] < 24
    behind = extents_of(as_numbers(sphere((-5, 0, 2), 1, instance=0))[None], view_of(camera), 64, 48)[0, 0]
    assert behind[0] == np.inf


def test_boxes_are_those_of_ids_in_a_finer_picture():
    rng = np.random.default_rng(0)
    parts = [
        random_solid(
            rng, SHAPES[k % 5], np.array([6 + k, rng.uniform(-4, 4), rng.uniform(1, 2.5)]), instance=k // 2
        )
        for k in range(12)
    ]
    table = solids(parts)
    camera = Camera(width=96, height=64, position=(-1, 0, 2.0), roll=0.2)
    scene = Scene(solids=table, names=("thing",) * 7)
    boxes, visible = instance_boxes(scene, camera)
    assert boxes.shape == (7, 4)
    assert np.isnan(boxes[6]).all()
    assert visible[6] == 0
    fine = Camera(width=96 * 16, height=64 * 16, position=(-1, 0, 2.0), roll=0.2)
    for k in range(6):
        alone = render(Scene(solids=table[table["instance"] == k]), fine).ids == k
        rows, columns = np.flatnonzero(alone.any(axis=1)), np.flatnonzero(alone.any(axis=0))
        expected = np.array([columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]]) / 16
        np.testing.assert_allclose(boxes[k], expected, atol=0.26)


def test_visible_shares_count_pixels():
    table = solids([sphere((8, 0, 2), 1, instance=0), box((5, 0.6, 2), (0.1, 0.6, 2), instance=1)])
    scene, camera = Scene(solids=table), Camera(width=120, height=90, position=(0, 0, 2.0))
    frame = render(scene, camera)
    found = instance_boxes(scene, camera)
    alone = render(Scene(solids=table[:1]), camera)
    assert found.visible[0] == (frame.ids == 0).sum() / (alone.ids == 0).sum()
    assert 0.4 < found.visible[0] < 0.8
    assert found.visible[1] == 1
    again = instance_boxes(scene, camera, frame.ids)
    np.testing.assert_array_equal(found.visible, again.visible)
    with pytest.raises(ValueError, match="ids are int64"):
        instance_boxes(scene, camera, frame.ids.astype(np.int64))


def test_no_instances():
    found = instance_boxes(Scene(solids=solids([])), Camera(width=8, height=8))
    assert found.boxes.shape == (0, 4)


def test_axes_of_cameras_agree_with_boxes():
    """A camera turned on its side swaps width and height."""
    table = box((10, 0, 5), (0.1, 2, 1), instance=0)
    level = instance_boxes(Scene(solids=table), Camera(width=100, height=100, position=(0, 0, 5.0)))
    turned = instance_boxes(
        Scene(solids=table), Camera(width=100, height=100, position=(0, 0, 5.0), roll=pi / 2)
    )
    np.testing.assert_allclose(level.boxes[0, 2:], turned.boxes[0, [3, 2]], rtol=1e-9)
