"""What a format has no place for, in `wayscan.json` beside the data that we write.

Above all whether a record is synthetic: read back, it must still say so. Folders of other people have no
such file and lose nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def write_notes(folder: Path, records: Mapping[str, Mapping[str, Any]]) -> None:
    """Add notes; those of other records in the same folder stay."""
    before = {name: entry.values for name, entry in read_notes(folder).items()}
    write_json(folder / NAME, {"records": {**before, **{name: dict(note) for name, note in records.items()}}})


def take_note(record: Any) -> dict[str, Any]:
    """Of a `Clip` or `Episode`."""
    return {"synthetic": record.synthetic, "source": record.source, "text": record.text}
