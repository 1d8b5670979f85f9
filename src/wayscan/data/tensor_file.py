"""Named arrays in one safetensors file, written straight from memory and checked without torch.

The safetensors writer copies everything into one byte string first; a checkpoint of a large model cannot
afford that, so the (simple) layout is written here: header length, JSON header, raw bytes.
"""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wayscan.data.atomic import Bytes, write_atomically

_ITEM_SIZES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "F32": 4,
    "I64": 8,
    "F64": 8,
}
_LONGEST_HEADER = 100_000_000


class RawTensor(NamedTuple):
    """An array as bytes: `kind` is safetensors' dtype name ("F32", "BF16", ...)."""

    kind: str
    shape: tuple[int, ...]
    content: Bytes


class TensorHeader(NamedTuple):
    """What a file says about itself: shape and kind by name, and free text by name."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    metadata: dict[str, str]


def write_tensors(path: Path, tensors: Mapping[str, RawTensor], metadata: Mapping[str, str]) -> int:
    """Write all of `tensors` atomically and durably; return the size of the file in bytes."""
    # Widest items first, so that every array starts at a multiple of its item size and can be read in place.
    names = sorted(tensors, key=lambda name: (-_ITEM_SIZES[tensors[name].kind], name))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        kind, shape, content = tensors[name]
        start, end = end, end + memoryview(content).nbytes
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    chunks = [struct.pack("<Q", len(text)), text, *(tensors[name].content for name in names)]
    return write_atomically(path, chunks)


def read_header(path: Path) -> TensorHeader:
    """Read and check the header; a truncated or foreign file raises ValueError."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= min(_LONGEST_HEADER, size - 8):
            raise ValueError(f"{path} is no complete safetensors file: its header is cut off or missing")
        try:
            header = json.loads(file.read(length))
            metadata = header.pop("__metadata__", {})
            tensors = {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in header.items()}
            ends = [entry["data_offsets"][1] for entry in header.values()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no safetensors file: its header cannot be read ({error})") from error
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        raise ValueError(f"{path} is truncated: {size} of {expected} bytes are there")
    return TensorHeader(tensors, metadata)
