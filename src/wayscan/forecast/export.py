"""A network as an ONNX graph: a window of any length in, the next value out. The recurrence is ONNX's Scan.

input  window (L, F, B), scaled as `Scaling.read` does      output  prediction (1, B), see `Scaling.level`
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wayscan.forecast.cells.attention import Attention
from wayscan.forecast.cells.gru import GRU
from wayscan.forecast.cells.layer import Array, Layer
from wayscan.forecast.cells.mamba import Mamba
from wayscan.forecast.cells.mamba_simple import GATE_CLIP, OUTPUT_CLIP, MambaSimple
from wayscan.forecast.cells.mingru import MinGRU, MinGRULog
from wayscan.forecast.cells.norm import EPSILON, RMSNorm
from wayscan.forecast.model import Network

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 17
_END = np.iinfo(np.int64).max


class Graph:
    """Nodes in the making; values are their names, which a Scan's body shares with the graph around it."""

    def __init__(self, weights: "dict[str, Array] | None" = None, prefix: str = "") -> None:
        self.weights: dict[str, Array] = {} if weights is None else weights
        self.nodes: list[Any] = []
        self._prefix, self._count = prefix, 0

    def __call__(self, kind: str, *inputs: "str | Array | float", **attributes: Any) -> str:
        """Add a node of one output."""
        from onnx import helper

        out = self.name(kind)
        self.nodes.append(helper.make_node(kind, [self.value(each) for each in inputs], [out], **attributes))
        return out

    def name(self, kind: str) -> str:
        self._count += 1
        return f"{self._prefix}{kind}_{self._count}"

    def value(self, given: "str | Array | float") -> str:
        """A name for a name, an array or a number."""
        if isinstance(given, str):
            return given
        array = np.asarray(given)
        array = array.astype(np.int64 if array.dtype.kind == "i" else np.float32)
        name = f"{self._prefix}w{len(self.weights)}"
        self.weights[name] = array
        return name

    def linear(self, x: str, W: Array, b: Array | None = None) -> str:
        out = self("MatMul", x, W)
        return out if b is None else self("Add", out, b)

    def zeros(self, x: str, *shape: int) -> str:
        """Zeros (B, …), with the B of x (L, B, …)."""
        batch = self("Slice", self("Shape", x), np.array([1]), np.array([2]))
        from onnx import TensorProto, helper

        zero = helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])
        return self("ConstantOfShape", self("Concat", batch, np.array(shape), axis=0), value=zero)

    def scan(self, state: str, inputs: list[str], body: Callable[..., tuple[str, str]]) -> str:
        """The outputs of all steps, (L, …): body(graph, state, *inputs of a step) → (state, output)."""
        from onnx import TensorProto, helper

        out, last = self.name("scanned"), self.name("last")
        inner = Graph(self.weights, f"{out}_")
        names = [inner.name("state"), *(inner.name("in") for _ in inputs)]
        results = [inner("Identity", each) for each in body(inner, *names)]

        def described(many: list[str]) -> list[Any]:
            return [helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in many]

        graph = helper.make_graph(inner.nodes, f"{out}_body", described(names), described(results))
        node = helper.make_node(
            "Scan", [state, *inputs], [last, out], body=graph, num_scan_inputs=len(inputs)
        )
        self.nodes.append(node)
        return out


def export_onnx(network: Network, path: Path) -> Path:
    """Write the graph, in float32."""
    try:
        import onnx
    except ImportError:
        raise ModuleNotFoundError(
            'export needs onnx, which is not installed: pip install "wayscan[onnx]"'
        ) from None
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(build_graph(network), path)
    return path


def build_graph(network: Network) -> "ModelProto":
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = Graph()
    h = graph("Transpose", "window", perm=[0, 2, 1])
    for layer, path, norm in zip(network.layers, network.paths, network.norms, strict=True):
        out = _layer(graph, layer, h if norm is None else _norm(graph, norm, h))
        if network.skip:
            out = graph("Add", out, h if path is None else graph.linear(h, path))
        h = out
    last = graph("Squeeze", graph("Slice", h, np.array([-1]), np.array([_END])), np.array([0]))
    value = graph.linear(last, network.head["W"], network.head["b"])
    graph.nodes.append(helper.make_node("Transpose", [value], ["prediction"], perm=[1, 0]))
    made = helper.make_graph(
        graph.nodes,
        "forecast",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["L", network.features, "B"])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [1, "B"])],
        [numpy_helper.from_array(weight, name) for name, weight in graph.weights.items()],
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9, producer_name="wayscan"
    )
    checker.check_model(model)
    return model


def largest_difference(network: Network, path: Path, length: int) -> float | None:
    """Between onnxruntime and NumPy, on windows of three lengths and batches; None without onnxruntime."""
    try:
        from onnxruntime import InferenceSession
    except ImportError:
        return None
    session = InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng, found = np.random.default_rng(0), 0.0
    for L, B in ((length, 1), (length, 5), (2 * length + 1, 3)):
        x = rng.uniform(0, 1, (L, network.features, B)).astype(np.float32)
        (theirs,) = session.run(None, {"window": x})
        found = max(found, float(np.abs(np.asarray(theirs) - network.forward(x)).max()))
    return found


# ---- the layers ----------------------------------------------------------------------------------------


def _layer(graph: Graph, layer: Layer, x: str) -> str:
    """A layer's output (L, B, H) for its input (L, B, D)."""
    if isinstance(layer, GRU):
        return _gru(graph, layer, x)
    if isinstance(layer, MinGRU):
        return _mingru(graph, layer, x)
    if isinstance(layer, MambaSimple):
        return _mamba_simple(graph, layer, x)
    if isinstance(layer, Mamba):
        return _mamba(graph, layer, x)
    assert isinstance(layer, Attention)
    return _attention(graph, layer, x)


def _norm(graph: Graph, norm: RMSNorm, x: str) -> str:
    mean = graph("ReduceMean", graph("Mul", x, x), axes=[-1])
    return graph("Mul", graph("Div", x, graph("Sqrt", graph("Add", mean, EPSILON))), norm.weights["g"])


def _gru(graph: Graph, layer: GRU, x: str) -> str:
    W, U, U_c, b = layer.weights.values()

    def body(g: Graph, h: str, z: str, r: str, c: str) -> tuple[str, str]:
        z = g("Sigmoid", g("Add", z, g.linear(h, U[0])))
        r = g("Sigmoid", g("Add", r, g.linear(h, U[1])))
        c = g("Tanh", g("Add", c, g.linear(g("Mul", r, h), U_c)))
        h = g("Add", h, g("Mul", z, g("Sub", c, h)))
        return h, h

    inputs = [graph.linear(x, W_each, b_each) for W_each, b_each in zip(W, b, strict=True)]
    return graph.scan(graph.zeros(x, layer.outputs), inputs, body)


def _mingru(graph: Graph, layer: MinGRU, x: str) -> str:
    W, b = layer.weights.values()
    k, c = (graph.linear(x, W_each, b_each) for W_each, b_each in zip(W, b, strict=True))
    if isinstance(layer, MinGRULog):
        c = graph("Where", graph("GreaterOrEqual", c, 0.0), graph("Add", c, 0.5), graph("Sigmoid", c))
    z = graph("Sigmoid", k)
    return graph.scan(
        graph.zeros(x, layer.outputs), [graph("Sub", 1.0, z), graph("Mul", z, c)], _keep_and_add
    )


def _keep_and_add(g: Graph, h: str, keep: str, add: str) -> tuple[str, str]:
    h = g("Add", g("Mul", keep, h), add)
    return h, h


def _mamba_simple(graph: Graph, layer: MambaSimple, x: str) -> str:
    W, b, A, B, C, D = layer.weights.values()

    def body(g: Graph, s: str, inflow: str) -> tuple[str, str]:
        s = g("Add", g("Mul", s, np.exp(A)), inflow)
        return s, s

    p = graph.linear(x, W, b)
    clipped = graph("Clip", p, -GATE_CLIP, GATE_CLIP)
    gate = graph("Mul", clipped, graph("Sigmoid", clipped))
    s = graph.scan(graph.zeros(x, A.size), [graph.linear(gate, B)], body)
    u = graph("Add", graph.linear(s, C), graph("Mul", p, D))
    return graph("Mul", gate, graph("Clip", u, -OUTPUT_CLIP, OUTPUT_CLIP))


def _mamba(graph: Graph, layer: Mamba, x: str) -> str:
    W_in, conv, b_conv, W_x, W_dt, b_dt, A_log, D, W_out = layer.weights.values()
    E, N, R, K = layer.inner, layer.states, layer.rank, layer.taps

    def body(g: Graph, h: str, delta: str, drive: str, B: str, C: str) -> tuple[str, str]:
        decay = g("Exp", g("Mul", g("Unsqueeze", delta, np.array([1])), -np.exp(A_log)))
        inflow = g("Mul", g("Unsqueeze", B, np.array([2])), g("Unsqueeze", drive, np.array([1])))
        h = g("Add", g("Mul", decay, h), inflow)
        y = g("MatMul", g("Unsqueeze", C, np.array([1])), h)
        return h, g("Squeeze", y, np.array([1]))

    gate = graph.linear(x, W_in[:, E:])
    none = graph("Unsqueeze", graph.zeros(x, E), np.array([0]))
    padded = graph("Concat", *[none] * (K - 1), graph.linear(x, W_in[:, :E]), axis=0)
    v = graph.value(b_conv)
    for k in range(K):
        shifted = graph("Slice", padded, np.array([k]), np.array([k - K + 1 or _END]))
        v = graph("Add", v, graph("Mul", shifted, conv[k]))
    u = graph("Mul", v, graph("Sigmoid", v))
    low, B, C = (graph.linear(u, part) for part in np.split(W_x, [R, R + N], axis=1))
    delta = graph("Softplus", graph.linear(low, W_dt, b_dt))
    y = graph.scan(graph.zeros(x, N, E), [delta, graph("Mul", delta, u), B, C], body)
    y = graph("Add", y, graph("Mul", u, D))
    return graph.linear(graph("Mul", y, graph("Mul", gate, graph("Sigmoid", gate))), W_out)


def _attention(graph: Graph, layer: Attention, x: str) -> str:
    W, W_out = layer.weights.values()
    H, heads = layer.outputs, layer.heads

    def split(part: Array) -> str:
        """(L, B, H) → (B, heads, L, d)."""
        shape = np.array([0, 0, heads, H // heads])
        return graph("Transpose", graph("Reshape", graph.linear(x, part), shape), perm=[1, 2, 0, 3])

    q, k, v = (split(part) for part in np.split(W, 3, axis=1))
    scores = graph("MatMul", q, graph("Transpose", k, perm=[0, 1, 3, 2]))
    scores = graph("Mul", scores, (H // heads) ** -0.5)
    length = graph("Slice", graph("Shape", x), np.array([0]), np.array([1]))
    square = graph("Expand", -1e30, graph("Concat", length, length, axis=0))
    ahead = graph("Trilu", square, np.array(1), upper=1)
    mixed = graph("MatMul", graph("Softmax", graph("Add", scores, ahead), axis=-1), v)
    joined = graph("Reshape", graph("Transpose", mixed, perm=[2, 0, 1, 3]), np.array([0, 0, H]))
    return graph.linear(joined, W_out)
