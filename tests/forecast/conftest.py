"""The twins of the networks lie beside the benches: make them importable. Small series for all tests."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wayscan.forecast.series.table import Table, hash_values

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)


@pytest.fixture
def waves() -> Table:
    """120 rows of two waves, above zero, and a column beside them."""
    t = np.arange(120)
    values = np.stack([3 + np.sin(t / 3) + 0.3 * np.sin(t), 0.02 * t + np.cos(t / 3)], axis=1)
    return Table(
        name="waves",
        values=values,
        columns=("height", "tide"),
        dates=tuple(map(str, t)),
        source="made for tests",
        target="height",
        season=19,
        unit="m",
        sha256=hash_values(values),
    )
