"""Drawing changes what it should and nothing else."""

import numpy as np
import pytest

from wayscan.data.drawing import (
    GREEN,
    contact_sheet,
    draw_box,
    draw_path,
    enlarged,
    paint_depth,
    save_picture,
    write,
)
from wayscan.data.images import read_image


def blank(height=60, width=80):
    return np.full((height, width, 3), 200, dtype=np.uint8)


def test_a_box_is_drawn_on_its_edges_only():
    image = draw_box(blank(), (20, 15, 30, 20))
    assert np.abs(image[14:16, 35].astype(int) - GREEN).min(axis=0).max() < 60
    assert (image[25, 35] == 200).all()
    assert (image[5] == 200).all()


def test_a_box_that_is_not_known_is_left_out():
    assert (draw_box(blank(), (np.nan, 0, 5, 5), words="lost") == 200).all()


def test_a_path_is_broken_where_a_point_is_unknown():
    image = draw_path(blank(), [[5, 30], [20, 30], [np.nan, np.nan], [60, 30], [75, 30]], dots=False)
    assert (image[30, 10] != 200).any()
    assert (image[30, 40] == 200).all()
    assert (image[30, 70] != 200).any()


def test_words_stay_inside_the_picture():
    image = write(blank(), "a long line of words that does not fit at all", (70, 50))
    assert image.shape == (60, 80, 3)
    assert (image[50:] != 200).any()


def test_depth_is_bright_when_near_and_black_for_the_sky():
    picture = paint_depth(np.array([[1.0, 15.0, np.inf]], dtype=np.float32))
    near, far, sky = picture[0].astype(int).sum(axis=1)
    assert near > far > sky


def test_a_contact_sheet_holds_every_picture(tmp_path):
    sheet = contact_sheet([blank(), blank(30, 40), blank()], columns=2, gap=4)
    assert sheet.shape == (2 * 60 + 3 * 4, 2 * 80 + 3 * 4, 3)
    assert (sheet[4, 4] == 200).all()
    assert (read_image(save_picture(tmp_path / "a" / "sheet.png", sheet)) == sheet).all()
    with pytest.raises(ValueError, match="0 images"):
        contact_sheet([], columns=2)
    with pytest.raises(ValueError, match="nothing"):
        save_picture(tmp_path / "sheet.nothing", sheet)


def test_enlarged_repeats_pixels():
    assert enlarged(np.array([[[1, 2, 3]]], dtype=np.uint8), 3).shape == (3, 3, 3)
