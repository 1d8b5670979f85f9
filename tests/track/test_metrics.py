"""Metrics against the toolkits' formulas, written out plainly here."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.track.metrics import (
    auroc,
    bounded_iou,
    got10k_metrics,
    got10k_overlaps,
    sequence_metrics,
    success_curve,
)

numbers = st.floats(-40, 160)
sizes = st.floats(1, 120)
boxes = st.tuples(numbers, numbers, sizes, sizes)
sequences = st.lists(st.tuples(boxes, boxes), min_size=2, max_size=6)


def plain_iou(a, b):
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(wide, 0) * max(high, 0)
    union = a[2] * a[3] + b[2] * b[3] - both
    return both / union if union > 0 else 0.0


def toolkit_bound(box, width, height):
    x, y = min(max(box[0], 0), width), min(max(box[1], 0), height)
    return x, y, min(max(box[2], 0), width - x), min(max(box[3], 0), height - y)


@given(sequences)
@settings(deadline=None)
def test_ao_and_sr(pairs):
    predicted, truth = (np.array(each) for each in zip(*pairs, strict=True))
    expected = [
        plain_iou(toolkit_bound(a, 120, 90), toolkit_bound(b, 120, 90)) for a, b in pairs[1:]
    ]  # without the first frame
    found = got10k_overlaps(predicted, truth, np.ones(len(truth)), 120, 90)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    metrics = got10k_metrics(found)
    assert metrics["ao"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert metrics["sr50"] == np.mean([value > 0.5 for value in found])
    assert metrics["sr75"] == np.mean([value > 0.75 for value in found])


def test_hidden_and_unknown_frames_do_not_count():
    truth = np.tile([10.0, 10, 20, 20], (5, 1))
    truth[3] = np.nan
    predicted = np.tile([10.0, 10, 20, 20], (5, 1))
    predicted[1:4] = 50
    found = got10k_overlaps(predicted, truth, np.array([1, 0, 1, 1, 1]), 100, 100)
    assert found.tolist() == [0, 1]
    assert sequence_metrics(predicted, truth)["precision"] == 0.5


def test_a_box_over_the_edge_keeps_its_size_as_in_the_toolkit():
    assert bounded_iou([-10, 0, 20, 20], [0, 0, 20, 20], 100, 100) == 1
    assert bounded_iou([90, 0, 20, 20], [90, 0, 10, 20], 100, 100) == 1


@given(sequences)
@settings(deadline=None)
def test_success_and_precisions(pairs):
    predicted, truth = (np.array(each) for each in zip(*pairs, strict=True))
    overlaps = [plain_iou(a, b) for a, b in pairs]
    off = [math.hypot(a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2) for a, b in pairs]
    scaled = [
        math.hypot((a[0] + a[2] / 2 - b[0] - b[2] / 2) / b[2], (a[1] + a[3] / 2 - b[1] - b[3] / 2) / b[3])
        for a, b in pairs
    ]
    thresholds = np.linspace(0, 1, 21)
    metrics = sequence_metrics(predicted, truth)
    expected_auc = np.mean([np.mean(np.array(overlaps) > t) for t in thresholds])
    assert metrics["auc"] == pytest.approx(expected_auc, abs=0.051)  # a threshold may be met to rounding
    assert metrics["precision"] == pytest.approx(np.mean(np.array(off) <= 20))
    assert metrics["norm_precision"] == pytest.approx(np.mean(np.array(scaled) <= 0.2))
    area = np.mean([np.mean(np.array(scaled) <= k / 100) for k in range(51)])
    assert metrics["norm_precision_area"] == pytest.approx(area, abs=0.02)


def test_perfect_success_is_twenty_of_twenty_one():
    """No overlap is above 1: the same in every toolkit."""
    assert success_curve([1.0, 1.0]).mean() == pytest.approx(20 / 21)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=12))
@settings(deadline=None)
def test_auroc_is_the_chance_of_a_right_order(rows):
    hits = [score for score, positive in rows if positive]
    misses = [score for score, positive in rows if not positive]
    found = auroc([score for score, _ in rows], [positive for _, positive in rows])
    if not hits or not misses:
        assert math.isnan(found)
    else:
        right = np.mean([(a > b) + 0.5 * (a == b) for a in hits for b in misses])
        assert found == pytest.approx(right)
