"""Poses on the plane and in space: sampling, integration, matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayscan.data.formats.entries import Entry
from wayscan.data.formats.planar import integrate, nearest, sample
from wayscan.data.formats.rigid import inverse, planar_pose, read_rigid, rigid_values, upright

NUMBER = st.floats(-50, 50)
ANGLE = st.floats(-3.1, 3.1)


@given(st.lists(st.tuples(NUMBER, NUMBER, ANGLE), min_size=2, max_size=6), st.integers(0, 1000))
def test_samples_at_the_known_times_are_what_is_known(poses, seed):
    times = np.cumsum(np.random.default_rng(seed).uniform(0.05, 0.3, len(poses)))
    np.testing.assert_array_equal(sample(times, poses, times), poses)
    between = (times[1:] + times[:-1]) / 2
    middle = (np.array(poses)[1:, :2] + np.array(poses)[:-1, :2]) / 2
    np.testing.assert_allclose(sample(times, poses, between)[:, :2], middle, atol=1e-9)


def test_a_heading_is_mixed_the_short_way_and_nan_stays_beside_nan():
    poses = [[0, 0, 3.0], [1, 0, -3.0], [np.nan] * 3, [3, 0, 0]]
    mixed = sample([0, 1, 2, 3], poses, [0.5, 1, 1.5, 2.5, 3])
    assert abs(mixed[0, 2]) == pytest.approx(np.pi)
    assert np.isnan(mixed[:, 0]).tolist() == [False, False, True, True, False]


def test_the_nearest_of_two_equals_is_the_earlier():
    assert nearest([0.0, 0.2, 0.4], [0.1, 0.3, 0.05, 0.35, 9, -1]).tolist() == [0, 1, 0, 2, 2, 0]


@given(NUMBER, NUMBER, st.floats(-2, 2), st.integers(1, 20))
def test_a_steady_motion_does_not_depend_on_how_it_is_cut(vx, vy, turn, pieces):
    whole = integrate([[vx, vy, turn]], 1.0)[-1]
    np.testing.assert_allclose(integrate([[vx, vy, turn]] * pieces, 1.0 / pieces)[-1], whole, atol=1e-8)


@given(NUMBER, NUMBER, ANGLE, NUMBER)
def test_matrices_and_poses_are_the_same_thing(x, y, heading, height):
    matrix = upright([x, y, heading], height)
    np.testing.assert_allclose(planar_pose(matrix), [x, y, heading], atol=1e-12)
    np.testing.assert_allclose(inverse(matrix) @ matrix, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(read_rigid(Entry(rigid_values(matrix), "here")), matrix, atol=1e-12)


def test_missing_keys_say_what_is_there():
    entry = Entry({"rotatoin": 1, "b": 2}, "a.json, entry 3")
    with pytest.raises(
        ValueError, match=r"a\.json, entry 3: key 'rotation' is missing; did 'rotatoin' mean it\?"
    ):
        entry.value("rotation")
    with pytest.raises(ValueError, match="key 'zzz' is missing; there are rotatoin, b"):
        entry.number("zzz")
    with pytest.raises(ValueError, match="key 'b' is True; expected a string"):
        Entry({"b": True}, "x").text("b")
    with pytest.raises(ValueError, match="key 'b' is 'two'; expected one number"):
        Entry({"b": "two"}, "x").number("b")
