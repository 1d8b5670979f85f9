"""What PyTorch asks of an operator: schema, tracing, gradients, compilation, export."""

import pytest
import torch

from wayscan.ops import selective_scan, selective_step
from wayscan.ops.selective_scan.operator import OPERATORS, STEPS


@pytest.mark.parametrize("backend", ["cpu", "fallback"])
@pytest.mark.parametrize("optional", [True, False])
def test_opcheck(scan_problem, backend, optional):
    problem = scan_problem(
        channels=10, length=19, states=3, groups=2, D=optional, z=optional, delta_bias=optional,
        initial_state=optional,
    )  # fmt: skip
    inputs = [None if x is None else x.requires_grad_() for x in problem.values()]
    torch.library.opcheck(OPERATORS[backend].default, (*inputs, True, True, True))


def test_opcheck_of_the_step():
    tensors = [torch.randn(2, 6, 3), torch.randn(2, 6), torch.rand(2, 6), -torch.rand(6, 3)]
    tensors += [torch.randn(2, 2, 3), torch.randn(2, 2, 3), torch.randn(6), torch.randn(2, 6), torch.randn(6)]
    torch.library.opcheck(STEPS["cpu"], (*tensors, True))


def _scan_of(*tensors):
    *rest, initial_state = tensors
    return selective_scan(*rest, True, True, initial_state=initial_state, backend="fallback")


def test_gradcheck_in_float64(scan_problem):
    problem = scan_problem(
        batch=2, channels=4, length=7, states=3, groups=2, initial_state=True, dtype=torch.float64
    )
    inputs = [x.requires_grad_() for x in problem.values()]
    assert torch.autograd.gradcheck(_scan_of, inputs)


def test_gradcheck_of_the_float32_kernel(scan_problem):
    problem = scan_problem(batch=1, channels=3, length=5, states=2, initial_state=True, dtype=torch.float64)
    inputs = [x.requires_grad_() for x in problem.values()]

    def scan(*tensors):
        *rest, initial_state = tensors
        return selective_scan(*rest, True, initial_state=initial_state, backend="cpu")

    assert torch.autograd.gradcheck(scan, inputs, eps=2e-2, atol=5e-3, rtol=1e-2)


@pytest.mark.parametrize("only", ["out", "last"])
def test_gradient_through_one_of_the_two_results(scan_problem, only):
    problem = scan_problem(initial_state=True)
    gradients = []
    for backend in ("reference", "cpu", "fallback"):
        leaves = {name: x.detach().requires_grad_() for name, x in problem.items()}
        out, last = selective_scan(**leaves, return_last_state=True, backend=backend)
        (out if only == "out" else last).square().sum().backward()
        gradients.append([x.grad for x in leaves.values()])
    for one, *others in zip(*gradients, strict=True):
        for other in others:
            expected = torch.zeros_like(other) if one is None else one
            torch.testing.assert_close(other, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["cpu", "fallback"])
def test_compiles_without_a_break_for_any_length(scan_problem, backend):
    @torch.compile(fullgraph=True, backend="aot_eager", dynamic=True)
    def compiled(**arguments):
        return selective_scan(**arguments, delta_softplus=True, backend=backend)

    for length in (5, 16, 33):
        problem = scan_problem(channels=6, length=length)
        leaves = {name: x if x is None else x.requires_grad_() for name, x in problem.items()}
        expected = selective_scan(**leaves, delta_softplus=True, backend=backend)
        got = compiled(**leaves)
        torch.testing.assert_close(got, expected)
        given = [x for x in leaves.values() if x is not None]
        for mine, theirs in zip(
            torch.autograd.grad(got.sum(), given), torch.autograd.grad(expected.sum(), given), strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
def test_inductor_compiles_it(scan_problem):
    problem = scan_problem(channels=6, length=9)
    compiled = torch.compile(lambda **arguments: selective_scan(**arguments) * 2, fullgraph=True)
    torch.testing.assert_close(compiled(**problem), selective_scan(**problem) * 2)


class _Scan(torch.nn.Module):
    def forward(self, u, delta, A, B, C):
        return selective_scan(u, delta, A, B, C, delta_softplus=True)


@pytest.mark.parametrize("differentiable", [True, False])
def test_export_with_dynamic_length(scan_problem, differentiable):
    length = torch.export.Dim("length", min=2, max=4096)
    dynamic = {name: {2: length} for name in ("u", "delta")} | {"A": None, "B": {3: length}, "C": {3: length}}
    example = [
        x for x in scan_problem(length=12, D=False, z=False, delta_bias=False).values() if x is not None
    ]
    example[0].requires_grad_(differentiable)
    program = torch.export.export(_Scan(), tuple(example), dynamic_shapes=dynamic)
    for size in (2, 31, 64):
        problem = scan_problem(length=size, D=False, z=False, delta_bias=False)
        inputs = [x for x in problem.values() if x is not None]
        torch.testing.assert_close(program.module()(*inputs), _Scan()(*inputs))


def test_a_step_compiles_and_moves_its_state():
    state, u = torch.zeros(1, 6, 3), torch.randn(1, 6)
    arguments = (u, u.abs(), -torch.rand(6, 3), torch.randn(1, 3), torch.randn(1, 3))
    expected_state = state.clone()
    expected = selective_step(expected_state, *arguments)
    out = torch.compile(selective_step, fullgraph=True, backend="aot_eager")(state, *arguments)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(state, expected_state)


def test_double_backward_is_refused_and_not_wrong(scan_problem):
    problem = scan_problem(channels=4, length=6)
    u = problem["u"].requires_grad_()
    (grad,) = torch.autograd.grad(selective_scan(**problem).square().sum(), u, create_graph=True)
    with pytest.raises(RuntimeError):
        grad.sum().backward()
