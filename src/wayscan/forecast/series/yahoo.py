"""Daily prices from Yahoo by the extra `yahoo`; cached as raw closes with fetch date and hash.

Yahoo's data may not be passed on, so none is in the package.
"""

import hashlib
import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from wayscan.data.atomic import write_atomically
from wayscan.forecast.series.files import read_csv
from wayscan.forecast.series.table import Table

COLUMNS = ("Open", "High", "Low", "Close", "Volume")
START, END = "2015-01-01", "2025-01-01"


class NotFetchedError(Exception):
    """A download that brought nothing, and why."""


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "wayscan" / "forecast"


def cached(ticker: str, folder: Path | None = None, **options: Any) -> Table | None:
    """The cached file of a ticker, if its content still has the hash that was noted; None without one.

    Args:
        options: see `read_csv`.
    """
    path, note = _paths(ticker, folder)
    if not path.is_file() or not note.is_file():
        return None
    about = json.loads(note.read_text(encoding="utf-8"))
    if hashlib.sha256(path.read_bytes()).hexdigest() != about["sha256"]:
        return None
    read = read_csv(path, **options)
    return Table(
        name=ticker, values=read.values, columns=read.columns, dates=read.dates, target=read.target,
        source=f"Yahoo, fetched {about['fetched']}, raw prices", notes=read.notes, fetched=about["fetched"],
        sha256=read.sha256,
    )  # fmt: skip


def fetch(
    ticker: str, folder: Path | None = None, download: Callable[..., Any] | None = None, **options: Any
) -> Table:
    """Download, cache and read; NotFetchedError says why there is nothing.

    Args:
        download: yfinance.download, or what stands in for it.
    """
    frame = _download(ticker, download)
    if frame is None or len(frame) == 0:
        # yfinance swallows what went wrong and returns an empty frame
        raise NotFetchedError(
            f"Yahoo returned no rows for {ticker} (unknown ticker, no network or a refused request)"
        )
    if getattr(frame.columns, "nlevels", 1) > 1:
        frame = frame.droplevel(1, axis=1)
    lines = [",".join(("Date", *COLUMNS))]
    lines += [
        ",".join((str(date)[:10], *(repr(float(row[name])) for name in COLUMNS)))
        for date, row in frame.iterrows()
    ]
    content = ("\n".join(lines) + "\n").encode()
    path, note = _paths(ticker, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    fetched = datetime.now(timezone.utc).date().isoformat()
    about = {"ticker": ticker, "fetched": fetched, "sha256": hashlib.sha256(content).hexdigest()}
    write_atomically(path, [content])
    write_atomically(note, [json.dumps(about).encode()])
    table = cached(ticker, folder, **options)
    assert table is not None
    return table


def _download(ticker: str, download: Callable[..., Any] | None) -> Any:
    if download is None:
        try:
            from yfinance import download  # type: ignore[import-not-found]
        except ImportError:
            raise NotFetchedError('yfinance is not installed: pip install "wayscan[yahoo]"') from None
    assert download is not None
    try:
        return download(ticker, start=START, end=END, auto_adjust=False, progress=False)
    except (
        Exception
    ) as error:  # yfinance's own, curl's, the system's: what it is does not matter, the reason does
        if type(error).__name__ == "YFRateLimitError" or "429" in str(error):
            raise NotFetchedError(
                f"Yahoo limits the rate of requests (HTTP 429) and refused {ticker}: wait some minutes"
            ) from error
        raise NotFetchedError(f"no answer from Yahoo ({type(error).__name__}: {error})") from error


def _paths(ticker: str, folder: Path | None) -> tuple[Path, Path]:
    name = "".join(each if each.isalnum() or each in "-.^=" else "_" for each in ticker)
    folder = folder or cache_folder()
    return folder / f"{name}.csv", folder / f"{name}.json"
