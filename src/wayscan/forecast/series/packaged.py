"""The real series in the package: yearly sunspots and CO₂ at Mauna Loa, both in the public domain.

LICENCES.md beside the files says where each comes from.
"""

import hashlib
from pathlib import Path

import numpy as np

from wayscan.forecast.series.files import read_csv
from wayscan.forecast.series.table import Table

FOLDER = Path(__file__).parent
PACKAGED = ("sunspots", "co2", "co2-weekly")
_SUNSPOTS = "sunspots of a year, 1700-2008, NOAA (public domain)"
_CO2 = "CO₂ at Mauna Loa, 1958-2001, Keeling and Whorf, CDIAC (public domain)"


def packaged(name: str) -> Table:
    """A series by name, see PACKAGED."""
    return {"sunspots": _sunspots, "co2": _co2_monthly, "co2-weekly": _co2_weekly}[name]()


def _sunspots() -> Table:
    read = read_csv(FOLDER / "sunspots.csv")
    return Table(
        name="sunspots", values=read.values, columns=read.columns, dates=read.dates, source=_SUNSPOTS,
        target=read.target, season=11, unit="sunspots", sha256=read.sha256,
    )  # fmt: skip


def _co2_weekly() -> Table:
    read = read_csv(FOLDER / "co2.csv", gaps="interpolate")
    return Table(
        name="co2-weekly", values=read.values, columns=read.columns, dates=read.dates, source=_CO2,
        target=read.target, season=52, unit="ppm", notes=read.notes, sha256=read.sha256,
    )  # fmt: skip


def _co2_monthly() -> Table:
    """Means of a month's weeks; the months without a measurement lie on a straight line."""
    lines = (FOLDER / "co2.csv").read_text(encoding="utf-8").splitlines()[1:]
    weeks: dict[str, list[float]] = {}
    for date, value in (line.split(",") for line in lines):
        weeks.setdefault(date[:7], []).extend([float(value)] if value else [])
    means = np.array([np.mean(values) if values else np.nan for values in weeks.values()])
    rows, good = np.arange(len(means)), np.isfinite(means)
    values = np.interp(rows, rows[good], means[good])
    return Table(
        name="co2", values=values[:, None], columns=("co2",), dates=tuple(weeks),
        source=f"{_CO2}, monthly means", target="co2", season=12, unit="ppm",
        notes=(f"{(~good).sum()} months without a measurement interpolated",),
        sha256=hashlib.sha256((FOLDER / "co2.csv").read_bytes()).hexdigest(),
    )  # fmt: skip
