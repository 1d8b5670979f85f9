"""JSON lines that survive kills."""

import json
import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wayscan.data.runs.journal import Journal


def test_lines_come_back_exactly(tmp_path: Path):
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.append(1, {"loss": 0.1 + 0.2, "skipped_records": [3, 4]})
    journal.append(2, {"loss": math.nan, "up": math.inf, "down": -math.inf})
    first, second = journal.read()
    assert first == {"step": 1, "loss": 0.1 + 0.2, "skipped_records": [3, 4]}
    assert math.isnan(second["loss"])
    assert (second["up"], second["down"]) == (math.inf, -math.inf)
    assert journal.last()["step"] == 2


def test_every_line_is_strict_json(tmp_path: Path):
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.append(1, {"loss": math.nan})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(journal.path.read_text(), parse_constant=refuse)


@given(cut=st.integers(0, 200), back_to=st.integers(0, 6))
def test_cut_anywhere_it_reads_whole_lines_and_can_go_on(tmp_path_factory, cut: int, back_to: int):
    path = tmp_path_factory.mktemp("journal") / "metrics.jsonl"
    journal = Journal(path)
    for step in range(1, 6):
        journal.append(step, {"loss": step / 7})
    whole = path.read_bytes()
    path.write_bytes(whole[: max(0, len(whole) - cut)])
    kept = [line for line in journal.read() if line["step"] <= back_to]
    journal.cut_back(back_to)
    assert journal.read() == kept
    assert whole.startswith(path.read_bytes())
    journal.append(9, {"loss": 1.0})
    assert journal.read() == [*kept, {"step": 9, "loss": 1.0}]


def test_damaged_lines_in_between_are_passed_over(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": \x00\xff\n[1]\n{"loss": 1}\n{"step": 2}\n')
    journal = Journal(path)
    assert [line["step"] for line in journal.read()] == [1, 2]
    assert journal.cut_back(1) == 4


def test_an_absent_journal_is_empty(tmp_path: Path):
    journal = Journal(tmp_path / "metrics.jsonl")
    assert journal.read() == []
    assert journal.last() is None
    assert journal.cut_back(0) == 0
    assert not journal.path.exists()
