import pytest
import torch
from torch import nn

from wayscan.nn import AttentionPool


def test_weights_belong_to_each_head_and_sum_to_one():
    pooled, weights = AttentionPool(12, num_heads=3)(torch.randn(2, 5, 12))
    assert pooled.shape == (2, 12)
    assert weights.shape == (2, 3, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3))
    assert not torch.allclose(weights[:, 0], weights[:, 1])


def test_the_last_step_asks():
    pool, x = AttentionPool(8), torch.randn(1, 4, 8)
    _, weights = pool(x)
    # The question changes with the last step, whatever the answers; the order of the others means nothing.
    other = torch.cat([x[:, [2, 0, 1]], x[:, 3:]], dim=1)
    torch.testing.assert_close(pool(other)[1], weights[..., [2, 0, 1, 3]])
    assert not torch.allclose(pool(torch.cat([x[:, :3], -x[:, 3:]], dim=1))[1][..., :3], weights[..., :3])


def test_parameters():
    assert sum(p.numel() for p in AttentionPool(64).parameters()) == 4 * (64 * 64 + 64)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads is 5, expected a divisor of d_model = 8"):
        AttentionPool(8, 5)


def test_it_learns_to_look_at_the_step_that_the_last_one_names():
    pool = nn.Sequential(nn.Linear(7, 16), AttentionPool(16, num_heads=1))
    head = nn.Linear(16, 1)
    optimiser = torch.optim.Adam([*pool.parameters(), *head.parameters()], lr=1e-2)

    def batch(size):
        named, values = torch.randint(5, (size,)), torch.randn(size, 5, 1)
        places = torch.eye(6).expand(size, 6, 6).clone()
        places[:, 5, :5] = nn.functional.one_hot(named, 5).float()
        x = torch.cat([places, torch.cat([values, torch.zeros(size, 1, 1)], dim=1)], dim=-1)
        return x, values[torch.arange(size), named], named

    for _ in range(300):
        x, answer, _ = batch(64)
        loss = nn.functional.mse_loss(head(pool(x)[0]), answer)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, answer, named = batch(200)
    pooled, weights = pool(x)
    assert nn.functional.mse_loss(head(pooled), answer) < 0.1
    assert (weights[:, 0].argmax(-1) == named).float().mean() > 0.8
