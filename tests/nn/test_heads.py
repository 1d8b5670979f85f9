import math

import pytest
import torch
from torch import nn

from wayscan.nn import DisplacementHead, MLPHead, TanhHead


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_sizes_that_are_known():
    planner = MLPHead(1024, (8, 3), (2048, 2048), activation="gelu", norm="input")
    assert parameters(planner) == 6_346_776
    actor = MLPHead(128, 3, (256, 256))
    assert parameters(actor) == 2 * 128 + (128 * 256 + 256) + (256 * 256 + 256) + 4 * 256 + (256 * 3 + 3)
    assert parameters(MLPHead(5, 2, (), norm="none")) == 5 * 2 + 2


@pytest.mark.parametrize("out_shape", [3, (8, 3)])
def test_any_leading_shape_and_any_shape_of_the_result(out_shape):
    expected = (3,) if out_shape == 3 else (8, 3)
    assert MLPHead(6, out_shape)(torch.randn(2, 4, 6)).shape == (2, 4, *expected)
    assert MLPHead(6, out_shape)(torch.randn(6)).shape == expected


def test_wrong_words_are_refused(without_shape_checks):
    with pytest.raises(ValueError, match="MLPHead: activation is 'tanh'; expected one of relu, gelu, silu"):
        MLPHead(4, 2, activation="tanh")
    with pytest.raises(ValueError, match="TanhHead: norm is 'batch'; expected one of none, input, all"):
        TanhHead(4, 2, norm="batch")


def test_tanh_head_stays_inside_its_limits_which_travel_with_it():
    head = TanhHead(4, (8, 3), limits=[2.0, 2.0, 1.0])
    y = head(1e3 * torch.randn(50, 4))
    assert (y.abs() <= torch.tensor([2.0, 2.0, 1.0])).all()
    assert y[..., 0].abs().max() > 1
    assert torch.equal(head.state_dict()["limits"], torch.tensor([2.0, 2.0, 1.0]))
    assert TanhHead(4, 3, limits=0.5).limits.tolist() == [0.5] * 3


@pytest.mark.parametrize("limits", [[1.0], [1.0, 0.0]])
def test_limits_that_do_not_fit_are_refused(limits):
    with pytest.raises(ValueError, match="expected 2 positive numbers"):
        TanhHead(4, 2, limits=limits)


def walks(count, horizon=9):
    steps = torch.randn(count, horizon, 2) * torch.tensor([0.3, 0.0]) + torch.tensor([1.0, 0.1])
    return steps.cumsum(1)


def test_displacement_head_starts_at_the_mean_trajectory_and_normalises_back_and_forth():
    head = DisplacementHead(4, 9)
    trajectories = walks(200)
    head.fit(trajectories)
    torch.testing.assert_close(head(torch.randn(3, 4)), trajectories.mean(0).expand(3, 9, 2))
    normalised = head.normalise(trajectories)
    torch.testing.assert_close(head.positions(normalised), trajectories)
    torch.testing.assert_close(normalised[..., 0].std(0, correction=0), torch.ones(9))
    assert normalised[..., 1].abs().max() < 0.01  # a coordinate without spread does not blow up


def test_the_scale_is_kept_in_the_checkpoint():
    head, other = DisplacementHead(4, 9), DisplacementHead(4, 9)
    head.fit(walks(50))
    other.load_state_dict(head.state_dict())
    assert torch.equal(other.mean, head.mean)
    assert torch.equal(other.std, head.std)


@pytest.mark.parametrize("bad", [torch.zeros(3, 9, 2), torch.full((3, 9, 2), math.nan)])
def test_trajectories_without_a_spread_are_refused(bad):
    with pytest.raises(ValueError, match="expected finite and not all zero"):
        DisplacementHead(4, 9).fit(bad)


def test_displacement_head_learns_speed_and_turn():
    motion = torch.rand(256, 2) * torch.tensor([20.0, 1.0])
    heading = motion[:, 1:] * torch.linspace(-1, 1, 9)
    target = (motion[:, :1, None] * torch.stack([heading.cos(), heading.sin()], -1)).cumsum(1)
    head = DisplacementHead(2, 9, hidden=(64,), norm="none", activation="gelu")
    head.fit(target)
    features = (motion - motion.mean(0)) / motion.std(0)
    mean_error = (head(features) - target).norm(dim=-1).mean()
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(150):
        loss = nn.functional.huber_loss(head.normalised_steps(features), head.normalise(target))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (head(features) - target).norm(dim=-1).mean() < 0.05 * mean_error
