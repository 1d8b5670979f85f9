"""Places: everybody can get everywhere, things do not stand in each other, cameras stand in the open."""

from itertools import pairwise

import numpy as np
import pytest

from wayscan.world.actors.crowd import free_places
from wayscan.world.places import CLEARANCE, draw_place
from wayscan.world.scene import check_solids

KINDS = ("plaza", "park", "hall")


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_way_from_everywhere_to_everywhere(kind):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        place = draw_place(rng, kind=kind)
        spots = free_places(rng, place.floor, 8, low=-place.half, high=place.half)
        for start, goal in pairwise(spots):
            way = place.floor.route(start, goal)
            assert way is not None
            assert place.floor.distance(way).min() >= CLEARANCE - 1e-6


def test_a_place_is_drawn_from_its_generator_and_numbers_its_things():
    one, two = (draw_place(np.random.default_rng(3), first_instance=5) for _ in range(2))
    np.testing.assert_array_equal(one.solids, two.solids)
    check_solids(one.solids)
    assert set(one.solids["instance"].tolist()) == set(range(5, 5 + len(one.names)))
    assert len({draw_place(np.random.default_rng(seed)).kind for seed in range(20)}) == len(KINDS)


def test_what_hides_people_is_a_part_of_what_stands_there():
    place = draw_place(np.random.default_rng(0), kind="plaza")
    points = np.random.default_rng(1).uniform(-12, 12, (200, 2))
    assert (place.screens.distance(points) >= place.floor.distance(points) - 1e-9).all()


def test_unknown_kinds_get_advice():
    with pytest.raises(ValueError, match="did you mean plaza"):
        draw_place(np.random.default_rng(0), kind="plazza")
