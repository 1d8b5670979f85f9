"""Crowds: nobody overlaps anybody or anything, goals are reached, those who meet pass."""

from itertools import pairwise

import numpy as np
import pytest

from wayscan.world.actors.avoidance import allowed_velocity, half_plane_between
from wayscan.world.actors.crowd import Crowd, Others, closest_pair, free_places
from wayscan.world.actors.figure import RADIUS
from wayscan.world.actors.floor import Floor

YARD = Floor(
    circles=[(2, 2, 0.5), (-3, 1, 0.4), (0, -4, 0.6)],
    boxes=[(4, -2, 1.5, 0.4, 0.6), (-4, -4, 1, 1, 0), (0, 7, 8, 0.2, 0), (0, -7, 8, 0.2, 0)],
)
DT = 0.1


def random_crowd(seed, count=12):
    rng = np.random.default_rng(seed)
    places = free_places(rng, YARD, count, low=(-6, -6), high=(6, 6))
    crowd = Crowd(places, YARD, speeds=rng.uniform(0.6, 1.6, count))
    goals = free_places(rng, YARD, count, low=(-6, -6), high=(6, 6))
    for k, goal in enumerate(goals):
        assert crowd.send(k, goal)
    return crowd, rng


@pytest.mark.parametrize("seed", range(3))
def test_nobody_overlaps_in_long_walks(seed):
    crowd, rng = random_crowd(seed)
    closest, nearest_wall = np.inf, np.inf
    for _ in range(400):
        crowd.step(DT)
        closest = min(closest, closest_pair(crowd.positions))
        nearest_wall = min(nearest_wall, YARD.distance(crowd.positions).min())
        for k in np.flatnonzero(crowd.arrived):
            crowd.send(k, free_places(rng, YARD, 1, low=(-6, -6), high=(6, 6))[0])
    assert closest >= 2 * RADIUS - 1e-9
    assert nearest_wall >= RADIUS - 1e-6


@pytest.mark.parametrize("seed", range(3))
def test_everybody_arrives(seed):
    crowd, _ = random_crowd(seed, count=8)
    for _ in range(500):
        crowd.step(DT)
    assert crowd.arrived.all()


def test_two_who_meet_head_on_pass():
    crowd = Crowd([(-4, 0), (4, 0)], Floor(), speeds=1.2)
    crowd.send(0, (4, 0)), crowd.send(1, (-4, 0))
    for _ in range(110):
        crowd.step(DT)
        np.testing.assert_allclose(crowd.positions[0], -crowd.positions[1], atol=1e-9)
    assert crowd.arrived.all()


def test_a_ring_that_changes_sides_gets_through():
    turns = np.arange(8) * np.pi / 4
    ring = 4 * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    crowd = Crowd(ring, Floor())
    for k in range(8):
        crowd.send(k, -ring[k])
    for _ in range(250):
        crowd.step(DT)
    assert crowd.arrived.all()


def test_walks_repeat_to_the_bit():
    one, two = random_crowd(5)[0], random_crowd(5)[0]
    for _ in range(100):
        one.step(DT), two.step(DT)
    np.testing.assert_array_equal(one.poses, two.poses)
    np.testing.assert_array_equal(one.phases, two.phases)


def test_a_robot_that_stands_in_the_way_is_passed():
    crowd = Crowd([(-4, 0)], Floor(), speeds=1.2)
    crowd.send(0, (4, 0))
    robot = Others(positions=np.zeros((1, 2)), velocities=np.zeros((1, 2)))
    closest = np.inf
    for _ in range(100):
        crowd.step(DT, robot)
        closest = min(closest, np.linalg.norm(crowd.positions[0]))
    assert crowd.arrived.all()
    assert closest > 0.55


def test_bodies_face_their_way():
    crowd = Crowd([(0, 0)], Floor(), headings=2.5)
    crowd.send(0, (5, 0))
    for _ in range(30):
        crowd.step(DT)
    assert abs(crowd.headings[0]) < 1e-6


def test_who_finds_no_place_is_told():
    with pytest.raises(ValueError, match=r"of 50 walkers found a place .* ask for fewer"):
        free_places(np.random.default_rng(0), Floor(), 50, low=(0, 0), high=(2, 2))
    with pytest.raises(ValueError, match=r"use crowd\.free_places"):
        Crowd([(0, 0), (0.1, 0)], Floor())


def test_routes_go_round_and_keep_clear():
    rng = np.random.default_rng(2)
    for start, goal in free_places(rng, YARD, 60, low=(-6, -6), high=(6, 6), apart=0.0).reshape(-1, 2, 2):
        way = np.vstack([start, YARD.route(start, goal)])
        assert YARD.clear(way[:-1], way[1:], 0.39).all()
        shares = np.linspace(0, 1, 50)[:, None]
        points = np.concatenate([a + (b - a) * shares for a, b in pairwise(way)])
        assert YARD.distance(points).min() > 0.38
    walled = Floor(boxes=[(3, 0, 0.1, 2, 0), (-3, 0, 0.1, 2, 0), (0, 2, 3.2, 0.1, 0), (0, -2, 3.2, 0.1, 0)])
    assert walled.route((0, 0), (9, 9)) is None


def test_the_distance_to_a_turned_box():
    floor = Floor(boxes=[(0, 0, 2, 1, np.pi / 2)])
    ways, distances = floor.nearest([(3, 0), (0, 4), (0.9, 0), (4, 6)])
    np.testing.assert_allclose(distances[:, 0], [2, 2, -0.1, 5], atol=1e-12)
    np.testing.assert_allclose(ways[:, 0], [(1, 0), (0, 1), (1, 0), (0.6, 0.8)], atol=1e-12)


def test_the_nearest_allowed_velocity_is_the_nearest():
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 201)] * 2), axis=-1).reshape(-1, 2)
    grid = grid[np.hypot(*grid.T) <= 1]
    for _ in range(50):
        turns = rng.uniform(0, 2 * np.pi, 4)
        planes = np.column_stack([np.cos(turns), np.sin(turns), rng.uniform(-0.6, 0.2, 4)])
        wish = rng.uniform(-1, 1, 2)
        allowed = grid[(grid @ planes[:, :2].T >= planes[:, 2]).all(axis=1)]
        if not len(allowed):
            continue
        best = np.linalg.norm(allowed - wish, axis=1).min()
        found = np.array(allowed_velocity(tuple(wish), 1.0, [tuple(p) for p in planes.tolist()], []))
        assert (planes[:, :2] @ found >= planes[:, 2] - 1e-7).all()
        assert np.linalg.norm(found - wish) <= best + 1e-9


def test_both_halves_of_the_avoiding_make_a_whole():
    """Two that each take the least change allowed by their half plane just touch."""
    own, other, offset = (1.0, 0.0), (-1.0, 0.1), (3.0, 0.0)
    nx, ny, c = half_plane_between(offset, own, other, 0.5, 5.0, 0.5)
    mx, my, d = half_plane_between((-3.0, 0.0), other, own, 0.5, 5.0, 0.5)
    a = np.array(own) + max(0, c - nx * own[0] - ny * own[1]) * np.array([nx, ny])
    b = np.array(other) + max(0, d - mx * other[0] - my * other[1]) * np.array([mx, my])
    times = np.linspace(0, 5, 2001)[:, None]
    gaps = np.linalg.norm(np.array(offset) + times * (b - a), axis=1)
    assert abs(gaps.min() - 0.5) < 1e-3
