"""Coordinates there and back."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from wayscan.track.coordinates import bin_centres, decode, expected_values, soft_labels, to_bins

inside = st.floats(-0.5, 1.5, width=32)


@given(st.lists(inside, min_size=1, max_size=8), st.sampled_from([40, 800]))
def test_round_trip_within_half_a_bin(values, bins):
    coordinates = torch.tensor(values)
    words = to_bins(coordinates, bins)
    assert ((words >= 0) & (words < bins)).all()
    back = bin_centres(bins, coordinates)[words]
    assert (back - coordinates).abs().max() <= 1 / bins + 1e-5


def test_bins_span_two_crops():
    centres = bin_centres(800, torch.zeros(1))
    torch.testing.assert_close(centres[[0, -1]], torch.tensor([-0.5 + 1 / 800, 1.5 - 1 / 800]))
    assert to_bins(torch.tensor([-9.0, 9.0]), 800).tolist() == [0, 799]


@given(inside)
def test_soft_labels_mean_what_they_label(value):
    labels = soft_labels(torch.tensor(value), 800, 2.0)
    torch.testing.assert_close(labels.sum(), torch.tensor(1.0))
    if -0.45 < value < 1.45:
        assert abs(float(labels @ bin_centres(800, labels)) - value) < 1e-3


def test_one_hot_labels():
    labels = soft_labels(torch.tensor([0.1, 0.7]), 800, 0)
    assert labels.argmax(-1).tolist() == to_bins(torch.tensor([0.1, 0.7]), 800).tolist()
    assert labels.sum().item() == 2


def test_decoding_sharp_logits():
    truth = torch.tensor([[0.1, 0.2, 0.8, 1.2]])
    logits = torch.log(soft_labels(truth, 800, 2.0) + 1e-12)
    torch.testing.assert_close(expected_values(logits), truth, atol=2e-4, rtol=0)
    torch.testing.assert_close(decode(logits), truth, atol=2e-3, rtol=0)
