"""A smooth series for when there is nothing else; always marked SYNTHETIC, never saved under another name."""

import numpy as np

from wayscan.forecast.series.table import SYNTHETIC, Table, hash_values

ROWS = 2516  # ten years of trading days, as long as the seed's series


def synthetic(stands_for: str = "series", *, rows: int = ROWS, seed: int = 0) -> Table:
    """Two waves, a trend and a random walk of a tenth of their size.

    Args:
        stands_for: what could not be had; it becomes part of the name.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    walk = np.cumsum(rng.standard_normal(rows)) * 0.1
    values = 100 + 0.02 * t + 8 * np.sin(t / 40) + 3 * np.sin(t / 9 + 1) + walk
    return Table(
        name=f"{SYNTHETIC}-{stands_for}",
        values=values[:, None],
        columns=("value",),
        dates=tuple(str(each) for each in t),
        source=f"{SYNTHETIC}: generated waves, trend and noise, no real data",
        target="value",
        synthetic=True,
        sha256=hash_values(values),
    )
