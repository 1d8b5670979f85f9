import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wayscan.nn import SS2D, Downsample, PatchPartition, VSSBlock


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def ss2d_formula(D, N=16, ratio=2, R=None, w=3):
    E, R = ratio * D, R or -(-D // 16)
    return 3 * D * E + E * (w * w + 1) + 4 * E * (R + 2 * N) + 4 * (R * E + E) + 4 * E * N + 4 * E + 2 * E


def vss_formula(D, mlp_ratio=4):
    return 2 * D + ss2d_formula(D) + 2 * D + 2 * mlp_ratio * D * D + mlp_ratio * D + D


def test_parameters_of_the_mixer_and_the_block():
    assert parameters(SS2D(96)) == ss2d_formula(96) == 94_272 + 10_944
    assert parameters(SS2D(20, d_state=3, ssm_ratio=3, dt_rank=5, d_conv=5)) == ss2d_formula(20, 3, 3, 5, 5)
    assert parameters(VSSBlock(64)) == vss_formula(64)
    assert parameters(VSSBlock(64, mlp_ratio=0)) == 2 * 64 + ss2d_formula(64)
    assert parameters(VSSBlock(64, layer_scale=1e-6)) == vss_formula(64) + 2 * 64
    assert parameters(PatchPartition(3, 64, 16)) == 3 * 16 * 16 * 64 + 3 * 64
    assert parameters(Downsample(64)) == 18 * 64 * 64 + 6 * 64


@pytest.mark.parametrize(
    ("width", "depths", "features", "millions"),
    [(64, (2, 2, 4, 2), 128, 15.1), (96, (2, 2, 6, 2), 256, 38.0), (128, (2, 2, 9, 2), 512, 79.3)],
)
def test_four_stages_of_blocks_have_the_size_that_their_formula_says(width, depths, features, millions):
    widths = [width * 2**stage for stage in range(4)]
    with torch.device("meta"):
        stages = [VSSBlock(w) for w, depth in zip(widths, depths, strict=True) for _ in range(depth)]
        encoder = nn.ModuleList([PatchPartition(3, width, 16), *stages, *map(Downsample, widths[:-1])])
        encoder.append(nn.Linear(widths[-1], features))
    assert parameters(encoder) / 1e6 == pytest.approx(millions, abs=0.05)


def test_names_and_shapes_are_those_of_the_first_vmamba():
    shapes = {name: tuple(p.shape) for name, p in VSSBlock(32, mlp_ratio=0).named_parameters()}
    assert shapes == {
        "ln_1.weight": (32,),
        "ln_1.bias": (32,),
        "self_attention.x_proj_weight": (4, 34, 64),
        "self_attention.dt_projs_weight": (4, 64, 2),
        "self_attention.dt_projs_bias": (4, 64),
        "self_attention.A_logs": (256, 16),
        "self_attention.Ds": (256,),
        "self_attention.in_proj.weight": (128, 32),
        "self_attention.conv2d.weight": (64, 1, 3, 3),
        "self_attention.conv2d.bias": (64,),
        "self_attention.out_norm.weight": (64,),
        "self_attention.out_norm.bias": (64,),
        "self_attention.out_proj.weight": (32, 64),
    }


def test_every_pixel_sees_every_other():
    mixer = SS2D(4, d_conv=1)
    image = torch.randn(1, 3, 4, 4, requires_grad=True)
    for row in range(3):
        for column in range(4):
            (grad,) = torch.autograd.grad(mixer(image)[:, row, column].sum(), image)
            assert (grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 5)])
def test_gradients_are_exact(size):
    mixer = SS2D(3, d_state=2).double()
    image = torch.randn(1, *size, 3, dtype=torch.float64, requires_grad=True)
    weights = tuple(mixer.parameters())
    assert torch.autograd.gradcheck(lambda image, *weights: mixer(image), (image, *weights))


def test_a_block_is_its_formula():
    block = VSSBlock(8, layer_scale=0.5).eval()
    x = torch.randn(2, 3, 4, 8)
    h = x + 0.5 * block.self_attention(F.layer_norm(x, (8,), eps=1e-6))
    expected = h + 0.5 * block.mlp(F.layer_norm(h, (8,), eps=1e-6))
    torch.testing.assert_close(block(x), expected)


def test_small_layer_scale_starts_near_the_identity_and_drop_path_reaches_it():
    x = torch.randn(2, 3, 4, 8)
    torch.testing.assert_close(VSSBlock(8, layer_scale=1e-6)(x), x, atol=1e-4, rtol=0)
    assert torch.equal(VSSBlock(8, drop_path=0.999)(x), x)


def test_patches_are_cut_and_embedded():
    partition = PatchPartition(1, 8, 4)
    image = torch.randn(2, 1, 8, 12)
    patches = image.view(2, 2, 4, 3, 4).permute(0, 1, 3, 2, 4).flatten(3)
    expected = partition.norm(patches @ partition.proj.weight.flatten(1).t() + partition.proj.bias)
    torch.testing.assert_close(partition(image), expected)
    with pytest.raises(
        ValueError, match="image is 9 × 12, expected multiples of the patch size 4; resize it to 8 × 12"
    ):
        partition(torch.zeros(1, 1, 9, 12))


@pytest.mark.parametrize(("size", "halved"), [((8, 6), (4, 3)), ((5, 1), (3, 1))])
def test_downsampling_halves_the_grid_and_doubles_the_channels(size, halved):
    assert Downsample(8)(torch.randn(2, *size, 8)).shape == (2, *halved, 16)


def test_mixed_precision_trains():
    block, x = VSSBlock(16), torch.randn(2, 4, 4, 16)
    exact = block(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = block(x)
    assert (y.float() - exact).norm() < 0.03 * exact.norm()
    y.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in block.parameters())


def test_a_small_encoder_learns_where_a_spot_is():
    encoder = nn.Sequential(PatchPartition(1, 16, 2), VSSBlock(16, d_state=4, mlp_ratio=2), Downsample(16))
    head = nn.Linear(32, 2)
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=3e-3)

    def batch(size):
        spots = torch.rand(size, 2) * 2 - 1
        grid = torch.linspace(-1, 1, 12)
        distance = (grid[:, None] - spots[:, None, :1]) ** 2 + (
            grid - spots[:, 1:, None].transpose(1, 2).mT
        ) ** 2
        return torch.exp(-8 * distance).unsqueeze(1) + 0.05 * torch.randn(size, 1, 12, 12), spots

    for _ in range(120):
        image, spots = batch(32)
        loss = F.mse_loss(head(encoder(image).mean((1, 2))), spots)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    image, spots = batch(200)
    assert F.mse_loss(head(encoder(image).mean((1, 2))), spots) < 0.1 * spots.var()
