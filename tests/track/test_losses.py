"""Losses: their values by formula, and what an absent target may and may not teach."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.track.config import LossConfig, TrackConfig
from wayscan.track.losses import focal_loss, giou_loss, heat_targets, iou, losses, siou_loss
from wayscan.track.model import TrackModel

CONFIG = TrackConfig(
    width=32,
    depth=1,
    states=4,
    template_size=32,
    search_size=64,
    mask_decoder=True,
    dense_head=True,
    dense_width=8,
    past=2,
    bins=20,
)
corner = st.floats(-0.375, 1.375, width=32)


@st.composite
def boxes(draw):
    (x1, x2), (y1, y2) = sorted((draw(corner), draw(corner))), sorted((draw(corner), draw(corner)))
    return torch.tensor([x1, y1, x2 + 0.01, y2 + 0.01])


@given(boxes(), boxes())
@settings(deadline=None)
def test_ranges(first, second):
    assert 0 <= iou(first, second) <= 1
    assert 1 - iou(first, second) - 1e-6 <= giou_loss(first, second) <= 2
    assert 1 - iou(first, second) - 1e-6 <= siou_loss(first, second) <= 3
    for loss in (giou_loss, siou_loss):
        assert abs(float(loss(first, first))) < 1e-5
        torch.testing.assert_close(loss(first, second), loss(second, first))


def test_values_by_hand():
    """Two unit squares side by side, half a side apart along x."""
    first, second = torch.tensor([0.0, 0, 1, 1]), torch.tensor([0.5, 0, 1.5, 1])
    assert iou(first, second) == pytest.approx(1 / 3)
    assert giou_loss(first, second) == pytest.approx(2 / 3)
    # No angle, so that the distance costs 1 - exp(-2 ρ²) with ρ = 0.5 / 1.5 along x, and nothing along y.
    assert siou_loss(first, second) == pytest.approx(2 / 3 + (1 - math.exp(-2 / 9)) / 2)
    # Half as wide around the same middle: shape costs (1 - exp(-1/2))⁴.
    narrow = torch.tensor([0.25, 0, 0.75, 1])
    assert siou_loss(first, narrow) == pytest.approx(0.5 + (1 - math.exp(-0.5)) ** 4 / 2)
    # Away along the diagonal: sin 2α = 1, which leaves 2 - 1 in the exponent.
    diagonal = torch.tensor([0.5, 0.5, 1.5, 1.5])
    overlap = 0.25 / 1.75
    assert siou_loss(first, diagonal) == pytest.approx(1 - overlap + (1 - math.exp(-1 / 9)))


def test_boxes_turned_inside_out_have_a_gradient_and_no_nan():
    turned = torch.tensor([[0.8, 0.8, 0.2, 0.2], [0.5, 0.5, 0.5, 0.5]], requires_grad=True)
    truth = torch.tensor([[0.2, 0.2, 0.8, 0.8]] * 2)
    for loss in (giou_loss, siou_loss):
        (gradient,) = torch.autograd.grad(loss(turned, truth).sum(), turned)
        assert torch.isfinite(gradient).all()
        assert (gradient != 0).any()


def test_heat_peaks_in_the_cell_of_the_centre():
    targets = heat_targets(torch.tensor([[0.2, 0.6, 0.4, 0.8], [1.2, 1.2, 1.4, 1.4]]), 16, 16)
    assert targets[0, 11, 4] == 1
    assert (targets[0] == 1).sum() == 1
    assert (targets[1] < 1).all(), "a centre outside the crop has no cell"


def test_focal_loss_prefers_the_truth():
    targets = heat_targets(torch.tensor([[0.2, 0.6, 0.4, 0.8]]), 8, 8)
    right = torch.where(targets == 1, 6.0, -6.0)
    assert focal_loss(right, targets) < 0.1 * focal_loss(torch.zeros_like(right), targets)
    assert focal_loss(-right, targets) > focal_loss(torch.zeros_like(right), targets)


def learnt(present: list[float], config: TrackConfig = CONFIG, weights: LossConfig | None = None):
    """Losses, and the gradient at every output, of a fresh model."""
    torch.manual_seed(0)
    model = TrackModel(config).train()
    count = len(present)
    batch = {
        "first": torch.randn(count, 3, 32, 32),
        "dynamic": torch.randn(count, 3, 32, 32),
        "search": torch.randn(count, 3, 64, 64),
        "template_boxes": torch.tensor([0.25, 0.25, 0.75, 0.75]).expand(count, 2, 4),
        "past": torch.rand(count, 7, 4),
        "box": torch.tensor([0.3, 0.4, 0.6, 0.7]).expand(count, 4),
        "present": torch.tensor(present),
    }
    output = model(*(batch[name] for name in ("first", "dynamic", "search", "template_boxes", "past")))
    total, parts = losses(model, output, batch, weights or LossConfig())
    names = ("logits", "score", "heat", "dense")
    gradients = torch.autograd.grad(
        total, [getattr(output, name) for name in names], allow_unused=True, retain_graph=True
    )
    return total, parts, dict(zip(names, gradients, strict=True))


def test_an_absent_target_teaches_heat_and_score_only():
    _, _, gradients = learnt([1.0, 0.0])
    for name in ("logits", "dense"):
        assert (gradients[name][0] != 0).any()
        assert (gradients[name][1] == 0).all()
    for name in ("score", "heat"):
        assert (gradients[name][1] != 0).any()
    assert gradients["score"][1] > 0, "the score of nothing must fall"
    assert (gradients["heat"][1] > 0).all(), "so must the map, everywhere"


def test_a_batch_without_targets_is_finite():
    total, parts, _ = learnt([0.0, 0.0])
    assert torch.isfinite(total)
    assert parts["coordinates"] == parts["box"] == parts["dense_box"] == 0


def test_total_is_the_weighted_sum():
    weights = LossConfig(coordinates=2, box=3, l1=0, score=0.5)
    total, parts, _ = learnt([1.0, 1.0], weights=weights)
    assert set(parts) == {
        "coordinates",
        "box",
        "l1",
        "score",
        "heat",
        "dense_box",
        "dense_l1",
        "reconstruction",
    }
    expected = sum(getattr(weights, name) * float(part) for name, part in parts.items())
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_a_head_that_is_missing_costs_nothing():
    _, parts, _ = learnt_without_dense()
    assert set(parts) == {"coordinates", "box", "l1", "score"}


def learnt_without_dense():
    config = replace(CONFIG, dense_head=False, mask_decoder=False)
    torch.manual_seed(0)
    model = TrackModel(config)
    batch = {"box": torch.tensor([[0.3, 0.4, 0.6, 0.7]]), "present": torch.ones(1)}
    output = model(
        torch.randn(1, 3, 32, 32),
        torch.randn(1, 3, 32, 32),
        torch.randn(1, 3, 64, 64),
        torch.tensor([[[0.25, 0.25, 0.75, 0.75]] * 2]),
        torch.rand(1, 7, 4),
    )
    total, parts = losses(model, output, batch, LossConfig())
    return total, parts, output


def test_seed_score_loss_is_l1():
    _, parts, _ = learnt([0.0], weights=LossConfig(score_loss="l1"))
    assert 0.2 < float(parts["score"]) < 0.8
