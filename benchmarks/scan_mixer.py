"""transformers' whole MambaMixer at S1 with nothing but its scan exchanged for ours."""

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .claims import Findings
from .scan_engines import engines, transformers_mamba, with_our_scan
from .scan_problems import SIZES
from .scan_times import WRONG
from .timing import affordable_repeats, medians, seconds_of, take_turns

BUDGET = 4.0  # seconds for one of the two scans and one direction, beyond the first run


def measure_mixer(findings: Findings) -> None:
    engine = engines()["transformers"]
    if engine.why_not:
        findings.skip("MambaMixer at S1 with our scan", engine.why_not)
        return
    mixer, x = _mixer()
    for direction, run in (("forward", _forward), ("forward+backward", _both)):
        _compare(findings, f"MambaMixer at S1, {direction}", engine.label, functools.partial(run, mixer, x))


def _compare(findings: Findings, title: str, peer: str, run: Callable[[], list[Tensor]]) -> None:
    results: dict[str, list[Tensor]] = {}

    def theirs() -> None:
        results["theirs"] = run()

    def ours() -> None:
        with with_our_scan():
            results["ours"] = run()

    calls = {"theirs": theirs, "ours": ours}
    first = {name: seconds_of(call) for name, call in calls.items()}
    pairs = zip(results["ours"], results["theirs"], strict=True)
    error = max(
        float((mine - other).detach().abs().max() / other.detach().abs().max()) for mine, other in pairs
    )
    if not error <= WRONG:
        why = f"wrong result: the scans differ by {error:.1e} of the largest value, expected {WRONG:.0e}"
        findings.fail(title, why)
        return
    repeats = {name: affordable_repeats(seconds, BUDGET) for name, seconds in first.items()}
    seconds = first | medians(take_turns(calls, repeats))
    ratio = seconds["theirs"] / seconds["ours"]
    findings.claim(f"{title}: faster with our scan", ratio, unit="×", against=peer)


def _mixer() -> tuple[nn.Module, Tensor]:
    """A mixer whose scan is S1, and its input (B, L, D / 2)."""
    size, module = SIZES["S1"], transformers_mamba()
    torch.manual_seed(0)
    config = module.MambaConfig(
        hidden_size=size.channels // 2, state_size=size.states, expand=2, num_hidden_layers=1
    )
    x = torch.randn(size.batch, size.length, size.channels // 2)
    return module.MambaMixer(config, layer_idx=0).eval(), x.requires_grad_()


def _forward(mixer: nn.Module, x: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return [mixer(x)]


def _both(mixer: nn.Module, x: Tensor) -> list[Tensor]:
    out = mixer(x)
    return [out, *torch.autograd.grad(out.square().mean(), [x, *mixer.parameters()])]
