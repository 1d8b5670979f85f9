"""Filmed clips: the same on every run, boxes where the target is, and targets that move."""

import numpy as np
import pytest

from wayscan.world.films import FilmSpec, make_film

SPEC = FilmSpec(height=96, width=128, frames=24)


@pytest.fixture(scope="module")
def films():
    return [make_film(5, index, SPEC) for index in range(6)]


def test_a_film_is_a_function_of_seed_and_index(films):
    again = make_film(5, 2, SPEC)
    assert (again.frames == films[2].frames).all()
    assert np.array_equal(again.boxes, films[2].boxes, equal_nan=True)
    assert not np.array_equal(films[0].boxes, films[1].boxes, equal_nan=True)


def test_targets_start_in_view_move_and_stay_in_the_frame(films):
    for film in films:
        assert film.synthetic
        assert film.visible[0] >= 0.7
        assert min(film.boxes[0, 2:]) >= 12
        known = film.boxes[~film.absent]
        assert (known[:, :2] >= 0).all()
        assert (known[:, :2] + known[:, 2:] <= [SPEC.width, SPEC.height]).all()
        assert film.text.startswith("the person wearing")
    motion = [np.nanmax(np.abs(film.boxes - film.boxes[0])) for film in films]
    assert np.median(motion) > 10


def test_people_begin_clear_of_things_near_the_edge_of_a_place():
    """Places drawn beyond the edge and moved back onto it once stood in each other's way."""
    assert len(make_film(100_001, 25, FilmSpec(frames=2))) == 2


def test_the_box_holds_what_the_words_say():
    """The shirt's colour is found inside the first box more often than outside it."""
    film = next(f for f in (make_film(6, k, SPEC) for k in range(20)) if "a purple shirt" in f.text)
    x, y, w, h = np.round(film.boxes[0]).astype(int)
    image = film.frames[0].astype(int)
    purple = image[..., [0, 2]].min(axis=-1) > 1.3 * image[..., 1]
    inside = purple[y : y + h, x : x + w].mean()
    purple[y : y + h, x : x + w] = False
    assert inside > 4 * purple.mean()


@pytest.mark.parametrize("change", [{"height": 8}, {"frames": 1}, {"rate": 0.0}])
def test_bad_sizes_are_refused(change):
    with pytest.raises(ValueError, match="expected at least 48"):
        FilmSpec(**change)
