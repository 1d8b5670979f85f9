"""Every engine computes what the reference computes in float64: outputs, last states and gradients."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wayscan.ops import selective_scan, selective_step

FORWARD, GRADIENT = 5e-7, 2e-6  # relative to the largest value, or to 1 where sums cancel
SMALL = 5  # times as much for a handful of channels: one unlucky sum is then the largest value

shapes = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 3),
        "channels": st.sampled_from([1, 3, 16, 20, 33, 48]),
        "length": st.sampled_from([1, 2, 3, 4, 5, 15, 16, 17, 37, 64, 65]),
        "states": st.sampled_from([1, 2, 3, 8, 16, 17]),
    }
)
switches = st.fixed_dictionaries({name: st.booleans() for name in ("D", "z", "delta_bias", "initial_state")})
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def double(problem):
    return {name: None if x is None else x.double() for name, x in problem.items()}


def error(got, expected):
    return ((got.double() - expected).abs().max() / expected.abs().max().clamp(min=1)).item()


def run(problem, backend, softplus, weights=None):
    """Output, last state, and the gradient of everything that was given."""
    leaves = {name: None if x is None else x.detach().requires_grad_() for name, x in problem.items()}
    out, last = selective_scan(**leaves, delta_softplus=softplus, return_last_state=True, backend=backend)
    if weights is None:
        random = torch.Generator().manual_seed(out.numel())
        weights = [torch.randn(x.shape, generator=random, dtype=x.dtype) for x in (out, last)]
    loss = (out * weights[0].to(out)).sum() + (last * weights[1].to(last)).sum()
    gradients = torch.autograd.grad(loss, [x for x in leaves.values() if x is not None])
    return [out.detach(), last.detach(), *gradients], weights


def assert_agrees(problem, backend, softplus=True, slack=1):
    expected, weights = run(double(problem), "reference", softplus)
    got, _ = run(problem, backend, softplus, weights)
    bounds = [FORWARD, FORWARD] + [GRADIENT] * (len(got) - 2)
    for mine, theirs, bound in zip(got, expected, bounds, strict=True):
        assert error(mine, theirs) < bound * slack


@many
@given(
    shape=shapes,
    switch=switches,
    softplus=st.booleans(),
    groups=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 99),
)
@pytest.mark.parametrize("backend", ["cpu", "fallback"])
def test_engines_agree_with_the_reference(scan_problem, backend, shape, switch, softplus, groups, seed):
    shape = {**shape, "channels": shape["channels"] * groups}
    assert_agrees(scan_problem(**shape, groups=groups, **switch, seed=seed), backend, softplus, SMALL)


@pytest.mark.parametrize(
    "shape",
    [
        {"batch": 2, "channels": 96, "length": 320, "states": 16},
        {"batch": 2, "channels": 128, "length": 256, "states": 1, "groups": 4},
        {"batch": 16, "channels": 64, "length": 4, "states": 16},
        {"batch": 1, "channels": 32, "length": 2048, "states": 16},
    ],
)
def test_accuracy_at_the_shapes_of_real_models(scan_problem, shape):
    assert_agrees(scan_problem(**shape), "cpu")


def test_two_threads_give_the_bits_of_one(scan_problem):
    problem = scan_problem(batch=3, channels=96, length=70, states=16)
    alone, weights = run(problem, "cpu", True)
    torch.set_num_threads(2)
    try:
        together, _ = run(problem, "cpu", True, weights)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(one, two) for one, two in zip(alone, together, strict=True))


@pytest.mark.parametrize("backend", ["cpu", "fallback"])
def test_memory_layout_of_results_follows_the_input(scan_problem, backend):
    problem = scan_problem(channels=20, length=33)
    expected, weights = run(problem, backend, True)
    turned = {
        name: x.transpose(1, 2).contiguous().transpose(1, 2) if name in ("u", "delta", "z") else x
        for name, x in problem.items()
    }
    got, _ = run(turned, backend, True, weights)
    assert got[0].stride() == turned["u"].stride()
    for mine, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("backend", ["cpu", "fallback"])
def test_slices_expanded_and_shifted_inputs(scan_problem, backend):
    """As a Mamba block hands them over: views into wider tensors, and broadcast ones."""
    problem = scan_problem(channels=18, length=21, states=4)
    wide = torch.randn(2, 21, 2 * 18 + 3)
    problem["u"], problem["z"] = wide[:, :, 3:21].transpose(1, 2), wide[:, :, 21:].transpose(1, 2)
    problem["B"] = torch.randn(2, 21, 11)[:, None, :, 5:9].transpose(2, 3)
    problem["C"] = torch.randn(1, 1, 4, 1).expand(2, 1, 4, 21)
    problem["delta"] = torch.rand(2, 18, 1).expand(2, 18, 21)
    assert_agrees(problem, backend, slack=SMALL)


@pytest.mark.parametrize("backend", ["reference", "cpu", "fallback"])
def test_the_scan_may_be_cut_in_two(scan_problem, backend):
    problem = scan_problem(length=37, initial_state=True)
    whole, last = selective_scan(**problem, return_last_state=True, backend=backend)
    timed = ("u", "delta", "B", "C", "z")
    first = {name: x[..., :20] if name in timed else x for name, x in problem.items()}
    second = {name: x[..., 20:] if name in timed else x for name, x in problem.items()}
    out, middle = selective_scan(**first, return_last_state=True, backend=backend)
    rest, end = selective_scan(**{**second, "initial_state": middle}, return_last_state=True, backend=backend)
    torch.testing.assert_close(torch.cat([out, rest], -1), whole, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(end, last, rtol=1e-5, atol=1e-5)


@many
@given(shape=shapes, switch=switches, groups=st.sampled_from([1, 2]), softplus=st.booleans())
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_steps_equal_the_scan(scan_problem, backend, shape, switch, groups, softplus):
    shape = {**shape, "channels": shape["channels"] * groups}
    problem = scan_problem(**shape, groups=groups, **switch)
    out, last = selective_scan(
        **problem, delta_softplus=softplus, return_last_state=True, backend="reference"
    )
    state = torch.zeros_like(last) if problem["initial_state"] is None else problem["initial_state"].clone()
    for t in range(shape["length"]):
        now = {
            name: problem[name] if name in "AD" or problem[name] is None else problem[name][..., t]
            for name in ("u", "delta", "A", "B", "C", "D", "z")
        }
        y = selective_step(
            state, **now, delta_bias=problem["delta_bias"], delta_softplus=softplus, backend=backend
        )
        torch.testing.assert_close(y, out[..., t], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(state, last, rtol=1e-5, atol=1e-5)


def test_constant_and_unequally_grouped_inputs(scan_problem):
    problem = scan_problem(channels=8, length=11, states=3, groups=2)
    problem["C"] = torch.randn(2, 4, 3, 11)
    expected = selective_scan(**{**double(problem), "B": double(problem)["B"].repeat_interleave(2, 1)})
    torch.testing.assert_close(selective_scan(**problem).double(), expected, rtol=1e-5, atol=1e-5)
    problem["B"] = problem["C"] = torch.randn(8, 3)
    spelled = torch.stack([problem["B"]] * 11, -1).expand(2, 8, 3, 11)
    expected = selective_scan(**{**double(problem), "B": spelled.double(), "C": spelled.double()})
    torch.testing.assert_close(selective_scan(**problem).double(), expected, rtol=1e-5, atol=1e-5)


def test_extreme_steps_stay_finite(scan_problem):
    """Decays that underflow, softplus and gates far out on both sides."""
    problem = scan_problem(channels=16, length=40, states=4)
    problem["A"] = problem["A"] * 1e4
    problem["delta"] = torch.linspace(-200, 200, 40).expand(2, 16, 40)
    problem["z"] = torch.linspace(300, -300, 40).expand(2, 16, 40)
    assert_agrees(problem, "cpu", slack=SMALL)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_results_have_the_dtype_of_u(scan_problem, dtype):
    problem = scan_problem(dtype=dtype)
    out, last = selective_scan(**problem, return_last_state=True)
    assert out.dtype is dtype
    assert last.dtype is (torch.float64 if dtype is torch.float64 else torch.float32)
    expected = selective_scan(**double(problem))
    torch.testing.assert_close(
        out.double(),
        expected,
        rtol=2 * torch.finfo(dtype).eps + 1e-6,
        atol=1e-2 if dtype.itemsize == 2 else 1e-5,
    )


def test_float64_is_computed_in_float64(scan_problem):
    problem = scan_problem(dtype=torch.float64)
    torch.testing.assert_close(
        selective_scan(**problem), selective_scan(**problem, backend="reference"), rtol=1e-12, atol=1e-12
    )


def test_autocast_leaves_the_scan_in_float32(scan_problem):
    problem = scan_problem()
    for backend in ("cpu", "fallback", "reference"):
        expected = selective_scan(**problem, backend=backend)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(selective_scan(**problem, backend=backend), expected)


def test_the_environment_names_an_engine(scan_problem, monkeypatch):
    problem = scan_problem(dtype=torch.float64)
    monkeypatch.setenv("WAYSCAN_SCAN", "cpu")  # computes in float32, so the result tells
    assert not torch.equal(selective_scan(**problem), selective_scan(**problem, backend="fallback"))
