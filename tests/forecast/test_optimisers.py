"""Optimisers against PyTorch's, clipping, decay and the course of the rate."""

import math

import numpy as np
import pytest
import torch

from wayscan.forecast.config import ForecastConfig
from wayscan.forecast.optimisers import clip, make_optimiser, rate_at, regularise

THEIRS = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.01, momentum=0.9),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.01),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=0.01),
}


@pytest.mark.parametrize("name", THEIRS)
def test_the_same_steps_as_pytorch(name: str):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((3, 4))
    theirs = torch.tensor(weight, requires_grad=True)
    ours = {"W": weight}
    config = ForecastConfig(optimiser=name, momentum=0.9, learning_rate=0.01)  # type: ignore[arg-type]
    optimiser, reference = make_optimiser(config, ours), THEIRS[name]([theirs])
    for _ in range(20):
        gradient = rng.standard_normal((3, 4))
        optimiser.update({"W": gradient}, 0.01)
        theirs.grad = torch.tensor(gradient)
        reference.step()
    np.testing.assert_allclose(ours["W"], theirs.detach().numpy(), atol=1e-12)


def test_clipping():
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([-4.0])}
    assert clip(gradients, 1.0, None) == pytest.approx(5)
    np.testing.assert_allclose(np.concatenate(list(gradients.values())), [0.6, 0, -0.8])
    assert clip(gradients, 2.0, None) == pytest.approx(1)
    clip(gradients, None, 0.5)
    np.testing.assert_allclose(gradients["b"], [-0.5])


def test_decay_is_for_matrices():
    weights = {
        "layers.0.W": np.array([[2.0, -2.0]]),
        "layers.0.b": np.array([[1.0]]),
        "head.b": np.array([1.0]),
    }
    gradients = {name: np.zeros_like(weight) for name, weight in weights.items()}
    regularise(gradients, weights, 0.1, 0.01)
    np.testing.assert_allclose(gradients["layers.0.W"], [[0.21, -0.21]])
    assert not gradients["layers.0.b"].any()
    assert not gradients["head.b"].any()


def test_the_course_of_the_rate():
    config = ForecastConfig(learning_rate=1.0, schedule="cosine", warmup=4)
    rates = [rate_at(config, update, 104) for update in range(104)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[54] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01
    steps = ForecastConfig(learning_rate=1.0, schedule="step")
    assert [rate_at(steps, update, 9) for update in (0, 3, 6, 8)] == [1, 0.5, 0.25, 0.25]
    assert rate_at(ForecastConfig(learning_rate=0.5, schedule="constant"), 7, 9) == 0.5
    assert math.isclose(rate_at(ForecastConfig(learning_rate=1.0), 0, 1), 1.0)
