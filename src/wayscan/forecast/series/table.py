"""A series in memory: named columns of finite numbers, in the order of time, and where they come from."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.names import nearest

SYNTHETIC = "SYNTHETIC"


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """T rows of numbers.

    Args:
        name: of the series; a synthetic one's begins with SYNTHETIC.
        values: (T, columns), finite.
        columns: their names.
        dates: one label a row.
        source: where it comes from, in words.
        target: the column that is forecast unless another is asked for.
        season: rows in a season, if that is known.
        unit: of the target.
        notes: what was done to it, to be shown.
        fetched: the date of a download.
        sha256: of the file it was read from; of its values where there was none.
    """

    name: str
    values: NDArray[np.float64]
    columns: tuple[str, ...]
    dates: tuple[str, ...]
    source: str
    target: str
    season: int | None = None
    unit: str = ""
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    fetched: str | None = None
    sha256: str = ""

    def column(self, name: str) -> NDArray[np.float64]:
        """(T,)"""
        return self.values[:, find_column(name, self.columns, self.name)]

    def about(self) -> dict[str, Any]:
        """What a result says about its data."""
        named = ("name", "source", "synthetic", "sha256", "fetched", "unit")
        rows = {"rows": len(self.values), "first": self.dates[0], "last": self.dates[-1]}
        return {each: getattr(self, each) for each in named} | rows


def find_column(name: str, columns: tuple[str, ...] | list[str], where: str) -> int:
    """The place of a column; an unknown one raises with the nearest."""
    if name in columns:
        return columns.index(name)
    folded = [each.lower() for each in columns]
    if name.lower() in folded:
        return folded.index(name.lower())
    raise ValueError(f"{where} has no column {name!r}; {nearest(name, columns)}")


def hash_values(values: NDArray[np.float64]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, "<f8").tobytes()).hexdigest()
