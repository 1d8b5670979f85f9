"""How every reader goes over many records: in order or by number, and what becomes of the broken ones."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

Record = TypeVar("Record")

FAULTS_KEPT = 5


class Records(Generic[Record]):
    """Records that are read when they are asked for: `len`, `[k]`, and loops as often as one likes.

    A broken record stops a loop with its fault. With `skip_bad` a loop goes on, counts it in `skipped`,
    keeps the first faults in `faults`, and warns at the end with both, so that nothing is lost silently.

    Args:
        places: one for each record, whatever `read` needs. A place may be the fault that was met when looking
            for it, which is then raised or skipped in its turn.
        source: what is read, for the report.
    """

    def __init__(
        self, places: Sequence[Any], read: Callable[[Any], Record], *, source: str, skip_bad: bool = False
    ) -> None:
        self._places, self._read = places, read
        self.source, self.skip_bad = source, skip_bad
        self.taken = self.skipped = 0
        self.faults: list[str] = []

    def __len__(self) -> int:
        """How many there are, the broken ones included."""
        return len(self._places)

    def __getitem__(self, k: int) -> Record:
        """Record k; a broken one raises, with or without `skip_bad`."""
        place = self._places[k]
        if isinstance(place, ValueError):
            raise place
        return self._read(place)

    def __iter__(self) -> Iterator[Record]:
        self.taken = self.skipped = 0
        self.faults = []
        for k in range(len(self)):
            try:
                record = self[k]
            except (ValueError, OSError) as fault:
                if not self.skip_bad:
                    raise
                self.skipped += 1
                self.faults += [str(fault)] if len(self.faults) < FAULTS_KEPT else []
                continue
            self.taken += 1
            yield record
        if self.skipped:
            warnings.warn(self.report(), stacklevel=2)

    def report(self) -> str:
        """What the last loop read and skipped, in one line."""
        if not self.skipped:
            return f"{self.source}: read {self.taken}, skipped none"
        shown = " | ".join(self.faults)
        more = f" | and {self.skipped - len(self.faults)} more" if self.skipped > len(self.faults) else ""
        return f"{self.source}: read {self.taken}, skipped {self.skipped}: {shown}{more}"

    def __repr__(self) -> str:
        return f"Records({len(self)} of {self.source})"
