"""A module as an ONNX graph: torch's exporter, which is told what the selective scan is."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn


def expect_onnx() -> None:
    """Refuse in one line where what exporting needs is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401 - torch's exporter needs it, and says so less clearly
    except ImportError as fault:
        raise ModuleNotFoundError(
            f'exporting needs {fault.name}, which is not installed: pip install "wayscan[onnx]"'
        ) from fault


def write_graph(
    module: nn.Module,
    inputs: tuple[Any, ...],
    path: Path,
    *,
    takes: Sequence[str],
    gives: Sequence[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Trace a module on `inputs`, whose shapes become the graph's, and write it.

    Args:
        takes, gives: names of the inputs and outputs.
        metadata: words that travel in the file.
    """
    expect_onnx()
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass, RemoveUnusedNodesPass

    from wayscan.ops.onnx_scan import OPSET, translations

    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(), inputs, dynamo=True, opset_version=OPSET, input_names=takes, output_names=gives,
            custom_translation_table=translations(), optimize=True, verbose=False,
        )  # fmt: skip
        assert program is not None
        RemoveUnusedNodesPass()(program.model)  # onnxruntime would warn of constants that nothing reads
        ClearMetadataAndDocStringPass()(program.model)  # stack traces, with this machine's paths
        program.model.metadata_props.update(metadata or {})
        program.save(str(path))


def count_nodes(graph: Any) -> int:
    """Nodes of a graph, those inside of its Scans included."""
    inner = (attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g"))
    return len(graph.node) + sum(count_nodes(each) for each in inner)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's words on packages that are not installed and constants it does not fold."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
