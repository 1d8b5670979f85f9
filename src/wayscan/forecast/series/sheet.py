"""A CSV file as cells: decoded, split, its header and its date column found. Complaints name file and row."""

import csv
import hashlib
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

_DATE_NAMES = frozenset(
    ("date", "datetime", "time", "timestamp", "year", "month", "week", "day", "ds", "index", "")
)
_FORMATS = ("%Y", "%Y-%m", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%b-%Y")


class Sheet(NamedTuple):
    """Cells as text. `lines[i]` is the line of `rows[i]` in the file, counted from 1, header included."""

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    dates: int | None
    sha256: str

    def where(self, row: int, column: int) -> str:
        return f"{self.path}, row {self.lines[row]}, column {self.header[column]!r}"

    def labels(self) -> list[str]:
        """A date for each row, or its line where there are no dates."""
        if self.dates is None:
            return [str(line) for line in self.lines]
        return [row[self.dates] for row in self.rows]

    def days(self) -> list[float] | None:
        """The dates as days; None where there is no date column."""
        if self.dates is None:
            return None
        texts = self.labels()
        read = [_iso(text) for text in texts]
        for pattern in _FORMATS:
            if None in read:
                tried = [_read_date(text, pattern) for text in texts]
                read = tried if tried.count(None) < read.count(None) else read
        if None in read:
            place = read.index(None)
            raise ValueError(
                f"{self.where(place, self.dates)}: {texts[place]!r} is no date like the others; expected "
                "YYYY-MM-DD: correct it, or remove the column if rows are in order"
            )
        return [day for day in read if day is not None]


def read_sheet(path: Path, encoding: str = "utf-8") -> Sheet:
    """Read a file with a header line; the three header lines that yfinance writes count as one."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; expected a CSV file: check --data")
    content = path.read_bytes()
    numbered = [
        (line, row) for line, row in _cells(_decode(path, content, encoding)) if any(map(str.strip, row))
    ]
    if len(numbered) < 2:
        raise ValueError(f"{path} holds {len(numbered)} rows; expected a header and rows of numbers below it")
    header = [cell.strip() for cell in numbered[0][1]]
    body = numbered[1:]
    if all(map(_is_number, header)):
        header, body = [f"column {n}" for n in range(1, len(header) + 1)], numbered
    elif body[0][1][0] == "Ticker" and len(body) > 1 and body[1][1][0] == "Date":
        header[0], body = "Date", body[2:]
    for line, row in body:
        if len(row) != len(header):
            raise ValueError(
                f"{path}, row {line}: {len(row)} cells; expected {len(header)} as in the header: correct it"
            )
    dates = next((n for n, name in enumerate(header) if name.lower() in _DATE_NAMES), None)
    digest = hashlib.sha256(content).hexdigest()
    return Sheet(
        path, header, [[cell.strip() for cell in row] for _, row in body], [n for n, _ in body], dates, digest
    )


def _decode(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise ValueError(f"--encoding is {encoding!r}; expected a name such as utf-8 or latin-1") from None
    except UnicodeDecodeError as error:
        before = content[: error.start]
        row = before.count(b"\n") + 1
        column = before.rpartition(b"\n")[2].count(b",") + 1
        raise ValueError(
            f"{path}, row {row}, column {column}: byte 0x{content[error.start]:02x} is not {encoding}; give "
            "the file's encoding, such as --encoding latin-1 or --encoding utf-16"
        ) from None


def _cells(text: str) -> list[tuple[int, list[str]]]:
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=separator)
    return [(reader.line_num, row) for row in reader]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _iso(text: str) -> float | None:
    try:
        return _days(datetime.fromisoformat(text.replace("Z", "+00:00")))
    except ValueError:
        return None


def _read_date(text: str, pattern: str) -> float | None:
    try:
        return _days(datetime.strptime(text.removesuffix(".0"), pattern))
    except ValueError:
        return None


def _days(moment: datetime) -> float:
    return moment.toordinal() + (moment.hour * 60 + moment.minute) / 1440 + moment.second / 86400
