"""OTB and VOT: separators, offsets, polygons, absent targets; every fault names file and line."""

import cv2
import numpy as np
import pytest

from wayscan.data.formats.otb_vot import read_sequence, read_sequences


def sequence(folder, truth, *, frames, sub="img", file="groundtruth_rect.txt", first=1):
    (folder / sub).mkdir(parents=True)
    for k in range(first, first + frames):
        picture = np.full((12, 16, 3), k % 256, dtype=np.uint8)
        cv2.imwrite(str(folder / sub / f"{k:04d}.png"), picture)
    (folder / file).write_text(truth)
    return folder


@pytest.mark.parametrize("separator", [",", "\t", " ", ", ", "  "])
def test_every_separator_is_read(tmp_path, separator):
    truth = "\n".join(separator.join(map(str, box)) for box in [(1, 2, 3, 4), (2, 3, 4, 5)])
    clip = read_sequence(sequence(tmp_path / "Toy", truth + "\n\n", frames=2))
    np.testing.assert_allclose(clip.boxes, [[1, 2, 3, 4], [2, 3, 4, 5]])
    assert clip.source == "OTB"


def test_extra_frames_are_cut_and_late_starts_are_known(tmp_path):
    clip = read_sequence(sequence(tmp_path / "BlurCar3", "1 2 3 4\n1 2 3 4\n", frames=9))
    assert [path.stem for path in clip.frames.paths] == ["0003", "0004"]
    assert (clip.frame(0) == 3).all()


def test_polygons_become_enclosing_boxes_and_nan_is_absent(tmp_path):
    truth = "3,1,5,4,2,6,0,2\n" + ",".join(["NaN"] * 8) + "\n1,2,3,4\n0,0,0,0\n"
    clip = read_sequence(sequence(tmp_path / "v", truth, frames=4, sub="color", file="groundtruth.txt"))
    np.testing.assert_allclose(clip.boxes[[0, 2]], [[0, 1, 5, 5], [1, 2, 3, 4]])
    assert clip.absent.tolist() == [False, True, False, True]
    assert clip.source == "VOT"


def test_two_targets_of_one_sequence(tmp_path):
    folder = sequence(tmp_path / "Two", "1 2 3 4\n", frames=1, file="groundtruth_rect.1.txt")
    (folder / "groundtruth_rect.2.txt").write_text("5 6 7 8\n")
    assert [clip.name for clip in read_sequences(tmp_path)] == ["Two-1", "Two-2"]
    assert read_sequence(folder, target=2).boxes[0, 0] == 5
    with pytest.raises(ValueError, match="choose 1 to 2"):
        read_sequence(folder, target=3)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("1,2,3,4\n1,2,3,4,5\n", "groundtruth_rect.txt, line 2: 5 numbers"),
        ("1,2,3,4\n\n1,2,3,4\n", "line 2: 0 numbers"),
        ("1,2,3,four\n", "line 1: '1,2,3,four'"),
        ("1,2,3,4\n" * 5, "5 lines, but .* only 3 frames"),
    ],
)
def test_faults_name_file_and_line(tmp_path, truth, message):
    with pytest.raises(ValueError, match=message):
        read_sequence(sequence(tmp_path / "Toy", truth, frames=3))


def test_a_folder_without_sequences_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no sequence"):
        list(read_sequences(tmp_path))
    with pytest.raises(ValueError, match="give a sequence folder"):
        read_sequence(tmp_path)
