"""What the exporter is taught says what torch says: the scan, in groups too, and the merge of four ways."""

import numpy as np
import pytest
import torch
from torch import nn

from wayscan.ops import cross_merge, cross_scan, selective_scan

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from wayscan.ops.onnx_graph import count_nodes, write_graph

BATCH, CHANNELS, LENGTH, STATES, GROUPS = 2, 6, 5, 3, 2


class Scan(nn.Module):
    def __init__(self):
        super().__init__()
        self.A = nn.Parameter(-torch.rand(CHANNELS, STATES))
        self.D, self.bias = nn.Parameter(torch.rand(CHANNELS)), nn.Parameter(torch.rand(CHANNELS))

    def forward(self, u, delta, B, C, z):
        return selective_scan(u, delta, self.A, B, C, self.D, z, self.bias, delta_softplus=True)


class Ways(nn.Module):
    def forward(self, x):
        ways = cross_scan(x)
        return cross_merge(ways * ways.cumsum(-1), x.shape[2], x.shape[3])


def both(module, inputs, path):
    names = [f"in{k}" for k in range(len(inputs))]
    write_graph(module, inputs, path, takes=names, gives=["out"], metadata={"made": "here"})
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map == {"made": "here"}
    given = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    with torch.no_grad():
        return session.run(None, given)[0], module(*inputs).numpy()


@pytest.mark.parametrize("groups", [1, GROUPS])
def test_the_scan(groups, tmp_path):
    torch.manual_seed(0)
    wide, narrow = (BATCH, CHANNELS, LENGTH), (BATCH, groups, STATES, LENGTH)
    inputs = tuple(torch.randn(shape) for shape in (wide, wide, narrow, narrow, wide))
    exported, ours = both(Scan(), inputs, tmp_path / "scan.onnx")
    np.testing.assert_allclose(exported, ours, atol=1e-5)


def test_the_four_ways_are_merged_without_a_loop(tmp_path):
    import onnx

    exported, ours = both(Ways(), (torch.randn(1, 3, 4, 5),), tmp_path / "ways.onnx")
    np.testing.assert_allclose(exported, ours, atol=1e-5)
    graph = onnx.load(str(tmp_path / "ways.onnx")).graph
    assert "Loop" not in {node.op_type for node in graph.node}
    assert count_nodes(graph) < 30
