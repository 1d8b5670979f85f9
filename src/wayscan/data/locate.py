"""Where data lie, and what they are: `open_data("~/GOT-10k", split="val")` reads any known format.

A path is taken as it is; a name, or nothing, is looked for below the folder that $WAYSCAN_DATA names.
"""

import os
from pathlib import Path
from typing import Any

from wayscan.data.formats.reading import Records
from wayscan.data.formats.registry import FORMATS, Format, format_named

VARIABLE = "WAYSCAN_DATA"


def find_data(path_or_name: Path | str | None, format: str = "auto") -> Path:
    """A path that exists, or that name below $WAYSCAN_DATA.

    A format's own name, or a format without a path, stands for the format's folder there.
    """
    given = "" if path_or_name is None else str(path_or_name)
    tried = []
    if given:
        path = Path(given).expanduser()
        if path.exists():
            return path
        tried.append(str(path))
    base = os.environ.get(VARIABLE)
    own = given or ("" if format == "auto" else format)
    folders = [given] if given else []
    if own in FORMATS or (own and not given):  # a path that is wrong never leads to other data
        folders.append(format_named(own).folder)
    if base:
        for folder in folders:
            path = Path(base).expanduser() / folder
            if path.exists():
                return path
            tried.append(str(path))
    below = f"${VARIABLE} is {base}" if base else f"${VARIABLE} is not set"
    raise ValueError(
        f"data {given or format!r} are not there: {' and '.join(tried) or 'no path was given'} "
        f"{'do' if len(tried) > 1 else 'does'} not exist, and {below}; give a path, or set ${VARIABLE} to "
        f"the folder of your data sets"
        if tried
        else f"no path was given, and {below}; give one, or set ${VARIABLE} to the folder of your data sets"
    )


def recognise(path: Path | str) -> Format:
    """The format of a folder or file, by what is in it."""
    path = Path(path)
    for candidate in FORMATS.values():
        if candidate.is_at(path):
            return candidate
    looked = "; ".join(f"{each.name}: {each.signs[0]}" for each in FORMATS.values())
    raise ValueError(
        f"{path} is no format that is known; looked for {looked}; name the format, or give the folder that "
        f"holds these"
    )


def open_data(
    path: Path | str | None,
    format: str = "auto",
    *,
    split: str | None = None,
    skip_bad: bool = False,
    record: str | None = None,
    **options: Any,
) -> Records:
    """The records of a data set: `Clip`, `Episode` or `Window`, as `FORMATS[…].record` says.

    Args:
        path: a folder, or a name below $WAYSCAN_DATA; None for the format's own folder there.
        format: one of `FORMATS`, or "auto": by the files.
        skip_bad: leave broken records out, count them and warn at the end.
        record: what the caller can use; data of another kind are refused.
        options: what the format's reader takes besides.
    """
    found = find_data(path, format)
    chosen = recognise(found) if format == "auto" else format_named(format)
    if record is not None and chosen.record != record:
        fitting = ", ".join(each.name for each in FORMATS.values() if each.record == record)
        raise ValueError(
            f"{found} is {chosen.name}, which gives {chosen.record}s; expected {record}s: one of {fitting}"
        )
    return chosen.read(found, split, skip_bad=skip_bad, **options)
