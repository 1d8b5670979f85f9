"""One step of the scan (S5), as streaming takes it: through our public function, and through the operator."""

from collections.abc import Callable

import torch
from torch import Tensor

from wayscan import selective_step

from .claims import Findings
from .scan_engines import engines, transformers_mamba
from .scan_problems import SIZES, make_problem
from .scan_times import WRONG
from .timing import MOST_REPEATS, Call, medians, take_turns

GOAL = 5.0
STEPS = 200  # in one sample: a single step is too short for the clock


def measure_step(findings: Findings) -> None:
    steps: dict[str, Callable[..., Tensor]] = {
        "selective_step": _public,
        "the operator selective_step_cpu": _operator,
    }
    peer, why_not = engines()["transformers"].label, engines()["transformers"].why_not
    if why_not:
        findings.skip("S5, against transformers", why_not)
    else:
        steps["transformers"] = _transformers
    with torch.no_grad():
        right = {name: step for name, step in steps.items() if _is_right(findings, name, step)}
        calls = {name: _many(step) for name, step in right.items()}
        seconds = medians(take_turns(calls, dict.fromkeys(calls, MOST_REPEATS)))
    for name in (name for name in seconds if name != "transformers"):
        findings.claim(f"S5, {name}: time", 1e6 * seconds[name] / STEPS, unit="µs", better="lower")
        if "transformers" in seconds:
            ratio = seconds["transformers"] / seconds[name]
            findings.claim(f"S5, {name}: faster than transformers", ratio, unit="×", goal=GOAL, against=peer)


def _inputs(dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """state (B, D, N); u, delta (B, D); A (D, N); B, C (B, N); D (D,); z (B, D); delta_bias (D,)."""
    problem = make_problem(SIZES["S5"])
    state = torch.randn(SIZES["S5"].batch, *problem.A.shape, generator=torch.Generator().manual_seed(2))
    now = (x.squeeze(-1) if x.ndim > 2 else x for x in problem)
    return tuple(x.to(dtype) for x in (state, *now))


def _public(*inputs: Tensor) -> Tensor:
    return selective_step(*inputs, delta_softplus=True, backend="cpu")


def _operator(*inputs: Tensor) -> Tensor:
    return torch.ops.wayscan.selective_step_cpu(*inputs, True)


def _transformers(state, u, delta, A, B, C, D, z, delta_bias) -> Tensor:
    update = transformers_mamba().mamba_selective_state_update
    return update(state, u, delta, A, B, C, D, z=z, dt_bias=delta_bias, dt_softplus=True)


def _is_right(findings: Findings, name: str, step: Callable[..., Tensor]) -> bool:
    """Out and the new state against the definition."""
    exact, mine = _inputs(torch.float64), _inputs()
    pairs = (
        (step(*mine), selective_step(*exact, delta_softplus=True, backend="reference")),
        (mine[0], exact[0]),
    )
    error = max(float((x - y).abs().max() / y.abs().max()) for x, y in pairs)
    if not error <= WRONG:
        why = f"wrong result: off by {error:.1e} of the largest value, expected at most {WRONG:.0e}"
        findings.fail(f"S5, {name}", why)
        return False
    return True


def _many(step: Callable[..., Tensor]) -> Call:
    inputs = _inputs()

    def take_steps() -> None:
        for _ in range(STEPS):
            step(*inputs)

    return take_steps
