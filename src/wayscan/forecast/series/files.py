"""CSV files as Tables: what is bad in them is named with its place and the option that deals with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wayscan.forecast.config import Gaps
from wayscan.forecast.series.sheet import Sheet, read_sheet
from wayscan.forecast.series.table import Table, find_column

Column = NDArray[np.float64]

_EVEN = 0.95  # share of steps near the median for dates to count as evenly spaced


def read_csv(
    path: Path,
    *,
    column: str | None = None,
    features: Sequence[str] = (),
    gaps: Gaps = "fail",
    order: Literal["fail", "sort"] = "fail",
    encoding: str = "utf-8",
) -> Table:
    """Read the target and the columns beside it; other columns may hold anything.

    Args:
        column: the target; "Close" if there is one, else the last column of numbers.
    """
    sheet = read_sheet(path, encoding)
    target = _target(sheet, column)
    places = [target, *(find_column(each, sheet.header, str(path)) for each in features)]
    places = list(dict.fromkeys(places))
    if sheet.dates in places:
        raise ValueError(f"{path}: {sheet.header[sheet.dates]!r} holds dates; choose another column")  # type: ignore[index]
    sheet, days, notes = _in_order(sheet, order)
    values = np.array([[_number(row[place]) for place in places] for row in sheet.rows])
    labels = sheet.labels()
    if gaps == "fail":
        _complain_about_cells(sheet, places, values)
    missing = _missing_rows(sheet, days, gaps) if gaps != "drop" else []
    for at, count in reversed(missing):
        values = np.insert(values, at, np.full((count, len(places)), np.nan), axis=0)
        labels[at:at] = [f"between {labels[at - 1]} and {labels[at]}"] * count
    bad = ~np.isfinite(values)
    if bad.any() and gaps == "interpolate":
        values = _interpolate(values, bad)
        notes += (f"{bad.any(axis=1).sum()} rows interpolated in part or whole",)
    elif bad.any():
        kept = ~bad.any(axis=1)
        values, labels = values[kept], [labels[row] for row in np.flatnonzero(kept)]
        notes += (f"{(~kept).sum()} rows dropped",)
    if not len(values):
        raise ValueError(
            f"{path}: no row of {sheet.header[target]!r} holds a number: choose another --column"
        )
    return Table(
        name=path.stem,
        values=values,
        columns=tuple(sheet.header[place] for place in places),
        dates=tuple(labels),
        source=f"CSV file {path}",
        target=sheet.header[target],
        notes=notes,
        sha256=sheet.sha256,
    )


def _target(sheet: Sheet, column: str | None) -> int:
    if column is not None:
        return find_column(column, sheet.header, str(sheet.path))
    for place, name in enumerate(sheet.header):
        if name.lower() == "close":
            return place
    numeric = [
        place
        for place in range(len(sheet.header))
        if place != sheet.dates
        and sum(np.isfinite(_number(row[place])) for row in sheet.rows) > len(sheet.rows) / 2
    ]
    if not numeric:
        raise ValueError(
            f"{sheet.path} has no column that is mostly numbers; expected one: name it with --column"
        )
    return numeric[-1]


def _in_order(
    sheet: Sheet, order: Literal["fail", "sort"]
) -> tuple[Sheet, NDArray[np.float64] | None, tuple[str, ...]]:
    """The sheet with its dates rising; refused, or sorted with the last of equal dates kept."""
    read = sheet.days()
    if read is None:
        return sheet, None, ()
    days = np.array(read)
    steps = np.diff(days)
    if (steps > 0).all():
        return sheet, days, ()
    assert sheet.dates is not None
    if order == "fail":
        first = int(np.argmax(steps <= 0)) + 1
        what = "is there twice" if steps[first - 1] == 0 else "comes after a later one"
        raise ValueError(
            f"{sheet.where(first, sheet.dates)}: date {sheet.labels()[first]} {what}; expected rising dates: "
            "--order sort sorts and keeps the last of equal dates"
        )
    last_of = {day: row for row, day in enumerate(days)}
    rows = [last_of[day] for day in sorted(last_of)]
    note = f"sorted by date, {len(days) - len(rows)} duplicates dropped"
    sheet = sheet._replace(rows=[sheet.rows[row] for row in rows], lines=[sheet.lines[row] for row in rows])
    return sheet, days[rows], (note,)


def _number(text: str) -> float:
    """NaN for what is none.

    >>> _number("1,234.5"), _number("n/a")
    (1234.5, nan)
    """
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return float("nan")


def _complain_about_cells(sheet: Sheet, places: Sequence[int], values: Column) -> None:
    bad = np.argwhere(~np.isfinite(values))
    if not len(bad):
        return
    row, place = int(bad[0, 0]), places[int(bad[0, 1])]
    text = sheet.rows[row][place]
    what = "empty" if not text else f"{text!r}, which is no finite number"
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    raise ValueError(
        f"{sheet.where(row, place)}: the cell is {what}{more}; expected a number: --gaps interpolate draws a "
        "line through, --gaps drop leaves the row out"
    )


def _missing_rows(sheet: Sheet, days: NDArray[np.float64] | None, gaps: Gaps) -> list[tuple[int, int]]:
    """(place, count) of rows missing where dates are evenly spaced; stock markets' days are not."""
    if days is None or len(days) < 4:
        return []
    steps = np.diff(days)
    usual = float(np.median(steps))
    if np.mean(np.abs(steps / usual - 1) < 0.15) < _EVEN:
        return []
    holes = [(int(at) + 1, round(steps[at] / usual) - 1) for at in np.flatnonzero(steps > 1.5 * usual)]
    if holes and gaps == "fail":
        at, count = holes[0]
        assert sheet.dates is not None
        raise ValueError(
            f"{sheet.where(at, sheet.dates)}: {count} rows are missing before {sheet.labels()[at]} "
            f"({len(holes)} such gaps); expected even steps: --gaps interpolate fills them, --gaps drop "
            "takes the rows as they stand"
        )
    return holes


def _interpolate(values: Column, bad: NDArray[np.bool_]) -> Column:
    """Straight lines through gaps; the first and last numbers are carried on."""
    filled, rows = values.copy(), np.arange(len(values))
    for place in range(values.shape[1]):
        good = ~bad[:, place]
        if good.any():
            filled[:, place] = np.interp(rows, rows[good], values[good, place])
    return filled[np.isfinite(filled).all(axis=1)]
