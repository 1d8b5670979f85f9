"""`wayscan runs`."""

from pathlib import Path

import pytest

from wayscan.data.runs.folder import Run, RunState
from wayscan.data.runs.listing import list_runs, table


def test_a_table_of_runs(tmp_path: Path):
    best = {"metric": "validation/loss", "value": 0.123456789, "step": 40}
    Run.create(tmp_path / "x" / "one", config={}).write_state(RunState("finished", 50, 50, best))
    Run.create(tmp_path / "two", config={})
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "config.json").write_text('{"format": 99, "config": {}}')
    (tmp_path / "nothing").mkdir()
    rows = {row.path.name: row for row in list_runs(tmp_path)}
    assert rows.keys() == {"one", "two", "newer"}
    assert rows["one"][1:7] == ("finished", 50, 50, "validation/loss", 0.123456789, 40)
    assert rows["two"].state == "killed"
    assert rows["newer"].state == "unreadable"
    text = table(list(rows.values()))
    assert "50/50" in text
    assert "validation/loss 0.12346 @ 40" in text
    assert len(text.splitlines()) == 4


def test_a_run_itself_and_no_folder(tmp_path: Path):
    Run.create(tmp_path / "run", config={})
    assert [row.path for row in list_runs(tmp_path / "run")] == [tmp_path / "run"]
    with pytest.raises(ValueError, match="is no folder"):
        list_runs(tmp_path / "absent")
