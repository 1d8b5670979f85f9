"""The scan's bench: its exact results, its engines, and that a wrong result is caught and not timed."""

import dataclasses

import pytest
import torch
from benchmarks.claims import Findings
from benchmarks.scan_engines import Prepared, engines
from benchmarks.scan_problems import SIZES, Size, errors_of, exact_results, make_problem
from benchmarks.scan_step import measure_step
from benchmarks.sections import run_all

from benchmarks import scan_engines, scan_times
from wayscan import selective_scan

SMALL = Size(name="S1", batch=2, channels=32, length=70, states=16)
GROUPED = Size(name="S2 N=1", batch=2, channels=64, length=20, states=1, groups=4)


@pytest.mark.parametrize("size", [SMALL, GROUPED])
def test_the_exact_results_are_those_of_the_definition_in_one_piece(size):
    inputs = [x.double() for x in make_problem(size)]
    out = selective_scan(*inputs, delta_softplus=True, backend="reference")
    torch.testing.assert_close(exact_results(size).out, out, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [SMALL, GROUPED])
@pytest.mark.parametrize("name", ["ours", "yardstick", "fallback", "transformers", "mamba.py"])
def test_every_engine_computes_the_same(name, size):
    engine = engines()[name]
    if engine.why_not_here(size, backward=True):
        pytest.skip(engine.why_not_here(size, backward=True))
    prepared = Prepared(engine, make_problem(size), size)
    errors = errors_of(prepared.results(*prepared.both()), exact_results(size))
    assert max(errors.out, errors.grad) < 1e-5
    assert errors_of(prepared.results(prepared.forward()), exact_results(size)).out < 1e-5


def only(monkeypatch, **chosen):
    monkeypatch.setattr(scan_times, "engines", lambda: chosen)
    monkeypatch.setattr(scan_times, "BUDGET", 0.0)  # the first run is all


def test_a_size_gives_times_ratios_and_errors(monkeypatch):
    only(monkeypatch, ours=engines()["ours"], fallback=engines()["fallback"])
    findings = Findings()
    scan_times.measure_size(findings, SMALL)
    assert not findings.wrong
    assert {claim.name for claim in findings.claims} == {
        "S1: error of out",
        "S1: error of the worst gradient",
        "S1 forward: time",
        "S1 forward: faster than fallback",
        "S1 forward+backward: time",
        "S1 forward+backward: faster than fallback",
    }
    assert all(claim.value > 0 for claim in findings.claims)


def test_a_wrong_result_is_told_and_not_timed(monkeypatch):
    ours = engines()["ours"]
    broken = dataclasses.replace(ours, label="a peer", scan=lambda *x: ours.scan(*x) * 1.01)
    only(monkeypatch, ours=ours, transformers=broken)
    findings = Findings()
    scan_times.measure_size(findings, SMALL)
    (wrong,) = findings.wrong
    assert wrong.name == "S1, a peer"
    assert wrong.why.startswith("wrong result: out is off by 1.0e-02")
    assert not any("transformers" in claim.name for claim in findings.claims)
    assert findings.report("scan").exit_code == 1


def test_a_missing_peer_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(scan_engines, "find_spec", lambda _: None)
    absent = scan_engines.engines.__wrapped__()["transformers"]
    only(monkeypatch, ours=engines()["ours"], transformers=absent)
    findings = Findings()
    scan_times.measure_size(findings, SMALL)
    (skipped,) = findings.not_measured
    assert skipped.name == "S1, against transformers"
    assert "pip install 'wayscan[bench]'" in skipped.why


def test_peers_that_would_take_many_minutes_are_left_out():
    peer = dataclasses.replace(engines()["transformers"], why_not="")
    assert "quadratic in L" in peer.why_not_here(SIZES["S4"], backward=True)
    assert not peer.why_not_here(SIZES["S4"], backward=False)


def test_steps_are_checked_and_compared(monkeypatch):
    monkeypatch.setattr("benchmarks.scan_step.MOST_REPEATS", 1)
    findings = Findings()
    measure_step(findings)
    assert not findings.wrong
    assert {claim.unit for claim in findings.claims} <= {"µs", "×"}
    assert len([claim for claim in findings.claims if claim.unit == "µs"]) == 2


def test_a_section_that_breaks_leaves_the_others_their_numbers():
    def breaks(_):
        raise RuntimeError("no such method")

    findings = Findings()
    run_all(findings, {"a peer": breaks, "ours": lambda findings: findings.claim("time", 1.0)})
    assert [claim.name for claim in findings.claims] == ["time"]
    (failed,) = findings.wrong
    assert (failed.name, failed.why) == ("a peer", "RuntimeError: no such method")
    assert findings.report("scan").exit_code == 1
