import pytest
import torch

from wayscan.nn import DropPath, LayerScale


def test_drop_path_drops_whole_elements_of_the_batch_and_keeps_the_mean():
    x = torch.ones(4000, 2, 3)
    y = DropPath(0.25)(x).flatten(1)
    assert ((y == y[:, :1]).all(1)).all()
    assert y.unique().tolist() == pytest.approx([0, 4 / 3])
    assert y.mean() == pytest.approx(1, abs=0.03)


def test_drop_path_does_nothing_in_evaluation_or_at_rate_zero():
    x = torch.randn(5, 2)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0)(x) is x


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_is_no_probability_is_refused(rate):
    with pytest.raises(ValueError, match=f"rate is {rate}"):
        DropPath(rate)


def test_layer_scale_scales_each_channel():
    scale = LayerScale(3, 1e-6)
    assert torch.allclose(scale(torch.ones(2, 4, 3)), torch.tensor(1e-6))
    assert sum(p.numel() for p in scale.parameters()) == 3
