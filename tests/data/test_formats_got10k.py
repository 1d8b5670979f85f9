"""GOT-10k: what is written is read back; every fault names file and line."""

import numpy as np
import pytest

from wayscan.data.formats import got10k
from wayscan.data.records import Clip


@pytest.fixture
def clip():
    frames = np.repeat(np.linspace(40, 200, 5).astype(np.uint8)[:, None, None, None], 20, axis=1)
    frames = np.ascontiguousarray(np.broadcast_to(frames, (5, 20, 30, 3)))
    boxes = np.array([[1.5, 2.25, 5, 6], [0, 3, 5, 6], [np.nan] * 4, [4, 5, 6, 7], [5, 5, 25, 7]])
    visible = np.array([1, 0.5, 0, 0.125, 1])
    return Clip(name="toy", frames=frames, boxes=boxes, visible=visible, source="test")


def test_round_trip(clip, tmp_path):
    assert got10k.write_split([clip], tmp_path, "val") == 1
    (again,) = got10k.read_split(tmp_path, "val")
    np.testing.assert_allclose(again.boxes, clip.boxes, atol=1e-4)
    np.testing.assert_array_equal(again.absent, clip.absent)
    np.testing.assert_allclose(again.visible, clip.visible)
    assert abs(again.frame(3).astype(int) - clip.frame(3)).max() <= 2
    cut = (tmp_path / "val/toy/cut_by_image.label").read_text().split()
    assert cut == ["0", "1", "0", "0", "1"]


def test_the_test_split_gives_the_first_box_alone(clip, tmp_path):
    got10k.write_sequence(clip, tmp_path / "toy")
    for name in ("absence", "cover", "cut_by_image"):
        (tmp_path / f"toy/{name}.label").unlink()
    (tmp_path / "toy/groundtruth.txt").write_text("1,2,3,4\n")
    again = got10k.read_sequence(tmp_path / "toy")
    assert np.isfinite(again.boxes[0]).all()
    assert np.isnan(again.boxes[1:]).all()
    assert not again.absent.any()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("groundtruth.txt", "1,2,3,4\n1,2,x,4\n" * 2, r"groundtruth.txt, line 2: '1,2,x,4'"),
        ("groundtruth.txt", "1,2,3,4\n1,2,3\n", r"groundtruth.txt, line 2: 3 numbers"),
        ("groundtruth.txt", "1,2,3,4\n1,2,-3,4\n1,2,3,4\n1,2,3,4\n1,2,3,4", r"line 2: .*negative size"),
        ("groundtruth.txt", "1,2,3,4\n1,2,3,4\n", r"2 lines for 5 frames"),
        ("groundtruth.txt", "", r"groundtruth.txt is empty"),
        ("cover.label", "8\n9\n8\n8\n8\n", r"cover.label, line 2: 9"),
        ("absence.label", "0\n0\n", r"absence.label has 2 lines; expected 5"),
    ],
)
def test_faults_name_file_and_line(clip, tmp_path, file, text, message):
    got10k.write_sequence(clip, tmp_path / "toy")
    (tmp_path / "toy" / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        got10k.read_sequence(tmp_path / "toy")


def test_list_faults_are_named(clip, tmp_path):
    with pytest.raises(ValueError, match=r"list\.txt does not exist"):
        got10k.sequence_folders(tmp_path, "val")
    got10k.write_split([clip], tmp_path, "val")
    (tmp_path / "val/list.txt").write_text("toy\nmissing\n")
    with pytest.raises(ValueError, match=r"list\.txt, line 2: sequence 'missing'"):
        got10k.sequence_folders(tmp_path, "val")


def test_a_broken_frame_is_named_when_it_is_read(clip, tmp_path):
    got10k.write_sequence(clip, tmp_path / "toy")
    (tmp_path / "toy/00000002.jpg").write_bytes(b"no picture")
    again = got10k.read_sequence(tmp_path / "toy")
    with pytest.raises(ValueError, match=r"00000002\.jpg cannot be decoded"):
        again.frame(1)


def test_the_folder_of_a_split_is_enough(clip, tmp_path):
    got10k.write_split([clip], tmp_path, "train")
    assert [again.name for again in got10k.read_split(tmp_path / "train")] == ["toy"]
    with pytest.raises(ValueError, match="did you mean train"):
        got10k.read_split(tmp_path, "trian")
