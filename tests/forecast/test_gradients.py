"""Every gradient against autograd and finite differences, at odd lengths; a stream against a window."""

from typing import Any

import numpy as np
import pytest
from benchmarks.forecast import ODD_SHAPES, gradient_error

from wayscan.forecast.cells.mamba_simple import MambaSimple
from wayscan.forecast.config import MODELS, ForecastConfig
from wayscan.forecast.model import Network, mean_squared_error


def settings(model: str, **changes: Any) -> ForecastConfig:
    return ForecastConfig(model_type=model, hidden_size=8, **changes)  # type: ignore[arg-type]


LAYOUTS: list[dict[str, Any]] = [
    {"skip": "none"},
    {"layers": 2, "attention": "each", "skip": "add"},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=("plain", "deep"))
@pytest.mark.parametrize("shape", ODD_SHAPES)
@pytest.mark.parametrize("model", MODELS)
def test_gradients_are_those_of_autograd(model: str, shape: tuple[int, int, int], layout: dict[str, Any]):
    assert gradient_error(settings(model, precision="float64", **layout), shape) < 1e-12
    assert gradient_error(settings(model, precision="float32", **layout), shape) < 1e-5


@pytest.mark.parametrize("model", MODELS)
def test_gradients_are_slopes(model: str):
    """Along a random direction, by central differences; no autograd in it."""
    rng = np.random.default_rng(3)
    network = Network(settings(model, precision="float64", layers=2, attention="last"), 2, rng)
    x, y = rng.standard_normal((9, 2, 3)), rng.standard_normal((1, 3))

    def loss() -> float:
        return mean_squared_error(network.forward(x), y)[0]

    network.backward(mean_squared_error(network.forward(x), y)[1])
    gradients = {name: gradient.copy() for name, gradient in network.gradients.items()}
    for name, weight in network.weights.items():
        before, direction = weight.copy(), rng.standard_normal(weight.shape)
        weight[...] = before + 1e-6 * direction
        above = loss()
        weight[...] = before - 1e-6 * direction
        slope = (above - loss()) / 2e-6
        weight[...] = before
        assert slope == pytest.approx(float((gradients[name] * direction).sum()), rel=1e-5, abs=1e-8), name


def test_nothing_passes_a_clip():
    """Where the seed's clips are at work, the gradient of what is clipped is nought, as autograd's is."""
    rng = np.random.default_rng(0)
    layer = MambaSimple(1, 4, np.dtype("float64"), rng, states=3)
    layer.weights["W"][...] = 100.0
    x = rng.uniform(1, 2, (5, 2, 1))
    out = layer.forward(x)
    assert np.allclose(out, 50 * 10)  # both clips
    layer.backward(np.ones_like(out))
    assert all(not gradient.any() for gradient in layer.gradients.values())


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_gives_what_a_window_gives(model: str):
    rng = np.random.default_rng(1)
    network = Network(settings(model, precision="float64", layers=2, attention="each"), 2, rng)
    x = rng.standard_normal((11, 2, 3))
    state = network.initial_state(3)
    for t in range(len(x)):
        value, state = network.step(x[t].T, state)
        np.testing.assert_allclose(value, network.forward(x[: t + 1])[0], atol=1e-13)


def test_scratch_arrays_do_not_leak_between_batches():
    """A smaller batch after a larger one gives what it gives alone."""
    rng = np.random.default_rng(1)
    network = Network(settings("mamba", precision="float64"), 1, rng)
    x = rng.standard_normal((6, 1, 5))
    alone = network.forward(x[:, :, :2]).copy()
    network.forward(x)
    np.testing.assert_array_equal(network.forward(x[:, :, :2]), alone)
    np.testing.assert_allclose(network.predict(x, batch=2), network.forward(x)[0], atol=1e-14)


def test_min_gru_is_the_gru_and_weights_must_fit():
    rng = np.random.default_rng
    gru, alias = (Network(settings(name), 1, rng(0)) for name in ("gru", "min_gru"))
    assert gru.weights.keys() == alias.weights.keys()
    with pytest.raises(ValueError, match="expected"):
        gru.load(Network(settings("mingru"), 1, rng(0)).weights)
    with pytest.raises(ValueError, match=r"layers\.0\.W is"):
        gru.load(Network(settings("gru"), 2, rng(0)).weights | {"paths.0": gru.weights["paths.0"]})
