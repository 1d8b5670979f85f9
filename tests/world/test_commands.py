"""`wayscan world`: sheets and videos are written, data sets read back, and bad words are told the nearest."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from wayscan import cli
from wayscan.data.formats.registry import format_named
from wayscan.data.images import read_image
from wayscan.data.video import VideoFile
from wayscan.world.gallery.story import Box, Path2D, Story, View, hang, log_rerun


def story(moments=4):
    image = np.full((40, 60, 3), 90, dtype=np.uint8)
    box = Box(np.array([10.0, 10.0, 20.0, 15.0]), "it")
    lost = Box(np.full(4, np.nan))
    view = View(image=image, boxes=(box, lost), paths=(Path2D(np.array([[1.0, 1.0], [30.0, 30.0]])),))
    return Story(
        name="a", moments=[{"left": view, "right": View(image=image, words="right")}] * moments, rate=5
    )


def test_a_story_becomes_a_sheet_and_a_video(tmp_path):
    sheet, video = hang([story(), story()], tmp_path, "things")
    picture = read_image(sheet)
    assert picture.shape[0] > 2 * 2 * 40
    assert picture.shape[1] > 4 * 60
    footage = VideoFile(video)
    assert len(footage) == 8
    assert footage[0].shape[1] >= 2 * 60


def test_a_story_becomes_a_rerun_file(tmp_path, monkeypatch):
    logged = []
    rerun = ModuleType("rerun")
    rerun.init = lambda name: None
    rerun.save = lambda file: logged.append(file)
    rerun.set_time = lambda name, duration: None
    rerun.log = lambda place, thing: logged.append((place, thing))
    rerun.Image = rerun.TextLog = rerun.LineStrips2D = lambda *values: values
    rerun.Boxes2D = lambda **values: values
    rerun.Box2DFormat = SimpleNamespace(XYWH="xywh")
    monkeypatch.setitem(sys.modules, "rerun", rerun)
    log_rerun([story(moments=1)], tmp_path / "a.rrd")
    places = dict(logged[1:])
    assert logged[0] == str(tmp_path / "a.rrd")
    assert len(places["a/left/boxes"]["array"]) == 1
    assert "a/right" in places


def test_rerun_missing_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ModuleNotFoundError, match=r"wayscan\[rerun\]"):
        log_rerun([story()], tmp_path / "a.rrd")


@pytest.mark.parametrize("what", ["clips", "drives", "follows", "forest"])
def test_every_data_set_has_stories(what):
    if what == "forest":
        pytest.importorskip("gymnasium")
    told = next(importlib.import_module(f"wayscan.world.gallery.{what}").stories(7, 1))
    assert len(told.moments) > 20
    shapes = {tuple(view.image.shape for view in moment.values()) for moment in told.moments}
    assert len(shapes) == 1  # or no video could hold them


def run(*arguments, capsys):
    code = cli.main(arguments)
    out, error = capsys.readouterr()
    return code, out, error


def test_show_from_the_shell(capsys, tmp_path):
    code, out, _ = run("world", "show", "clips", "--count", "1", "--out", str(tmp_path), capsys=capsys)
    assert code == 0
    assert out.split() == [str(tmp_path / "clips.png"), str(tmp_path / "clips.mp4")]


@pytest.mark.parametrize(
    ("what", "name", "facts"),
    [
        ("clips", "got10k", ()),
        ("drives", "dair_v2x", ("now", "kind", "decided_by")),
        ("follows", "trackvla", ("executed", "perturbed")),
    ],
)
def test_what_is_made_reads_back(what, name, facts, capsys, tmp_path):
    code, out, _ = run("world", "make", what, str(tmp_path), "--count", "1", capsys=capsys)
    assert (code, out) == (0, f"1 {what} in {tmp_path}\n")
    records = list(format_named(name).read(tmp_path))
    assert len(records) == 1
    assert records[0].synthetic
    assert all(fact in records[0].facts for fact in facts)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mak",), "did you mean make?"),
        (("show", "clips", "--count", "0"), "count >= 1"),
        (("make", "drives", "x", "--images", "y"), "for the sprites of clips"),
        (("make", "clips", "x", "--seed", "1000"), "0 to 999 in split examples"),
        (("make", "clips", "x", "--form", "lasott"), "did you mean lasot"),
    ],
)
def test_bad_input_is_one_line(words, message, capsys):
    code, out, error = run("world", *words, capsys=capsys)
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1


def test_overview_of_a_system(capsys):
    code, out, _ = run("world", "--help", capsys=capsys)
    assert code == 0
    assert "  show " in out
    assert "  make " in out
