"""Depth against textbook formulas in float64, for every shape, wherever it stands and whoever looks."""

from math import cos, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.world.cameras import Camera, ray_length
from wayscan.world.render import depth_images, render
from wayscan.world.render.reference import depth_of, rays_of, reference_view
from wayscan.world.scene import (
    GROUND,
    SKY,
    Light,
    Scene,
    Shape,
    box,
    capsule,
    cylinder,
    ellipsoid,
    solids,
    sphere,
)

TOLERANCE = 1e-4  # metres up to 10 m, and of the distance beyond
NARROW = 1e-5  # radians between rays that hit and rays that miss: what float32 positions leave open

numbers = st.floats(0, 1)


def depth(table, camera):
    return depth_images(table[None], camera.record()[None], camera.width, camera.height)[0]


def make(shape, place, size, a, b, c):
    """A solid of about this size, its form and attitude by three numbers in [0, 1]."""
    half = size * (0.2 + 0.8 * np.array([a, b, c]))
    yaw = 2 * pi * a
    if shape is Shape.SPHERE:
        return sphere(place, size, instance=0)
    if shape is Shape.BOX:
        return box(place, half, yaw=yaw, instance=0)
    if shape is Shape.ELLIPSOID:
        return ellipsoid(place, half, yaw=yaw, instance=0)
    if shape is Shape.CYLINDER:
        return cylinder(place, half[0], 3 * half[2], instance=0)
    up = pi * (b - 0.5)
    towards = np.array([cos(yaw) * cos(up), sin(yaw) * cos(up), sin(up)])
    return capsule(place, place + 3 * half[2] * towards, half[0], instance=0)


def worst(found, expected, where):
    """Largest error where both hit, as a share of 10 m or of the distance if that is more."""
    where = where & np.isfinite(expected) & np.isfinite(found)
    return (np.abs(found[where] - expected[where]) / np.maximum(expected[where], 10) * 10).max(initial=0)


def outlines(table, camera):
    """Pixels within NARROW of another answer: there rounding may decide."""
    rays, eye = rays_of(camera), np.array(camera.position)
    number = reference_view(table, camera)[1]
    near = np.zeros(number.shape, dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for shift in ((NARROW, 0), (-NARROW, 0), (0, NARROW), (0, -NARROW)):
            moved = rays + shift[0] * camera.axes[0] + shift[1] * camera.axes[1]
            for solid in table:
                here, there = depth_of(solid, rays, eye), depth_of(solid, moved, eye)
                near |= np.isfinite(here) != np.isfinite(there)
                near |= np.abs(here - there) > 20 * TOLERANCE * np.maximum(here, 10)  # grazing rays
    return near


@pytest.mark.parametrize("shape", [s for s in Shape if s is not Shape.NOTHING])
@settings(max_examples=30, deadline=None)
@given(
    distance=st.floats(1, 100),
    size=st.floats(0.1, 4),
    form=st.tuples(numbers, numbers, numbers),
    aim=st.tuples(numbers, numbers, numbers),
)
def test_depth_is_that_of_the_definition(shape, distance, size, form, aim):
    yaw, pitch, roll = 2 * pi * aim[0], 1.2 * (aim[1] - 0.5), 2 * (aim[2] - 0.5)
    eye = np.array([3.0, -2.0, 60.0])
    wide = min(2.0, 3 * size / distance + 0.2)
    camera = Camera(width=36, height=28, position=tuple(eye), yaw=yaw, pitch=pitch, roll=roll, field=wide)
    place = eye + (distance + 5 * size) * camera.axes[2]
    table = make(shape, place, size, *form)
    expected, number = reference_view(table, camera)
    found = depth(table, camera)
    clear = ~outlines(table, camera)
    assert worst(found, expected, clear & (number == 0)) <= TOLERANCE
    assert (np.isfinite(expected) == np.isfinite(found))[clear & (number == 0)].all()


@pytest.mark.parametrize("shape", [s for s in Shape if s is not Shape.NOTHING])
@settings(max_examples=25, deadline=None)
@given(form=st.tuples(numbers, numbers, numbers), aim=st.tuples(numbers, numbers, numbers))
def test_what_stands_beside_and_behind_the_camera(shape, form, aim):
    """Close by, half behind the camera's plane, the camera at any angle."""
    camera = Camera(
        width=40,
        height=40,
        position=(0.0, 0.0, 8.0),
        yaw=2 * pi * aim[0],
        pitch=pi * (aim[1] - 0.5),
        roll=2 * pi * aim[2],
        field=2.2,
    )
    place = np.array([1.6 * cos(9 * form[0]), 1.6 * sin(9 * form[0]), 8 + 2 * form[1] - 1])
    table = make(shape, place, 0.5, *form)
    expected, _ = reference_view(table, camera)
    found = depth(table, camera)
    clear = ~outlines(table, camera)
    clear &= np.abs(rays_of(camera)[..., 2]) > 1e-6  # the horizon
    assert (np.isfinite(expected) == np.isfinite(found))[clear].all()
    assert worst(found, expected, clear & (expected < 100)) <= TOLERANCE


@given(
    height=st.floats(0.3, 50),
    pitch=st.floats(-1.2, 0.3),
    roll=st.floats(-0.5, 0.5),
)
@settings(max_examples=30, deadline=None)
def test_the_ground(height, pitch, roll):
    camera = Camera(width=33, height=21, position=(5.0, 7.0, height), pitch=pitch, roll=roll, yaw=1.0)
    expected, number = reference_view(solids([]), camera)
    frame = render(Scene(solids=solids([])), camera)
    close = expected < 200
    np.testing.assert_allclose(frame.depth[close], expected[close], rtol=2e-5)
    far = np.abs(rays_of(camera)[..., 2]) > 1e-5
    assert (frame.ids == number)[far].all()
    assert set(np.unique(frame.ids)) <= {GROUND, SKY}


def test_ray_length_is_the_distance_from_the_camera():
    camera = Camera(width=31, height=31, position=(0, 0, 3.0), pitch=-pi / 2, field=1.5)
    length = ray_length(render(Scene(solids=solids([])), camera).depth, camera)
    points = np.array(camera.position) + length[..., None] * (
        rays_of(camera) / np.linalg.norm(rays_of(camera), axis=-1, keepdims=True)
    )
    np.testing.assert_allclose(points[..., 2], 0, atol=1e-5)


@pytest.mark.parametrize("height", [0.0, -1.0, 1.0, 0.5])
def test_a_camera_level_with_a_face(height):
    """Exactly in the plane of an end or a side, where a slab's bound is zero."""
    camera = Camera(width=40, height=40, position=(0.0, 0.0, 2.0))
    for table in (
        cylinder((4, 0, 2 + height), 0.5, 1, instance=0),
        box((4, 0, 2 + height), (0.5, 0.5, 1), instance=0),
        box((4, height / 2, 2), (0.5, 0.5, 1), instance=0),
        box((4, height / 2, 2 + height), (0.5, 0.5, 1), yaw=pi / 2, instance=0),
    ):
        expected, _ = reference_view(table, camera)
        assert (np.abs(1 / depth(table, camera) - 1 / expected) > 1e-5).mean() < 0.01


def crowd(seed, count=24):
    """A table of all shapes around (15, 0), none of them within 2 m of the origin."""
    rng, parts = np.random.default_rng(seed), []
    shapes = [s for s in Shape if s is not Shape.NOTHING]
    for k in range(count):
        place = np.array([rng.uniform(5, 25), rng.uniform(-10, 10), rng.uniform(0.5, 3)])
        part = make(shapes[k % 5], place, rng.uniform(0.2, 1.2), *rng.random(3))
        part["instance"] = k
        parts.append(part)
    return solids(parts)


@pytest.mark.parametrize("seed", range(4))
def test_crowds_are_those_of_the_definition(seed):
    table = crowd(seed)
    camera = Camera(width=160, height=120, position=(-1.0, 0.0, 2.0), pitch=-0.1 * seed, roll=0.2 * seed)
    expected, number = reference_view(table, camera)
    frame = render(Scene(solids=table), camera)
    assert (frame.ids == number).mean() > 0.9995
    same = (frame.ids == number) & (number >= 0)
    assert np.median(np.abs(frame.depth[same] - expected[same])) < 2e-6
    np.testing.assert_array_equal(np.isinf(frame.depth), frame.ids == SKY)


def test_the_order_of_solids_does_not_matter():
    table, camera = crowd(1), Camera(width=96, height=64, roll=0.3)
    one = render(Scene(solids=table), camera)
    two = render(Scene(solids=table[np.random.default_rng(0).permutation(len(table))]), camera)
    np.testing.assert_array_equal(one.depth, two.depth)
    assert (one.ids == two.ids).mean() > 0.9999  # equally near surfaces


def test_a_batch_is_its_worlds_one_by_one():
    tables = np.stack([crowd(seed) for seed in range(3)])
    tables = np.concatenate([tables, np.zeros((3, 5), dtype=tables.dtype)], axis=1)  # padded with NOTHING
    cameras = [Camera(width=50, height=30, yaw=0.1 * k, pitch=-0.1, roll=0.2 * k) for k in range(3)]
    records = np.array([camera.record() for camera in cameras])
    batch = depth_images(tables, records, 50, 30)
    for k, camera in enumerate(cameras):
        np.testing.assert_array_equal(batch[k], render(Scene(solids=tables[k]), camera).depth)
    clipped = depth_images(tables, records, 50, 30, far=9.0)
    np.testing.assert_array_equal(clipped, np.minimum(batch, np.float32(9)))
    out = np.empty_like(batch)
    assert depth_images(tables, records, 50, 30, out=out) is out
    np.testing.assert_array_equal(out, batch)


def test_the_same_pixels_every_time():
    scene, camera = Scene(solids=crowd(2), light=Light(fog=60)), Camera(width=90, height=70)
    one, two = render(scene, camera), render(scene, camera)
    for name in ("image", "depth", "ids"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
