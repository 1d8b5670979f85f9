"""The only door for other people's checkpoints: tensors come in, code stays out."""

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wayscan.pretrained.folder import one_tensor_twice, replace_file, write_weights
from wayscan.pretrained.locate import WEIGHTS

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar")
WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and of torch.compile
REPORT = "conversion.json"
ASK_FOR_LESS = "ask its author for the state dict alone, or for safetensors"


@dataclass(frozen=True, kw_only=True)
class ConversionReport:
    """What became of a checkpoint; also written beside the weights as conversion.json.

    Attributes:
        source, sha256: the file that was read.
        output: the safetensors file that was written.
        unwrapped: the keys under which the weights lay, outermost first.
        stripped: what was taken off the front of every name.
        tensors: dtype and shape of each weight, by its new name.
        left_out: what lay beside the weights and was not kept, by name: its type.
    """

    source: str
    sha256: str
    output: str
    unwrapped: tuple[str, ...]
    stripped: str
    tensors: dict[str, tuple[str, tuple[int, ...]]]
    left_out: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{self.source} → {self.output}: {len(self.tensors)} tensors"]
        if self.unwrapped:
            lines.append(f"  found under {' → '.join(self.unwrapped)}")
        if self.stripped:
            lines.append(f"  {self.stripped!r} taken off the front of every name")
        lines += [f"  {name}  {dtype} {list(shape)}" for name, (dtype, shape) in self.tensors.items()]
        lines += [f"  left out: {name} ({kind})" for name, kind in self.left_out.items()]
        return "\n".join(lines)


def convert(path: str | Path, folder: str | Path) -> ConversionReport:
    """Turn a checkpoint of PyTorch's into model.safetensors and conversion.json.

    Args:
        path: a .pt or .pth file with a state dict, bare or under "state_dict", "model", "net" … of another.
        folder: where to write.

    Raises:
        ValueError: the file holds something else; the reason is in one line, and nothing was written.
    """
    path, folder = Path(path), Path(folder)
    weights, unwrapped, left_out = _unwrap(path, _read_tensors_only(path))
    weights, stripped = _strip_prefixes(weights)
    _refuse_odd_tensors(path, weights)
    report = ConversionReport(
        source=str(path),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        output=str(folder / WEIGHTS),
        unwrapped=unwrapped,
        stripped=stripped,
        tensors={name: (str(w.dtype).removeprefix("torch."), tuple(w.shape)) for name, w in weights.items()},
        left_out=left_out,
    )
    own_memory = {name: weight.clone() for name, weight in weights.items()}
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / WEIGHTS, lambda file: write_weights(file, own_memory))
    text = json.dumps(asdict(report), indent=2, ensure_ascii=False)
    replace_file(folder / REPORT, lambda file: file.write_text(text + "\n", encoding="utf-8"))
    return report


def _read_tensors_only(path: Path) -> Any:
    if not path.is_file():
        raise _refusal(path, "there is no such file")
    if path.suffix == ".safetensors":
        raise _refusal(path, "it is a safetensors file already, use it as it is")
    if path.suffix not in SUFFIXES:
        raise _refusal(path, f"expected a checkpoint of PyTorch's, {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise _refusal(path, "the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what is refused a line later
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises anything, from EOFError to AssertionError, on other files
        raise _refusal(path, _why_unreadable(str(error))) from error


def _why_unreadable(message: str) -> str:
    if code := re.search(r"GLOBAL ([\w.]+)", message):
        return (
            f"it holds Python code ({code.group(1)}) beside its tensors, and reading it would run that code; "
            f"{ASK_FOR_LESS}"
        )
    if "TorchScript" in message:
        return f"it is TorchScript, which is code; {ASK_FOR_LESS}"
    return "it is not a checkpoint of PyTorch's, or it is damaged"


def _unwrap(path: Path, content: Any) -> tuple[dict[str, Tensor], tuple[str, ...], dict[str, str]]:
    """The innermost state dict, the way to it, and what lies beside it."""
    unwrapped: tuple[str, ...] = ()
    left_out: dict[str, str] = {}
    while isinstance(content, Mapping):
        wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        weights = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        for key, value in content.items():
            if key != wrapper and (wrapper or not isinstance(value, Tensor)):
                left_out[".".join((*unwrapped, str(key)))] = type(value).__name__
        if wrapper is None and weights:
            return weights, unwrapped, left_out
        if wrapper is None:
            break
        unwrapped += (wrapper,)
        content = content[wrapper]
    found = ", ".join(f"{name} ({kind})" for name, kind in left_out.items()) or type(content).__name__
    raise _refusal(path, f"no tensors in it, only {found}; expected a state dict")


def _strip_prefixes(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    stripped = ""
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in weights)), ""):
        weights = {name.removeprefix(prefix): weight for name, weight in weights.items()}
        stripped += prefix
    return weights, stripped


def _refuse_odd_tensors(path: Path, weights: dict[str, Tensor]) -> None:
    for name, weight in weights.items():
        if weight.layout != torch.strided or weight.is_quantized or weight.is_meta:
            raise _refusal(path, f"{name!r} is a sparse, quantised or hollow tensor, expected plain numbers")
    if pair := one_tensor_twice(weights):
        first, second = pair
        raise _refusal(path, f"{first!r} and {second!r} are one tensor under two names, expected one")


def _refusal(path: Path, reason: str) -> ValueError:
    return ValueError(f"{path} refused: {reason}")
