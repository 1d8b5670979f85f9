"""The Triton kernels against the reference, on a GPU or else in Triton's interpreter."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything imports triton
pytest.importorskip("triton")

from wayscan.ops.selective_scan import triton
from wayscan.ops.selective_scan.operator import OPERATORS, STEPS
from wayscan.ops.selective_scan.reference import selective_scan_reference, selective_step_reference

# Triton's interpreter, up to 3.6, does to NumPy what NumPy has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOLERANCE = 5e-6


def results(arguments, scan):
    """Output, last state and the gradient of all that was given, for a loss that is the same every time."""
    leaves = {name: None if x is None else x.detach().requires_grad_() for name, x in arguments.items()}
    out, last, *_ = scan(*leaves.values())
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(x.shape, generator=generator).to(x) for x in (out, last)]
    torch.autograd.backward((out, last), weights)
    gradients = {name: x.grad for name, x in leaves.items() if x is not None}
    return {"out": out.detach(), "last state": last.detach(), **gradients}


def check(arguments, softplus=True):
    exact = {name: None if x is None else x.double() for name, x in arguments.items()}
    expected = results(exact, lambda *inputs: selective_scan_reference(*inputs, softplus))
    arguments = {name: None if x is None else x.to(DEVICE) for name, x in arguments.items()}
    got = results(arguments, lambda *inputs: OPERATORS["triton"](*inputs, softplus, True, True))
    assert got.keys() == expected.keys()
    for name, truth in expected.items():
        assert_close(got[name], truth, name)


def assert_close(got, truth, name):
    error = (got.cpu().double() - truth).abs().max() / truth.abs().max().clamp(min=1)
    assert error < TOLERANCE, name


@pytest.mark.parametrize("states", [1, 3, 5, 16, 64])
def test_forward_and_every_gradient_for_any_number_of_states(scan_problem, states):
    check(scan_problem(1, 9, 6, states, initial_state=True))


@pytest.mark.parametrize("length", [1, 4, 31, 33])
def test_tiles_and_chunks_join_without_a_seam(scan_problem, length):
    check(scan_problem(1, 3, length, 4, initial_state=True))


@pytest.mark.parametrize("enough", [1, 1000])
@pytest.mark.parametrize(("channels", "groups"), [(17, 1), (18, 2)])
def test_blocks_of_any_height_cover_channels_that_they_do_not_divide(
    scan_problem, channels, groups, enough, monkeypatch
):
    monkeypatch.setattr(triton, "ENOUGH_PROGRAMS", enough)
    check(scan_problem(2, channels, 5, 5, groups))


@pytest.mark.parametrize("initial_state", [True, False])
def test_segments_of_time_join_without_a_seam(scan_problem, initial_state, monkeypatch):
    monkeypatch.setattr(triton, "CHUNK", 4)
    monkeypatch.setattr(triton, "ENOUGH_PROGRAMS", 4)
    arguments = scan_problem(1, 4, 4 * 2 * triton.CHUNK - 3, 3, initial_state=initial_state)
    assert triton._cut(arguments["u"], arguments["B"]).segments == 4
    check(arguments)


@pytest.mark.parametrize("absent", ["D", "z", "delta_bias", "initial_state"])
@pytest.mark.parametrize("softplus", [True, False])
def test_optional_arguments_and_softplus(scan_problem, absent, softplus):
    given = {"initial_state": True, absent: False}
    check(scan_problem(1, 4, 7, 3, **given), softplus)


def channels_innermost(x):
    return x.mT.contiguous().mT


def constant_in_time(x):
    return x[..., :1].expand_as(x)


@pytest.mark.parametrize("layout", [channels_innermost, constant_in_time])
def test_the_layout_of_the_input_does_not_change_the_result(scan_problem, layout):
    arguments = scan_problem(2, 6, 7, 4, 2, initial_state=True)
    for name in ("u", "delta", "B", "C", "z"):
        arguments[name] = layout(arguments[name])
    check(arguments)


def test_step_sizes_keep_their_digits_where_softplus_vanishes(scan_problem):
    arguments = scan_problem(1, 4, 3, 2, D=False, z=False, delta_bias=False)
    arguments["delta"] = arguments["delta"] - 20
    inputs = [None if x is None else x.to(DEVICE) for x in arguments.values()]
    out, *_ = triton.forward(*inputs, True, False)
    exact = [None if x is None else x.double() for x in arguments.values()]
    truth, _ = selective_scan_reference(*exact, True)
    torch.testing.assert_close(out.cpu().double(), truth, rtol=2e-5, atol=0)


def test_equal_inputs_give_equal_bits(scan_problem):
    arguments = {name: x.to(DEVICE) for name, x in scan_problem(2, 9, 5, 3, initial_state=True).items()}
    once, again = (
        results(arguments, lambda *inputs: OPERATORS["triton"](*inputs, True, True, True)) for _ in range(2)
    )
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_checkpoints_have_the_shape_that_is_promised_and_are_empty_unless_asked_for(scan_problem):
    inputs = [None if x is None else x.to(DEVICE) for x in scan_problem(1, 2, 33, 4).values()]
    assert triton.forward(*inputs, True, True)[2].shape == triton.checkpoint_shape(1, 2, 33, 4, 1)
    assert triton.forward(*inputs, True, False)[2].shape == (0,)


@pytest.mark.parametrize("absent", [(), ("D", "z", "delta_bias")])
def test_a_step_moves_the_state_in_place(scan_problem, absent):
    problem = scan_problem(2, 10, 1, 5, 2, initial_state=True, **dict.fromkeys(absent, False))
    state = problem.pop("initial_state")
    first = {
        name: x[..., 0] if name in ("u", "delta", "B", "C", "z") and x is not None else x
        for name, x in problem.items()
    }
    exact_state = state.double()
    truth = selective_step_reference(
        exact_state, *(None if x is None else x.double() for x in first.values()), True
    )
    state = state.to(DEVICE)
    out = STEPS["triton"](state, *(None if x is None else x.to(DEVICE) for x in first.values()), True)
    assert_close(out, truth, "out")
    assert_close(state, exact_state, "state")
