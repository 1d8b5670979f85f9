"""The selective scan in ONNX: one function with a Scan inside, whose size depends on nothing.

The operator's body does one step for all sequences and channels. A deep model calls the one function from
every block.
"""

from collections.abc import Callable
from typing import Any

import torch
from onnxscript import FLOAT, graph, opset18, script
from onnxscript.values import Opset

from wayscan.ops.selective_scan.operator import OPERATORS

OPSET = 18
op: Any = opset18


@script(Opset("wayscan", 1), default_opset=op)
def selective_scan(u: FLOAT[...], dt: FLOAT[...], A: FLOAT[...], B: FLOAT[...], C: FLOAT[...]) -> FLOAT[...]:
    """u, dt (B, D, L), A (D, N), B and C (B, G, N, L) → (B, D, L); a group has E = D / G channels."""
    last = op.Constant(value_ints=[4])
    rest = op.Constant(value_ints=[-1])
    batch_and_groups, groups = op.Shape(B, start=0, end=2), op.Shape(B, start=1, end=2)
    in_groups = op.Concat(batch_and_groups, rest, op.Shape(u, start=2), axis=0)
    times = op.Unsqueeze(op.Transpose(op.Reshape(dt, in_groups), perm=[3, 0, 1, 2]), last)
    inputs = op.Unsqueeze(op.Transpose(op.Reshape(op.Mul(dt, u), in_groups), perm=[3, 0, 1, 2]), last)
    entries = op.Unsqueeze(op.Transpose(B, perm=[3, 0, 1, 2]), op.Constant(value_ints=[3]))
    exits = op.Unsqueeze(op.Transpose(C, perm=[3, 0, 1, 2]), last)
    rates = op.Reshape(A, op.Concat(groups, rest, op.Shape(A, start=1), axis=0))
    shape = op.Concat(op.Shape(B, start=0, end=1), op.Shape(rates), axis=0)
    start = op.Expand(op.Constant(value_float=0.0), shape)

    @graph()
    def one_step(h, d, x, entry, exit):
        moved = op.Add(op.Mul(op.Exp(op.Mul(d, rates)), h), op.Mul(x, entry))
        said = op.MatMul(moved, exit)
        return moved, said

    _last, y = op.Scan(start, times, inputs, entries, exits, body=one_step, num_scan_inputs=4)
    return op.Reshape(op.Transpose(op.Squeeze(y, last), perm=[1, 2, 3, 0]), op.Shape(u))


@script(Opset("wayscan", 1), default_opset=op)
def softplus(x: FLOAT[...]) -> FLOAT[...]:
    """max(x, 0) + log(1 + e) with e = exp(-|x|): onnxruntime's own Softplus takes 2.5 times as long.

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


def _translate_bags(
    rows: Any,
    indices: Any,
    offsets: Any,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Any = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Sums of bags of rows of one size, as `cross_merge` asks for; torch's own translation is a loop."""
    if mode != 0:
        raise ValueError(f"embedding_bag: mode is {mode}; only sums (0) can be exported")
    bags = op.Reshape(indices, op.Concat(op.Shape(offsets), op.Constant(value_ints=[-1]), axis=0))
    total = op.ReduceSum(op.Gather(rows, bags, axis=0), op.Constant(value_ints=[1]), keepdims=0)
    return total, op.Identity(total), op.Identity(total), op.Identity(total)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For `torch.onnx.export(custom_translation_table=…)`: every engine's operator, and merging its ways."""
    aten = torch.ops.aten
    scans = {operator.default: _translate for operator in OPERATORS.values()}  # type: ignore[attr-defined]
    return {**scans, aten.embedding_bag.padding_idx: _translate_bags}
