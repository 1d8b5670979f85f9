from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wayscan.nn import Mamba


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def formula(D, N=16, W=4, expand=2, R=None):
    E, R = expand * D, R or -(-D // 16)
    return 3 * D * E + E * (W + 1) + E * (R + 2 * N) + R * E + E + E * N + E


def test_parameters_are_those_of_mamba_ssm():
    assert parameters(Mamba(768)) == formula(768) == 3_770_880
    assert parameters(Mamba(20, d_state=3, d_conv=2, expand=3, dt_rank=5)) == formula(20, 3, 2, 3, 5)
    shapes = {name: tuple(p.shape) for name, p in Mamba(32, bias=True).named_parameters()}
    assert shapes == {
        "A_log": (64, 16),
        "D": (64,),
        "in_proj.weight": (128, 32),
        "in_proj.bias": (128,),
        "conv1d.weight": (64, 1, 4),
        "conv1d.bias": (64,),
        "x_proj.weight": (34, 64),
        "dt_proj.weight": (64, 2),
        "dt_proj.bias": (64,),
        "out_proj.weight": (32, 64),
        "out_proj.bias": (32,),
    }


@settings(max_examples=10, deadline=None)
@given(length=st.integers(1, 9), cuts=st.lists(st.integers(0, 9), max_size=3), width=st.integers(1, 5))
def test_pieces_of_any_length_give_the_same_as_the_whole(length, cuts, width):
    mixer = Mamba(8, d_state=3, d_conv=width).double()
    x = torch.randn(2, length, 8, dtype=torch.float64)
    cuts = sorted({0, length, *(cut for cut in cuts if cut < length)})
    state, pieces = mixer.initial_state(2), []
    for begin, end in pairwise(cuts):
        piece, state = mixer(x[:, begin:end], state)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, dim=1), mixer(x))


@pytest.mark.parametrize(("width", "bias"), [(1, True), (2, False), (4, True)])
@torch.no_grad()
def test_steps_of_a_stream_give_the_same_as_the_sequence(width, bias):
    mixer, x = Mamba(24, d_conv=width, conv_bias=bias), torch.randn(3, 11, 24)
    state, outputs = mixer.initial_state(3), []
    for t in range(x.shape[1]):
        y, state = mixer.step(x[:, t], state)
        outputs.append(y)
    expected, last = mixer(x, mixer.initial_state(3))
    torch.testing.assert_close(torch.stack(outputs, dim=1), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state.scan, last.scan, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state.window, last.window)


def test_gradients_are_exact_through_pieces_and_states():
    mixer = Mamba(4, d_state=2, d_conv=3).double()
    x = torch.randn(1, 5, 4, dtype=torch.float64, requires_grad=True)
    state = mixer.initial_state(1)
    window = torch.randn_like(state.window).requires_grad_()
    scan = torch.randn_like(state.scan).requires_grad_()

    def in_two_pieces(x, window, scan, *weights):
        first, state = mixer(x[:, :2], mixer.initial_state(1)._replace(window=window, scan=scan))
        second, state = mixer(x[:, 2:], state)
        return first, second, *state

    assert torch.autograd.gradcheck(in_two_pieces, (x, window, scan, *mixer.parameters()))


def test_the_future_has_no_influence():
    mixer, x = Mamba(8), torch.randn(1, 6, 8, requires_grad=True)
    mixer(x)[:, 2].sum().backward()
    reached = x.grad.abs().sum((0, 2)) > 0
    assert reached.tolist() == [True] * 3 + [False] * 3


def test_mixed_precision_trains_with_the_scan_in_full_precision():
    mixer, x = Mamba(16), torch.randn(2, 7, 16)
    exact = mixer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = mixer(x)
    assert (y.float() - exact).norm() < 0.03 * exact.norm()
    y.float().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.dtype == torch.float32 for p in mixer.parameters())


def test_a_model_in_half_precision_runs_and_streams():
    mixer, x = Mamba(16), torch.randn(2, 7, 16)
    exact = mixer(x)
    mixer, x = mixer.bfloat16(), x.bfloat16()
    y, state = mixer(x[:, :4], mixer.initial_state(2))
    assert state.scan.dtype == torch.float32
    with torch.no_grad():
        for t in range(4, 7):
            last, state = mixer.step(x[:, t], state)
    assert y.dtype == last.dtype == torch.bfloat16
    assert (last.float() - exact[:, -1]).norm() < 0.05 * exact[:, -1].norm()


def test_it_learns_to_recall_what_a_marker_pointed_at():
    """One of eight tokens is marked; at the end, say which value it had. No fixed filter can."""
    model = nn.Sequential(nn.Linear(9, 32), Mamba(32, d_state=8), nn.Linear(32, 8))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)

    def batch(size):
        values, marked = torch.randint(8, (size, 8)), torch.randint(8, (size,))
        marks = nn.functional.one_hot(marked, 8).unsqueeze(-1)
        inputs = torch.cat([nn.functional.one_hot(values, 8), marks], dim=-1).float()
        return inputs, values[torch.arange(size), marked]

    for _ in range(150):
        inputs, answer = batch(64)
        loss = nn.functional.cross_entropy(model(inputs)[:, -1], answer)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    inputs, answer = batch(500)
    assert (model(inputs)[:, -1].argmax(-1) == answer).float().mean() > 0.9  # by chance .125
