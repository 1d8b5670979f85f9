"""Blocks compile without a break in the graph; in a process of its own, because shape checks break graphs."""

import os
import subprocess
import sys

SCRIPT = """
import torch
from wayscan.nn import BidirectionalMamba, MinGRU, VimBlock, VSSBlock

torch.manual_seed(0)
torch.set_num_threads(1)
sequence, image = torch.randn(2, 9, 16), torch.randn(2, 3, 5, 16)
for block, x in (
    (VimBlock(BidirectionalMamba(16), 16, local_conv=True), sequence),
    (MinGRU(16), sequence),
    (VSSBlock(16), image),
):
    results = []
    for run in (block, torch.compile(block, fullgraph=True, backend="aot_eager")):
        y = run(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), list(block.parameters()))))
    for expected, compiled in zip(*results, strict=True):
        torch.testing.assert_close(compiled, expected, atol=1e-5, rtol=1e-5)

    length = torch.export.Dim("length", min=2)
    dynamic = {1: length} if x is sequence else {1: length, 2: torch.export.Dim("width", min=2)}
    with torch.no_grad():
        exported = torch.export.export(block.eval(), (x,), dynamic_shapes=(dynamic,)).module()
        longer = torch.cat([x, x], dim=1)
        torch.testing.assert_close(exported(longer), block(longer))
"""


def test_blocks_compile_as_one_graph_and_export_for_any_length():
    environment = os.environ | {"WAYSCAN_SHAPE_CHECKS": "0"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
