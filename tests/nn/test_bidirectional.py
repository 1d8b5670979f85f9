import pytest
import torch
from torch import nn

from wayscan.nn import BidirectionalMamba, Mamba, merge_directions

MODES = ["shared", "gated", "separate", "vim_v2"]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def one_way(mixer, suffix=""):
    """A causal mixer with the weights of one direction."""
    mamba = Mamba(mixer.d_model, bias=mixer.in_proj.bias is not None).to(mixer.D.dtype)
    weights = mixer.state_dict()
    own = {}
    for name in mamba.state_dict():
        other = "A_b_log" if name == "A_log" else "_b.".join(name.split(".")) if "." in name else name + "_b"
        own[name] = weights[other] if suffix and other in weights else weights[name]
    mamba.load_state_dict(own)
    return mamba


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_its_formula(mode, bias):
    mixer = BidirectionalMamba(12, mode, bias=bias).double()
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    forwards = one_way(mixer)(x)
    backwards = one_way(mixer, suffix="_b")(x.flip(1)).flip(1)
    expected = (forwards + backwards) / 2
    if mode == "gated":
        nn.init.normal_(mixer.fusion.gate.weight)
        hidden = nn.functional.gelu(mixer.fusion.hidden(torch.cat([forwards, backwards], dim=-1)))
        gate = torch.sigmoid(mixer.fusion.gate(hidden))
        expected = gate * forwards + (1 - gate) * backwards
    torch.testing.assert_close(mixer(x), expected)


def test_sharing_in_float32_agrees_with_two_runs_to_a_millionth():
    mixer, x = BidirectionalMamba(32), torch.randn(2, 33, 32)
    mamba = one_way(mixer)
    torch.testing.assert_close(mixer(x), (mamba(x) + mamba(x.flip(1)).flip(1)) / 2, atol=1e-6, rtol=0)


def test_gated_fusion_starts_as_the_mean():
    gated = BidirectionalMamba(12, "gated")
    shared = BidirectionalMamba(12)
    shared.load_state_dict({k: v for k, v in gated.state_dict().items() if not k.startswith("fusion")})
    x = torch.randn(1, 5, 12)
    torch.testing.assert_close(gated(x), shared(x))


def test_vim_may_take_the_sum_instead_of_the_mean():
    mixer = BidirectionalMamba(12, "vim_v2", if_divide_out=False)
    halved = BidirectionalMamba(12, "vim_v2")
    halved.load_state_dict(mixer.state_dict())
    x = torch.randn(1, 5, 12)
    torch.testing.assert_close(mixer(x), 2 * halved(x))


def test_parameters():
    counts = {mode: parameters(BidirectionalMamba(768, mode)) for mode in MODES}
    hidden = 768 // 4
    assert counts == {
        "shared": 3_770_880,
        "gated": 3_770_880 + 3 * 768 * hidden + hidden + 768,
        "separate": 7_541_760,
        "vim_v2": 4_002_816,
    }


def test_names_of_vim_checkpoints():
    names = set(BidirectionalMamba(16, "vim_v2").state_dict())
    second = {
        "A_b_log",
        "D_b",
        "conv1d_b.weight",
        "conv1d_b.bias",
        "x_proj_b.weight",
        "dt_proj_b.weight",
        "dt_proj_b.bias",
    }
    assert names == set(Mamba(16).state_dict()) | second


@pytest.mark.parametrize("mode", MODES)
def test_every_step_sees_every_other_and_every_weight_learns(mode):
    mixer = BidirectionalMamba(8, mode)
    x = torch.randn(1, 6, 8, requires_grad=True)
    for t in range(6):
        (grad,) = torch.autograd.grad(mixer(x)[:, t].sum(), x)
        assert (grad.abs().sum(-1) > 0).all()
    mixer(x).square().sum().backward()
    silent = {name for name, p in mixer.named_parameters() if not p.grad.any()}
    # Behind a gate whose last layer starts at zero.
    assert silent == ({"fusion.hidden.weight", "fusion.hidden.bias"} if mode == "gated" else set())


@pytest.mark.parametrize("mode", ["separate", "vim_v2"])
def test_two_directions_merge_into_a_shared_mixer_inside_a_larger_model(mode):
    model = nn.ModuleDict({"layers": nn.ModuleList([BidirectionalMamba(8, mode)]), "head_b": nn.Linear(8, 2)})
    weights = model.state_dict()
    shared = nn.ModuleDict({"layers": nn.ModuleList([BidirectionalMamba(8)]), "head_b": nn.Linear(8, 2)})

    shared.load_state_dict(merge_directions(weights))
    assert torch.equal(shared["layers"][0].A_log, weights["layers.0.A_log"])
    assert torch.equal(shared["head_b"].weight, weights["head_b.weight"])

    shared.load_state_dict(merge_directions(weights, backward="average"))
    both = weights["layers.0.x_proj.weight"], weights["layers.0.x_proj_b.weight"]
    assert torch.equal(shared["layers"][0].x_proj.weight, sum(both) / 2)


def test_wrong_words_are_refused(without_shape_checks):
    with pytest.raises(ValueError, match="mode is 'both'; expected one of shared, gated, separate, vim_v2"):
        BidirectionalMamba(8, "both")
    with pytest.raises(ValueError, match="backward is 'forget'"):
        merge_directions({}, backward="forget")
