import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wayscan.nn import MinGRU


def loop(model, x, h):
    """The definition, one step after another."""
    outputs = []
    for t in range(x.shape[1]):
        z = torch.sigmoid(model.to_z(x[:, t]))
        h = (1 - z) * h + z * model.to_h(x[:, t])
        outputs.append(h)
    return torch.stack(outputs, dim=1)


@settings(max_examples=15, deadline=None)
@given(length=st.integers(1, 20), spread=st.sampled_from([0.1, 10.0, 300.0]), seed=st.integers(0, 99))
def test_the_scan_is_the_recurrence_with_its_gradients_even_where_gates_are_shut(length, spread, seed):
    torch.manual_seed(seed)
    model = MinGRU(3, 5).double()
    x = (spread * torch.randn(2, length, 3, dtype=torch.float64)).requires_grad_()
    state = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    inputs = (x, state, *model.parameters())
    target = torch.randn(2, length, 5, dtype=torch.float64)
    results = [
        (y, *torch.autograd.grad((y * target).sum(), inputs))
        for y in (model(x, state)[0], loop(model, x, state))
    ]
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-7, atol=1e-9)


def test_single_precision_is_as_good_where_gates_are_shut():
    model, x = MinGRU(4), 200 * torch.randn(2, 50, 4)
    expected = loop(model.double(), x.double(), torch.zeros(2, 4, dtype=torch.float64))
    y = model.float()(x)
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-3)


@torch.no_grad()
def test_steps_and_pieces_give_the_same_as_the_sequence():
    model, x = MinGRU(6, 8), torch.randn(3, 9, 6)
    expected, last = model(x, model.initial_state(3))
    torch.testing.assert_close(model(x), expected)
    torch.testing.assert_close(expected[:, -1], last)
    first, state = model(x[:, :4], model.initial_state(3))
    second, _ = model(x[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), expected, atol=1e-5, rtol=1e-5)
    state, outputs = model.initial_state(3), []
    for t in range(9):
        y, state = model.step(x[:, t], state)
        outputs.append(y)
    torch.testing.assert_close(torch.stack(outputs, dim=1), expected, atol=1e-5, rtol=1e-5)


def test_mixed_and_half_precision_run():
    model, x = MinGRU(6, 8), torch.randn(3, 9, 6)
    exact = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(x)
    model.bfloat16()
    half, state = model(x.bfloat16(), model.initial_state(3))
    after, _ = model.step(x[:, 0].bfloat16(), state)
    assert half.dtype == state.dtype == after.dtype == torch.bfloat16
    for y in (mixed, half):
        assert (y - exact).norm() < 0.03 * exact.norm()


def test_parameters():
    assert sum(p.numel() for p in MinGRU(12, 20).parameters()) == 2 * (12 * 20 + 20)


def test_it_learns_to_hold_a_bit():
    """A flag sets a bit once; many steps later the bit is asked for."""
    model, head = MinGRU(2, 16), nn.Linear(16, 1)
    optimiser = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=2e-2)

    def batch(size):
        x, bit = 0.3 * torch.randn(size, 20, 2), torch.randint(2, (size,)).float()
        x[:, 2, 0], x[:, 2, 1] = 2 * bit - 1, 3.0
        return x, bit

    for _ in range(150):
        x, bit = batch(64)
        loss = nn.functional.binary_cross_entropy_with_logits(head(model(x)[:, -1]).squeeze(-1), bit)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, bit = batch(300)
    assert ((head(model(x)[:, -1]).squeeze(-1) > 0) == bit.bool()).float().mean() > 0.95
