"""Values in JSON files, with the file, the place in it and the key named for every fault."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.names import near_names


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    if not path.is_file():
        raise ValueError(f"{path} does not exist; expected a JSON file; check the folder")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as fault:
        raise ValueError(
            f"{path}, line {fault.lineno}: {fault.msg}; expected JSON; the file may be cut off: copy it again"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text; expected JSON in UTF-8; copy it again") from None


def write_json(path: Path, values: Any, *, indent: int | None = None) -> None:
    """Write JSON, folders included; NaN is refused because most readers refuse it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        text = json.dumps(values, allow_nan=False, indent=indent, ensure_ascii=False)
    except ValueError:
        raise ValueError(
            f"{path} would hold NaN or infinity; expected finite numbers; mend the record"
        ) from None
    path.write_text(text + "\n", encoding="utf-8")


class Entry:
    """A JSON object that knows where it stands."""

    def __init__(self, values: Any, where: str) -> None:
        if not isinstance(values, dict):
            raise ValueError(f"{where}: {_shown(values)}; expected an object {{…}}")
        self.values: dict[str, Any] = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def get(self, key: str, default: Any = None) -> Any:
        """The value as it is."""
        return self.values.get(key, default)

    def value(self, key: str) -> Any:
        """The value as it is, which must be there."""
        if key not in self.values:
            near, there = near_names(key, self.values), ", ".join(self.values) or "no keys"
            hint = f"did {near[0]!r} mean it?" if near else f"there are {there}"
            raise ValueError(f"{self.where}: key {key!r} is missing; {hint}")
        return self.values[key]

    def text(self, key: str) -> str:
        """A string; numbers are taken as their digits."""
        value = self.value(key)
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise self.fault(key, "expected a string")
        return str(value)

    def number(self, key: str) -> float:
        """A finite number; strings of digits are numbers too."""
        return float(self.numbers(key, ()))

    def numbers(self, key: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
        """Finite numbers in an array of a shape (None: any length)."""
        value = self.value(key)
        words = " × ".join("n" if side is None else str(side) for side in shape) or "one number"
        try:
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise self.fault(key, f"expected {words}") from None
        fits = array.ndim == len(shape) and all(
            want in (None, side) for want, side in zip(shape, array.shape, strict=True)
        )
        if not fits or value is None or not np.isfinite(array).all():
            raise self.fault(key, f"expected {words}, finite")
        return array

    def entry(self, key: str) -> "Entry":
        """An object inside this one."""
        return Entry(self.value(key), f"{self.where}, key {key!r}")

    def fault(self, key: str, wanted: str) -> ValueError:
        """The error for a value that is not what was wanted."""
        return ValueError(f"{self.where}: key {key!r} is {_shown(self.values.get(key))}; {wanted}")


def read_entry(path: Path) -> Entry:
    """The object that a JSON file holds."""
    return Entry(read_json(path), str(path))


def read_entries(path: Path) -> list[Any]:
    """The list that a JSON file holds; its items are made into `Entry` by `entry_at`."""
    values = read_json(path)
    if not isinstance(values, list):
        raise ValueError(f"{path}: {_shown(values)}; expected a list […]")
    return values


def entry_at(values: list[Any], index: int, path: Path) -> Entry:
    """Item `index` of a file's list."""
    return Entry(values[index], f"{path}, entry {index}")


def entries_in(path: Path) -> Iterable[Entry]:
    """Every item of a file's list."""
    values = read_entries(path)
    return (entry_at(values, index, path) for index in range(len(values)))


def _shown(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else f"{words[:57]}…"
