"""Claims: their arithmetic, the object that machines read, and the ones that are recorded."""

import json

import numpy as np
import pytest
from benchmarks.claims import Claim, Findings, NotMeasured, Report, record, recorded_claims, show

KEYS = ["name", "value", "unit", "goal", "better", "met", "against", "recorded"]


@pytest.mark.parametrize(
    ("better", "value", "met"),
    [
        ("higher", 5.0, True),
        ("higher", 5.1, True),
        ("higher", 4.9, False),
        ("lower", 5.0, True),
        ("lower", 4.9, True),
        ("lower", 5.1, False),
        ("higher", float("nan"), False),
        ("lower", float("nan"), False),
    ],
)
def test_a_claim_is_met_on_the_right_side_of_its_goal(better, value, met):
    assert Claim(name="x", value=value, goal=5.0, better=better).met is met


def test_a_number_without_a_goal_breaks_no_promise():
    assert Claim(name="x", value=-1.0).met


def findings() -> Findings:
    found = Findings()
    found.claim("time", 3.5, unit="ms", better="lower")
    found.claim("faster than a peer", 4.0, unit="×", goal=2.0, against="a peer 1.0")
    found.claim("memory", 0.5, goal=0.25, better="lower")
    found.skip("on a GPU", "there is none")
    return found


def test_the_json_is_one_object_on_the_last_line_of_standard_output(capsys):
    assert show(findings().report("toy"), json_line=True) == 0
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    found = json.loads(line)
    assert list(found) == ["bench", "machine", "claims", "not_measured"]
    assert found["bench"] == "toy"
    assert found["machine"]["cores"] >= 1
    assert [list(claim) for claim in found["claims"]] == [KEYS] * 3
    assert [claim["met"] for claim in found["claims"]] == [True, False, True]
    assert [claim["name"] for claim in found["claims"]] == ["faster than a peer", "memory", "time"]
    assert found["not_measured"] == [{"name": "on a GPU", "why": "there is none"}]
    assert "1 of 2 promises kept" in printed.err


def test_the_table_names_what_was_kept_and_what_was_missed(capsys):
    show(findings().report("toy"), json_line=False)
    printed = capsys.readouterr().out
    row = {name: line for line in printed.splitlines() for name in ("faster", "memory") if name in line}
    assert "4 ×" in row["faster"]
    assert "≥ 2 ×" in row["faster"]
    assert "met" in row["faster"]
    assert "≤ 0.25" in row["memory"]
    assert "missed" in row["memory"]


def test_only_a_wrong_result_fails_the_bench(capsys):
    missed = Report(bench="toy", claims=(Claim(name="x", value=1.0, goal=2.0),))
    assert show(missed, json_line=True) == 0
    wrong = Report(bench="toy", claims=(), wrong=(NotMeasured(name="S1, a peer", why="out is off"),))
    assert show(wrong, json_line=True) == 1
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["not_measured"] == [{"name": "S1, a peer", "why": "out is off"}]


def test_recorded_claims_come_back_with_their_origin(tmp_path):
    claims = [
        Claim(name="auc", value=0.61, goal=0.6),
        Claim(name="loss", value=0.1, better="lower", unit="m"),
    ]
    path = record("track", "nano", claims, folder=tmp_path)
    record("fly", "nano", [Claim(name="success", value=0.9)], folder=tmp_path)
    assert path.name == "track-nano.json"
    found = recorded_claims("track", folder=tmp_path)
    assert [(claim.name, claim.value, claim.goal, claim.better, claim.unit) for claim in found] == [
        ("auc", 0.61, 0.6, "higher", ""),
        ("loss", 0.1, None, "lower", "m"),
    ]
    origin = found[0].to_json()["recorded"]
    assert list(origin) == ["command", "commit", "date"]
    assert origin["command"]


def test_recording_again_replaces_what_was_there(tmp_path):
    for value in (1.0, 2.0):
        record("track", "nano", [Claim(name="auc", value=value)], folder=tmp_path)
    assert [claim.value for claim in recorded_claims("track", folder=tmp_path)] == [2.0]


def test_a_claim_of_numpys_numbers_is_plain_json():
    claim = Claim(name="a", value=np.float32(0.5), goal=0.4)
    assert json.loads(json.dumps(claim.to_json()))["met"] is True
