"""The blocks against other people's, and against their formulas written out in plain steps."""

import pytest
import torch
import torch.nn.functional as F

from wayscan.nn import SS2D, AttentionPool, Mamba, MinGRU
from wayscan.ops.selective_scan.reference import selective_scan_reference


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def assert_same_gradients(ours, theirs, names):
    for name, other in names.items():
        expected = theirs.get_parameter(other).grad
        actual = ours.get_parameter(name).grad
        assert (actual - expected).norm() <= 2e-5 * expected.norm(), name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("length", [1, 3, 29])
def test_mamba_is_the_mixer_of_transformers(length):
    modeling = pytest.importorskip("transformers.models.mamba.modeling_mamba")
    from transformers import MambaConfig

    config = MambaConfig(hidden_size=48, state_size=16, num_hidden_layers=1)
    theirs = modeling.MambaMixer(config, layer_idx=0)
    ours = Mamba(48)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, length, 48)
    y = ours(x)
    expected = theirs(x)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    target = torch.randn_like(y)
    (y * target).sum().backward()
    (expected * target).sum().backward()
    assert_same_gradients(ours, theirs, {name: name for name, _ in ours.named_parameters()})


@pytest.mark.filterwarnings("ignore")
def test_mamba_is_the_block_of_mambapy():
    mambapy = pytest.importorskip("mambapy.mamba")
    theirs = mambapy.MambaBlock(mambapy.MambaConfig(d_model=32, n_layers=1))
    ours = Mamba(32)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 16, 32)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def ss2d_by_formula(mixer: SS2D, image):
    """VMamba's mixer, one way after another, on the reference scan."""
    batch, height, width, _ = image.shape
    x, z = mixer.in_proj(image).chunk(2, dim=-1)
    x = F.silu(mixer.conv2d(x.permute(0, 3, 1, 2)))
    channels = x.shape[1]
    rows, columns = x.flatten(2), x.transpose(2, 3).flatten(2)
    total = 0
    for k, way in enumerate([rows, columns, rows.flip(-1), columns.flip(-1)]):
        own = slice(k * channels, (k + 1) * channels)
        dt, B, C = (mixer.x_proj_weight[k] @ way).split([mixer.dt_rank, mixer.d_state, mixer.d_state], dim=1)
        y, _ = selective_scan_reference(
            way,
            mixer.dt_projs_weight[k] @ dt,
            -torch.exp(mixer.A_logs[own]),
            B[:, None],
            C[:, None],
            mixer.Ds[own],
            None,
            mixer.dt_projs_bias[k],
            None,
            True,
        )
        y = y.flip(-1) if k >= 2 else y
        image_of_way = (
            y.view(batch, channels, width, height).mT if k % 2 else y.view(batch, channels, height, width)
        )
        total = total + image_of_way
    y = mixer.out_norm(total.permute(0, 2, 3, 1))
    return mixer.out_proj(y * F.silu(z))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 5), (7, 2)])
def test_ss2d_is_its_formula_with_every_gradient(height, width):
    mixer = SS2D(12).double()
    image = torch.randn(2, height, width, 12, dtype=torch.float64, requires_grad=True)
    target = torch.randn(2, height, width, 12, dtype=torch.float64)
    inputs = (image, *mixer.parameters())
    ours, expected = mixer(image), ss2d_by_formula(mixer, image)
    torch.testing.assert_close(ours, expected)
    grads = torch.autograd.grad((ours * target).sum(), inputs)
    expected_grads = torch.autograd.grad((expected * target).sum(), inputs)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad, expected_grad)


def test_attention_pool_is_multihead_attention_asked_by_the_last_step():
    theirs = torch.nn.MultiheadAttention(24, 4, batch_first=True)
    ours = AttentionPool(24, 4)
    ours.query.load_state_dict({"weight": theirs.in_proj_weight[:24], "bias": theirs.in_proj_bias[:24]})
    ours.key_value.load_state_dict({"weight": theirs.in_proj_weight[24:], "bias": theirs.in_proj_bias[24:]})
    ours.output.load_state_dict(theirs.out_proj.state_dict())
    x = torch.randn(3, 7, 24)
    expected, weights = theirs(x[:, -1:], x, x, average_attn_weights=False)
    pooled, ours_weights = ours(x)
    torch.testing.assert_close(pooled, expected.squeeze(1))
    torch.testing.assert_close(ours_weights, weights.squeeze(2))


def test_min_gru_is_the_gru_without_its_recurrent_weights():
    """Without recurrent weights the reset gate has nothing to reset, and PyTorch's cell is tanh(h̃), gated."""
    theirs = torch.nn.GRU(5, 7, batch_first=True)
    ours = MinGRU(5, 7)
    with torch.no_grad():
        theirs.weight_hh_l0.zero_()
        theirs.bias_hh_l0.zero_()
        # Its update gate keeps the old state where ours takes the new one.
        ours.to_z.weight.copy_(-theirs.weight_ih_l0[7:14])
        ours.to_z.bias.copy_(-theirs.bias_ih_l0[7:14])
        ours.to_h.weight.copy_(theirs.weight_ih_l0[14:])
        ours.to_h.bias.copy_(theirs.bias_ih_l0[14:])
    ours.to_h = torch.nn.Sequential(ours.to_h, torch.nn.Tanh())
    x = torch.randn(2, 13, 5)
    torch.testing.assert_close(ours(x), theirs(x)[0], atol=1e-6, rtol=1e-5)
