"""The selective scan: time, memory and accuracy of ours, beside a C yardstick and other people's scans.

    wayscan bench scan [--json]        python -m benchmarks.scan [--json]

One thread. Every result is checked against the scan's definition in float64 before it is timed; what is wrong
is not timed, and the exit code is then 1. Ours runs through the public functions, their overhead included.
The sizes S1 … S5 are in scan_problems.py, the goals beside what they are goals of.
"""

import os
import sys
import time
from statistics import median

import torch

from wayscan import selective_scan
from wayscan.ops import warmup

from . import scan_processes
from .claims import Findings, Report, recorded_claims, show
from .scan_engines import Engine, Prepared, engines
from .scan_mixer import measure_mixer
from .scan_problems import SIZES, Problem, errors_of, exact_results, make_problem
from .scan_step import measure_step
from .scan_times import claim_accuracy, measure_size, wrong_by
from .sections import Section, run_all
from .timing import Call, garbage_collection_paused, medians, seconds_of, take_turns
from .yardstick.build import processor_features

MEMORY_GOAL, NARROW_GOAL, FIRST_SCAN_GOAL = 1 / 20, 1.7, 0.6
REPEATS = 30
MEGABYTE = 1e6


def run(*, json: bool = False) -> int:
    """Measure and print; the exit code."""
    return show(measure(), json_line=json)


def measure() -> Report:
    """All claims, live: some minutes, most of them in transformers' backward pass."""
    findings, threads = Findings(), torch.get_num_threads()
    findings.claims += recorded_claims("scan")
    torch.set_num_threads(1)
    try:
        warmup()
        run_all(findings, _sections())
    finally:
        torch.set_num_threads(threads)
    return findings.report("scan")


def _sections() -> dict[str, Section]:
    times = {
        f"time and accuracy, {size.name}": lambda findings, size=size: measure_size(findings, size)
        for size in SIZES.values()
        if size.length > 1
    }
    return times | {
        "one step": measure_step,
        "memory": _measure_memory,
        "AVX2 beside AVX-512": _measure_narrow,
        "first scan of a process": _measure_first_scan,
        "transformers' mixer": measure_mixer,
        "two threads": _measure_two_threads,
        "GPU": _measure_gpu,
    }


# ---- what needs processes of its own ----------------------------------------------------------------------


def _measure_memory(findings: Findings) -> None:
    """Peak extra memory of forward and backward: all engines at S1, ours everywhere."""
    size, taken = SIZES["S1"], {}
    for name, engine in engines().items():
        if engine.why_not:
            findings.skip(f"S1 memory, against {engine.label}", engine.why_not)
            continue
        taken[name] = scan_processes.peak_bytes(name, size)
        goal = MEMORY_GOAL if name == "transformers" else None
        if name != "ours":
            title = f"S1 forward+backward: memory, share of what {name} takes"
            share = taken["ours"] / taken[name]
            findings.claim(title, share, goal=goal, better="lower", against=engine.label)
    for size in SIZES.values():
        if size.length > 1:
            peak = taken["ours"] if size.name == "S1" else scan_processes.peak_bytes("ours", size)
            title = f"{size.name} forward+backward: memory"
            findings.claim(title, peak / MEGABYTE, unit="MB", better="lower")


def _measure_narrow(findings: Findings) -> None:
    title = "S1 with AVX-512 masked off"
    if "avx512f" not in processor_features():
        findings.skip(title, "this processor has no AVX-512 to mask off")
        return
    with scan_processes.wide_and_narrow() as (wide, narrow):
        for server in (wide, narrow):
            errors = errors_of(server.results(), exact_results(SIZES["S1"]))
            wrong = wrong_by(errors)
            if wrong:
                findings.fail(title, wrong)
                return
        claim_accuracy(findings, title, errors)
        for request, direction in (("forward", "forward"), ("both", "forward+backward")):
            pairs = [(wide.seconds(request), narrow.seconds(request)) for _ in range(REPEATS)]
            slower = median(b for _, b in pairs) / median(a for a, _ in pairs)
            findings.claim(
                f"{title}, {direction}: share of AVX-512's time",
                slower,
                unit="×",
                goal=NARROW_GOAL,
                better="lower",
                against="wayscan with AVX-512",
            )


def _measure_first_scan(findings: Findings) -> None:
    seconds = median(scan_processes.seconds_to_first_scan() for _ in range(5))
    findings.claim(
        "first scan of a process, import included", seconds, unit="s", goal=FIRST_SCAN_GOAL, better="lower"
    )


# ---- more than one thread ---------------------------------------------------------------------------------


def _measure_two_threads(findings: Findings) -> None:
    """Wall time here: CPU time is the same whatever the number of threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < 2:
        findings.skip("S1 on two threads", "this process has one core")
        return
    prepared = Prepared(engines()["ours"], make_problem(SIZES["S1"]), SIZES["S1"])
    for direction, call in (("forward", prepared.forward), ("forward+backward", prepared.both)):
        calls = {f"{threads}": _on_threads(threads, call) for threads in (1, 2)}
        seconds = medians(take_turns(calls, dict.fromkeys(calls, REPEATS), time.perf_counter))
        gain = seconds["1"] / seconds["2"]
        findings.claim(
            f"S1 {direction}: faster on two threads", gain, unit="×", against="wayscan on one thread"
        )


def _on_threads(threads: int, call: Call) -> Call:
    def run_them() -> None:
        torch.set_num_threads(threads)
        call()
        torch.set_num_threads(1)

    return run_them


def _measure_gpu(findings: Findings) -> None:
    if not torch.cuda.is_available():
        findings.skip("S1 on a GPU", "torch finds no CUDA device")
        return
    size = SIZES["S1"]
    engine = Engine(label=torch.cuda.get_device_name(), scan=_triton)
    prepared = Prepared(engine, Problem(*(x.cuda() for x in make_problem(size))), size)
    out, grads = prepared.both()
    results = prepared.results(out.cpu(), tuple(grad.cpu() for grad in grads))
    wrong = wrong_by(errors_of(results, exact_results(size)))
    if wrong:
        findings.fail(f"S1 on {engine.label}", wrong)
        return
    for direction, call in (("forward", prepared.forward), ("forward+backward", prepared.both)):
        with garbage_collection_paused():
            seconds = median(seconds_of(_and_wait(call), time.perf_counter) for _ in range(REPEATS))
        findings.claim(f"S1 {direction} on {engine.label}: time", 1000 * seconds, unit="ms", better="lower")


def _triton(*problem: torch.Tensor) -> torch.Tensor:
    return selective_scan(*problem, delta_softplus=True, backend="triton")


def _and_wait(call: Call) -> Call:
    def run_it() -> None:
        call()
        torch.cuda.synchronize()

    return run_it


if __name__ == "__main__":
    sys.exit(run(json="--json" in sys.argv[1:]))
