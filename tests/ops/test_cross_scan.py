import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.ops import cross_merge, cross_order, cross_scan

sizes = st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(1, 7)] * 2)


def image(shape, seed=0, **options):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, **options)


def four_ways(x):
    """The definition: rows, columns, and both backwards."""
    rows = x.flatten(2)
    columns = x.transpose(2, 3).flatten(2)
    return torch.stack([rows, columns, rows.flip(-1), columns.flip(-1)], dim=1)


def test_the_four_ways_through_a_small_image():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert cross_scan(x)[0, :, 0].tolist() == [
        [0, 1, 2, 3, 4, 5],
        [0, 3, 1, 4, 2, 5],
        [5, 4, 3, 2, 1, 0],
        [5, 2, 4, 1, 3, 0],
    ]


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_scan_is_its_definition_and_merge_brings_every_pixel_back_four_times(shape):
    x = image(shape)
    ways = cross_scan(x)
    assert torch.equal(ways, four_ways(x))
    torch.testing.assert_close(cross_merge(ways, *shape[2:]), 4 * x)


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_numbers_of_each_way_are_moved_as_pixels_are(shape):
    batch, channels, height, width = shape
    of_ways = [image(shape, seed=way) for way in range(4)]
    moved = cross_order(torch.stack(of_ways, dim=1).permute(0, 3, 4, 1, 2))
    assert moved.shape == (batch, height * width, 4, channels)
    expected = torch.stack([four_ways(x)[:, way] for way, x in enumerate(of_ways)], dim=1)
    assert torch.equal(moved.permute(0, 2, 3, 1), expected)


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_merge_is_the_adjoint_of_scan(shape):
    batch, channels, height, width = shape
    x, y = image(shape), image((batch, 4, channels, height * width), seed=1)
    torch.testing.assert_close((cross_scan(x) * y).sum(), (x * cross_merge(y, height, width)).sum())


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 1)])
def test_gradients_are_exact_twice_over(size):
    height, width = size
    x = image((2, 3, height, width)).requires_grad_()
    y = image((2, 4, 3, height * width)).requires_grad_()

    def merge(y):
        return cross_merge(y, height, width)

    numbers = image((2, height, width, 4, 3)).requires_grad_()
    for function, inputs in ((cross_scan, x), (merge, y), (cross_order, numbers)):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


def test_memory_is_laid_for_one_scan_of_all_four_ways():
    x = image((2, 3, 4, 5)).contiguous(memory_format=torch.channels_last)
    ways = cross_scan(x)
    assert ways.permute(0, 3, 1, 2).is_contiguous()
    merged = cross_merge(ways, 4, 5)
    assert merged.is_contiguous(memory_format=torch.channels_last)


def test_layout_of_the_input_does_not_change_the_result():
    x = image((2, 3, 4, 5))
    assert torch.equal(cross_scan(x), cross_scan(x.contiguous(memory_format=torch.channels_last)))
    y = four_ways(x)
    assert torch.equal(cross_merge(y, 4, 5), cross_merge(cross_scan(x), 4, 5))


def test_what_is_no_image_or_has_another_size_is_refused():
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 4\), expected an image \(B, C, H, W\)"):
        cross_scan(torch.zeros(2, 3, 4))
    with pytest.raises(ValueError, match=r"expected \(B, 4, C, 12\) for an image of 3 × 4"):
        cross_merge(torch.zeros(1, 4, 2, 20), 3, 4)
