"""The fallback in float64, to twelve digits, wherever its chunks, slabs and layouts have a seam."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.ops.selective_scan import fallback
from wayscan.ops.selective_scan.operator import OPERATORS
from wayscan.ops.selective_scan.reference import selective_scan_reference

TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


def reference(arguments, softplus):
    arguments = {name: None if x is None else x.double() for name, x in arguments.items()}
    return results(arguments, lambda *inputs: selective_scan_reference(*inputs, softplus))


def by_fallback(arguments, softplus):
    return results(arguments, lambda *inputs: OPERATORS["fallback"](*inputs, softplus, True, True))


def results(arguments, scan):
    """Output, last state and the gradient of all that was given, for a loss that is the same every time."""
    leaves = {name: None if x is None else x.detach().requires_grad_() for name, x in arguments.items()}
    out, last, *_ = scan(*leaves.values())
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(x.shape, generator=generator).to(x.dtype) for x in (out, last)]
    torch.autograd.backward((out, last), weights)
    gradients = {name: x.grad for name, x in leaves.items() if x is not None}
    return {"out": out.detach(), "last state": last.detach(), **gradients}


def check(arguments, softplus=True):
    got, expected = by_fallback(arguments, softplus), reference(arguments, softplus)
    assert got.keys() == expected.keys()
    for name, truth in expected.items():
        error = (got[name] - truth).abs().max() / truth.abs().max().clamp(min=1)
        assert got[name].dtype == arguments["u"].dtype
        assert error < TOLERANCE[got[name].dtype], name


shapes = st.fixed_dictionaries(
    {"batch": st.integers(1, 3), "length": st.integers(1, 70), "states": st.sampled_from([1, 2, 5, 16])}
)
optional = st.fixed_dictionaries({name: st.booleans() for name in ("D", "z", "delta_bias", "initial_state")})


@pytest.mark.parametrize("dtype", TOLERANCE)
@settings(max_examples=30, deadline=None)
@given(
    shape=shapes,
    given=optional,
    groups=st.integers(1, 3),
    per_group=st.integers(1, 5),
    softplus=st.booleans(),
)
def test_scan_last_state_and_every_gradient_follow_the_definition(
    scan_problem, dtype, shape, given, groups, per_group, softplus
):
    check(scan_problem(**shape, channels=groups * per_group, groups=groups, **given, dtype=dtype), softplus)


@pytest.mark.parametrize(
    "length", [fallback.CHUNK - 1, fallback.CHUNK, fallback.CHUNK + 1, 2 * fallback.CHUNK]
)
def test_chunks_join_without_a_seam(scan_problem, length):
    check(scan_problem(channels=3, length=length, initial_state=True, dtype=torch.float64))


@pytest.mark.parametrize("slab", [1, 2, 3])
def test_slabs_of_the_batch_join_without_a_seam(scan_problem, slab, monkeypatch):
    channels, states = 6, 4
    monkeypatch.setattr(fallback, "CPU_STATES", slab * fallback.CHUNK * channels * states)
    check(scan_problem(5, channels, 33, states, 2, initial_state=True, dtype=torch.float64))


def channels_innermost(x):
    return x.mT.contiguous().mT


def constant_in_time(x):
    return x[..., :1].expand_as(x)


def same_for_the_whole_batch(x):
    return x[:1].expand_as(x)


@pytest.mark.parametrize("layout", [channels_innermost, constant_in_time, same_for_the_whole_batch])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_layout_of_the_input_does_not_change_the_result(scan_problem, layout, batch):
    arguments = scan_problem(batch, 6, 40, 4, 2, initial_state=True, dtype=torch.float64)
    for name in ("u", "delta", "B", "C", "z", "initial_state"):
        arguments[name] = layout(arguments[name])
    before = {name: x.clone() for name, x in arguments.items()}
    check(arguments)
    for name, x in arguments.items():
        assert torch.equal(x, before[name]), f"{name} was overwritten"


def test_results_share_no_memory(scan_problem):
    inputs = scan_problem(1, 1, 1, 1, initial_state=True).values()
    out, last, checkpoints = fallback.forward(*inputs, True, True)
    gradients = fallback.backward(out, last, *inputs, checkpoints, True)
    addresses = [x.untyped_storage().data_ptr() for x in (*inputs, out, last, checkpoints, *gradients)]
    assert len(set(addresses)) == len(addresses)


def test_an_absent_argument_has_an_empty_gradient(scan_problem):
    inputs = scan_problem(D=False, z=False, delta_bias=False).values()
    out, last, checkpoints = fallback.forward(*inputs, True, True)
    gradients = fallback.backward(out, last, *inputs, checkpoints, True)
    assert [x.numel() == 0 for x in gradients] == [x is None for x in inputs]


def test_checkpoints_have_the_shape_that_is_promised_and_are_empty_unless_asked_for(scan_problem):
    inputs = scan_problem(3, 6, 40, 4, 2).values()
    out, _, kept = fallback.forward(*inputs, True, True)
    same, _, forgotten = fallback.forward(*inputs, True, False)
    assert kept.shape == fallback.checkpoint_shape(3, 6, 40, 4, 2)
    assert forgotten.shape == (0,)
    assert torch.equal(out, same)


def test_the_gradient_of_softplus_keeps_its_digits_where_softplus_vanishes(scan_problem):
    arguments = scan_problem(channels=2, length=3, delta_bias=False)
    arguments["delta"] = arguments["delta"] - 30
    got, expected = by_fallback(arguments, True), reference(arguments, True)
    torch.testing.assert_close(got["delta"].double(), expected["delta"], rtol=1e-5, atol=0)
