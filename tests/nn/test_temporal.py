import pytest
import torch

from wayscan.nn import SS2D, Mamba, TemporalMamba


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def influence(model, frames=4):
    """Which frames (columns) each frame of the result (rows) depends on."""
    x = torch.randn(1, frames, 16, requires_grad=True)
    y = model(x) * torch.randn(16)
    rows = [
        torch.autograd.grad(y[:, k].sum(), x, retain_graph=True)[0].abs().sum((0, 2)) > 0
        for k in range(frames)
    ]
    return torch.stack(rows)


def test_who_sees_whom():
    assert influence(TemporalMamba(16)).all()
    assert torch.equal(influence(TemporalMamba(16, variant="lean")), torch.ones(4, 4).tril().bool())
    x = torch.randn(2, 4, 16)
    assert TemporalMamba(16, variant="none")(x) is x


@pytest.mark.parametrize("layers", [1, 2])
def test_parameters(layers):
    assert parameters(TemporalMamba(32, layers)) == layers * (4 * 32 + parameters(SS2D(32)))
    assert parameters(TemporalMamba(32, layers, "lean")) == layers * (4 * 32 + parameters(Mamba(32)))
    assert parameters(TemporalMamba(32, layers, "none")) == 0


def test_six_of_the_nine_taps_never_learn_on_an_image_of_width_one():
    model = TemporalMamba(16)
    (model(torch.randn(2, 5, 16)) * torch.randn(16)).sum().backward()
    taps = model.mixers[0].conv2d.weight.grad.abs().sum((0, 1)) > 0
    assert taps.tolist() == [[False, True, False]] * 3


def test_an_unknown_variant_is_refused(without_shape_checks):
    with pytest.raises(ValueError, match="variant is 'fat'; expected one of ss2d, lean, none"):
        TemporalMamba(16, variant="fat")
