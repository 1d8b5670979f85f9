"""Settings as plain data: written to a run folder, made into dataclasses again, and compared."""

import dataclasses
import json
import types
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from wayscan.names import expect_one_of, nearest

Config = TypeVar("Config")

MAY_CHANGE = {"may_change": True}
"""Metadata of a dataclass field that a resumed run may set differently: it cannot alter the numbers."""


class Difference(NamedTuple):
    """One setting that is not what it was; `None` where a side lacks it."""

    key: str
    before: object
    now: object


def plain(value: object) -> Any:
    """Turn dataclasses, paths, tuples and mappings into what JSON and YAML hold."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError(
        f"a setting has the value {value!r} of type {type(value).__name__}; expected numbers, text, paths, "
        "tuples, mappings or dataclasses of these: pass anything else as an argument, not as a setting"
    )


def free_keys(config: object, prefix: str = "") -> set[str]:
    """Dotted names of the settings that a resumed run may change."""
    free: set[str] = set()
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        for field in dataclasses.fields(config):
            name = f"{prefix}{field.name}"
            if field.metadata.get("may_change"):
                free.add(name)
            free |= free_keys(getattr(config, field.name), f"{name}.")
    return free


def differences(
    before: Mapping[str, object], now: Mapping[str, object], ignore: Iterable[str] = ()
) -> list[Difference]:
    """
    >>> differences({"lr": 0.1, "model": {"width": 8}}, {"lr": 0.1, "model": {"width": 16}})
    [Difference(key='model.width', before=8, now=16)]
    """
    left, right, ignored = _flat(before), _flat(now), set(ignore)
    keys = [
        key
        for key in {**left, **right}
        if not any(key == name or key.startswith(f"{name}.") for name in ignored)
    ]
    return [Difference(key, left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)]


def difference_table(rows: Sequence[Difference], before: str = "the run", now: str = "now") -> str:
    """The differing keys, side by side, one line each."""
    cells = [("", before, now), *((row.key, _short(row.before), _short(row.now)) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    rows_of_text = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells
    )
    return "\n".join(f"  {row}".rstrip() for row in rows_of_text)


def build_settings(kind: type[Config], settings: Mapping[str, Any], where: str = "settings") -> Config:
    """Make the dataclass `kind` of plain data; an unknown name or value raises with the nearest valid."""
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind) if field.init]  # type: ignore[arg-type]
    for name in settings:
        if name not in names:
            raise ValueError(f"{where} has no name {name!r}; {nearest(name, names)}")
    return kind(**{name: _typed(hints[name], value, f"{where}.{name}") for name, value in settings.items()})


def _typed(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is Literal:
        return expect_one_of(where, value, arguments)
    if origin is tuple and isinstance(value, (list, tuple)):
        kinds = [arguments[0]] * len(value) if arguments[-1:] == (Ellipsis,) else list(arguments)
        if len(kinds) != len(value):
            raise ValueError(f"{where} has {len(value)} values; expected {len(kinds)}")
        return tuple(
            _typed(kind, item, f"{where}[{n}]")
            for n, (kind, item) in enumerate(zip(kinds, value, strict=True))
        )
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build_settings(hint, value, where)  # type: ignore[arg-type]
    return _simple(hint, value, where)


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    failures = []
    for kind in kinds:
        if kind is not type(None):
            try:
                return _typed(kind, value, where)
            except ValueError as error:
                failures.append(str(error))
    raise ValueError(failures[0])


def _simple(hint: Any, value: Any, where: str) -> Any:
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as text
        try:
            return float(value)
        except ValueError:
            pass
    elif isinstance(hint, type):
        if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
            return value
    elif get_origin(hint) is not None:
        if isinstance(value, get_origin(hint)):
            return value
    else:
        return value
    name = getattr(hint, "__name__", str(hint))
    raise ValueError(f"{where} is {value!r} ({type(value).__name__}); expected {name}")


def _flat(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _short(value: object) -> str:
    text = "(absent)" if value is None else json.dumps(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 48 else f"{text[:45]}..."
