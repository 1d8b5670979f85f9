"""Training samples for a device that learns faster than one process draws: many processes, shared memory."""

import math
import mmap
import multiprocessing
import queue
import threading
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from wayscan.track.sources import PairSource


class Feed:
    """Batches 0, 1, 2 … of a seed, drawn from a source by forked processes into shared memory and carried to
    the device in order.
    """

    def __init__(self, seed: int, batch: int, source: PairSource, workers: int, depth: int = 3) -> None:
        context = multiprocessing.get_context("fork")
        example = _drawn(source, seed, range(1))
        self.slots = [[_shared(example, batch) for _ in range(depth)] for _ in range(workers)]
        self.free = [context.Semaphore(depth) for _ in range(workers)]
        self.full = [context.Semaphore(0) for _ in range(workers)]
        self.carried: queue.Queue[dict[str, Tensor] | None] = queue.Queue(maxsize=4)
        self.taken = 0

        def work(worker: int) -> None:
            cv2.setNumThreads(0)
            for k in range(10**9):
                self.free[worker].acquire()
                start = (worker + k * workers) * batch
                drawn = _drawn(source, seed, range(start, start + batch))
                for name, place in self.slots[worker][k % depth].items():
                    place[:] = drawn[name]
                self.full[worker].release()

        self.processes = [context.Process(target=work, args=(w,), daemon=True) for w in range(workers)]
        for process in self.processes:
            process.start()

    def carry_to(self, device: str) -> None:
        """Start to bring batches to the device; not before all forks are done."""
        threading.Thread(target=self._carry, args=(device,), daemon=True).start()

    def take(self, wait: bool) -> dict[str, Tensor] | None:
        """The next batch on the device, or None if it is not there yet and `wait` is False."""
        try:
            batch = self.carried.get(block=wait)
        except queue.Empty:
            return None
        if batch is None:
            alive = sum(process.is_alive() for process in self.processes)
            raise RuntimeError(
                f"no batch came within 120 s; {alive} of {len(self.processes)} workers are alive"
            )
        self.taken += 1
        return batch

    def close(self) -> None:
        for process in self.processes:
            process.terminate()

    def _carry(self, device: str) -> None:
        stream = torch.cuda.Stream() if device == "cuda" else None
        for k in range(10**9):
            round_, worker = divmod(k, len(self.slots))
            if not self.full[worker].acquire(timeout=120):
                self.carried.put(None)
                return
            slot = self.slots[worker][round_ % len(self.slots[worker])]
            with torch.cuda.stream(stream):
                batch = {name: torch.from_numpy(place).to(device, copy=True) for name, place in slot.items()}
            if stream is not None:
                stream.synchronize()
                for tensor in batch.values():
                    tensor.record_stream(torch.cuda.default_stream())
            self.free[worker].release()
            self.carried.put(batch)


def _drawn(source: PairSource, seed: int, indices: range) -> dict[str, np.ndarray]:
    """Samples by number, each a function of (seed, index) alone."""
    samples = [source.pair(np.random.default_rng((seed, index))) for index in indices]
    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def _shared(example: dict[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
    """Arrays of `batch` samples in memory that forked processes share."""
    places = {}
    for name, array in example.items():
        shape = (batch, *array.shape[1:])
        memory = mmap.mmap(-1, math.prod(shape) * array.itemsize)
        places[name] = np.frombuffer(memory, dtype=array.dtype).reshape(shape)
    return places


class Pool:
    """The latest samples on the device, so that each can be learnt from more than once."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.filled, self.next = capacity, 0, 0
        self.kept: dict[str, Tensor] = {}

    def add(self, batch: dict[str, Tensor]) -> None:
        count = len(batch["search"])
        if not self.kept:
            self.capacity -= self.capacity % count
            self.kept = {name: x.new_empty(self.capacity, *x.shape[1:]) for name, x in batch.items()}
        for name, x in batch.items():
            self.kept[name][self.next : self.next + count] = x
        self.next = (self.next + count) % self.capacity
        self.filled = min(self.filled + count, self.capacity)

    def draw(self, count: int) -> dict[str, Tensor]:
        device = self.kept["search"].device
        places = torch.randint(self.filled, (count,), device=device)
        return {name: x[places] for name, x in self.kept.items()}


def batches(feed: Feed, pool: Pool, count: int, reuse: int) -> Iterator[dict[str, Tensor]]:
    """Fresh batches as they come; while none is ready, samples of the pool, each fresh batch used `reuse`
    times.
    """
    since = reuse
    while True:
        fresh = feed.take(wait=since >= reuse)
        since = since + 1 if fresh is None else 1
        if fresh is not None and reuse > 1:
            pool.add(fresh)
        yield pool.draw(count) if fresh is None else fresh
