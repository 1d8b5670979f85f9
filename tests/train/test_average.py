"""The exponential moving average."""

import torch
from torch import nn

from wayscan.train.average import ExponentialAverage
from wayscan.train.modules import Frozen


def net() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    model[2].weight = model[0].weight  # tied: one parameter under two names
    return model


def test_it_follows_the_formula():
    model = net()
    average = ExponentialAverage(model, 0.9, Frozen(model, ()))
    expected = model[0].weight.detach().clone()
    for update in range(1, 40):
        with torch.no_grad():
            model[0].weight += 0.1
        average.update()
        decay = min(0.9, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * model[0].weight.detach()
    with average.in_place():
        torch.testing.assert_close(model[0].weight.detach(), expected)
        assert model[2].weight is model[0].weight


def test_weights_come_back_untouched():
    model = net()
    average = ExponentialAverage(model, 0.5, Frozen(model, ()))
    with torch.no_grad():
        model[0].weight += 1
        model[1].running_mean += 1
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with average.in_place():
        assert not torch.equal(model[0].weight, before["0.weight"])
        assert not torch.equal(model[1].running_mean, before["1.running_mean"])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_frozen_modules_are_not_followed():
    model = net()
    average = ExponentialAverage(model, 0.5, Frozen(model, ("1",)))
    assert not any(name.startswith("1.") for name in average.state_dict()["average"])


def test_state_there_and_back():
    model = net()
    average, other = (ExponentialAverage(model, 0.5, Frozen(model, ())) for _ in range(2))
    with torch.no_grad():
        model[0].weight += 1
    average.update()
    other.load_state_dict(average.state_dict())
    assert other.updates == 1
    ours, theirs = average.state_dict()["average"], other.state_dict()["average"]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
