"""The grid on which `mamba_ssm` tests its own scan: its shapes, dtypes and flags, at its tolerances."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from wayscan.ops import selective_scan

BATCH, CHANNELS, STATES = 2, 4, 8
LENGTHS = [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096]
TOLERANCE = {torch.float32: (6e-4, 2e-3), torch.float16: (3e-3, 5e-3), torch.bfloat16: (3e-2, 5e-2)}
WEIGHT_TOLERANCE = (1e-3, 1e-3)


def by_hand(u, delta, A, B, C, D, z, delta_bias, delta_softplus):
    """The definition, in the tensors' own precision, written without this package."""
    delta = delta if delta_bias is None else delta + delta_bias[:, None]
    delta = F.softplus(delta) if delta_softplus else delta
    spread = [
        x[None, :, :, None].expand(BATCH, -1, -1, u.shape[-1])
        if x.ndim == 2
        else x.repeat_interleave(CHANNELS // x.shape[1], 1)
        if x.ndim == 4
        else x[:, None]
        for x in (B, C)
    ]
    state, out = u.new_zeros(BATCH, CHANNELS, STATES), []
    for t in range(u.shape[-1]):
        step = delta[:, :, t, None]
        state = torch.exp(step * A) * state + step * spread[0][..., t] * u[:, :, t, None]
        out.append((state * spread[1][..., t]).sum(-1))
    y = torch.stack(out, -1)
    y = y if D is None else y + D[:, None] * u
    return (y if z is None else y * F.silu(z)), state


def case(length, dtype, groups, variable_B, variable_C, has_D, has_z, has_bias):
    torch.manual_seed(0)

    def selected(variable):
        if not variable:
            return torch.randn(CHANNELS, STATES)
        shape = (BATCH, STATES, length) if groups == 1 else (BATCH, groups, STATES, length)
        return torch.randn(shape).to(dtype)

    return {
        "u": torch.randn(BATCH, CHANNELS, length).to(dtype),
        "delta": (0.5 * torch.rand(BATCH, CHANNELS, length)).to(dtype),
        "A": -0.5 * torch.rand(CHANNELS, STATES),
        "B": selected(variable_B),
        "C": selected(variable_C),
        "D": torch.randn(CHANNELS) if has_D else None,
        "z": torch.randn(BATCH, CHANNELS, length).to(dtype) if has_z else None,
        "delta_bias": 0.5 * torch.rand(CHANNELS) if has_bias else None,
    }


def check(arguments, softplus, backend):
    leaves = {name: None if x is None else x.clone().requires_grad_() for name, x in arguments.items()}
    exact = {name: None if x is None else x.double().requires_grad_() for name, x in arguments.items()}
    out, state = selective_scan(**leaves, delta_softplus=softplus, return_last_state=True, backend=backend)
    expected, expected_state = by_hand(**exact, delta_softplus=softplus)
    dtype = arguments["u"].dtype
    rtol, atol = TOLERANCE[dtype]
    torch.testing.assert_close(out.double(), expected, rtol=rtol, atol=atol)
    torch.testing.assert_close(state.double(), expected_state, rtol=rtol, atol=atol)
    grad = torch.randn_like(out)
    out.backward(grad)
    expected.backward(grad.double())
    for name, x in leaves.items():
        if x is None:
            continue
        relative, absolute = WEIGHT_TOLERANCE if x.dtype is torch.float32 else (rtol, atol)
        scale = max(1.0, exact[name].grad.abs().max().item())
        torch.testing.assert_close(
            x.grad.double(), exact[name].grad, rtol=relative, atol=10 * absolute * scale, msg=name
        )


@pytest.mark.parametrize("backend", ["cpu", "fallback"])
@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("length", LENGTHS[:7])
@pytest.mark.parametrize("groups", [1, 2])
def test_lengths_and_dtypes(length, dtype, groups, backend):
    check(case(length, dtype, groups, True, True, True, True, True), True, backend)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["cpu", "fallback"])
@pytest.mark.parametrize("length", LENGTHS[7:])
def test_long_sequences(length, backend):
    check(case(length, torch.float32, 1, True, True, True, True, True), True, backend)


@pytest.mark.parametrize("backend", ["cpu", "fallback", "reference"])
@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=6)))
def test_every_combination_of_flags(flags, backend):
    variable_B, variable_C, has_D, has_z, has_bias, softplus = flags
    check(case(32, torch.float32, 1, variable_B, variable_C, has_D, has_z, has_bias), softplus, backend)
