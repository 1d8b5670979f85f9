"""Frames invert each other; arcs are exact; boxes overlap where sampling says so."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayscan.geometry.poses import boxes_overlap, corners, from_ego, integrate_unicycle, to_ego, wrap_angle

number = st.floats(-50, 50)


@given(number)
def test_a_wrapped_angle_points_the_same_way(angle: float) -> None:
    wrapped = wrap_angle(angle)
    assert -np.pi <= wrapped < np.pi
    assert np.allclose([np.cos(wrapped), np.sin(wrapped)], [np.cos(angle), np.sin(angle)])


@given(st.tuples(number, number, number), st.tuples(number, number, number))
def test_from_ego_inverts_to_ego(pose, ego) -> None:
    back = from_ego(to_ego(pose, ego), ego)
    assert np.allclose(back[:2], pose[:2])
    assert abs(wrap_angle(back[2] - pose[2])) < 1e-9


def test_frames_broadcast() -> None:
    points = np.random.default_rng(0).normal(size=(4, 7, 2))
    egos = np.random.default_rng(1).normal(size=(4, 1, 3))
    seen = to_ego(points, egos)
    assert seen.shape == points.shape
    assert np.allclose(seen[2, 3], to_ego(points[2, 3], egos[2, 0]))
    assert np.allclose(np.linalg.norm(seen, axis=-1), np.linalg.norm(points - egos[..., :2], axis=-1))


def test_a_circle_closes_and_lies_on_its_radius() -> None:
    count = 40
    poses = integrate_unicycle([3, 4, 0.7], np.full(count, 5.0), np.full(count, 2 * np.pi / 4), 0.1)
    assert np.allclose(poses[-1], [3, 4, 0.7])
    centre = from_ego([0, 5 / (np.pi / 2)], [3, 4, 0.7])
    assert np.allclose(np.linalg.norm(poses[:, :2] - centre, axis=1), 5 / (np.pi / 2))


def test_without_turning_a_unicycle_goes_straight() -> None:
    poses = integrate_unicycle([0, 0, np.pi / 2], [1.0, 2.0, 3.0], 0.0, 0.5)
    assert np.allclose(poses, [[0, 0.5, np.pi / 2], [0, 1.5, np.pi / 2], [0, 3.0, np.pi / 2]])


def test_corners_span_the_box() -> None:
    box = corners([1, 2, 0.3], [4, 2])
    assert np.allclose(np.linalg.norm(np.diff(box, axis=0), axis=1), [4, 2, 4])
    assert np.allclose(box.mean(axis=0), [1, 2])


def test_overlap_agrees_with_sampling() -> None:
    rng = np.random.default_rng(0)
    first = np.concatenate([rng.uniform(-3, 3, (300, 2)), rng.uniform(-4, 4, (300, 1))], axis=1)
    second = np.concatenate([rng.uniform(-3, 3, (300, 2)), rng.uniform(-4, 4, (300, 1))], axis=1)
    size_a, size_b = np.array([4.0, 1.8]), np.array([3.0, 1.0])
    unit = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 81), np.linspace(-0.5, 0.5, 41)), -1).reshape(-1, 2)
    inside = to_ego(from_ego(unit * size_a, first[:, None]), second[:, None])
    sampled = (np.abs(inside) < size_b / 2).all(-1).any(-1)
    said = boxes_overlap(first, size_a, second, size_b)
    assert not (sampled & ~said).any()
    assert (said != sampled).mean() < 0.03  # overlaps thinner than the samples
    assert (said == boxes_overlap(second, size_b, first, size_a)).all()


def test_boxes_that_touch_or_are_absent_do_not_overlap() -> None:
    assert not boxes_overlap([0, 0, 0], [4, 2], [4, 0, 0], [4, 2])
    assert boxes_overlap([0, 0, 0], [4, 2], [3.99, 0, 0], [4, 2])
    assert not boxes_overlap([np.nan, 0, 0], [4, 2], [0, 0, 0], [4, 2])


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 3\)"):
        to_ego([1.0, 2.0], [0.0, 0.0])
    with pytest.raises(ValueError, match="points have shape"):
        to_ego([1.0], [0.0, 0.0, 0.0])
