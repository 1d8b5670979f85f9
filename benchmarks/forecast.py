"""wayscan.forecast: NumPy beside PyTorch in time, its gradients beside autograd, its skill beside nothing
learnt.

    wayscan bench forecast [--json]        gradients, times, a comparison; the rest as recorded
    python -m benchmarks.forecast_skill    measures and records that rest: five seeds on two series (minutes)

One thread, and processor time. PyTorch runs the same algorithm (forecast_twins.py): the same products made
for all steps at once, the same loop over the others, the same loss, decay, clipping and SGD. Predictions are
checked first.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from wayscan.forecast.config import MODELS, ForecastConfig, ModelType, preset
from wayscan.forecast.model import Network, mean_squared_error
from wayscan.forecast.optimisers import clip, make_optimiser, regularise

from .claims import Findings, recorded_claims, show
from .forecast_twins import Twin
from .timing import Call, medians, take_turns

LENGTH = BATCH = 32
UPDATES, ROUNDS = 7, 25
SPEED_GOALS: dict[ModelType, float] = {"mamba": 1.9, "mingru": 1.7, "gru": 1.9}
FUSED_GOAL, COMPARISON_GOAL = 1.2, 30.0
GRADIENT_GOALS = {"float64": 1e-12, "float32": 1e-5}
ODD_SHAPES = ((1, 2, 3), (7, 1, 5), (33, 3, 2))


def run(*, json: bool = False) -> int:
    """Measure and print; the exit code."""
    findings, threads = Findings(), torch.get_num_threads()
    torch.set_num_threads(1)
    findings.claims += recorded_claims("forecast")
    try:
        _measure_gradients(findings)
        for model, goal in SPEED_GOALS.items():
            _measure_speed(findings, model, goal)
        _measure_comparison(findings)
    finally:
        torch.set_num_threads(threads)
    return show(findings.report("forecast"), json_line=json)


# ---- gradients -----------------------------------------------------------------------------------------


def gradient_error(config: ForecastConfig, shape: tuple[int, int, int]) -> float:
    """Largest difference of a gradient from float64 autograd's, as a share of that gradient's largest entry.

    Args:
        shape: (L, F, B).
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(config.precision)
    y = rng.standard_normal((1, shape[2])).astype(config.precision)
    network = Network(config, shape[1], rng)
    _, dy = mean_squared_error(network.forward(x), y)
    dx = network.backward(dy, to_input=True)
    assert dx is not None
    twin = Twin(network, torch.float64)
    window = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    (twin.forward(window) - torch.tensor(y, dtype=torch.float64)).square().mean().backward()
    pairs = [(network.gradients[name], weight.grad) for name, weight in twin.weights.items()]
    pairs.append((dx, window.grad))
    return max(_share(ours, theirs.numpy()) for ours, theirs in pairs if theirs is not None)


def _share(ours: np.ndarray, theirs: np.ndarray) -> float:
    largest = float(np.abs(theirs).max())
    return float(np.abs(ours - theirs).max()) / largest if largest else float(np.abs(ours).max())


def _measure_gradients(findings: Findings) -> None:
    for precision, goal in GRADIENT_GOALS.items():
        errors = [
            gradient_error(_checked(model, precision), shape) for model in MODELS for shape in ODD_SHAPES
        ]
        findings.claim(
            f"gradients in {precision}, all models, odd lengths",
            max(errors),
            goal=goal,
            better="lower",
            against="float64 autograd",
        )


def _checked(model: ModelType, precision: str) -> ForecastConfig:
    """Two layers, skip path and attention, so that every gradient takes part."""
    return ForecastConfig(
        model_type=model, precision=precision, layers=2, attention="last", hidden_size=12, skip="add"
    )


# ---- time ----------------------------------------------------------------------------------------------


def _measure_speed(findings: Findings, model: ModelType, goal: float) -> None:
    config = preset("seed", model_type=model)
    calls = numpy_and_torch(config)
    if model == "gru":
        calls["fused"] = fused_gru(config)
    title = f"epoch time, {model}, L = B = {LENGTH}, H = {config.hidden_size}"
    difference = _first_losses_differ(config)
    if difference > 1e-4:
        findings.fail(title, f"the predictions differ by {difference:.1e} from PyTorch's")
        return
    for call in calls.values():
        call()
    seconds = medians(take_turns(calls, dict.fromkeys(calls, ROUNDS)))
    findings.claim(f"{title}: NumPy, an update", 1000 * seconds["numpy"] / UPDATES, unit="ms", better="lower")
    gain = seconds["torch"] / seconds["numpy"]
    findings.claim(f"{title}: faster", gain, unit="×", goal=goal, against="PyTorch eager, the same loop")
    if model == "gru":
        gain = seconds["fused"] / seconds["numpy"]
        title = f"{title}: faster than the fused one"
        findings.claim(title, gain, unit="×", goal=FUSED_GOAL, against="PyTorch's nn.GRU")


def numpy_and_torch(config: ForecastConfig) -> dict[str, Call]:
    """Some updates of the same network on the same batch."""
    x, y = batch()
    network = Network(config, 1, np.random.default_rng(0))
    twin = Twin(network, torch.float32)
    optimiser = make_optimiser(config, network.weights)

    def in_numpy() -> None:
        for _ in range(UPDATES):
            _, dy = mean_squared_error(network.forward(x), y)
            network.backward(dy)
            regularise(network.gradients, network.weights, config.weight_decay, config.l1)
            clip(network.gradients, config.clip_norm, config.clip_value)
            optimiser.update(network.gradients, config.learning_rate)

    window, aim = torch.from_numpy(x), torch.from_numpy(y)
    return {
        "numpy": in_numpy,
        "torch": _in_torch(twin.forward, list(twin.weights.values()), window, aim, config),
    }


def fused_gru(config: ForecastConfig) -> Call:
    x, y = batch()
    layer, head = nn.GRU(1, config.hidden_size), nn.Linear(config.hidden_size, 1)
    window = torch.from_numpy(x).permute(0, 2, 1).contiguous()

    def forward(window: torch.Tensor) -> torch.Tensor:
        return head(layer(window)[0][-1]).T

    return _in_torch(forward, [*layer.parameters(), *head.parameters()], window, torch.from_numpy(y), config)


def _in_torch(
    forward: Callable[[torch.Tensor], torch.Tensor],
    weights: list[torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
    config: ForecastConfig,
) -> Call:
    decayed = {"params": [w for w in weights if w.ndim > 1], "weight_decay": config.weight_decay}
    optimiser = torch.optim.SGD(
        [decayed, {"params": [w for w in weights if w.ndim == 1]}], lr=config.learning_rate
    )

    def updates() -> None:
        for _ in range(UPDATES):
            optimiser.zero_grad()
            nn.functional.mse_loss(forward(x), y).backward()
            nn.utils.clip_grad_norm_(weights, config.clip_norm or float("inf"))
            optimiser.step()

    return updates


def batch() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (LENGTH, 1, BATCH)).astype(np.float32)
    return x, rng.uniform(0, 1, (1, BATCH)).astype(np.float32)


def _first_losses_differ(config: ForecastConfig) -> float:
    x, _ = batch()
    network = Network(config, 1, np.random.default_rng(0))
    theirs = Twin(network, torch.float32).forward(torch.from_numpy(x)).detach().numpy()
    return float(np.abs(network.forward(x) - theirs).max())


def _measure_comparison(findings: Findings) -> None:
    """All five models at the seed's settings on 2,284 weeks (57 updates an epoch), in its own process."""
    title = "compare at the seed's settings, five models, one seed, import included"
    words = ["forecast", "compare", "--preset", "seed", "--data", "co2-weekly", "--seeds", "1", "--json"]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    begun = os.times()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "wayscan.cli", *words, "--out", f"{folder}/compare.png"],
            env=os.environ | one_thread,
            capture_output=True,
            text=True,
            check=False,
        )
    ended = os.times()
    if done.returncode:
        findings.fail(title, done.stderr.strip().splitlines()[-1])
        return
    spent = ended.children_user + ended.children_system - begun.children_user - begun.children_system
    findings.claim(title, spent, unit="s", goal=COMPARISON_GOAL, better="lower")


if __name__ == "__main__":
    sys.exit(run(json="--json" in sys.argv[1:]))
