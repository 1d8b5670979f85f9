"""What a format has no place for, in `wayscan.json` beside the data that we write.

Above all whether a record is synthetic: read back, it must still say so. Folders of other people have no
such file and lose nothing.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wayscan.data.formats.entries import Entry, read_entry, write_json

NAME = "wayscan.json"


def read_notes(folder: Path) -> dict[str, Entry]:
    """The notes of a folder, by the record's name; none where there is no file."""
    path = folder / NAME
    if not path.is_file():
        return {}
    records = read_entry(path).entry("records")
    return {name: records.entry(name) for name in records.values}


def note_of(notes: Mapping[str, Entry], name: str) -> dict[str, Any]:
    """What `Clip(**…)` and `Episode(**…)` take from a record's note."""
    if name not in notes:
        return {}
    return {key: value for key, value in notes[name].values.items() if key in ("synthetic", "source", "text")}


def facts_of(notes: Mapping[str, Entry], name: str) -> dict[str, Any]:
    """The facts of an episode for which its format has no place."""
    return _restored(notes[name].values.get("facts", {})) if name in notes else {}


def write_notes(folder: Path, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Add notes; those of other records in the same folder stay."""
    before = {name: entry.values for name, entry in read_notes(folder).items()}
    write_json(folder / NAME, {"records": {**before, **{name: dict(note) for name, note in records.items()}}})


def take_note(record: Any, placed: Collection[str] = ()) -> dict[str, Any]:
    """Of a `Clip` or `Episode`; `placed` are the facts that the format itself holds."""
    note = {"synthetic": record.synthetic, "source": record.source, "text": record.text}
    facts = {key: value for key, value in getattr(record, "facts", {}).items() if key not in placed}
    return {**note, "facts": _plain(facts)} if facts else note


def _plain(value: Any) -> Any:
    """As JSON holds it; an array as {"array": […]}."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def _restored(value: Any) -> Any:
    """The inverse of `_plain`; tuples come back as lists."""
    if isinstance(value, dict):
        if value.keys() == {"array"}:
            return np.array(value["array"])
        return {key: _restored(each) for key, each in value.items()}
    return value
