"""Batches as a function of the step."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.train.loader import EpochOrder, RecordStream, in_order, map_tensors


class Numbered:
    """Records that tell their index and what randomness they got."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def record(self, index: int, rng: np.random.Generator) -> dict:
        return {"index": index, "own": rng.random(), "numpy": np.random.rand(), "torch": torch.rand(2)}

    def fingerprint(self) -> str:
        return "numbered"


class Chosen(Numbered):
    def order(self, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(0, 3, 5)


def stream(length: int = 10, **given) -> RecordStream:
    arguments = {"seed": 3, "batch_size": 4, "steps": 6, **given}
    return RecordStream(Numbered(length), **arguments)


def drawn(loaded: RecordStream, steps: range) -> list[list[int]]:
    return [[index for piece in loaded.draw(step) for index in piece.indices] for step in steps]


@given(length=st.integers(1, 12), batch=st.integers(1, 15), epochs=st.integers(1, 3))
def test_every_epoch_holds_every_record_once(length: int, batch: int, epochs: int):
    order = EpochOrder(Numbered(length), seed=0)
    keys = order.keys(0, epochs * length)
    for epoch in range(epochs):
        here = [index for number, index in keys if number == epoch]
        assert sorted(here) == list(range(length))


@settings(deadline=None, max_examples=25)
@given(start=st.integers(0, 5), batch=st.integers(4, 9), length=st.integers(1, 12))
def test_it_goes_on_at_the_very_record(start: int, batch: int, length: int):
    whole = drawn(stream(length, batch_size=batch), range(1, 7))
    assert drawn(stream(length, batch_size=batch, start=start), range(start + 1, 7)) == whole[start:]


@pytest.mark.parametrize(("processes", "pieces"), [(1, 1), (1, 3), (2, 1), (2, 2)])
def test_processes_and_pieces_share_a_batch(processes: int, pieces: int):
    whole = drawn(stream(batch_size=7), range(1, 7))
    shares = [
        drawn(stream(batch_size=7, rank=rank, processes=processes, pieces=pieces), range(1, 7))
        for rank in range(processes)
    ]
    assert [[index for share in step for index in share] for step in zip(*shares, strict=True)] == whole


def contents(workers: int) -> list:
    loaded = stream(workers=workers)
    pieces = [loaded.draw(step)[0] for step in range(1, 7)]
    loaded.close()
    return pieces


def test_workers_change_nothing():
    for alone, helped in zip(contents(0), contents(2), strict=True):
        assert alone.indices == helped.indices
        for name in alone.data:
            assert torch.equal(alone.data[name], helped.data[name])


def test_a_record_is_random_anew_in_each_epoch_and_only_there():
    loaded = stream(2, batch_size=2, steps=3)
    seen = [
        dict(zip(piece.indices, piece.data["own"].tolist(), strict=True))
        for (piece,) in map(loaded.draw, (1, 2, 3))
    ]
    assert len({one[0] for one in seen} | {one[1] for one in seen}) == 6


def test_an_order_of_ones_own():
    loaded = RecordStream(Chosen(9), seed=0, batch_size=5, steps=4)
    assert loaded.epoch(4) == 4.0
    counts = Counter(index for step in drawn(loaded, range(1, 5)) for index in step)
    assert set(counts) <= {0, 1, 2}


def test_an_order_must_stay_as_long():
    class Growing(Chosen):
        def order(self, rng: np.random.Generator) -> np.ndarray:
            self.length += 1
            return np.arange(self.length)

    with pytest.raises(ValueError, match="equally many"):
        EpochOrder(Growing(3), 0).keys(0, 20)


def test_bad_asking():
    with pytest.raises(ValueError, match="training set is empty"):
        stream(0)
    with pytest.raises(
        ValueError, match=r"batch_size is 4; expected at least 6.*raise it or lower accumulate"
    ):
        stream(processes=2, pieces=3)
    with pytest.raises(ValueError, match="step 2 was asked for; expected 1"):
        stream().draw(2)


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_validation_takes_each_record_once(processes: int):
    batches = [
        batch
        for rank in range(processes)
        for batch in in_order(Numbered(10), seed=0, batch_size=3, rank=rank, processes=processes, workers=0)
    ]
    assert sorted(index for batch in batches for index in batch.indices) == list(range(10))


def test_tensors_begin_where_they_are_wanted():
    class Foreign(Numbered):
        def collate(self, records: list) -> torch.Tensor:
            return torch.from_numpy(np.zeros(100, np.float32)[3:])

    (piece,) = RecordStream(Foreign(4), seed=0, batch_size=2, steps=1).draw(1)
    assert piece.data.data_ptr() % 64 == 0


def test_nested_tensors_are_found():
    from wayscan.train.task import Batch

    data = {"a": [torch.ones(1), (torch.ones(2), "text")], "b": Batch([1], torch.ones(3))}
    doubled = map_tensors(data, lambda tensor: 2 * tensor)
    assert doubled["a"][0].item() == 2
    assert doubled["a"][1][1] == "text"
    assert doubled["b"].indices == [1]
    assert doubled["b"].data.sum() == 6
