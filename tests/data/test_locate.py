"""Data are found by path or by $WAYSCAN_DATA, and told by their files."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

from wayscan.data.formats.registry import FORMATS, format_named
from wayscan.data.locate import find_data, open_data, recognise
from wayscan.data.records import Clip, Episode
from wayscan.data.windows import Window

FRAMES = np.full((12, 16, 16, 3), 90, np.uint8)


def record(kind: str, folder):
    """The least that every writer takes."""
    if kind == "Clip":
        return Clip(name="cat-1", frames=FRAMES, boxes=np.full((12, 4), 3.0))
    if kind == "Window":
        return Window(current=folder / "a.jpg", waypoints=np.ones((8, 3)))
    rows = np.zeros((12, 3))
    tracks = {"3": rows + np.array([5, 1, 0.1])}
    return Episode(name="1", times=np.arange(12) * 0.1, poses=rows, actions=rows, tracks=tracks)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("WAYSCAN_DATA", raising=False)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_told_by_what_its_writer_writes(tmp_path, name):
    chosen = FORMATS[name]
    assert chosen.write([record(chosen.record, tmp_path)], tmp_path) == 1
    assert recognise(tmp_path).name == name
    records = open_data(tmp_path)
    assert len(records) == 1
    assert type(records[0]).__name__ == chosen.record
    assert len(pickle.loads(pickle.dumps(records))) == 1  # as loaders in other processes need it


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_one_docstring_and_a_folder(name):
    assert FORMATS[name].folder
    assert callable(FORMATS[name]._function(FORMATS[name].reader))


def test_paths_come_first_then_names_then_the_formats_own_folder(tmp_path, monkeypatch):
    base = tmp_path / "sets"
    for folder in ("mine", "GOT-10k"):
        (base / folder).mkdir(parents=True)
    monkeypatch.setenv("WAYSCAN_DATA", str(base))
    assert find_data(base / "mine") == base / "mine"
    assert find_data("mine") == base / "mine"
    assert find_data("got10k") == base / "GOT-10k"
    with pytest.raises(ValueError, match="data 'nowhere' are not there"):  # never other data than asked for
        find_data("nowhere", "got10k")
    assert find_data(None, "got10k") == base / "GOT-10k"
    with pytest.raises(
        ValueError, match=r"data 'nowhere' are not there: nowhere and .*sets/nowhere do not exist"
    ):
        find_data("nowhere")


def test_what_is_not_found_says_both_places():
    with pytest.raises(
        ValueError, match=r"nowhere does not exist, and \$WAYSCAN_DATA is not set; give a path"
    ) as fault:
        find_data("nowhere", "got10k")
    assert "\n" not in str(fault.value)
    with pytest.raises(ValueError, match=r"no path was given, and \$WAYSCAN_DATA is not set"):
        find_data(None)


def test_a_folder_of_no_format_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        ValueError, match=r"looked for got10k: val/list\.txt; .*dair_v2x: vehicle-side/data_info\.json"
    ):
        open_data(tmp_path)


def test_unknown_names_say_the_nearest(tmp_path):
    with pytest.raises(ValueError, match="format is 'GOT-10K'; did you mean got10k"):
        format_named("GOT-10K")
    with pytest.raises(ValueError, match="expected one of got10k, trackingnet"):
        format_named("zzz")
    FORMATS["got10k"].write([record("Clip", tmp_path)], tmp_path)
    with pytest.raises(ValueError, match="did you mean val"):
        open_data(tmp_path, split="vla")
    with pytest.raises(ValueError, match="otb has no splits"):
        open_data(tmp_path, "otb", split="val")


def test_records_of_another_kind_are_refused(tmp_path):
    FORMATS["got10k"].write([record("Clip", tmp_path)], tmp_path)
    with pytest.raises(
        ValueError, match="gives Clips; expected Episodes: one of v2x_seq, dair_v2x, trackvla"
    ):
        open_data(tmp_path, record="Episode")


def test_knowing_the_formats_imports_none_of_them():
    code = (
        "import sys; sys.modules['torch'] = None; import wayscan.data.locate as l; "
        "assert not any(m in sys.modules for m in ('av', 'cv2', 'wayscan.data.formats.lasot'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
