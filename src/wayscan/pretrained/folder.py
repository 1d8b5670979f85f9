"""A model as a folder of two files: config.json says how to build it, model.safetensors holds its weights."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import safetensors

from wayscan.pretrained.locate import CONFIG, WEIGHTS, find_pretrained

if TYPE_CHECKING:
    from torch import Tensor

_NUMPY_TYPES = {
    "BOOL": "?",
    "U8": "u1",
    "I8": "i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
    "BF16": "<u2",  # widened below: NumPy has no such type
}


def load_pretrained(
    source: str | Path,
    *,
    framework: Literal["torch", "numpy"] = "torch",
    precision: Literal["float32", "stored"] = "float32",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a model.

    Args:
        source: a folder, the name of a model in the package, or a hub id, see `find_pretrained`.
        framework: what the weights become: "torch" tensors on the CPU, or "numpy" arrays, without torch.
        precision: "float32" widens bfloat16 and float16 weights; "stored" leaves them (bfloat16 needs torch).

    Returns:
        The configuration, and the weights by name.
    """
    if framework not in ("torch", "numpy"):
        raise ValueError(f"load_pretrained: framework is {framework!r}, expected 'torch' or 'numpy'")
    if precision not in ("float32", "stored"):
        raise ValueError(f"load_pretrained: precision is {precision!r}, expected 'float32' or 'stored'")
    folder = find_pretrained(source)
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        read = _read_torch if framework == "torch" else _read_numpy
        return config, read(folder / WEIGHTS, precision == "float32")
    except (json.JSONDecodeError, UnicodeDecodeError, safetensors.SafetensorError) as error:
        raise ValueError(
            f"the model in {folder} cannot be read: {error}; copy or download it again"
        ) from error


def save_pretrained(
    folder: str | Path, weights: Mapping[str, "np.ndarray | Tensor"], config: Mapping[str, Any]
) -> Path:
    """Write a model, its folder included; a model that was there is replaced, and never left half written.

    Args:
        folder: where to.
        weights: tensors or arrays by name, as `state_dict()` gives them.
        config: what is needed to build the model again, in what JSON knows.
    """
    folder = Path(folder)
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"save_pretrained: config cannot be written as JSON ({error}); give plain values"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    # The configuration last: a folder that has one is complete.
    replace_file(folder / WEIGHTS, lambda path: write_weights(path, weights))
    replace_file(folder / CONFIG, lambda path: path.write_text(text + "\n", encoding="utf-8"))
    return folder


def write_weights(path: Path, weights: Mapping[str, "np.ndarray | Tensor"]) -> None:
    """Write one safetensors file."""
    if pair := one_tensor_twice(weights):
        raise ValueError(
            f"{pair[0]!r} and {pair[1]!r} are one tensor under two names, and would come back as two that "
            "drift apart; keep one name, and tie the two in the model"
        )
    if all(isinstance(weight, np.ndarray) for weight in weights.values()):
        from safetensors.numpy import save_file

        save_file({name: np.ascontiguousarray(weight) for name, weight in weights.items()}, path)
    else:
        import torch
        from safetensors.torch import save_file

        tensors = {name: torch.as_tensor(weight).detach().contiguous() for name, weight in weights.items()}
        save_file(tensors, path, {"format": "pt"})


def one_tensor_twice(weights: Mapping[str, "np.ndarray | Tensor"]) -> tuple[str, str] | None:
    """The names of two weights that share their memory, if there are any."""
    owners: dict[int, str] = {}
    for name, weight in weights.items():
        address = weight.ctypes.data if isinstance(weight, np.ndarray) else weight.data_ptr()
        if 0 not in weight.shape and owners.setdefault(address, name) != name:
            return owners[address], name
    return None


def replace_file(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` write a file beside `path`, and put it in place once it is whole."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _read_torch(path: Path, widen: bool) -> dict[str, "Tensor"]:
    import torch
    from safetensors.torch import load_file

    weights = load_file(path)
    if widen:
        half = (torch.bfloat16, torch.float16)
        weights = {name: w.float() if w.dtype in half else w for name, w in weights.items()}
    return weights


def _read_numpy(path: Path, widen: bool) -> dict[str, np.ndarray]:
    stored = safetensors.deserialize(path.read_bytes())
    return {name: _array(name, view, widen) for name, view in stored}


def _array(name: str, view: Mapping[str, Any], widen: bool) -> np.ndarray:
    kind = view["dtype"]
    if kind not in _NUMPY_TYPES or (kind == "BF16" and not widen):
        raise ValueError(
            f"the weight {name!r} is stored as {kind}, which NumPy does not have; "
            + ("read it with precision='float32'" if kind == "BF16" else "read it with framework='torch'")
        )
    values = np.frombuffer(view["data"], dtype=_NUMPY_TYPES[kind]).reshape(view["shape"])
    if kind == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32) if kind == "F16" and widen else values
