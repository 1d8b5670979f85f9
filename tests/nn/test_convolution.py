import pytest
import torch
import torch.nn.functional as F

from wayscan.nn import depthwise_conv1d


@pytest.mark.parametrize(
    ("batch", "length", "channels", "width"), [(1, 1, 1, 1), (2, 7, 5, 4), (3, 2, 17, 3)]
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_it_is_a_depthwise_convolution_with_exact_gradients(batch, length, channels, width, has_bias):
    x = torch.randn(batch, length + width - 1, channels, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(channels, 1, width, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(channels, dtype=torch.float64, requires_grad=True) if has_bias else None
    expected = F.conv1d(x.transpose(1, 2), weight, bias, groups=channels).transpose(1, 2)
    torch.testing.assert_close(depthwise_conv1d(x, weight, bias), expected)
    assert torch.autograd.gradcheck(depthwise_conv1d, (x, weight, bias))


def test_only_wanted_gradients_are_computed():
    x, weight = torch.randn(2, 6, 3), torch.randn(3, 1, 4, requires_grad=True)
    depthwise_conv1d(x, weight, None).sum().backward()
    assert weight.grad is not None
    assert x.grad is None


def test_mixed_precision_gives_gradients_in_the_precision_of_the_weights():
    x = torch.randn(2, 9, 8, requires_grad=True)
    weight, bias = torch.randn(8, 1, 4, requires_grad=True), torch.randn(8, requires_grad=True)
    depthwise_conv1d(x, weight, bias).square().sum().backward()
    exact = [t.grad for t in (x, weight, bias)]
    for t in (x, weight, bias):
        t.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise_conv1d(x, weight, bias)
    assert y.dtype == torch.bfloat16
    y.float().square().sum().backward()
    for t, grad in zip((x, weight, bias), exact, strict=True):
        assert t.grad.dtype == torch.float32
        assert (t.grad - grad).norm() < 0.02 * grad.norm()
