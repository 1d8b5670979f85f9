"""Encoders and streams: what flows through them, and where gradient comes from."""

import pytest
import torch

from wayscan.fly import PilotConfig, Policy
from wayscan.fly.encoders import VMambaRLTiny, visual_encoder
from wayscan.fly.streams import Stream

TINY = {
    "image": (1, 64, 64), "state_dim": 5, "vmamba_patch_size": 8, "vmamba_hidden_dim": 4, "feature_dim": 8,
    "state_feature_dim": 8, "hidden_dim": 16, "vmamba_num_vss_blocks": (1, 1, 1, 1), "vmamba_ssm_ratio": 1.0,
    "vmamba_mlp_ratio": 1.0, "vmamba_ssm_d_state": 2, "vmamba_layer_scale_init": 0.0,
}  # fmt: skip


def moments(batch=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (batch, 4, 1, 64, 64), generator=rng, dtype=torch.uint8)
    return torch.randn(batch, 4, 5, generator=rng), frames


@pytest.mark.parametrize("encoder", ["vmamba", "cnn", "lstm", "gru", "mingru", "mlp"])
def test_every_encoder_sees_and_learns(encoder):
    policy = Policy(PilotConfig(**TINY, encoder=encoder))
    base, frames = moments()
    actions = policy(base, frames)
    assert actions.shape == (2, 3)
    assert (actions.abs() <= 1).all()
    actions.square().sum().backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    seen = policy.eval().stream.see(frames)
    assert seen.shape == (2, 4, 8)
    assert torch.equal(policy(base, frames), policy.actor(policy.stream.gather(base, seen)))


@pytest.mark.parametrize(
    ("encoder", "temporal"), [("vmamba", "mamba"), ("lstm", "mamba"), ("mlp", "mamba"), ("cnn", "stack")]
)
def test_states_alone_will_do(encoder, temporal):
    policy = Policy(PilotConfig(**{**TINY, "image": None}, encoder=encoder, temporal=temporal))
    assert policy(moments()[0], None).shape == (2, 3)
    assert policy.stream.visual_encoder is None


@pytest.mark.parametrize("temporal", ["mamba", "lean", "none"])
def test_mixing_over_time_can_be_chosen(temporal):
    stream = Stream(PilotConfig(**TINY, temporal=temporal))
    assert stream(*moments()).shape == (2, 16)
    assert len(stream.mamba.temporal.mixers) == (0 if temporal == "none" else 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_adapter_and_patches_are_one_map(channels):
    encoder = VMambaRLTiny(PilotConfig(**{**TINY, "image": (channels, 64, 48)}))
    image = torch.rand(2, channels, 64, 48)
    torch.testing.assert_close(
        encoder._embed(image), encoder.patches(encoder.adapter(image)), atol=1e-5, rtol=1e-5
    )


def test_the_attentions_weights_sum_to_one():
    stream = Stream(PilotConfig(**TINY))
    base, frames = moments()
    x = stream.mamba.temporal(stream.mamba.fusion(stream.see(frames), stream.state_encoder(base)))
    weights = stream.mamba.cross_attn.get_attention_weights(x)
    assert weights.shape == (2, 4, 4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4))


def test_recomputing_gives_the_same_gradient():
    config = PilotConfig(**{**TINY, "vmamba_drop_path_rate": 0.5})
    gradients = []
    for recompute in (False, True):
        torch.manual_seed(1)
        encoder = visual_encoder(config, recompute=recompute).train()
        torch.manual_seed(2)
        encoder(moments()[1].flatten(0, 1)).square().sum().backward()
        gradients.append([parameter.grad for parameter in encoder.parameters()])
    assert any(gradient.abs().sum() > 0 for gradient in gradients[1])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_a_small_image_is_no_picture_for_a_cnn():
    with pytest.raises(ValueError, match="36 × 36"):
        Policy(PilotConfig(**{**TINY, "image": (1, 16, 16)}, encoder="cnn"))


def test_a_cnn_may_see_all_frames_as_one_image():
    policy = Policy(PilotConfig(**TINY, encoder="cnn", temporal="stack"))
    base, frames = moments()
    policy(base, frames).square().sum().backward()
    for name, parameter in policy.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    stream = policy.eval().stream
    cnn, states = stream.mamba.cnn, stream.state_encoder(base).flatten(1)
    seen = cnn.head(cnn.convolutions(frames.flatten(1, 2).float() / 255))
    expected = policy.actor(stream.mamba.joint(seen, states))
    torch.testing.assert_close(policy(base, frames), expected, atol=1e-6, rtol=1e-5)


def test_a_cnn_is_its_layers_however_they_lie_in_memory():
    encoder = visual_encoder(PilotConfig(**TINY, encoder="cnn"))
    frames = moments()[1].flatten(0, 1)
    plain = encoder.head(encoder.convolutions(frames.float() / 255))
    torch.testing.assert_close(encoder(frames), plain, atol=1e-5, rtol=1e-5)
    assert encoder.convolutions[2].weight.is_contiguous()
