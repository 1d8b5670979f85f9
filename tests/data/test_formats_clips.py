"""What every clip format has in common: a round trip; and what LaSOT and TrackingNet have of their own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.data.formats import lasot, otb_vot, trackingnet
from wayscan.data.formats.registry import FORMATS
from wayscan.data.records import Clip

CLIPS = [name for name, each in FORMATS.items() if each.record == "Clip"]


def clip(name: str = "toy-1", count: int = 12, **changes) -> Clip:
    frames = np.stack([np.full((20, 30, 3), 20 * k + 10, np.uint8) for k in range(count)])
    boxes = np.array([[1.5 + k, 2.25, 5, 6] for k in range(count)])
    boxes[2 % count] = np.nan
    return Clip(
        **{"name": name, "frames": frames, "boxes": boxes, "synthetic": True, "source": "here", **changes}
    )


@pytest.mark.parametrize("name", CLIPS)
def test_round_trip(tmp_path, name):
    first = clip(text="a grey toy")
    assert FORMATS[name].write([first, clip("toy-2")], tmp_path) == 2
    again, other = FORMATS[name].read(tmp_path)
    assert (again.name, other.name) == ("toy-1", "toy-2")
    assert (again.synthetic, again.source, again.text) == (True, "here", "a grey toy")
    np.testing.assert_allclose(again.boxes, first.boxes, atol=1e-4)
    np.testing.assert_array_equal(again.absent, first.absent)
    assert np.abs(np.stack(list(again.frames)).astype(int) - first.frames).max() <= 2


COORDINATE = st.floats(-500, 4000)
SIZE = st.floats(0.01, 3000)


@pytest.mark.parametrize("name", CLIPS)
@settings(max_examples=8, deadline=None)
@given(st.lists(st.one_of(st.none(), st.tuples(COORDINATE, COORDINATE, SIZE, SIZE)), min_size=2, max_size=4))
def test_whatever_the_boxes_they_come_back(tmp_path_factory, name, rows):
    boxes = np.array([row or [np.nan] * 4 for row in rows], dtype=np.float64)
    folder = tmp_path_factory.mktemp("any")
    FORMATS[name].write([clip(count=len(rows), boxes=boxes)], folder)
    (again,) = FORMATS[name].read(folder)
    np.testing.assert_allclose(again.boxes, boxes, atol=2e-4)
    assert again.absent.tolist() == [row is None for row in rows]


@pytest.mark.parametrize("name", CLIPS)
def test_records_come_by_number_and_broken_ones_are_skipped_and_counted(tmp_path, name):
    FORMATS[name].write([clip("toy-1"), clip("toy-2"), clip("toy-3")], tmp_path)
    (truth,) = [
        path
        for path in tmp_path.rglob("*.txt")
        if ("toy-2" in str(path) and "ground" in path.name + path.parent.name) or path.match("anno/toy-2.txt")
    ]
    truth.write_text("1,2,3,4\n1,2,x,4\n")
    records = FORMATS[name].read(tmp_path)
    assert len(records) == 3
    assert records[2].name == "toy-3"
    with pytest.raises(ValueError, match=rf"{truth.name}, line 2: '1,2,x,4'"):
        list(records)
    records = FORMATS[name].read(tmp_path, skip_bad=True)
    with pytest.warns(UserWarning, match=rf"read 2, skipped 1: .*{truth.name}, line 2"):
        assert [record.name for record in records] == ["toy-1", "toy-3"]
    assert records.skipped == 1


def test_a_loop_without_faults_is_quiet(tmp_path):
    otb_vot.write_otb([clip()], tmp_path)
    records = otb_vot.read_sequences(tmp_path, skip_bad=True)
    assert len(list(records)) == len(list(records)) == 1
    assert records.report().endswith("read 1, skipped none")


def test_lasot_tells_out_of_view_from_fully_occluded(tmp_path):
    visible = np.ones(12)
    visible[[2, 5]] = 0
    lasot.write_split([clip(visible=visible)], tmp_path)
    assert (tmp_path / "toy/toy-1/full_occlusion.txt").read_text() == "0,0,0,0,0,1,0,0,0,0,0,0\n"
    (again,) = lasot.read_split(tmp_path)
    assert np.flatnonzero(again.absent).tolist() == [2]
    assert np.flatnonzero(again.visible == 0).tolist() == [2, 5]


def test_lasot_splits_by_its_list(tmp_path):
    lasot.write_split([clip("cat-1"), clip("cat-10")], tmp_path, "test")
    lasot.write_split([clip("cat-2")], tmp_path, "train")
    assert [record.name for record in lasot.read_split(tmp_path)] == ["cat-1", "cat-2", "cat-10"]
    assert [record.name for record in lasot.read_split(tmp_path, "test")] == ["cat-1", "cat-10"]
    assert [record.name for record in lasot.read_split(tmp_path, "train")] == ["cat-2"]
    with pytest.raises(ValueError, match="did you mean train"):
        lasot.read_split(tmp_path, "trian")
    (tmp_path / "testing_set.txt").unlink()
    with pytest.raises(ValueError, match=r"has no testing_set\.txt"):
        lasot.read_split(tmp_path, "test")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("full_occlusion.txt", "0,0,1", r"full_occlusion\.txt has 3 numbers; expected 12"),
        ("out_of_view.txt", ",".join(["0"] * 11 + ["no"]), r"out_of_view\.txt, number 12: 'no'"),
        ("groundtruth.txt", "1,2,3,4\n" * 5, r"groundtruth\.txt has 5 lines for 12 frames"),
    ],
)
def test_lasot_faults_name_file_and_place(tmp_path, file, text, message):
    lasot.write_split([clip()], tmp_path)
    (tmp_path / "toy/toy-1" / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        list(lasot.read_split(tmp_path))


def test_trackingnet_puts_frames_in_numeric_order_and_test_has_the_first_box(tmp_path):
    trackingnet.write_split([clip("a")], tmp_path, "TEST")
    trackingnet.write_split([clip("b")], tmp_path, "TRAIN_3")
    trackingnet.write_split([clip("c")], tmp_path, "TRAIN_10")
    (tested,) = trackingnet.read_split(tmp_path, "TEST")
    assert [path.stem for path in tested.frames.paths] == [str(k) for k in range(12)]
    assert np.isfinite(tested.boxes[0]).all()
    assert np.isnan(tested.boxes[1:]).all()
    assert not tested.absent.any()
    assert [record.name for record in trackingnet.read_split(tmp_path, "TRAIN")] == ["b", "c"]
    assert [record.name for record in trackingnet.read_split(tmp_path)] == ["b", "c", "a"]
    with pytest.raises(ValueError, match="did you mean TEST"):
        trackingnet.read_split(tmp_path, "test")
    with pytest.raises(ValueError, match="did you mean TRAIN_2"):
        trackingnet.write_split([], tmp_path, "train_12")
    (tmp_path / "TRAIN_3/anno/b.txt").write_text("1,2,3,4\n" * 5)
    with pytest.raises(ValueError, match=r"b\.txt has 5 lines for 12 frames"):
        list(trackingnet.read_split(tmp_path, "TRAIN_3"))


def test_otb_keeps_the_late_starts_that_readers_know(tmp_path):
    otb_vot.write_otb([clip("David")], tmp_path)
    assert (tmp_path / "David/img/0300.jpg").is_file()
    (again,) = otb_vot.read_sequences(tmp_path)
    np.testing.assert_allclose(again.boxes[0], clip().boxes[0])


def test_vot_is_written_as_polygons(tmp_path):
    otb_vot.write_vot([clip()], tmp_path)
    lines = (tmp_path / "toy-1/groundtruth.txt").read_text().splitlines()
    assert lines[0] == "1.5000,2.2500,6.5000,2.2500,6.5000,8.2500,1.5000,8.2500"
    assert lines[2] == ",".join(["NaN"] * 8)
    assert (tmp_path / "list.txt").read_text() == "toy-1\n"
