import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wayscan.nn import SS2D, AttentionPool, BidirectionalMamba, Mamba, truncated_normal, zero_out_projections


def scan_parameters(mixer):
    if isinstance(mixer, SS2D):
        return mixer.dt_projs_weight, mixer.dt_projs_bias, mixer.A_logs, mixer.Ds
    return mixer.dt_proj.weight, mixer.dt_proj.bias, mixer.A_log, mixer.D


@pytest.mark.parametrize("mixer", [Mamba(64), SS2D(64)])
def test_the_scan_starts_as_a_memory_of_many_lengths(mixer):
    weight, bias, A_log, D = scan_parameters(mixer)
    steps = F.softplus(bias)
    assert steps.min() >= 0.999e-3
    assert steps.max() <= 1.001e-1
    assert 0.3 < (steps < 1e-2).float().mean() < 0.7  # log-uniform: half of them in each decade
    assert weight.abs().max() <= weight.shape[-1] ** -0.5
    assert torch.allclose(A_log.exp(), torch.arange(1.0, 17.0).expand_as(A_log))
    assert (D == 1).all()


def test_step_sizes_have_a_floor_and_a_constant_start():
    mixer = Mamba(32, dt_min=1e-6, dt_max=1e-5, dt_init="constant", dt_scale=2.0)
    assert torch.allclose(F.softplus(mixer.dt_proj.bias), torch.tensor(1e-4), rtol=1e-3)
    assert torch.allclose(mixer.dt_proj.weight, torch.tensor(2 / math.sqrt(2)))


def test_an_unknown_start_is_refused(without_shape_checks):
    with pytest.raises(ValueError, match="dt_init is 'zero', expected 'random' or 'constant'"):
        Mamba(16, dt_init="zero")


@pytest.mark.parametrize("mixer", [Mamba(16), BidirectionalMamba(16, "vim_v2"), SS2D(16)])
def test_weight_decay_is_told_to_spare_the_scan(mixer):
    spared = {name for name, p in mixer.named_parameters() if getattr(p, "_no_weight_decay", False)}
    expected = {
        Mamba: {"A_log", "D", "dt_proj.bias"},
        BidirectionalMamba: {"A_log", "D", "dt_proj.bias", "A_b_log", "D_b", "dt_proj_b.bias"},
        SS2D: {"A_logs", "Ds", "dt_projs_bias"},
    }
    assert spared == expected[type(mixer)]


def test_generic_values_spare_what_a_block_has_chosen():
    model = nn.Sequential(nn.Embedding(50, 64), Mamba(64), nn.Linear(64, 9))
    before = {name: p.clone() for name, p in model.named_parameters()}
    truncated_normal(model, std=0.02)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {
        "0.weight",
        "1.in_proj.weight",
        "1.x_proj.weight",
        "1.out_proj.weight",
        "2.weight",
        "2.bias",
    }
    assert model[0].weight.abs().max() <= 0.04
    assert 0.015 < model[0].weight.std() < 0.02


def test_zeroed_projections_make_the_mixers_silent_and_nothing_else():
    model = nn.ModuleList(
        [Mamba(16), SS2D(16, bias=True), BidirectionalMamba(16, "separate"), AttentionPool(16)]
    )
    assert zero_out_projections(model) == 4
    assert not model[0](torch.randn(1, 3, 16)).any()
    assert not model[1](torch.randn(1, 3, 2, 16)).any()
    assert not model[2](torch.randn(1, 3, 16)).any()
    assert model[3](torch.randn(1, 3, 16))[0].any()


def test_a_silent_mixer_gives_its_inside_no_gradient_at_the_first_step_only():
    mixer, x = Mamba(16), torch.randn(2, 5, 16)
    zero_out_projections(mixer)
    optimiser = torch.optim.SGD(mixer.parameters(), lr=0.1)
    for inside_moves in (False, True):
        optimiser.zero_grad()
        (mixer(x) - x).square().mean().backward()
        assert mixer.out_proj.weight.grad.any()
        assert bool(mixer.in_proj.weight.grad.any()) == inside_moves
        optimiser.step()
