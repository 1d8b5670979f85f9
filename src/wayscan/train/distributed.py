"""The processes of a run: one, or as many as `accelerate launch` (GPUs) or `torchrun` (CPUs too) started."""

import atexit
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from accelerate import PartialState
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

_KNOWN = (DistributedType.NO, DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)


class Processes:
    """Who we are among the processes, where we compute, and how we speak to the others."""

    def __init__(self, *, cpu: bool = False) -> None:
        cpu = cpu or not (torch.cuda.is_available() or torch.backends.mps.is_available())
        state = PartialState(cpu=True) if cpu else PartialState()
        if state.distributed_type not in _KNOWN:
            raise ValueError(
                f"accelerate launched {state.distributed_type.value}; expected one process or plain data "
                "parallelism (MULTI_GPU, MULTI_CPU): run `accelerate config` again"
            )
        self._state = state
        self.device: torch.device = torch.device("cpu" if cpu or state.device is None else state.device)
        self.rank, self.count = state.process_index, state.num_processes
        if self.count > 1:
            atexit.register(_leave)  # a process that ends without leaving the group may be aborted

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def wait(self) -> None:
        self._state.wait_for_everyone()

    def on_main(self, action: Callable[[], None]) -> None:
        """Let the main process do something; when it fails, it fails in all of them."""
        problem: Exception | None = None
        if self.is_main:
            try:
                action()
            except Exception as error:
                if self.count == 1:
                    raise
                problem = error
        if (problem := self.from_main(problem)) is not None:
            raise problem

    def share_gradients(self, module: nn.Module, *, unused_parameters: bool) -> nn.Module:
        """Wrap `module` so that its gradients are averaged over the processes."""
        if self.count == 1:
            return module
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=devices, find_unused_parameters=unused_parameters)

    def last_piece(self, module: nn.Module, is_last: bool) -> AbstractContextManager[object]:
        """Exchange gradients in the backward pass of a step's last piece only."""
        if is_last or not isinstance(module, DistributedDataParallel):
            return nullcontext()
        return module.no_sync()

    def sum(self, values: Tensor) -> Tensor:
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def gather(self, value: object) -> list[Any]:
        """Every process's value, in the order of ranks, for every process."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values

    def from_main(self, value: Any) -> Any:
        """The main process's value, for every process."""
        values: Sequence[Any] = [value]
        if self.count > 1:
            dist.broadcast_object_list(values, src=0)  # type: ignore[arg-type]
        return values[0]


def check_precision(precision: str) -> None:
    """Refuse a precision that `accelerate launch --mixed_precision` was told otherwise."""
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no").lower()
    if launched not in ("no", precision):
        raise ValueError(
            f"accelerate was told to compute in {launched}, but precision is {precision!r}; expected the "
            f"same of both: give precision {launched!r}, or accelerate --mixed_precision no"
        )


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
