"""Saving and loading the whole state of a run, exactly and without holding the training up for long.

Training waits only while its tensors are copied (into buffers that are kept for the next time); a thread then
writes the copy, syncs it and renames it. Killed at any moment, the folder has this checkpoint or the last.
"""

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from wayscan.data.runs.checkpoints import CheckpointFolder
from wayscan.data.runs.folder import Run
from wayscan.data.runs.journal import Journal
from wayscan.data.runs.settings import difference_table, differences
from wayscan.data.tensor_file import RawTensor, read_header
from wayscan.train.modules import as_bytes

_KINDS = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32",
    torch.int64: "I64", torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32",
    torch.float64: "F64",
}  # fmt: skip

_ALIGNMENT = 64

State = Mapping[str, Any]


class Checkpointer:
    """Writes checkpoints in the background, each after making the lines of `journal` durable.

    Any nested state of dicts, lists, tuples, numbers, text, tensors and arrays will do:

        checkpointer = Checkpointer(run.checkpoints())
        checkpointer.save(step, {"model": model.state_dict(), "optimiser": optimiser.state_dict()})
        checkpointer.close()
    """

    def __init__(self, folder: CheckpointFolder, journal: Journal | None = None) -> None:
        self.folder, self.journal = folder, journal
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: dict[str, Future[None]] = {}
        self._copies = {"step": _Copy(), "best": _Copy()}

    def reserve(self, step: int, best: int) -> None:
        """Take the memory for copies of so many bytes now, and not when training waits for it."""
        self._copies["step"].reserve(step)
        self._copies["best"].reserve(best)

    def save(self, step: int, state: State) -> None:
        """Copy `state` now, write it soon. Waits for the write before, and raises what went wrong with it."""
        self._wait("step")
        skeleton, tensors = take_apart(state)
        raw = _raw(self._copies["step"].of(tensors))
        self._writing["step"] = self._writer.submit(self._write, step, raw, _metadata(step, skeleton))

    def save_best(self, step: int, weights: Mapping[str, Tensor], about: State) -> None:
        """Keep these weights as the best so far; `about` says why (metric, value)."""
        self._wait("best")
        raw = _raw(self._copies["best"].of(weights))
        self._writing["best"] = self._writer.submit(self.folder.write_best, raw, _metadata(step, about))

    def poll(self) -> None:
        """Raise what went wrong with a write that is over; costs nothing otherwise."""
        for kind, writing in list(self._writing.items()):
            if writing.done():
                self._wait(kind)

    def wait(self) -> None:
        """Return when all that was saved is on the disk."""
        for kind in list(self._writing):
            self._wait(kind)

    def shut(self) -> None:
        """End the writing thread, after what it is writing; errors are for `wait` to tell."""
        self._writer.shutdown()

    def close(self) -> None:
        try:
            self.wait()
        finally:
            self.shut()

    def _write(self, step: int, raw: Mapping[str, RawTensor], metadata: Mapping[str, str]) -> None:
        if self.journal is not None:
            self.journal.sync()  # first the lines that this checkpoint relies on
        self.folder.write(step, raw, metadata)

    def _wait(self, kind: str) -> None:
        if writing := self._writing.pop(kind, None):
            writing.result()


class _Copy:
    """Room on the CPU for a copy of tensors, kept for the next: fresh memory costs more than the copying.

    One array for all: NumPy asks for huge pages, which come much faster.
    """

    def __init__(self) -> None:
        self._room = np.empty(0, np.uint8)

    def reserve(self, size: int) -> None:
        if size > len(self._room):
            self._room = np.empty(size, np.uint8)
            self._room[::4096] = 0  # the system gives memory when it is first written to

    def of(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        ends = np.cumsum(
            [-(-value.nbytes // _ALIGNMENT) * _ALIGNMENT for value in tensors.values()], dtype=int
        )
        self.reserve(int(ends[-1]) if len(ends) else 0)
        room, copies, start = torch.from_numpy(self._room), {}, 0
        for (name, value), end in zip(tensors.items(), ends.tolist(), strict=True):
            copies[name] = room[start : start + value.nbytes].view(value.dtype).view(value.shape)
            copies[name].copy_(value)
            start = end
        return copies


def load_state(path: Path) -> dict[str, Any]:
    """The state that `Checkpointer.save` was given, on the CPU."""
    header = read_header(path)
    with safe_open(path, framework="pt") as file:
        # Copies, for what the file maps begins anywhere, and BLAS may round by where its input begins.
        tensors = {name: file.get_tensor(name).clone() for name in header.tensors}
    return put_together(json.loads(header.metadata["state"]), tensors)


def load_weights(model: nn.Module, run: Path, which: str = "best") -> int:
    """Load a run's weights into `model`; return the step they are from.

    Args:
        which: "best" (as evaluated: averaged weights, if the run averages) or "last".
    """
    if which not in ("best", "last"):
        raise ValueError(f"which is {which!r}; expected 'best' or 'last'")
    opened = Run.open(run)
    path = opened.checkpoints().best if which == "best" else opened.checkpoints().last()[0]
    if path is None or not path.exists():
        hint = (
            ": it was never evaluated; ask for 'last'"
            if which == "best"
            else " that can be read: start it again"
        )
        raise ValueError(f"{run} has no {which} checkpoint{hint}")
    header = read_header(path)
    prefix = "" if which == "best" else "model/"
    with safe_open(path, framework="pt") as file:
        weights = {
            name[len(prefix) :]: file.get_tensor(name) for name in header.tensors if name.startswith(prefix)
        }
    frozen = tuple(f"{name}." for name in opened.about.get("frozen", ()))
    put_weights(
        model, weights, path, [name for name in model.state_dict() if frozen and name.startswith(frozen)]
    )
    return int(header.metadata["step"])


def put_weights(
    model: nn.Module, weights: Mapping[str, Tensor], path: Path, may_lack: Iterable[str] = ()
) -> None:
    """Load `weights` into `model`; names or shapes that differ are shown side by side, and nothing is loaded.

    Args:
        may_lack: names that the file need not have (those of frozen modules).
    """
    lacking = set(may_lack)
    there = {name: _shape(value) for name, value in weights.items()}
    here = {
        name: _shape(value)
        for name, value in model.state_dict().items()
        if name in there or name not in lacking
    }
    if rows := differences(there, here):
        shown = difference_table(rows[:20], "checkpoint", "this model")
        more = f"\n  ... and {len(rows) - 20} more" if len(rows) > 20 else ""
        raise ValueError(
            f"the model is not the one in {path}; these differ:\n{shown}{more}\nBuild the same model, "
            "or start a new run"
        )
    model.load_state_dict(dict(weights), strict=False)


def take_apart(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Split a nested state into JSON data and its tensors by path ("optimiser/state/0/exp_avg")."""
    tensors: dict[str, Tensor] = {}

    def visit(value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            tensors[path] = value.detach()
            return {"__tensor__": path}
        if isinstance(value, np.ndarray):
            tensors[path] = torch.from_numpy(np.ascontiguousarray(value))
            return {"__array__": path}
        if isinstance(value, np.generic):
            return visit(value.item(), path)
        if isinstance(value, Mapping):
            pairs = [[key, visit(item, f"{path}/{key}" if path else str(key))] for key, item in value.items()]
            return {"__dict__": pairs}
        if isinstance(value, (list, tuple)):
            items = [visit(item, f"{path}/{number}") for number, item in enumerate(value)]
            return {"__tuple__": items} if isinstance(value, tuple) else items
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise ValueError(
            f"state {path!r} is of type {type(value).__name__}; expected tensors, arrays, numbers, text, and "
            "dicts, lists or tuples of these: let state_dict() return only such"
        )

    return visit(state, ""), tensors


def put_together(skeleton: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The inverse of `take_apart`."""
    if isinstance(skeleton, list):
        return [put_together(item, tensors) for item in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    ((kind, content),) = skeleton.items()
    if kind == "__dict__":
        return {key: put_together(item, tensors) for key, item in content}
    if kind == "__tuple__":
        return tuple(put_together(item, tensors) for item in content)
    return tensors[content] if kind == "__tensor__" else tensors[content].numpy()


def _raw(tensors: Mapping[str, Tensor]) -> dict[str, RawTensor]:
    return {
        name: RawTensor(_KINDS[value.dtype], tuple(value.shape), as_bytes(value))
        for name, value in tensors.items()
    }


def _metadata(step: int, state: Any) -> dict[str, str]:
    return {"step": str(step), "state": json.dumps(state)}


def _shape(value: Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
