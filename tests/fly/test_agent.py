"""The agent: who learns from what, what is dropped when, and what a file gives back."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from wayscan.fly import Pilot, VMambaTD3Agent, get_config, make_agent
from wayscan.fly.exploration import GaussianNoise, OUNoise
from wayscan.fly.memory import FrameMemory
from wayscan.fly.shift import randomly_shifted
from wayscan.train.task import TrainingFailedError

SPACE = spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 1.0]), dtype=np.float64)
TINY = {
    "batch_size": 4, "buffer_size": 64, "learning_starts": 4, "vmamba_hidden_dim": 4, "hidden_dim": 16,
    "feature_dim": 8, "state_feature_dim": 8, "seq_len": 3, "vmamba_patch_size": 4,
}  # fmt: skip
# Where a stage sees one token, nothing is remembered, and how fast it would be forgotten is of no account.
IDLE = "stream.visual_encoder.stages.3.0.self_attention.A_logs"


def agent(*, image=(1, 32, 32), fill=12, **changes):
    made = VMambaTD3Agent(5, image, SPACE, get_config("cpu", **{**TINY, **changes}))
    rng = np.random.default_rng(0)
    for _ in range(fill):
        windows = [
            (rng.normal(size=(3, 5)), rng.integers(0, 256, (3, 1, 32, 32)).astype(np.uint8)) for _ in range(2)
        ]
        (base, depth), (after, next_depth) = windows
        made.replay_buffer.add(
            base, depth, rng.uniform([-2, 0], [2, 1]), rng.normal(), after, next_depth, rng.random() < 0.3
        )
    return made


def weights(module):
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def moved(before, module):
    return {name for name, value in module.named_parameters() if not torch.equal(before[name], value)}


def test_the_actors_update_trains_the_actors_stream_and_not_the_critics():
    made = agent(policy_freq=1)
    nets = made.networks
    policy, judge = weights(nets.policy), weights(nets.judge)
    base, depth, _, _ = made.td3.moments(made.sampled("replay", 1))
    made.td3._update_actor(base, depth, torch.zeros(4, 2))
    assert moved(policy, nets.policy) == set(policy) - {IDLE}
    assert moved(judge, nets.judge) == set()
    assert all(parameter.grad is None for parameter in nets.judge.parameters())
    assert all(parameter.requires_grad for parameter in nets.judge.parameters())
    assert nets.policy.stream.visual_encoder.head.weight.grad.abs().sum() > 0


def test_the_critics_update_trains_the_critics_and_nothing_else():
    made = agent(policy_freq=2)
    nets = made.networks
    policy, judge = weights(nets.policy), weights(nets.judge)
    losses = made.train()
    assert moved(judge, nets.judge) == set(judge) - {IDLE}
    assert moved(policy, nets.policy) == set()
    assert losses["critic_loss"] > 0
    assert losses["actor_loss"] == 0
    slow = weights(nets.policy_target)
    losses = made.train(progress_ratio=0.5)
    assert losses["actor_loss"] != 0
    assert moved(policy, nets.policy) == set(policy) - {IDLE}
    for name, value in nets.policy_target.named_parameters():
        expected = torch.lerp(slow[name], nets.policy.get_parameter(name), 0.005)
        torch.testing.assert_close(value, expected)
    assert made.train()["actor_loss"] == losses["actor_loss"]


def test_an_actor_is_held_to_what_was_done():
    moved_by, acted = {}, torch.tensor([[0.9, -0.9]] * 4)
    for weight in (0.0, 1e3):
        made = agent(behaviour_weight=weight, actor_lr=1e-2)
        base, depth, _, _ = made.td3.moments(made.sampled("replay", 1))
        policy = made.networks.policy
        before = (policy(base, depth) - acted).abs().mean().item()
        for _ in range(20):
            made.td3._update_actor(base, depth, acted)
        moved_by[weight] = (policy(base, depth) - acted).abs().mean().item() / before
    assert moved_by[1e3] < 0.3 < moved_by[0.0]


def test_losses_are_there_before_learning_starts():
    made = agent(fill=2)
    assert made.train(progress_ratio=0.25) == {"actor_loss": 0.0, "critic_loss": 0.0}
    assert made.ou_noise.sigma == pytest.approx(0.75 * 0.2 + 0.25 * 0.01)
    assert made.total_it == 0


def test_the_target_is_td3s():
    made = agent()
    nets = made.networks
    windows = made.sampled("replay", 1)
    _, _, next_base, next_depth = made.td3.moments(windows)
    torch.manual_seed(5)
    target = made.td3.target(windows, next_base, next_depth)
    torch.manual_seed(5)
    with torch.no_grad():
        action = nets.policy_target(next_base, next_depth)
        noise = (0.2 * torch.randn_like(action)).clamp(-0.5, 0.5)
        q1, q2 = nets.judge_target(next_base, next_depth, (action + noise).clamp(-1, 1))
    expected = torch.from_numpy(windows.rewards)
    expected = expected + 0.99 * (1 - torch.from_numpy(windows.dones)) * torch.minimum(q1, q2)
    torch.testing.assert_close(target, expected)
    assert target.shape == (4, 1)
    with pytest.raises(AssertionError):
        made.td3.target(windows._replace(rewards=windows.rewards[:, 0]), next_base, next_depth)


def test_paths_are_dropped_in_updates_only():
    made = agent(vmamba_drop_path_rate=0.5)
    rng = np.random.default_rng(0)
    window = rng.normal(size=(3, 5)), rng.integers(0, 256, (3, 1, 32, 32)).astype(np.uint8)
    assert np.array_equal(made.select_action(*window, noise=False), made.select_action(*window, noise=False))
    modes = []
    made.networks.policy.stream.visual_encoder.register_forward_hook(
        lambda module, *_: modes.append(("policy", module.training))
    )
    made.networks.judge.stream.visual_encoder.register_forward_hook(
        lambda module, *_: modes.append(("judge", module.training))
    )
    for name in ("policy_target", "judge_target"):
        getattr(made.networks, name).stream.visual_encoder.register_forward_hook(
            lambda module, *_: modes.append(("target", module.training))
        )
    made.train()
    made.train()
    assert ("judge", True) in modes
    assert ("judge", False) in modes  # looked through by the actor's update
    assert ("policy", True) in modes
    assert ("target", True) not in modes
    assert not made.networks.training
    assert not any(module.training for module in made.networks.modules())


def test_actions_are_the_environments_outside_and_shares_inside():
    made = agent(fill=0)
    base, depth = np.zeros((3, 5)), np.zeros((3, 1, 32, 32), np.uint8)
    for _ in range(20):
        assert SPACE.contains(made.select_action(base, depth).astype(np.float64))
    made.replay_buffer.add(base, depth, np.array([2.0, 0.0]), 0.0, base, depth, 0.0)
    assert made.replay_buffer.actions[0, 0].tolist() == [1.0, -1.0]


def test_updates_do_not_touch_the_callers_randomness_and_repeat():
    states = []
    for _ in range(2):
        made = agent(vmamba_drop_path_rate=0.3)
        torch.manual_seed(3)
        before = torch.get_rng_state()
        made.train()
        made.train()
        assert torch.equal(before, torch.get_rng_state())
        states.append(weights(made.networks))
        torch.manual_seed(4)  # of no account
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_precision_and_checkpointing_learn(precision, checkpointing):
    made = agent(precision=precision, gradient_checkpointing=checkpointing, random_shift=2)
    before = weights(made.networks.policy)
    for _ in range(2):
        losses = made.train()
    assert np.isfinite(list(losses.values())).all()
    assert moved(before, made.networks.policy) == set(before) - {IDLE}
    assert {value.dtype for value in made.networks.parameters()} == {torch.float32}


def test_checkpointing_changes_no_number():
    losses = []
    for checkpointing in (False, True):
        made = agent(gradient_checkpointing=checkpointing, vmamba_drop_path_rate=0.4)
        losses.append([made.train()["critic_loss"] for _ in range(3)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_each_module_is_clipped_on_its_own():
    made = agent(grad_clip=1e-4)
    made.train()
    for part in (made.critic, made.critic_visual_encoder, made.critic_state_encoder, made.critic_mamba):
        norm = torch.stack([p.grad.square().sum() for p in part.parameters()]).sum().sqrt()
        assert norm.item() == pytest.approx(1e-4, rel=0.02)
    assert made.td3.metrics["clipped/critic"] == 1.0


def test_a_loss_that_is_not_finite_stops():
    made = agent()
    made.replay_buffer.rewards[:] = np.inf
    with pytest.raises(TrainingFailedError, match="lower critic_lr"):
        made.train()


def test_a_file_gives_back_all_but_the_replay(tmp_path):
    made = agent()
    made.train()
    made.train()
    path = made.save(tmp_path / "models" / "vmamba_td3_2.pth")
    other = agent(seed=1)
    other.load(path)
    other.td3.settings = made.settings  # its seed, too
    assert other.train() == made.train()
    for name, value in made.networks.state_dict().items():
        assert torch.equal(value, other.networks.state_dict()[name]), name


def test_a_checkpoint_of_another_shape_is_shown(tmp_path):
    path = agent(fill=0).save(tmp_path / "agent.pth")
    other = agent(fill=0, hidden_dim=32)
    before = weights(other.networks)
    with pytest.raises(ValueError, match=r"fusion\.layers\.0\.weight +float32 \(16, 16\) +float32 \(32"):
        other.load(path)
    assert moved(before, other.networks) == set()


@pytest.mark.parametrize(("encoder", "side"), [("vmamba", 32), ("mlp", 32), ("cnn", 36)])
def test_frames_are_looked_at_once_and_decide_the_same(encoder, side):
    made = agent(fill=0, encoder=encoder, temporal=None, image=(1, side, side))
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (9, 2, 1, side, side)).astype(np.uint8)
    states = rng.normal(size=(9, 2, 5)).astype(np.float32)
    memory = FrameMemory(made.networks.policy, 2)
    looked = []
    made.actor_visual_encoder.register_forward_pre_hook(lambda _, inputs: looked.append(len(inputs[0])))
    begun = [0, 0]
    for step in range(9):
        if step == 4:
            memory.reset(1)
            begun[1] = step
        version = int(step >= 7)
        seen = memory.act(frames[step], states[step], version)
        for lane in range(2):
            window = [max(step - back, begun[lane]) for back in (2, 1, 0)]
            with torch.no_grad():
                full = made.networks.policy(
                    torch.from_numpy(states[window, lane])[None], torch.from_numpy(frames[window, lane])[None]
                )
            np.testing.assert_allclose(seen[lane], full[0], atol=1e-5)
    # Two frames a step, all six when nothing is known or the weights have changed; the checks look at three.
    assert [count for count in looked if count != 3] == [6, 2, 2, 2, 2, 2, 2, 6, 2]


def test_a_pilot_flies_as_its_policy_and_comes_back(tmp_path):
    made = agent(fill=0)
    pilot = Pilot(made.networks.policy)
    pilot.save_pretrained(tmp_path)
    again = Pilot.from_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    base = rng.normal(size=(3, 5)).astype(np.float32)
    depth = rng.integers(0, 256, (3, 1, 32, 32)).astype(np.uint8)
    for moment in range(3):
        command = again.step({"base": base[moment], "depth": depth[moment]})
    np.testing.assert_allclose(command.action, made.select_action(base, depth, noise=False), atol=1e-5)
    again.reset()
    stacked = {"base": base, "depth": depth}
    first = again.step(stacked).share
    again.reset()
    assert np.array_equal(first, again.step({"base": base[-1], "depth": depth[-1]}).share)
    for bad, words in (
        ({"base": base[0], "depth": depth[0, :, :16]}, "expected \\(1, 32, 32\\)"),
        ({"base": base[0][:3], "depth": depth[0]}, "expected 5 finite"),
        ({"base": np.full(5, np.nan), "depth": depth[0]}, "finite"),
        ({"base": base[0]}, "has images \\[\\]; expected one of"),
    ):
        with pytest.raises(ValueError, match=words):
            again.step(bad)


def test_bad_windows_are_refused():
    made = agent(fill=0)
    base, depth = np.zeros((3, 5)), np.zeros((3, 1, 32, 32), np.uint8)
    for given, words in (
        ((base[:2], depth), "at least 3 rows of 5"),
        ((base, depth[:, :, :16]), "at least 3 frames of \\(1, 32, 32\\)"),
        ((base, depth.astype(np.int32)), "expected uint8"),
        ((base * np.nan, depth), "NaN"),
        ((base, np.full(depth.shape, np.nan)), "floats in \\[0, 1\\]"),
    ):
        with pytest.raises(ValueError, match=words):
            made.select_action(*given)


def test_environments_that_td3_cannot_fly_are_refused():
    with pytest.raises(ValueError, match="expected a Box of one dimension"):
        make_agent(gymnasium.make("CartPole-v1"), None, get_config("cpu"))
    made = make_agent(gymnasium.make("Pendulum-v1"), None, get_config("cpu", encoder="mlp", seq_len=1))
    assert made.select_action(np.zeros(3)).shape == (1,)
    with pytest.raises(ValueError, match="finite bounds"):
        VMambaTD3Agent(3, None, spaces.Box(-np.inf, np.inf, (2,)), get_config("cpu"))


def test_a_collapsed_grid_is_warned_of():
    env = gymnasium.make("Pendulum-v1")
    env.observation_space = spaces.Dict(
        depth=spaces.Box(0, 255, (1, 32, 32), np.uint8), base=spaces.Box(-1, 1, (3,))
    )
    args = get_config("cpu", **{**TINY, "vmamba_patch_size": 16})
    with pytest.warns(UserWarning, match="2 × 2 → 1 × 1 → 1 × 1 → 1 × 1"):
        make_agent(env, None, args)


def test_noise_drifts_forgets_and_anneals():
    noise = OUNoise((2, 3), 0.2, 0.01, theta=0.15)
    drawn = np.stack([noise.sample() for _ in range(4000)])
    assert drawn[500:].std() == pytest.approx(0.2 / np.sqrt(1 - 0.85**2), rel=0.1)
    assert np.corrcoef(drawn[1:, 0, 0], drawn[:-1, 0, 0])[0, 1] == pytest.approx(0.85, abs=0.05)
    noise.reset(1)
    assert (noise._value[1] == 0).all()
    assert (noise._value[0] != 0).all()
    noise.scale_sigma(1.0)
    assert noise.sigma == 0.01
    noise.scale_sigma(0.0)
    assert noise.sigma == 0.2
    plain = GaussianNoise((1, 1), 0.3, 0.3)
    drawn = np.stack([plain.sample() for _ in range(2000)])
    assert drawn.std() == pytest.approx(0.3, rel=0.1)
    saved = plain.state_dict()
    ahead = plain.sample()
    again = GaussianNoise((1, 1), 0.3, 0.3)
    again.load_state_dict(saved)
    assert np.array_equal(again.sample(), ahead)


def test_windows_are_shifted_as_one():
    frames = np.random.default_rng(0).integers(0, 256, (5, 3, 1, 8, 8)).astype(np.uint8)
    shifted = randomly_shifted(frames, 2, np.random.default_rng(1))
    assert shifted.shape == frames.shape
    for row in range(5):
        padded = np.pad(frames[row], ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
        assert any(
            np.array_equal(shifted[row], padded[..., down : down + 8, right : right + 8])
            for down in range(5)
            for right in range(5)
        )
