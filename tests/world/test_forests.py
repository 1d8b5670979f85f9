"""Forests: seeded, passable, with the gaps they promise, and honest about what found no place."""

from dataclasses import replace

import numpy as np
import pytest

from wayscan.world import kernels
from wayscan.world.forests import CELL, DENSER, ForestSpec, make_forest
from wayscan.world.scene import Shape, check_solids

STILL = ForestSpec(moving=0)


def forest(seed, spec=STILL, level=1.0):
    return make_forest(np.random.default_rng(seed), spec, level)


def test_a_forest_is_a_function_of_its_seed():
    one, same, other = forest(3), forest(3), forest(4)
    np.testing.assert_array_equal(one.solids, same.solids)
    assert (one.start != other.start).any()


@pytest.mark.parametrize("density", [ForestSpec().density, DENSER, 12.0])
def test_start_and_goal_are_joined_by_a_way_and_stand_free(density):
    maps, distance = kernels.compiled("maps"), kernels.compiled("flight").distance
    for seed in range(10):
        spec = replace(STILL, density=density)
        found = forest(seed, spec)
        check_solids(found.solids)
        free = maps.room(found.footprints, found.length, found.width, CELL, 2.0)
        ends = found.inside(np.stack([found.start, found.goal])[:, :2])
        assert maps.connected(free, spec.passage, CELL, ends[0], ends[1])
        for end, clear in zip((found.start, found.goal), spec.clear, strict=True):
            assert min(distance(solid, *end.tolist()) for solid in found.solids) > 0.9 * clear - 0.1
        assert spec.distance[0] <= np.linalg.norm(found.goal[:2] - found.start[:2]) < 43


def test_obstacles_keep_their_gap_and_stay_inside():
    spec = replace(STILL, kinds=(0.9, 0.1, 0.0, 0.0))
    for seed in range(5):
        rows = forest(seed, spec).footprints
        apart = (
            np.linalg.norm(rows[:, None, :2] - rows[None, :, :2], axis=-1) - rows[:, 6] - rows[None, :, 6].T
        )
        np.fill_diagonal(apart, np.inf)
        assert apart.min() >= spec.gap - 1e-9
        assert rows[:, :2].min() >= 0
        assert rows[:, 1].max() <= spec.width


def test_footprints_are_where_the_solids_are():
    found = forest(1, replace(STILL, kinds=(0.4, 0.2, 0.2, 0.2)))
    standing = found.solids[: len(found.footprints)]
    np.testing.assert_allclose(found.inside(standing["a"][:, :2]), found.footprints[:, :2], atol=1e-4)
    np.testing.assert_allclose(found.outside(found.footprints[:, :2]), standing["a"][:, :2], atol=1e-4)
    rng, maps = np.random.default_rng(0), kernels.compiled("maps")
    distance = kernels.compiled("flight").distance
    for point in rng.uniform(0, 1, (50, 2)) * [found.length, found.width]:
        x, y = found.outside(point).tolist()
        for row, solid in zip(found.footprints, standing, strict=True):
            level = float(solid["a"][2]) if solid["shape"] != Shape.CYLINDER else 1.0
            assert (
                distance(solid, x, y, level)
                == pytest.approx(max(maps.footprint_distance(row, *point), -level), abs=1e-3)
                or maps.footprint_distance(row, *point) < 0
            )


def test_density_counts_obstacles():
    found = forest(0, replace(STILL, density=4.0))
    assert found.wanted == round(0.04 * found.length * found.width)
    assert found.placed == found.wanted
    assert found.complaint == ""


@pytest.mark.parametrize("gap", [1.0, 0.0])
def test_an_impossible_density_ends_and_says_what_found_no_place(gap):
    spec = replace(STILL, density=150.0, gap=gap)
    found = forest(0, spec)
    assert found.placed < found.wanted
    assert found.complaint.startswith(
        f"{found.wanted - found.placed} of {found.wanted} obstacles found no place"
    )
    maps = kernels.compiled("maps")
    free = maps.room(found.footprints, found.length, found.width, CELL, 2.0)
    ends = found.inside(np.stack([found.start, found.goal])[:, :2])
    assert maps.connected(free, spec.passage, CELL, ends[0], ends[1])


def test_the_curriculum_starts_near_sparse_and_still():
    spec = ForestSpec(moving=6)
    easy, hard = forest(0, spec, 0.0), forest(0, spec, 1.0)
    assert len(easy.movers) == 0
    assert len(hard.movers) == 6
    assert easy.straight < 0.6 * hard.straight
    assert easy.wanted / easy.length < 0.3 * hard.wanted / hard.length


def test_movers_stay_between_the_hedges():
    found = forest(0, ForestSpec(moving=8))
    assert (found.solids["shape"][found.movers["row"]] > 0).all()
    for end in ("start", "end"):
        across = found.inside(found.movers[end][:, :2])[:, 1]
        assert across.min() > 0
        assert across.max() < found.width


def test_the_cheapest_cost_is_the_distance_where_nothing_stands():
    maps = kernels.compiled("maps")
    goal = np.array([12.0, 5.0])
    cost = maps.cost_to_go(np.ones((80, 40)), CELL, goal)
    x, y = np.meshgrid((np.arange(80) + 0.5) * CELL, (np.arange(40) + 0.5) * CELL, indexing="ij")
    exact = np.hypot(x - goal[0], y - goal[1])
    assert np.abs(cost - exact).max() < 0.35
    reached = maps.downhill(cost, CELL, 2.0, 5.0, 4.0)
    np.testing.assert_allclose(reached, [6.0, 5.0], atol=0.1)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"density": -1.0}, "density is -1.0"),
        ({"distance": (40.0, 30.0)}, "distance is"),
        ({"kinds": (0.0, 0.0, 0.0, 0.0)}, "kinds are"),
        ({"width": 4.0}, "width, margin are"),
        ({"margin": 0.2}, "width, margin are"),
        ({"ceiling": 2.0}, "heights, ceiling are"),
        ({"moving": -1}, "moving, density are"),
    ],
)
def test_impossible_specs_are_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        ForestSpec(**wrong)


def test_a_level_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"level is 1\.5"):
        forest(0, level=1.5)
