"""One optimiser step, against plain torch."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from wayscan.train.checkpoint import take_apart
from wayscan.train.config import OptimConfig, TrainConfig
from wayscan.train.distributed import Processes
from wayscan.train.learner import Learner
from wayscan.train.optim import adamw
from wayscan.train.task import Batch, Observer, Outcome


def batch(first: int, last: int) -> Batch:
    torch.manual_seed(5)
    x = torch.randn(12, 4)[first:last]
    return Batch(list(range(first, last)), {"x": x, "y": x.sum(dim=1, keepdim=True)})


def learner(model: nn.Module, task, **given) -> Learner:
    config = TrainConfig(**{"steps": 10, "optim": OptimConfig(learning_rate=0.01), **given})
    return Learner(model, task, config, steps=config.steps_for(12), processes=Processes())


class Masked:
    """A loss over the positive targets alone."""

    def __call__(self, model: nn.Module, data: dict) -> Outcome:
        mask = (data["y"] > 0).float()
        squares = mask * (model(data["x"]) - data["y"]) ** 2
        return Outcome(squares.sum() / mask.sum().clamp(min=1), {"positive": mask.mean()})

    def count(self, data: dict) -> float:
        return float((data["y"] > 0).sum())


def test_a_step_is_torchs(model, task):
    ours, plain = model(dropout=0.0), model(dropout=0.0)
    config = OptimConfig(learning_rate=0.01)
    optimiser, data = adamw(plain, config), batch(0, 12).data
    step = learner(ours, task)
    reports = [step(number, [batch(0, 12)]) for number in (1, 2)]
    for number, report in enumerate(reports):
        for group in optimiser.param_groups:
            group["lr"] = report.rates["head"]
        optimiser.zero_grad()
        loss = mse_loss(plain(data["x"]), data["y"])
        loss.backward()
        norm = nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimiser.step()
        assert report.loss == pytest.approx(loss.item(), rel=1e-6)
        assert report.norms["model"] == pytest.approx(norm.item(), rel=1e-5)
        assert report.parts["error"] == pytest.approx(loss.item() ** 0.5, rel=1e-5)
        assert (report.step, report.was_skipped, report.skipped) == (number + 1, False, ())
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("cuts", [(0, 6, 12), (0, 3, 4, 12)])
@pytest.mark.parametrize("masked", [False, True])
def test_pieces_are_one_batch(model, task, cuts: Sequence[int], masked: bool):
    """However it is cut, and however unevenly the counted items lie in the pieces."""
    chosen = Masked() if masked else task
    whole, cut = learner(model(dropout=0.0), chosen), learner(model(dropout=0.0), chosen)
    pieces = [batch(first, last) for first, last in itertools.pairwise(cuts)]
    for step in (1, 2, 3):
        one, other = whole(step, [batch(0, 12)]), cut(step, pieces)
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
        assert other.norms["model"] == pytest.approx(one.norms["model"], rel=1e-4)


def test_dropout_depends_on_the_step_alone(model, task):
    one, other = learner(model(), task), learner(model(), task)
    first = one(3, [batch(0, 12)])
    torch.rand(17)
    assert other(3, [batch(0, 12)]).loss == first.loss


def test_a_skipped_step_leaves_no_trace():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))

    def task(net: nn.Module, data: dict) -> Outcome:
        prediction = net(data["x"])
        return Outcome(mse_loss(prediction, data["y"]), {}, prediction, data["y"])

    step = learner(model, task, not_finite="skip", optim=OptimConfig(average_decay=0.9))
    step(1, [batch(0, 12)])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    moments = {name: value.clone() for name, value in step.optimiser.state[model[0].weight].items()}
    spoilt = batch(0, 12)
    spoilt.data["x"][5, 1] = torch.inf
    report = step(2, [spoilt])
    assert (report.was_skipped, report.skipped) == (True, (5,))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(
        torch.equal(value, moments[name]) for name, value in step.optimiser.state[model[0].weight].items()
    )
    assert step.average.updates == 1
    assert not step(3, [batch(0, 12)]).was_skipped


def test_a_gradient_that_is_not_finite_counts_too(model):
    def task(net: nn.Module, data: dict) -> Outcome:
        return Outcome(torch.sqrt((net(data["x"]) * 0).sum()), {})  # 0, with an infinite slope

    report = learner(model(dropout=0.0), task)(1, [batch(0, 12)])
    assert report.loss == 0
    assert report.was_skipped
    assert report.skipped == tuple(range(12))


def test_bf16_computes_in_bf16_and_learns_in_fp32(model):
    seen = []

    def task(net: nn.Module, data: dict) -> Outcome:
        prediction = net(data["x"])
        seen.append(prediction.dtype)
        return Outcome(mse_loss(prediction.float(), data["y"]), {})

    step = learner(model(dropout=0.0), task, precision="bf16")
    losses = [step(number, [batch(0, 12)]).loss for number in range(1, 11)]
    assert set(seen) == {torch.bfloat16}
    assert losses[-1] < losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in step.model.parameters())


def test_fp16_finds_its_scale(model):
    """The scaler skips steps whose gradients overflow, and lowers its scale; both are in the checkpoint."""

    def task(net: nn.Module, data: dict) -> Outcome:
        return Outcome(mse_loss(net(data["x"]).float(), 1000 * data["y"]), {})

    step = learner(model(dropout=0.0), task, precision="fp16", steps=40)
    weights = step.model[0].weight.detach().clone()
    assert not step(1, [batch(0, 12)]).was_skipped  # it is the scaler's affair
    assert torch.equal(step.model[0].weight, weights)
    scale = step.state_dict()["scaler"]["scale"]
    for number in range(2, 40):
        step(number, [batch(0, 12)])
    assert step.state_dict()["scaler"]["scale"] < scale < 65536.0
    assert not torch.equal(step.model[0].weight, weights)


def test_evaluating_uses_the_average_and_puts_all_back(model, task):
    net = model()
    step = learner(net, task, frozen=("0",), optim=OptimConfig(learning_rate=0.1, average_decay=0.9))
    for number in (1, 2, 3):
        step(number, [batch(0, 12)])
    weight = net[4].weight.detach().clone()
    with step.evaluating() as evaluated:
        assert not any(module.training for module in evaluated.modules())
        assert not torch.equal(net[4].weight, weight)
    assert torch.equal(net[4].weight, weight)
    assert net[2].training
    assert not net[0].training
    assert step.weights().keys() == {name for name in net.state_dict() if not name.startswith("0.")}


def test_an_onlooker_sees_gradients_outcomes_and_nothing_to_learn_from(model, task):
    class Onlooker(Observer):
        def __init__(self) -> None:
            self.norms: list[float] = []

        def after_backward(self, step: int, net: nn.Module, outcomes: Sequence[Outcome]) -> None:
            self.norms.append(torch.stack([p.grad.norm() for p in net.parameters()]).norm().item())
            assert not any(seen.requires_grad for seen in (outcomes[0].loss, outcomes[0].prediction))

    config = TrainConfig(steps=10)
    step = Learner(model(), task, config, steps=10, processes=Processes(), observers=[onlooker := Onlooker()])
    report = step(1, [batch(0, 12)])
    assert onlooker.norms == [pytest.approx(report.norms["model"], rel=1e-5)]
    assert report.outcomes[0].prediction.shape == (12, 1)
    assert learner(model(), task)(1, [batch(0, 12)]).outcomes == ()


@pytest.mark.parametrize("average", [None, 0.9])
def test_the_size_of_a_checkpoint_is_known_before_the_first_step(model, task, average: float | None):
    """Memory for the copy is then taken before training, and not while it waits."""
    step = learner(model(), task, optim=OptimConfig(average_decay=average))
    whole, weights = step.sizes()
    step(1, [batch(0, 12)])
    _, tensors = take_apart(step.state_dict())
    needed = sum(-(-tensor.nbytes // 64) * 64 for tensor in tensors.values())
    assert 0.5 * whole < needed <= whole
    assert sum(tensor.nbytes for tensor in step.weights().values()) <= weights < whole


def test_a_channels_last_model_goes_on_to_the_same_numbers(tmp_path):
    """Restored moments lie as their weights do, or a fused optimiser would mix them up silently."""

    def convolution() -> nn.Module:
        torch.manual_seed(0)
        return nn.Conv2d(3, 8, 3).to(memory_format=torch.channels_last)

    def squares(model: nn.Module, data: dict) -> Outcome:
        return Outcome(model(data["x"]).square().mean())

    pieces = [[Batch([number], {"x": torch.randn(2, 3, 6, 6)})] for number in range(3)]
    whole, first, second = (learner(convolution(), squares) for _ in range(3))
    for number, piece in enumerate(pieces, start=1):
        whole(number, piece)
    for number, piece in enumerate(pieces[:2], start=1):
        first(number, piece)
    state = {
        key: {name: x.contiguous() for name, x in value.items()} if key == "model" else value
        for key, value in first.state_dict().items()
    }
    for moments in state["optimiser"]["state"].values():
        moments.update({name: x.contiguous() for name, x in moments.items()})
    second.load_state_dict(state, tmp_path)
    second(3, pieces[2])
    assert (second.model.weight == whole.model.weight).all()
