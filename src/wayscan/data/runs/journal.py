"""An append-only file of JSON lines, each with its step: metrics.jsonl and timings.jsonl."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wayscan.data.atomic import DiskFullError, free_bytes, is_disk_full, write_atomically

Line = dict[str, Any]

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Journal:
    """One JSON object a line; a line is there when its newline is.

    Strict JSON has no NaN, so numbers that are not finite are written as "NaN", "Infinity" and "-Infinity".
    `read` gives them back as floats, and passes over lines that a crash or a full disk cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def append(self, step: int, values: Mapping[str, object]) -> None:
        """Add a line; it survives a killed process at once, and a power cut from the next `sync` on."""
        written = {name: _strict(value) for name, value in values.items()}
        line = json.dumps({"step": step, **written}, allow_nan=False).encode() + b"\n"
        try:
            with open(self.path, "ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            if is_disk_full(error):
                raise DiskFullError(self.path, len(line), free_bytes(self.path.parent)) from error
            raise

    def read(self) -> list[Line]:
        return [line for _, line in self._lines()]

    def last(self) -> Line | None:
        lines = self.read()
        return lines[-1] if lines else None

    def cut_back(self, step: int) -> int:
        """Drop every line after `step` and every damaged one; return how many were dropped."""
        if not self.path.exists():
            return 0
        before = self.path.read_bytes()
        kept = [raw for raw, line in self._lines() if _step(line) <= step]
        if (after := b"".join(kept)) == before:
            return 0
        write_atomically(self.path, [after])
        return len(before.splitlines()) - len(kept)

    def sync(self) -> None:
        """Let all lines so far survive a power cut."""
        if self.path.exists():
            with open(self.path, "ab") as file:
                os.fsync(file.fileno())

    def _lines(self) -> Iterator[tuple[bytes, Line]]:
        if not self.path.exists():
            return
        for raw in self.path.read_bytes().splitlines(keepends=True):
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            if raw.endswith(b"\n") and isinstance(line, dict) and _step(line) >= 0:
                yield raw, {name: _NOT_FINITE.get(value, value) if isinstance(value, str) else value
                            for name, value in line.items()}  # fmt: skip


def _step(line: Line) -> int:
    step = line.get("step")
    return step if isinstance(step, int) else -1


def _strict(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
