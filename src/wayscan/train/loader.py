"""Batches as a function of the step, so that a run can go on at the very record where it stopped.

The epochs, each shuffled by (seed, epoch), form one endless stream of records; step s takes the records
(s - 1) * B to s * B of it. No batch is short, no state needs saving, and neither the number of processes,
pieces nor data workers changes which records a step sees, nor what randomness they get.
"""

import random
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from wayscan.train.determinism import SeededGenerator, generator, seed_of
from wayscan.train.task import Batch, TrainingSet

Key = tuple[int | str, int]  # (epoch, index); validation's epoch is a word, for it repeats

_ALIGNMENT = 64


class EpochOrder:
    """The stream of records: position → (epoch, index)."""

    def __init__(self, records: TrainingSet, seed: int) -> None:
        self._order: Callable[[np.random.Generator], Any] | None = getattr(records, "order", None)
        self._records, self._seed = len(records), seed
        self._epoch, self._indices = 0, self._shuffled(0)
        self.length = len(self._indices)
        if self.length == 0:
            raise ValueError(
                "the training set is empty (its length is 0); expected at least one record: check its path"
            )

    def keys(self, start: int, stop: int) -> list[Key]:
        return [self._key(position) for position in range(start, stop)]

    def _key(self, position: int) -> Key:
        epoch, place = divmod(position, self.length)
        if epoch != self._epoch:
            self._epoch, self._indices = epoch, self._shuffled(epoch)
        return epoch, int(self._indices[place])

    def _shuffled(self, epoch: int) -> np.ndarray:
        rng = generator(self._seed, "order", epoch)
        if self._order is None:
            return rng.permutation(self._records)
        indices = np.asarray(self._order(rng))
        if epoch > 0 and len(indices) != self.length:
            raise ValueError(
                f"order() gave {len(indices)} records in epoch {epoch} and {self.length} before; expected "
                "equally many in every epoch"
            )
        return indices


class RecordStream:
    """This process's share of every step's records, loaded ahead by worker processes.

    Args:
        records: the training set.
        seed: of the order and of each record's randomness.
        batch_size: records in a step, over all processes and pieces.
        start: steps already done.
        steps: last step that will be drawn.
        rank, processes: which share of each batch is ours.
        pieces: how many pieces to cut our share into.
        workers: loading processes; 0 loads in this one.
    """

    def __init__(
        self,
        records: TrainingSet,
        *,
        seed: int,
        batch_size: int,
        start: int = 0,
        steps: int,
        rank: int = 0,
        processes: int = 1,
        pieces: int = 1,
        workers: int = 0,
    ) -> None:
        check_shares(batch_size, processes, pieces)
        self.order = EpochOrder(records, seed)
        self.batch_size, self.pieces = batch_size, pieces
        self._next = start + 1
        shares = _Shares(self.order, batch_size, start, steps, rank, processes, pieces)
        self._batches = iter(_loader(records, seed, shares, workers))

    def draw(self, step: int) -> list[Batch]:
        if step != self._next:
            raise ValueError(f"step {step} was asked for; expected {self._next}: steps are drawn in order")
        self._next += 1
        return [next(self._batches) for _ in range(self.pieces)]

    def epoch(self, step: int) -> float:
        """How many epochs are done after `step`."""
        return step * self.batch_size / self.order.length

    def close(self) -> None:
        self._batches = iter(())  # lets go of the workers


def check_shares(batch_size: int, processes: int, pieces: int) -> None:
    if batch_size < processes * pieces:
        raise ValueError(
            f"batch_size is {batch_size}; expected at least {processes * pieces}, one record for each of "
            f"{processes} process(es) x {pieces} piece(s): raise it or lower accumulate"
        )


def in_order(
    records: TrainingSet, *, seed: int, batch_size: int, rank: int, processes: int, workers: int
) -> Iterator[Batch]:
    """Every record once, unshuffled, for validation; batch k is that of process k % `processes`."""
    starts = range(rank * batch_size, len(records), processes * batch_size)
    keys = [
        [("validation", index) for index in range(at, min(at + batch_size, len(records)))] for at in starts
    ]
    return iter(_loader(records, seed, keys, workers))


class _Shares:
    """Yields the keys of one piece after the other, from the step after `start`."""

    def __init__(
        self,
        order: EpochOrder,
        batch_size: int,
        start: int,
        steps: int,
        rank: int,
        processes: int,
        pieces: int,
    ) -> None:
        cuts = np.linspace(0, batch_size, processes * pieces + 1).astype(int)
        ours = range(rank * pieces, (rank + 1) * pieces)
        self._spans = [(int(cuts[piece]), int(cuts[piece + 1])) for piece in ours]
        self._order, self._batch_size, self._steps = order, batch_size, range(start, steps)

    def __iter__(self) -> Iterator[list[Key]]:
        for step in self._steps:
            at = step * self._batch_size
            for first, last in self._spans:
                yield self._order.keys(at + first, at + last)

    def __len__(self) -> int:
        return len(self._steps) * len(self._spans)


class _Keyed(Dataset):
    """Records by (epoch, index), each with its own randomness, also in the global generators."""

    def __init__(self, records: TrainingSet, seed: int) -> None:
        self.records, self.seed = records, seed
        self.rng = SeededGenerator()

    def __getitem__(self, key: Key) -> tuple[int, Any]:
        epoch, index = key
        seed = seed_of(self.seed, "record", epoch, index)
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        torch.default_generator.manual_seed(seed & 0x7FFFFFFFFFFFFFFF)
        return index, self.records.record(index, self.rng.at(seed))


class _Collated:
    """Joins records into a Batch; a class, so that it can be sent to worker processes."""

    def __init__(self, records: TrainingSet) -> None:
        self._collate: Callable[[list[Any]], Any] = getattr(records, "collate", default_collate)

    def __call__(self, items: Sequence[tuple[int, Any]]) -> Batch:
        indices, records = zip(*items, strict=True)
        return Batch(list(indices), _aligned(self._collate(list(records))))


def _loader(records: TrainingSet, seed: int, keys: Any, workers: int) -> DataLoader:
    return DataLoader(
        _Keyed(records, seed),
        batch_sampler=keys,
        collate_fn=_Collated(records),
        num_workers=workers,
        worker_init_fn=_calm_worker,
        pin_memory=torch.cuda.is_available(),
    )


def _calm_worker(_: int) -> None:
    """Ctrl-C is the parent's affair, which ends its workers itself; and one thread each is enough."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)


def _aligned(data: Any) -> Any:
    """Move tensors that wrap foreign memory to torch's own: BLAS may round by where its input begins."""
    return map_tensors(data, lambda tensor: tensor.clone() if tensor.data_ptr() % _ALIGNMENT else tensor)


def map_tensors(data: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply `change` to every tensor in nested dicts, lists, tuples and named tuples."""
    if isinstance(data, Tensor):
        return change(data)
    if isinstance(data, dict):
        return {key: map_tensors(value, change) for key, value in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(map_tensors(value, change) for value in data))
    if isinstance(data, (list, tuple)):
        return type(data)(map_tensors(value, change) for value in data)
    return data
