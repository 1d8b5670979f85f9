"""The selective scan in ONNX: one function with a Scan inside, whose size depends on nothing.

The operator's body does one step for all sequences and channels. A deep model calls the one function from
every block.
"""

from collections.abc import Callable
from typing import Any

from onnxscript import FLOAT, graph, opset18, script
from onnxscript.values import Opset

from wayscan.ops.selective_scan.operator import OPERATORS

OPSET = 18
op: Any = opset18


@script(Opset("wayscan", 1), default_opset=op)
def selective_scan(u: FLOAT[...], dt: FLOAT[...], A: FLOAT[...], B: FLOAT[...], C: FLOAT[...]) -> FLOAT[...]:
    """u, dt (B, D, L), A (D, N), B and C (B, 1, N, L) → (B, D, L)."""
    times = op.Unsqueeze(op.Transpose(dt, perm=[2, 0, 1]), op.Constant(value_ints=[3]))
    inputs = op.Unsqueeze(op.Transpose(op.Mul(dt, u), perm=[2, 0, 1]), op.Constant(value_ints=[3]))
    entries = op.Transpose(B, perm=[3, 0, 1, 2])
    exits = op.Transpose(C, perm=[3, 0, 2, 1])
    batch_and_channels = op.Shape(u, start=0, end=2)
    states = op.Shape(A, start=1)
    start = op.Expand(op.Constant(value_float=0.0), op.Concat(batch_and_channels, states, axis=0))

    @graph()
    def one_step(h, d, x, entry, exit):
        moved = op.Add(op.Mul(op.Exp(op.Mul(d, A)), h), op.Mul(x, entry))
        said = op.MatMul(moved, exit)
        return moved, said

    _last, y = op.Scan(start, times, inputs, entries, exits, body=one_step, num_scan_inputs=4)
    return op.Transpose(op.Squeeze(y, op.Constant(value_ints=[3])), perm=[1, 2, 0])


@script(Opset("wayscan", 1), default_opset=op)
def softplus(x: FLOAT[...]) -> FLOAT[...]:
    """max(x, 0) + log(1 + e) with e = exp(-|x|): onnxruntime's own Softplus takes twenty times as long.

    For small e the sum 1 + e = u loses digits, and log(u) · e / (u - 1) puts them back.
    """
    one = op.Constant(value_float=1.0)
    e = op.Exp(op.Neg(op.Abs(x)))
    u = op.Add(one, e)
    logarithm = op.Where(op.Equal(u, one), e, op.Div(op.Mul(op.Log(u), e), op.Sub(u, one)))
    return op.Add(op.Relu(x), logarithm)


def _translate(
    u: Any,
    delta: Any,
    A: Any,
    B: Any,
    C: Any,
    D: Any,
    z: Any,
    delta_bias: Any,
    initial_state: Any,
    delta_softplus: bool,
    save: bool,
    keep_last: bool,
) -> tuple[Any, Any, Any]:
    """The operator of `wayscan.ops` with what surrounds the recurrence."""
    if initial_state is not None:
        raise ValueError("a scan with an initial state cannot be exported yet; export the model without it")
    if delta_bias is not None:
        delta = op.Add(delta, op.Unsqueeze(delta_bias, op.Constant(value_ints=[1])))
    dt = softplus(delta) if delta_softplus else delta
    y = selective_scan(u, dt, A, B, C)
    if D is not None:
        y = op.Add(y, op.Mul(op.Unsqueeze(D, op.Constant(value_ints=[1])), u))
    if z is not None:
        y = op.Mul(y, op.Mul(z, op.Sigmoid(z)))
    # Last state and checkpoints have no use in inference; each result must be a value of its own.
    return y, op.Identity(y), op.Identity(y)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For `torch.onnx.export(custom_translation_table=…)`: every engine's operator."""
    return {operator.default: _translate for operator in OPERATORS.values()}  # type: ignore[attr-defined]
