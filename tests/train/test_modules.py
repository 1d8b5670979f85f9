"""Modules by name pattern."""

import pytest
import torch
from torch import nn

from wayscan.train.modules import (
    Frozen,
    as_bytes,
    matching,
    recompute_activations,
    running_statistics,
    weights_hash,
)


def net() -> nn.Module:
    torch.manual_seed(0)
    blocks = nn.ModuleList(
        nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)) for _ in range(2)
    )
    model = nn.ModuleDict({"encoder": blocks, "head": nn.Linear(4, 1)})
    model.forward = lambda x: model["head"](model["encoder"][1](model["encoder"][0](x)))  # type: ignore[method-assign]
    return model


def test_patterns_and_near_matches():
    assert list(matching(net(), ("encoder.*.0", "head"), "frozen")) == ["encoder.0.0", "encoder.1.0", "head"]
    with pytest.raises(ValueError, match=r"frozen: no module is named 'encodr'; did you mean .*encoder"):
        matching(net(), ("encodr",), "frozen")


def test_frozen_modules_do_not_change_in_training():
    model = net()
    frozen = Frozen(model, ("encoder.0", "encoder.0.*"))
    frozen.train(model)
    assert frozen.names == ["encoder.0"]
    before = frozen.hashes()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model(torch.randn(8, 4)).sum().backward()
    torch.optim.SGD(learning, lr=1.0).step()
    assert frozen.hashes() == before
    assert not model["encoder"][0].training
    assert model["encoder"][1].training
    assert not any(parameter.requires_grad for parameter in model["encoder"][0].parameters())
    assert frozen.holds("encoder.0.0.weight")
    assert not frozen.holds("encoder.01.weight")


def test_running_statistics_are_those_that_learn():
    model = net()
    Frozen(model, ("encoder.0",)).train(model)
    assert len(running_statistics(model)) == 3  # mean, variance and count of the one that is not frozen


def test_recomputing_gives_the_same_gradients():
    """With dropout, whose draw must repeat, and with an input that needs no gradient."""
    gradients = []
    for patterns in ((), ("encoder.*",)):
        model = net().train()
        recompute_activations(model, patterns)
        torch.manual_seed(1)
        model(torch.randn(8, 4)).square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    assert all(torch.equal(plain, again) for plain, again in zip(*gradients, strict=True))
    assert all(gradient.abs().sum() > 0 for gradient in gradients[1][:1])


def test_recomputing_really_forgets():
    """Fewer tensors are kept for the backward pass."""
    counts = []
    for patterns in ((), ("encoder.*",)):
        model, kept = net().train(), []
        recompute_activations(model, patterns)
        with torch.autograd.graph.saved_tensors_hooks(lambda x, kept=kept: kept.append(x) or x, lambda x: x):
            model(torch.randn(8, 4))
        counts.append(len(kept))
    assert counts[1] < counts[0]


def test_recomputing_leaves_evaluation_alone():
    model = net().eval()
    x = torch.randn(3, 4)
    expected = model(x)
    recompute_activations(model, ("encoder.*",))
    assert torch.equal(model(x), expected)


def test_weights_hash_follows_every_weight():
    model = net()
    first = weights_hash(model)
    assert first == weights_hash(net())
    with torch.no_grad():
        model["head"].bias += 1e-6
    assert weights_hash(model) != first


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.bool, torch.int64])
@pytest.mark.parametrize("shape", [(), (0,), (3, 2)])
def test_bytes(dtype: torch.dtype, shape: tuple):
    tensor = torch.ones(shape, dtype=dtype)
    assert as_bytes(tensor).nbytes == tensor.numel() * tensor.element_size()
    assert bytes(as_bytes(torch.tensor([1, 2]).t())) == b"\x01" + bytes(7) + b"\x02" + bytes(7)
