"""One ValueError for every bad argument: its name, what came, what was expected."""

import pytest
import torch

from wayscan.ops import selective_scan, selective_step


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("u", torch.zeros(2, 20), r"u: expected \(B, D, L\), got \(2, 20\)"),
        ("u", torch.zeros(2, 20, 0), r"u: .* L of at least 1"),
        ("delta", torch.zeros(2, 20, 36), r"delta: expected \(B, D, L\) = \(2, 20, 37\), got \(2, 20, 36\)"),
        ("A", torch.zeros(20, 0), r"A: expected \(D, N\) with N of at least 1"),
        ("A", torch.zeros(19, 5), r"A: expected \(D, N\) = \(20, 5\), got \(19, 5\)"),
        ("B", torch.zeros(2, 6, 37), r"B: expected \(B, N, L\) = \(2, 5, 37\).*got \(2, 6, 37\)"),
        ("C", torch.zeros(2, 3, 5, 37), r"C: .* G a divisor of D = 20"),
        ("D", torch.zeros(20, 1), r"D: expected \(D,\) = \(20,\)"),
        ("z", torch.zeros(1, 20, 37), r"z: expected \(B, D, L\)"),
        ("delta_bias", torch.zeros(21), r"delta_bias: expected \(D,\) = \(20,\), got \(21,\)"),
        ("initial_state", torch.zeros(2, 5, 20), r"initial_state: expected \(B, D, N\) = \(2, 20, 5\)"),
        (
            "u",
            torch.zeros(2, 20, 37, dtype=torch.int32),
            r"u: expected a floating-point tensor, got torch.int32",
        ),
        ("C", torch.zeros(2, 5, 37, device="meta"), r"C: expected to be on cpu as u is, got meta"),
    ],
)
def test_what_is_refused(scan_problem, name, value, message):
    with pytest.raises(ValueError, match=message):
        selective_scan(**{**scan_problem(), name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("u", torch.zeros(2, 20, 1), r"u: expected \(B, D\)"),
        ("state", torch.zeros(2, 5, 20), r"state: expected \(B, D, N\) = \(2, 20, 5\)"),
        ("state", torch.zeros(2, 20, 5, dtype=torch.float16), r"state: expected torch.float32"),
        ("B", torch.zeros(2, 4), r"B: expected \(B, N\) = \(2, 5\)"),
        ("C", torch.zeros(2, 7, 5), r"C: .* G a divisor of D = 20"),
        ("z", torch.zeros(2, 21), r"z: expected \(B, D\) = \(2, 20\)"),
    ],
)
def test_what_a_step_refuses(name, value, message):
    problem = {"state": torch.zeros(2, 20, 5), "u": torch.zeros(2, 20), "delta": torch.zeros(2, 20)}
    problem |= {"A": torch.zeros(20, 5), "B": torch.zeros(2, 5), "C": torch.zeros(2, 5), "z": None}
    with pytest.raises(ValueError, match=message):
        selective_step(**{**problem, name: value})


def test_engines_that_do_not_exist_or_do_not_fit(scan_problem, monkeypatch):
    with pytest.raises(ValueError, match=r"backend is 'fallbak'; expected one of .*; did you mean fallback"):
        selective_scan(**scan_problem(), backend="fallbak")
    monkeypatch.setenv("WAYSCAN_SCAN", "gpu")
    with pytest.raises(
        ValueError, match="WAYSCAN_SCAN is 'gpu'; expected one of reference, fallback, cpu, triton"
    ):
        selective_scan(**scan_problem())
    monkeypatch.delenv("WAYSCAN_SCAN")
    meta = {name: None if x is None else x.to("meta") for name, x in scan_problem().items()}
    with pytest.raises(ValueError, match="backend='cpu': expected tensors on cpu, got meta"):
        selective_scan(**meta, backend="cpu")


def test_a_missing_engine_is_named(scan_problem, monkeypatch):
    from wayscan.ops.selective_scan import choose

    monkeypatch.setattr(choose, "_INSTALLED", {"reference", "fallback"})
    with pytest.raises(ValueError, match="backend='cpu': expected numba to be installed"):
        selective_scan(**scan_problem(), backend="cpu")
    assert torch.isfinite(selective_scan(**scan_problem())).all()  # the fallback steps in


def test_check_says_where(scan_problem):
    problem = scan_problem()
    problem["B"][1, 0, 3, 20] = float("nan")
    selective_scan(**problem)
    with pytest.raises(
        ValueError, match=r"B: expected finite numbers, got nan at index \[1, 0, 3, 20\] \(1 of 370"
    ):
        selective_scan(**problem, check=True)


def test_complex_rates_run_on_the_reference(scan_problem):
    problem = scan_problem()
    A = torch.complex(problem["A"], torch.randn(20, 5))
    B, C = torch.randn(2, 1, 5, 74), torch.randn(2, 1, 5, 74)
    out, last = selective_scan(**{**problem, "A": A, "B": B, "C": C}, return_last_state=True)
    assert out.dtype is torch.float32
    assert last.is_complex()
    with pytest.raises(ValueError, match="complex A runs on backend='reference'"):
        selective_scan(**{**problem, "A": A, "B": B, "C": C}, backend="cpu")
