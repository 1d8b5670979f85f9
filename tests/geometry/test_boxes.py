"""Boxes: conversions invert each other, IoU equals counted pixels, crops show what their boxes say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayscan.geometry.boxes import (
    CropRegion,
    area,
    clip_to_image,
    crop_image,
    crop_region,
    cxcywh_to_xywh,
    enclosing_box,
    from_crop,
    iou,
    to_crop,
    xywh_to_cxcywh,
    xywh_to_xyxy,
    xyxy_to_xywh,
)

whole_boxes = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 15), st.integers(1, 15))
boxes = st.tuples(*(st.floats(-100, 100),) * 2, *(st.floats(0.1, 200),) * 2)


@given(boxes)
def test_conversions_invert_each_other(box):
    box = np.array(box)
    np.testing.assert_allclose(xyxy_to_xywh(xywh_to_xyxy(box)), box, atol=1e-9)
    np.testing.assert_allclose(cxcywh_to_xywh(xywh_to_cxcywh(box)), box, atol=1e-9)
    region = crop_region(box, 4.0)
    np.testing.assert_allclose(from_crop(to_crop(box, region), region), box, atol=1e-6)


@given(whole_boxes, whole_boxes)
def test_iou_equals_counted_pixels(first, second):
    masks = np.zeros((2, 40, 40), dtype=bool)
    for mask, (x, y, w, h) in zip(masks, (first, second), strict=True):
        mask[y : y + h, x : x + w] = True
    expected = (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()
    assert iou(first, second) == pytest.approx(expected)


def test_iou_broadcasts_and_knows_empty_and_unknown_boxes():
    many = np.array([[0, 0, 2, 2], [0, 0, 0, 0], [np.nan] * 4])
    result = iou(many, [0, 0, 2, 2])
    assert result[0] == 1
    assert result[1] == 0
    assert np.isnan(result[2])
    assert iou([0, 0, 0, 0], [5, 5, 0, 0]) == 0
    assert area([0, 0, -2, 5]) == 0


def test_clipping_keeps_a_margin_inside():
    np.testing.assert_allclose(clip_to_image([-5, 10, 20, 20], 100, 50), [0, 10, 15, 20])
    np.testing.assert_allclose(clip_to_image([-50, 10, 20, 20], 100, 50, margin=10), [0, 10, 10, 20])
    np.testing.assert_allclose(clip_to_image([190, 10, 20, 20], 100, 50, margin=10), [90, 10, 10, 20])


def test_enclosing_box_of_a_polygon():
    np.testing.assert_allclose(enclosing_box([[3, 1], [5, 4], [2, 6], [0, 2]]), [0, 1, 5, 5])


def test_crop_region_follows_the_formula():
    region = crop_region([10, 20, 9, 16], 4.0)
    assert region.side == np.ceil(np.sqrt(9 * 16) * 4)
    np.testing.assert_allclose(
        to_crop([10, 20, 9, 16], region)[:2] + to_crop([10, 20, 9, 16], region)[2:] / 2, 0.5
    )


@pytest.mark.parametrize("box", [[0, 0, 0, 5], [0, 0, 5, -1], [np.nan, 0, 5, 5], [0, 0, np.inf, 5]])
def test_crop_region_refuses_impossible_boxes(box):
    with pytest.raises(ValueError, match="w, h > 0"):
        crop_region(box, 2.0)


def test_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"\(3,\)"):
        xywh_to_xyxy([1, 2, 3])


@pytest.mark.parametrize("size", [16, 32, 64, 100])
def test_a_crop_shows_the_box_where_to_crop_says(size):
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    image[20:40, 30:50] = 255
    region = CropRegion(20.0, 10.0, 40.0)
    crop = crop_image(image, region, size)
    x1, y1, x2, y2 = xywh_to_xyxy(to_crop([30, 20, 20, 20], region)) * size
    assert crop[..., 0].sum() / 255 == pytest.approx((x2 - x1) * (y2 - y1), rel=0.02)
    ys, xs = np.nonzero(crop[..., 0] > 127)
    np.testing.assert_allclose([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], [x1, y1, x2, y2], atol=1)


def test_a_crop_over_the_edge_is_black_there_and_shrinking_averages():
    image = np.full((400, 400, 3), 200, dtype=np.uint8)
    image[:, ::2] = 100
    crop = crop_image(image, CropRegion(-200.0, 0.0, 400.0), 20)
    assert (crop[:, :9] == 0).all()
    assert abs(crop[2:-2, 11:-1].astype(float) - 150).max() < 30
