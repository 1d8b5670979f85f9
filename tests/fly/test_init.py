"""TD3 that goes on from a pilot: whose weights it begins with, and what stays as it was."""

import pytest
import torch

from wayscan.fly import FlyTrainConfig, Pilot, PilotConfig, Policy
from wayscan.fly.train import Training

NETWORK = {"hidden_dim": 16, "feature_dim": 8, "state_feature_dim": 8, "seq_len": 2}
OPTIONS = {"image": 36, "steps": 6}
TINY = {
    **NETWORK, "preset": "cpu", "encoder": "cnn", "temporal": "lean", "env_options": OPTIONS,
    "batch_size": 4, "buffer_size": 60, "learning_starts": 8, "evaluate_every": 0, "evaluate_episodes": 1,
    "save_interval": 8, "log_every": 8, "progress": False, "max_timesteps": 24, "threads": 1,
    "policy_starts": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def pilot(tmp_path_factory):
    torch.manual_seed(0)
    config = PilotConfig(
        image=(1, 36, 36), encoder="cnn", temporal="lean", vmamba_patch_size=4, vmamba_ssm_d_state=4,
        vmamba_ssm_ratio=1.0, vmamba_hidden_dim=16, **NETWORK,
    )  # fmt: skip
    return Pilot(Policy(config)).save_pretrained(tmp_path_factory.mktemp("pilot"))


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_what_sees_is_frozen_and_the_rest_learns(tmp_path, pilot):
    run = Training(FlyTrainConfig(run=tmp_path, init=str(pilot), freeze_encoder=True, **TINY))
    assert run.fit().state == "finished"
    begun, nets = Pilot.from_pretrained(pilot).policy.stream, run.agent.networks
    assert run.agent.total_it == 17
    for network in (nets.policy, nets.judge, nets.policy_target, nets.judge_target):
        assert same(weights(begun.visual_encoder), weights(network.stream.visual_encoder))
    assert not same(weights(begun.state_encoder), weights(nets.policy.stream.state_encoder))
    assert not same(weights(begun.state_encoder), weights(nets.judge.stream.state_encoder))
    goes_on = Training(
        FlyTrainConfig(run=tmp_path, init=str(pilot), freeze_encoder=True, resume=True, **TINY)
    )
    goes_on.fit()
    seeing = goes_on.agent.networks.judge.stream.visual_encoder
    assert not any(weight.requires_grad for weight in seeing.parameters())


def test_frozen_networks_look_once_and_judge_the_same(tmp_path, pilot):
    run = Training(FlyTrainConfig(run=tmp_path, init=str(pilot), freeze_encoder=True, **TINY))
    run.fit()
    agent = run.agent
    windows = agent._sampled("replay", 1)
    looks = []
    agent.networks.policy.stream.visual_encoder.register_forward_hook(lambda *_: looks.append(1))
    targets = []
    for frozen in (True, False):
        agent.networks.freeze_encoders(frozen)
        _, depth, base, after = agent._moments(windows)
        assert depth.ndim == (3 if frozen else 5)
        torch.manual_seed(0)
        targets.append(agent._target(windows, base, after))
    torch.testing.assert_close(*targets)
    assert len(looks) == 1


def test_an_actor_that_is_held_still_is_the_pilot(tmp_path, pilot):
    changes = {**TINY, "policy_starts": 100}
    run = Training(FlyTrainConfig(run=tmp_path, init=str(pilot), **changes))
    run.fit()
    begun, nets = Pilot.from_pretrained(pilot).policy, run.agent.networks
    assert same(weights(begun), weights(nets.policy))
    assert same(weights(begun), weights(nets.policy_target))
    assert not same(weights(begun.stream), weights(nets.judge.stream))


def test_another_network_does_not_begin_as_the_pilot(tmp_path, pilot):
    changes = {**TINY, "hidden_dim": 32}
    with pytest.raises(ValueError, match="the model is not the one in"):
        Training(FlyTrainConfig(run=tmp_path, init=str(pilot), **changes)).fit()


def test_an_untrained_encoder_is_not_frozen():
    with pytest.raises(ValueError, match="expected init or warm_start"):
        FlyTrainConfig(freeze_encoder=True)
