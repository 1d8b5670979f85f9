import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.ops.selective_scan import fallback
from wayscan.ops.selective_scan.reference import selective_scan_reference

NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias", "initial_state")
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5}


def problem(batch, groups, per_group, length, state, absent=(), dtype=torch.float64):
    generator = torch.Generator().manual_seed(length)
    channels = groups * per_group

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    arguments = {
        "u": normal(batch, channels, length),
        "delta": normal(batch, channels, length),
        "A": -normal(channels, state).exp(),
        "B": normal(batch, groups, state, length),
        "C": normal(batch, groups, state, length),
        "D": normal(channels),
        "z": normal(batch, channels, length),
        "delta_bias": normal(channels),
        "initial_state": normal(batch, channels, state),
    }
    return {name: None if name in absent else x for name, x in arguments.items()}


def scan_and_gradients(arguments, softplus):
    """Everything the fallback computes, for gradients of `out` and of the last state drawn at random."""
    out, last, checkpoints = fallback.forward(**arguments, delta_softplus=softplus, save=True)
    grad_out, grad_last = loss_weights(out, last)
    gradients = fallback.backward(
        grad_out, grad_last, **arguments, checkpoints=checkpoints, delta_softplus=softplus
    )
    return out, last, dict(zip(NAMES, gradients, strict=True))


def expected(arguments, softplus):
    """The same by the definition, in float64."""
    leaves = {
        name: None if x is None else x.detach().double().requires_grad_() for name, x in arguments.items()
    }
    out, last = selective_scan_reference(**leaves, delta_softplus=softplus)
    torch.autograd.backward((out, last), loss_weights(out, last))
    return out, last, {name: None if x is None else x.grad for name, x in leaves.items()}


def loss_weights(out, last):
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype) for x in (out, last)
    )


def check(arguments, softplus=True):
    out, last, gradients = scan_and_gradients(arguments, softplus)
    true_out, true_last, true_gradients = expected(arguments, softplus)
    results = {"out": out, "last state": last, **gradients}
    for name, truth in {"out": true_out, "last state": true_last, **true_gradients}.items():
        result = results[name]
        assert result.dtype == arguments["u"].dtype
        if truth is None:
            assert result.shape == (0,), name
            continue
        assert result.shape == truth.shape, name
        error = (result - truth).abs().max() / truth.abs().max().clamp(min=1)
        assert error < TOLERANCE[result.dtype], name


shapes = st.tuples(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(1, 70),
    st.sampled_from([1, 2, 5, 16]),
)
absences = st.sets(st.sampled_from(["D", "z", "delta_bias", "initial_state"]))


@pytest.mark.parametrize("dtype", TOLERANCE)
@settings(max_examples=30, deadline=None)
@given(shape=shapes, absent=absences, softplus=st.booleans())
def test_scan_last_state_and_every_gradient_follow_the_definition(dtype, shape, absent, softplus):
    arguments = problem(*shape, absent=absent, dtype=dtype)
    if not softplus:  # Δ is a time: never negative
        arguments["delta"] = arguments["delta"].abs()
        arguments["delta_bias"] = None if "delta_bias" in absent else arguments["delta_bias"].abs()
    check(arguments, softplus)


@pytest.mark.parametrize(
    "length", [fallback.CHUNK - 1, fallback.CHUNK, fallback.CHUNK + 1, 2 * fallback.CHUNK]
)
def test_chunks_join_without_a_seam(length):
    check(problem(2, 1, 3, length, 4))


@pytest.mark.parametrize("slab", [1, 2, 3])
def test_slabs_of_the_batch_join_without_a_seam(slab, monkeypatch):
    length, groups, per_group, state = 33, 2, 3, 4
    monkeypatch.setattr(fallback, "CPU_STATES", slab * fallback.CHUNK * groups * per_group * state)
    check(problem(5, groups, per_group, length, state))


def channels_innermost(x):
    return x.mT.contiguous().mT


def constant_in_time(x):
    return x[..., :1].expand_as(x)


def same_for_the_whole_batch(x):
    return x[:1].expand_as(x)


@pytest.mark.parametrize("layout", [channels_innermost, constant_in_time, same_for_the_whole_batch])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_layout_of_the_input_does_not_change_the_result(layout, batch):
    arguments = problem(batch, 2, 3, 40, 4)
    for name in ("u", "delta", "B", "C", "z", "initial_state"):
        arguments[name] = layout(arguments[name])
    before = {name: x.clone() for name, x in arguments.items()}
    check(arguments)
    for name, x in arguments.items():
        assert torch.equal(x, before[name]), f"{name} was overwritten"


def test_results_share_no_memory():
    arguments = problem(1, 1, 1, 1, 1)
    out, last, gradients = scan_and_gradients(arguments, softplus=True)
    results = [out, last, *gradients.values()]
    addresses = [x.untyped_storage().data_ptr() for x in (*results, *arguments.values())]
    assert len(set(addresses)) == len(addresses)


def test_checkpoints_have_the_shape_that_is_promised_and_are_empty_unless_asked_for():
    arguments = problem(3, 2, 3, 40, 4)
    kept = fallback.forward(**arguments, delta_softplus=True, save=True)
    forgotten = fallback.forward(**arguments, delta_softplus=True, save=False)
    assert kept[2].shape == fallback.checkpoint_shape(3, 6, 40, 4, 2)
    assert forgotten[2].shape == (0,)
    assert torch.equal(kept[0], forgotten[0])


def test_the_gradient_of_softplus_keeps_its_digits_where_softplus_vanishes():
    arguments = problem(1, 1, 2, 3, 2, absent=["delta_bias"], dtype=torch.float32)
    arguments["delta"] = arguments["delta"] - 30
    *_, gradients = scan_and_gradients(arguments, softplus=True)
    *_, truth = expected(arguments, softplus=True)
    torch.testing.assert_close(gradients["delta"].double(), truth["delta"], rtol=1e-5, atol=0)
