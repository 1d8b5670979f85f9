import pytest
import torch
from torch import nn

from wayscan.nn import BidirectionalMamba, LocalConv, VimBlock, truncated_normal, zero_out_projections


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_a_block_is_its_formula():
    block = VimBlock(BidirectionalMamba(16), 16, local_conv=True, layer_scale=0.3)
    nn.init.normal_(block.local_conv.conv.weight)
    nn.init.normal_(block.norm.weight)
    x = torch.randn(2, 7, 16)
    h = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * block.norm.weight
    h = h + block.local_conv.conv(h.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(block(x), x + 0.3 * block.mixer(h))


def test_parameters():
    mixer = BidirectionalMamba(768)
    assert parameters(VimBlock(mixer, 768)) == 3_770_880 + 768
    assert parameters(VimBlock(mixer, 768, local_conv=True, layer_scale=1e-6)) == 3_770_880 + 6 * 768
    assert parameters(LocalConv(768, 5)) == 768 * 6


def test_local_convolution_starts_as_the_identity_even_after_generic_values_and_learns_at_once():
    conv, x = LocalConv(8), torch.randn(2, 5, 8)
    truncated_normal(conv)
    assert torch.equal(conv(x), x)
    conv(x).square().sum().backward()
    assert all(p.grad.any() for p in conv.parameters())


def test_local_convolution_needs_a_middle():
    with pytest.raises(ValueError, match="width is 4, expected an odd number"):
        LocalConv(8, 4)


def test_a_deep_stack_with_silent_mixers_is_the_identity():
    stack = nn.Sequential(*[VimBlock(BidirectionalMamba(8), 8, local_conv=True) for _ in range(6)])
    zero_out_projections(stack)
    x = torch.randn(2, 5, 8)
    assert torch.equal(stack(x), x)


def test_the_residual_stream_stays_in_float32():
    block, x = VimBlock(BidirectionalMamba(8), 8, local_conv=True), torch.randn(2, 5, 8)
    exact = block(x) - x
    with torch.autocast("cpu", torch.bfloat16):
        mixed = block(x)
    half = block.bfloat16()(x)
    for y in (mixed, half):
        assert y.dtype == torch.float32
        assert (y - x - exact).norm() < 0.05 * exact.norm()


def test_drop_path_drops_the_branch_and_keeps_the_stream():
    block, x = VimBlock(BidirectionalMamba(8), 8, drop_path=0.999), torch.randn(4, 5, 8)
    assert torch.equal(block(x), x)
    assert not torch.equal(block.eval()(x), x)
