"""From a name to a Table: packaged series, CSV files, tickers with their fallbacks."""

import sys
from pathlib import Path
from typing import Any

from wayscan.forecast.config import ForecastConfig
from wayscan.forecast.series import yahoo
from wayscan.forecast.series.files import read_csv
from wayscan.forecast.series.packaged import PACKAGED, packaged
from wayscan.forecast.series.synthetic import synthetic
from wayscan.forecast.series.table import Table, find_column
from wayscan.names import nearest

_TICKER = "ticker:"


def load_series(config: ForecastConfig, *, fallback: Path | None = None, refresh: bool = False) -> Table:
    """What `config.data` means.

    Args:
        fallback: a CSV file that is taken if a ticker cannot be fetched.
        refresh: fetch a ticker even if it is cached.
    """
    name = config.data
    if name.startswith(_TICKER):
        return _ticker(name.removeprefix(_TICKER), config, fallback, refresh)
    if name in PACKAGED:
        return packaged(name)
    if name == "synthetic":
        return synthetic()
    if not Path(name).suffix and not Path(name).exists():
        near = nearest(name, (*PACKAGED, "synthetic"))
        raise ValueError(f"data is {name!r}, which is no CSV file and no {_TICKER}NAME; {near}")
    return _file(Path(name), config)


def _file(path: Path, config: ForecastConfig) -> Table:
    return read_csv(path, **_options(config))


def _options(config: ForecastConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in ("column", "features", "gaps", "order", "encoding")}


def _ticker(ticker: str, config: ForecastConfig, fallback: Path | None, refresh: bool) -> Table:
    """Cached file with a matching hash → download → the user's CSV file → synthetic."""
    if not refresh and (table := yahoo.cached(ticker, **_options(config))) is not None:
        return table
    try:
        return yahoo.fetch(ticker, **_options(config))
    except yahoo.NotFetchedError as error:
        reason = str(error)
    if (table := yahoo.cached(ticker, **_options(config))) is not None:
        say(f"{reason}; taking the file fetched {table.fetched}")
        return table
    if fallback is not None and fallback.is_file():
        say(f"{reason}; taking {fallback}")
        return _file(fallback, config)
    say(f"{reason}; there is no --csv either: taking a SYNTHETIC series, which is not {ticker}")
    return synthetic(ticker)


def say(message: str) -> None:
    """A line for people, beside the results."""
    print(f"wayscan: {message}", file=sys.stderr)


def check_columns(table: Table, config: ForecastConfig) -> tuple[str, tuple[str, ...]]:
    """The target and the features, which must be there and not be constant."""
    target = config.column or table.target
    names = tuple(dict.fromkeys((target, *config.features)))
    for name in names:
        column = table.values[:, find_column(name, table.columns, table.name)]
        if column.min() == column.max():
            option = "--column" if name == target else "--features"
            raise ValueError(
                f"{table.source}, column {name!r}: all {len(column)} rows are {column[0]:g}; expected "
                f"numbers that change: choose another with {option}"
            )
    return target, names
