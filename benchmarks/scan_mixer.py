"""transformers' whole MambaMixer at S1 with nothing but its scan exchanged for ours."""

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
        theirs, ours = (lambda run=run: run(mixer, x)), (lambda run=run: _with_ours(run, mixer, x))
        results: list[list[Tensor]] = []
        first = {
            name: seconds_of(lambda call=call: results.append(call()))
            for name, call in (("theirs", theirs), ("ours", ours))
        }
        error = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*results, strict=True))
        title = f"MambaMixer at S1, {direction}"
        if not error <= WRONG:
            findings.wrong.append(f"{title}: the scans differ by {error:.1e} of the largest value")
            continue
        repeats = {name: affordable_repeats(seconds, BUDGET) for name, seconds in first.items()}
        seconds = first | medians(take_turns({"theirs": theirs, "ours": ours}, repeats))
        ratio = seconds["theirs"] / seconds["ours"]
        findings.claim(f"{title}: faster with our scan", ratio, unit="×", against=engine.label)


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


def _with_ours(run, mixer: nn.Module, x: Tensor) -> list[Tensor]:
    with with_our_scan():
        return run(mixer, x)
