"""Groups, rates and clipping."""

import copy
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from wayscan.nn import BidirectionalMamba, Mamba, VSSBlock
from wayscan.train.config import OptimConfig
from wayscan.train.optim import (
    adamw,
    clip,
    clip_groups,
    gradient_norms,
    learning_rate_factor,
    parameter_groups,
    set_rates,
)


class Mixer(nn.Module):
    """The parameters of a state-space block by their usual names."""

    def __init__(self) -> None:
        super().__init__()
        self.A_log = nn.Parameter(torch.zeros(3, 2))
        self.D = nn.Parameter(torch.ones(3))
        self.in_proj = nn.Linear(3, 3)
        self.dt_proj = nn.Linear(2, 3)
        self.norm = nn.LayerNorm(3)
        self.token = nn.Parameter(torch.zeros(1, 3))
        self.position = nn.Parameter(torch.zeros(1, 3))
        self.position._no_weight_decay = True  # type: ignore[attr-defined]


def model() -> nn.Module:
    return nn.ModuleDict({"encoder": Mixer(), "head": nn.Sequential(nn.RMSNorm(3), nn.Linear(3, 1))})


def names_by_group(net: nn.Module, config: OptimConfig) -> dict[str, set[str]]:
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    return {group["name"]: {names[id(p)] for p in group["params"]} for group in parameter_groups(net, config)}


def test_every_parameter_is_in_its_group():
    groups = names_by_group(model(), OptimConfig(backbone=("encoder",)))
    assert groups == {
        "backbone": {"encoder.in_proj.weight", "encoder.dt_proj.weight", "encoder.token"},
        "backbone_undecayed": {
            "encoder.A_log", "encoder.D", "encoder.in_proj.bias", "encoder.dt_proj.bias",
            "encoder.norm.weight", "encoder.norm.bias", "encoder.position",
        },
        "head": {"head.1.weight"},
        "head_undecayed": {"head.0.weight", "head.1.bias"},
    }  # fmt: skip


def test_frozen_parameters_are_in_none():
    net = model()
    net["encoder"].requires_grad_(False)
    assert names_by_group(net, OptimConfig()).keys() == {"head", "head_undecayed"}
    net.requires_grad_(False)
    with pytest.raises(ValueError, match="freeze less"):
        parameter_groups(net, OptimConfig())


def test_rates_and_decay():
    net = model()
    optimiser = adamw(
        net, OptimConfig(learning_rate=1e-2, backbone=("encoder",), backbone_learning_rate=1e-4)
    )
    decays = {group["name"]: group["weight_decay"] for group in optimiser.param_groups}
    assert decays == {"backbone": 0.01, "backbone_undecayed": 0.0, "head": 0.01, "head_undecayed": 0.0}
    assert set_rates(optimiser, 0.5) == {"backbone": 5e-5, "head": 5e-3}


def test_half_precision_is_refused():
    with pytest.raises(
        ValueError, match=r"parameter head\.1\.weight learns in torch.bfloat16; expected float32"
    ):
        parameter_groups(
            nn.ModuleDict({"head": nn.Sequential(nn.Identity(), nn.Linear(2, 2).bfloat16())}), OptimConfig()
        )


@given(steps=st.integers(1, 200), warmup=st.integers(0, 50), floor=st.floats(0, 1))
def test_the_course_of_the_rate(steps: int, warmup: int, floor: float):
    config = OptimConfig(warmup_steps=warmup, final_rate_share=floor)
    factors = [learning_rate_factor(step, steps, config) for step in range(1, steps + 1)]
    top = max(0, warmup - 1)
    assert all(0 < factor <= 1 for factor in factors) or floor == 0
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    if warmup <= steps:
        assert factors[top] == 1.0
    constant = OptimConfig(warmup_steps=warmup, schedule="constant")
    assert all(
        learning_rate_factor(step, steps, constant) == 1.0 for step in range(max(1, warmup), steps + 1)
    )


def test_the_cosine_ends_where_it_is_told():
    config = OptimConfig(final_rate_share=0.1)
    assert math.isclose(learning_rate_factor(100_000, 100_000, config), 0.1, abs_tol=1e-6)


def with_gradients(net: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    return net


def test_clipping_all_together_is_torchs():
    ours, theirs = with_gradients(model()), with_gradients(model())
    groups = clip_groups(ours, ())
    norms = gradient_norms(groups).tolist()
    share = clip(groups, norms, 0.5)
    total = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
    assert math.isclose(norms[0], total.item(), rel_tol=1e-6)
    assert share == 1.0
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_clipping_by_module():
    net = with_gradients(model())
    net["head"].requires_grad_(True)
    for parameter in net["head"].parameters():
        parameter.grad *= 1e-3
    groups = clip_groups(net, ("encoder.*_proj",))
    assert [group.name for group in groups] == ["encoder.in_proj", "encoder.dt_proj", "rest"]
    assert sum(len(group.parameters) for group in groups) == len(list(net.parameters()))
    norms = gradient_norms(groups).tolist()
    limit = min(norms) + 1e-3
    assert clip(groups, norms, limit) == pytest.approx(2 / 3)
    for before, after in zip(norms, gradient_norms(groups).tolist(), strict=True):
        assert after == pytest.approx(min(before, limit), rel=1e-4)


def test_without_a_limit_nothing_is_clipped():
    net = with_gradients(model())
    before = [parameter.grad.clone() for parameter in net.parameters()]
    assert clip(clip_groups(net, ()), [9.0], None) == 0.0
    assert all(torch.equal(one, p.grad) for one, p in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize("copied", [False, True])
def test_the_mixers_of_this_house(copied: bool):
    """Also in copies, whose parameters have lost their `_no_weight_decay`."""
    net = nn.ModuleDict({"a": Mamba(16), "b": BidirectionalMamba(16), "c": VSSBlock(16)})
    groups = names_by_group(copy.deepcopy(net) if copied else net, OptimConfig())
    last = {name.rpartition(".")[2] for name in groups["head_undecayed"]}
    assert {"A_log", "D", "A_logs", "Ds", "dt_projs_bias", "bias"} <= last
    assert "a.dt_proj.bias" in groups["head_undecayed"]
    assert {name.rpartition(".")[2] for name in groups["head"]} == {
        "weight",
        "x_proj_weight",
        "dt_projs_weight",
    }
    assert not any("norm" in name or ".ln_" in name for name in groups["head"])
