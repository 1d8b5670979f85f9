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


def test_frozen_networks_look_once_at_each_frame_and_judge_the_same(tmp_path, pilot):
    run = Training(FlyTrainConfig(run=tmp_path, init=str(pilot), freeze_encoder=True, **TINY))
    run.fit()
    agent = run.agent
    looks = []
    agent.networks.policy.stream.visual_encoder.register_forward_hook(lambda *_: looks.append(1))
    seen = agent.sampled("replay", 1)
    assert seen.frames.shape == (4, 3, 8)
    looks.clear()
    assert (agent.sampled("replay", 1).frames == seen.frames).all()
    looked_through = agent.td3.moments(seen)
    assert not looks

    agent.replay_buffer._look = None
    frames = agent.sampled("replay", 1)
    assert frames.frames.shape == (4, 3, 1, 36, 36)
    targets = []
    for moments in (looked_through, agent.td3.moments(frames)):  # once for all networks
        torch.manual_seed(0)
        targets.append(agent.td3.target(frames, *moments[2:]))
    torch.testing.assert_close(*targets)
    assert len(looks) == 1


def test_frames_that_are_shifted_at_random_are_looked_at_every_time(tmp_path, pilot):
    about = {**TINY, "random_shift": 2}
    run = Training(FlyTrainConfig(run=tmp_path, init=str(pilot), freeze_encoder=True, **about))
    run.fit()
    assert run.agent.sampled("replay", 1).frames.shape == (4, 3, 1, 36, 36)


def test_a_frozen_encoder_is_still_frozen_where_a_run_goes_on_before_it_learns(tmp_path, pilot):
    about = {**TINY, "init": str(pilot), "freeze_encoder": True, "learning_starts": 20}
    first = Training(FlyTrainConfig(run=tmp_path, **about))

    def interrupting(step):
        if step == 8:
            first.interruption.signal = 2

    first._learn = interrupting
    with pytest.raises(SystemExit):
        first.fit()
    goes_on = Training(FlyTrainConfig(run=tmp_path, resume=True, **about))
    goes_on.fit()
    assert goes_on.agent.networks.frozen


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
