import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.ops import depthwise_conv1d


def reference(x, weight, bias, before, after):
    x = F.pad(x, (0, 0, before, after))
    return F.conv1d(x.transpose(1, 2), weight, bias, groups=weight.shape[0]).transpose(1, 2)


def problem(batch, rows, channels, width, has_bias=True, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    shapes = (batch, rows, channels), (channels, 1, width), (channels,)
    x, weight, bias = (torch.randn(shape, dtype=dtype, generator=generator) for shape in shapes)
    tensors = [x, weight, bias if has_bias else None]
    return [t if t is None else t.requires_grad_() for t in tensors]


def gradients(function, tensors, before, after):
    """The result and, for a loss that weighs every element differently, the gradients that exist."""
    y = function(*tensors, before, after)
    loss = (y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view(y.shape)).sum()
    return [y, *torch.autograd.grad(loss, [t for t in tensors if t is not None])]


@pytest.mark.parametrize(
    ("batch", "rows", "channels", "width", "before", "after"),
    [(1, 1, 1, 1, 0, 0), (2, 7, 5, 4, 3, 0), (3, 2, 17, 3, 1, 1), (2, 9, 4, 4, 0, 0), (1, 2, 3, 5, 4, 4)],
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_gradients_are_exact_in_float64(batch, rows, channels, width, before, after, has_bias):
    tensors = problem(batch, rows, channels, width, has_bias, torch.float64)
    expected = reference(*tensors, before, after)
    torch.testing.assert_close(depthwise_conv1d(*tensors, before, after), expected)
    assert torch.autograd.gradcheck(lambda *t: depthwise_conv1d(*t, before, after), tensors)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 10),
    rows=st.integers(1, 20),
    channels=st.integers(1, 50),
    width=st.integers(1, 5),
    before=st.integers(0, 6),
    after=st.integers(0, 6),
    has_bias=st.booleans(),
)
def test_the_kernels_agree_with_torch_at_any_shape(batch, rows, channels, width, before, after, has_bias):
    if before + rows + after < width:
        rows = width
    tensors = problem(batch, rows, channels, width, has_bias)
    expected = gradients(reference, tensors, before, after)
    for found, right in zip(gradients(depthwise_conv1d, tensors, before, after), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("has_gradients", [True, False])
def test_silu_afterwards(has_gradients, monkeypatch):
    x, weight, bias = problem(2, 9, 33, 4)
    expected = F.silu(depthwise_conv1d(x, weight, bias, 3))
    with torch.set_grad_enabled(has_gradients):
        torch.testing.assert_close(depthwise_conv1d(x, weight, bias, 3, silu=True), expected)
        monkeypatch.setenv("WAYSCAN_SCAN", "fallback")
        torch.testing.assert_close(depthwise_conv1d(x, weight, bias, 3, silu=True), expected)


def test_memory_may_lie_in_any_way():
    x, weight, bias = problem(3, 11, 40, 4)
    wanted = depthwise_conv1d(x, weight, bias, 3)
    halves = torch.cat([x, x], dim=-1).chunk(2, dim=-1)  # rows with gaps, as after a projection
    turned = x.transpose(1, 2).contiguous().transpose(1, 2)  # time runs fastest
    flipped_weight = weight.flip(-1).contiguous().flip(-1)
    for each in (halves[0], halves[1], turned, x.double().float()):
        assert torch.equal(depthwise_conv1d(each, flipped_weight, bias, 3), wanted)


def test_a_result_has_the_same_bits_on_any_number_of_threads(two_threads):
    tensors = problem(9, 70, 300, 4)
    together = gradients(depthwise_conv1d, tensors, 3, 0)
    torch.set_num_threads(1)
    for one, two in zip(gradients(depthwise_conv1d, tensors, 3, 0), together, strict=True):
        assert torch.equal(one, two)


def test_nothing_convolves_to_nothing():
    weight, bias = torch.ones(3, 1, 2), torch.ones(3)
    assert depthwise_conv1d(torch.ones(0, 4, 3), weight, bias).shape == (0, 3, 3)
    assert depthwise_conv1d(torch.ones(2, 1, 3), weight, bias).shape == (2, 0, 3)


def test_only_wanted_gradients_are_computed():
    x, weight = torch.randn(2, 6, 3), torch.randn(3, 1, 4, requires_grad=True)
    depthwise_conv1d(x, weight, None).sum().backward()
    assert weight.grad is not None
    assert x.grad is None


def test_another_engine_of_the_scan_turns_the_kernels_off(monkeypatch):
    from wayscan.ops import depthwise_conv

    tensors = problem(2, 9, 33, 4)
    expected = gradients(depthwise_conv1d, tensors, 3, 0)
    monkeypatch.setenv("WAYSCAN_SCAN", "fallback")
    monkeypatch.setattr(depthwise_conv, "_run", lambda *_: pytest.fail("a kernel ran"))
    for found, right in zip(gradients(depthwise_conv1d, tensors, 3, 0), expected, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-4, atol=1e-4)


def test_mixed_precision_gives_gradients_in_the_precision_of_the_weights():
    x, weight, bias = problem(2, 9, 8, 4)
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
