"""Pinhole cameras: axes, projection, poses, and what is refused."""

from math import nan, pi

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayscan.world.cameras import Camera, ray_length

angles = st.floats(-3.1, 3.1)


@given(yaw=angles, pitch=st.floats(-1.5, 1.5), roll=angles)
def test_axes_are_a_right_handed_frame(yaw, pitch, roll):
    axes = Camera(width=4, height=4, yaw=yaw, pitch=pitch, roll=roll).axes
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2], atol=1e-12)


def test_what_the_angles_mean():
    level = Camera(width=4, height=4)
    np.testing.assert_allclose(level.axes, [[0, -1, 0], [0, 0, -1], [1, 0, 0]], atol=1e-12)
    left = Camera(width=4, height=4, yaw=pi / 2).axes
    np.testing.assert_allclose(left[2], [0, 1, 0], atol=1e-12)
    up = Camera(width=4, height=4, pitch=pi / 4).axes
    assert up[2][2] > 0.7
    right = Camera(width=4, height=4, roll=0.3).axes
    assert right[0][2] < -0.2  # its right side is down


@given(yaw=angles, pitch=st.floats(-1.5, 1.5), roll=angles, column=st.floats(0, 64), row=st.floats(0, 48))
def test_projection_undoes_the_ray(yaw, pitch, roll, column, row):
    camera = Camera(width=64, height=48, position=(1.0, 2.0, 3.0), yaw=yaw, pitch=pitch, roll=roll, field=1.1)
    own = np.array([(column - 32) / camera.focal, (row - 24) / camera.focal, 1.0])
    pixel, depth = camera.project(np.array(camera.position) + 7 * own @ camera.axes)
    np.testing.assert_allclose(pixel, [column, row], atol=1e-9)
    np.testing.assert_allclose(depth, 7, atol=1e-9)


def test_behind_the_camera_there_are_no_pixels():
    pixel, depth = Camera(width=4, height=4).project([-5.0, 0, 1.5])
    assert np.isnan(pixel).all()
    assert depth < 0


def test_the_field_spans_the_width():
    camera = Camera(width=100, height=50, field=1.0)
    edge = np.array(camera.position) + np.array([np.cos(0.5), np.sin(0.5), 0])
    np.testing.assert_allclose(camera.project(edge)[0], [0, 25], atol=1e-9)


def test_pose_and_matrix_project_too():
    camera = Camera(width=64, height=48, position=(1.0, 2.0, 3.0), yaw=0.4, pitch=-0.1, roll=0.2)
    point = np.array([6.0, 4.0, 2.0])
    own = np.linalg.inv(camera.pose) @ [*point, 1]
    pixel = camera.matrix @ own[:3]
    np.testing.assert_allclose(pixel[:2] / pixel[2], camera.project(point)[0], atol=1e-9)


def test_a_mounted_camera_moves_with_its_vehicle():
    camera = Camera(width=4, height=4, position=(2.0, 1.0, 1.5), yaw=0.1)
    moved = camera.at(10.0, 20.0, pi / 2)
    np.testing.assert_allclose(moved.position, (9.0, 22.0, 1.5), atol=1e-12)
    assert moved.yaw == pytest.approx(pi / 2 + 0.1)


def test_the_record_is_the_camera():
    camera = Camera(width=4, height=4, yaw=0.4, pitch=-0.1)
    record = camera.record()
    np.testing.assert_array_equal(record["forward"], camera.axes[2])
    assert record["focal"] == camera.focal


def test_ray_length_grows_towards_the_corners():
    camera = Camera(width=3, height=3, field=pi / 2)
    length = ray_length(np.full((3, 3), 2, dtype=np.float32), camera)
    assert length.dtype == np.float32
    assert length[1, 1] == 2
    np.testing.assert_allclose(length[0, 0], 2 * np.sqrt(1 + 2 * (2 / 3) ** 2), rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"width": 0}, "expected at least 1 pixel each"),
        ({"field": 4.0}, "expected an angle between 0 and π"),
        ({"yaw": nan}, "expected finite numbers"),
    ],
)
def test_impossible_cameras_are_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        Camera(**{"width": 4, "height": 4, **wrong})
