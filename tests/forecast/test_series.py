"""Where series come from: the package, CSV files good and bad, Yahoo by a stand-in, the generator."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wayscan.forecast.config import ForecastConfig
from wayscan.forecast.series import yahoo
from wayscan.forecast.series.files import read_csv
from wayscan.forecast.series.packaged import FOLDER, PACKAGED, packaged
from wayscan.forecast.series.source import load_series
from wayscan.forecast.series.synthetic import synthetic


def write(folder: Path, text: str, name: str = "data.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


ROWS = ["2024-01-01,1,5", "2024-01-02,2,6", "2024-01-03,3,7", "2024-01-04,4,8", "2024-01-05,5,9"]


def table_text(*rows: str) -> str:
    return "\n".join(("Date,Open,Close", *rows)) + "\n"


# ---- the package -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rows", "first", "last"),
    [
        ("sunspots", 309, "1700", "2008"),
        ("co2", 526, "1958-03", "2001-12"),
        ("co2-weekly", 2284, "1958-03-29", "2001-12-29"),
    ],
)
def test_packaged_series(name: str, rows: int, first: str, last: str):
    table = packaged(name)
    assert (len(table.values), table.dates[0], table.dates[-1]) == (rows, first, last)
    assert np.isfinite(table.values).all()
    assert not table.synthetic


def test_packaged_files_are_those_whose_licences_were_noted():
    noted = (FOLDER / "LICENCES.md").read_text(encoding="utf-8")
    for path in FOLDER.glob("*.csv"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in noted
    assert set(PACKAGED) == {"sunspots", "co2", "co2-weekly"}


# ---- CSV files -------------------------------------------------------------------------------------------


def test_the_close_is_the_target_and_columns_by_name(tmp_path: Path):
    path = write(tmp_path, table_text(*ROWS))
    table = read_csv(path)
    assert (table.target, table.columns) == ("Close", ("Close",))
    np.testing.assert_array_equal(table.column("close"), [5, 6, 7, 8, 9])
    assert read_csv(path, column="open", features=("Close",)).columns == ("Open", "Close")
    assert table.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_three_header_lines_of_yfinance(tmp_path: Path):
    head = "Price,Close,High\nTicker,AAPL,AAPL\nDate,,\n"
    table = read_csv(write(tmp_path, head + "2024-01-02,1.5,2\n2024-01-03,1.6,2\n"))
    assert (table.dates[0], table.values[0, 0]) == ("2024-01-02", 1.5)


def test_other_separators_marks_and_no_header(tmp_path: Path):
    text = "﻿day;value\n01.02.2024;1\n02.02.2024;2\n13.02.2024;4\n"
    table = read_csv(write(tmp_path, text), gaps="drop")
    assert (table.target, len(table.values)) == ("value", 3)
    assert read_csv(write(tmp_path, "1,2\n3,4\n5,7\n")).columns == ("column 2",)


BAD = [
    (["2024-01-02,2,"], r"row 3, column 'Close': the cell is empty; expected a number: --gaps interpolate"),
    (["2024-01-02,2,n/a"], r"row 3, column 'Close': the cell is 'n/a'.*--gaps"),
    (["2024-01-02,2,inf"], r"row 3, column 'Close': the cell is 'inf', which is no finite number"),
    (["2023-12-30,2,6"], r"row 3, column 'Date': date 2023-12-30 comes after a later one.*--order sort"),
    (["2024-01-01,2,6"], r"row 3, column 'Date': date 2024-01-01 is there twice.*--order sort"),
    (["soon,2,6"], r"row 3, column 'Date': 'soon' is no date"),
    (["2024-01-02,2"], r"row 3: 2 cells; expected 3"),
]


@pytest.mark.parametrize(("row", "words"), BAD)
def test_bad_rows_are_named_in_one_line(tmp_path: Path, row: list[str], words: str):
    path = write(tmp_path, table_text(ROWS[0], *row, *ROWS[2:]))
    with pytest.raises(ValueError, match=words) as caught:
        read_csv(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_gaps_and_order_deal_with_them(tmp_path: Path):
    path = write(tmp_path, table_text(ROWS[0], "2024-01-02,2,oops", *ROWS[2:]))
    np.testing.assert_allclose(read_csv(path, gaps="interpolate").values[:, 0], [5, 6, 7, 8, 9])
    np.testing.assert_allclose(read_csv(path, gaps="drop").values[:, 0], [5, 7, 8, 9])
    path = write(tmp_path, table_text(ROWS[1], ROWS[0], *ROWS[2:], "2024-01-05,5,10"))
    table = read_csv(path, order="sort")
    np.testing.assert_allclose(table.values[:, 0], [5, 6, 7, 8, 10])
    assert table.notes == ("sorted by date, 1 duplicates dropped",)


def test_rows_missing_from_even_dates(tmp_path: Path):
    days = [f"2024-01-{day:02},0,{day}" for day in range(1, 32) if day not in (20, 21)]
    path = write(tmp_path, table_text(*days))
    with pytest.raises(ValueError, match=r"row 21, column 'Date': 2 rows are missing before 2024-01-22"):
        read_csv(path)
    np.testing.assert_allclose(read_csv(path, gaps="interpolate").values[:, 0], np.arange(1, 32))
    assert len(read_csv(path, gaps="drop").values) == 29


def test_a_wrong_encoding_is_named_with_its_place(tmp_path: Path):
    path = write(tmp_path, "Date,Größe\n2024-01-01,1\n2024-01-02,2\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"row 1, column 2: byte 0xf6 is not utf-8.*--encoding latin-1"):
        read_csv(path)
    assert read_csv(path, encoding="latin-1").target == "Größe"
    with pytest.raises(ValueError, match="--encoding is 'latin-0'"):
        read_csv(path, encoding="latin-0")


def test_names_that_are_not_there(tmp_path: Path):
    path = write(tmp_path, table_text(*ROWS))
    with pytest.raises(ValueError, match=r"no column 'Clse'.*did you mean Close"):
        read_csv(path, column="Clse")
    with pytest.raises(ValueError, match="holds dates"):
        read_csv(path, column="Date")
    with pytest.raises(ValueError, match="does not exist"):
        load_series(ForecastConfig(data=str(tmp_path / "none.csv")))
    with pytest.raises(ValueError, match="did you mean sunspots"):
        load_series(ForecastConfig(data="sunspot"))
    with pytest.raises(ValueError, match="mostly numbers"):
        read_csv(write(tmp_path, "Date,name\n2024-01-01,a\n2024-01-02,b\n"))


# ---- Yahoo and what stands in for it -----------------------------------------------------------------


class Frame:
    """What a downloaded pandas frame is asked for here: columns of two levels, rows by date."""

    def __init__(self, rows: int, levels: int = 2) -> None:
        self.columns = SimpleNamespace(nlevels=levels)
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def droplevel(self, level: int, axis: int) -> "Frame":
        assert (level, axis) == (1, 1)
        return Frame(self.rows, levels=1)

    def iterrows(self) -> Iterator[tuple[str, dict[str, float]]]:
        assert self.columns.nlevels == 1
        for n in range(self.rows):
            yield f"2024-01-{n + 2:02} 00:00:00", dict.fromkeys(yahoo.COLUMNS, n + 0.5)


def frame() -> Frame:
    return Frame(4)


def stand_in(monkeypatch: pytest.MonkeyPatch, download: Any) -> None:
    module = ModuleType("yfinance")
    module.download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "yfinance", module)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wayscan" / "forecast"


AAPL = ForecastConfig(data="ticker:AAPL")


def test_a_download_is_cached_with_date_and_hash(monkeypatch: pytest.MonkeyPatch, own_cache: Path):
    calls = []
    stand_in(monkeypatch, lambda *words, **options: calls.append((words, options)) or frame())
    table = load_series(AAPL)
    assert calls[0][1]["auto_adjust"] is False
    assert (table.name, table.columns, table.synthetic) == ("AAPL", ("Close",), False)
    np.testing.assert_allclose(table.values[:, 0], [0.5, 1.5, 2.5, 3.5])
    assert table.sha256 == hashlib.sha256((own_cache / "AAPL.csv").read_bytes()).hexdigest()
    assert table.fetched is not None
    assert load_series(AAPL).sha256 == table.sha256
    assert len(calls) == 1
    load_series(AAPL, refresh=True)
    assert len(calls) == 2


def test_a_real_frame_of_pandas(monkeypatch: pytest.MonkeyPatch):
    pandas = pytest.importorskip("pandas")
    columns = pandas.MultiIndex.from_product([["Adj Close", *yahoo.COLUMNS], ["AAPL"]])
    days = pandas.date_range("2024-01-02", periods=3)
    made = pandas.DataFrame(np.arange(18.0).reshape(3, 6), index=days, columns=columns)
    stand_in(monkeypatch, lambda *_, **__: made)
    np.testing.assert_allclose(load_series(AAPL).values[:, 0], made[("Close", "AAPL")])


class YFRateLimitError(Exception):
    """As yfinance's is called."""


def refuse(*_: object, **__: object) -> None:
    raise YFRateLimitError("Too Many Requests")


def no_network(*_: object, **__: object) -> None:
    raise ConnectionError("Could not resolve host")


@pytest.mark.parametrize(
    ("download", "reason"),
    [
        (refuse, "limits the rate of requests (HTTP 429)"),
        (lambda *_, **__: Frame(0), "returned no rows for AAPL"),
        (no_network, "no answer from Yahoo (ConnectionError: Could not resolve host)"),
        (None, 'yfinance is not installed: pip install "wayscan[yahoo]"'),
    ],
    ids=("429", "empty", "offline", "absent"),
)
def test_the_order_of_fallbacks_is_said(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    own_cache: Path,
    capsys: pytest.CaptureFixture[str],
    download: Any,
    reason: str,
):
    if download is None:
        monkeypatch.setitem(sys.modules, "yfinance", None)
    else:
        stand_in(monkeypatch, download)
    made_up = load_series(AAPL)
    said = capsys.readouterr().err
    assert reason in said
    assert "taking a SYNTHETIC series, which is not AAPL" in said
    assert (made_up.name, made_up.synthetic) == ("SYNTHETIC-AAPL", True)
    assert not own_cache.exists()  # nothing that is made up is ever saved

    own = write(tmp_path, table_text(*ROWS), "mine.csv")
    assert load_series(AAPL, fallback=own).name == "mine"
    assert f"taking {own}" in capsys.readouterr().err


def test_a_cached_file_that_was_changed_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, own_cache: Path, capsys: pytest.CaptureFixture[str]
):
    stand_in(monkeypatch, lambda *_, **__: frame())
    load_series(AAPL)
    stand_in(monkeypatch, refuse)
    assert load_series(AAPL, refresh=True).name == "AAPL"
    assert "taking the file fetched" in capsys.readouterr().err
    with open(own_cache / "AAPL.csv", "a") as file:
        file.write("2024-01-09,1,1,1,1,1\n")
    assert load_series(AAPL).synthetic


def test_the_generator_is_marked_and_repeats():
    table = synthetic("X")
    assert table.synthetic
    assert table.name == "SYNTHETIC-X"
    assert "SYNTHETIC" in table.source
    np.testing.assert_array_equal(table.values, synthetic().values)
