"""Time and accuracy of whole scans, engine beside engine, for one size after another."""

import torch

from .claims import Findings
from .scan_engines import Prepared, engines
from .scan_problems import Errors, Size, errors_of, exact_results, make_problem
from .scan_processes import seconds_beside_yardstick
from .timing import affordable_repeats, medians, seconds_of, take_turns

DIRECTIONS = ("forward", "forward+backward")

OUT_GOAL, GRADIENT_GOAL = 5e-7, 2e-6
WRONG = 1e-4  # an error of this share of the largest value is no rounding error
BUDGET = 4.0  # seconds for one engine, size and direction, beyond the first run

# Goals, forward and forward+backward. Ours is at least so many times as fast as a peer …
FASTER = {("S1", "mamba.py"): (250, 140), ("S1", "transformers"): (60, 1000)}
# … our fallback is at least so many times as fast as transformers …
FALLBACK_FASTER = {"S1": (4, 100)}
# … and ours takes at most this share of the yardstick's time.
YARDSTICK_SHARE = {"S1": 1.15, "S2 N=1": 1.15, "S2 N=16": 1.15, "S3": 0.75, "S4": 1.15}
NO_GOALS = (None, None)

Seconds = dict[str, dict[str, float]]  # by direction and engine


def measure_size(findings: Findings, size: Size) -> None:
    ready: dict[str, Prepared] = {}
    seconds: Seconds = {direction: {} for direction in DIRECTIONS}
    for name, engine in engines().items():
        why_not = engine.why_not_here(size, backward=False)
        if why_not:
            findings.skip(f"{size.name}, against {engine.label}", why_not)
            continue
        prepared = Prepared(engine, make_problem(size), size)
        if _check(findings, size, name, prepared, seconds):
            ready[name] = prepared
    beside_yardstick = seconds_beside_yardstick(size) if {"ours", "yardstick"} <= ready.keys() else {}
    ready.pop("yardstick", None)
    _time(ready, seconds)
    for number, direction in enumerate(DIRECTIONS):
        _claim_times(findings, size, number, seconds[direction])
        if beside_yardstick:
            _claim_share(findings, size, direction, beside_yardstick[direction])


def wrong_by(errors: Errors) -> str:
    """What is wrong with a result, "" if nothing."""
    if errors.out <= WRONG and errors.grad <= WRONG:
        return ""
    return (
        f"wrong result: out is off by {errors.out:.1e} of its largest value, the gradient of "
        f"{errors.worst or 'nothing'} by {errors.grad:.1e}; expected at most {WRONG:.0e}"
    )


def claim_accuracy(findings: Findings, title: str, errors: Errors) -> None:
    exact = "the definition in float64"
    findings.claim(f"{title}: error of out", errors.out, goal=OUT_GOAL, better="lower", against=exact)
    findings.claim(
        f"{title}: error of the worst gradient",
        errors.grad,
        goal=GRADIENT_GOAL,
        better="lower",
        against=f"{exact}; {errors.worst} is the worst",
    )


def _check(findings: Findings, size: Size, name: str, prepared: Prepared, seconds: Seconds) -> bool:
    """Run once, compare with the definition, and note how long that took: for slow peers it is the time."""
    engine = engines()[name]
    outs: list[torch.Tensor] = []
    grads: list[torch.Tensor] = []
    seconds["forward"][name] = seconds_of(lambda: outs.append(prepared.forward()))
    why_not = engine.why_not_here(size, backward=True)
    if why_not:
        findings.skip(f"{size.name} forward+backward, against {engine.label}", why_not)
    else:

        def both() -> None:
            out, found = prepared.both()
            outs.append(out)
            grads.extend(found)

        seconds["forward+backward"][name] = seconds_of(both)
    errors = errors_of(prepared.results(outs[-1], tuple(grads)), exact_results(size))
    if name == "ours":
        claim_accuracy(findings, size.name, errors)
    wrong = wrong_by(errors)
    if wrong:
        findings.fail(f"{size.name}, {engine.label}", wrong)
    return not wrong


def _time(ready: dict[str, Prepared], seconds: Seconds) -> None:
    """Replace the first times by medians, where more runs are affordable; drop those of wrong results."""
    for direction, first in seconds.items():
        calls = {
            name: prepared.forward if direction == "forward" else prepared.both
            for name, prepared in ready.items()
            if name in first
        }
        repeats = {name: affordable_repeats(first[name], BUDGET) for name in calls}
        again = medians(take_turns(calls, repeats))
        seconds[direction] = {name: again.get(name, first[name]) for name in calls}


def _claim_times(findings: Findings, size: Size, number: int, seconds: dict[str, float]) -> None:
    """All claims of one size and direction, as far as there are times for them."""
    title, known = f"{size.name} {DIRECTIONS[number]}", seconds.keys()
    labels = {name: engine.label for name, engine in engines().items()}
    if "ours" in known:
        findings.claim(f"{title}: time", 1000 * seconds["ours"], unit="ms", better="lower")
    for name in ("transformers", "mamba.py", "fallback"):
        if {"ours", name} <= known:
            findings.claim(
                f"{title}: faster than {name}",
                seconds[name] / seconds["ours"],
                unit="×",
                goal=FASTER.get((size.name, name), NO_GOALS)[number],
                against=labels[name],
            )
    if {"fallback", "transformers"} <= known:
        findings.claim(
            f"{title}: fallback faster than transformers",
            seconds["transformers"] / seconds["fallback"],
            unit="×",
            goal=FALLBACK_FASTER.get(size.name, NO_GOALS)[number],
            against=labels["transformers"],
        )


def _claim_share(findings: Findings, size: Size, direction: str, seconds: dict[str, float]) -> None:
    findings.claim(
        f"{size.name} {direction}: share of the yardstick's time",
        seconds["ours"] / seconds["yardstick"],
        unit="×",
        goal=YARDSTICK_SHARE[size.name],
        better="lower",
        against=engines()["yardstick"].label,
    )
