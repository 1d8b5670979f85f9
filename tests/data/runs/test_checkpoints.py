"""Which checkpoints there are, which can be read, which to keep."""

from pathlib import Path

import pytest

from wayscan.data.runs.checkpoints import CheckpointFolder
from wayscan.data.tensor_file import RawTensor


def filled(folder: Path, *, keep: int = 3) -> CheckpointFolder:
    checkpoints = CheckpointFolder(folder, keep=keep)
    for step in (0, 10, 20, 30):
        checkpoints.write(step, {"w": RawTensor("U8", (3,), b"abc")}, {"step": str(step)})
    return checkpoints


def test_the_newest_are_kept(tmp_path: Path):
    checkpoints = filled(tmp_path / "c")
    assert checkpoints.steps() == [10, 20, 30]
    checkpoints.write_best({}, {"step": "10"})
    assert checkpoints.best.exists()
    assert checkpoints.steps() == [10, 20, 30]


def test_a_truncated_one_is_passed_over_with_a_word(tmp_path: Path):
    checkpoints = filled(tmp_path)
    checkpoints.path(30).write_bytes(checkpoints.path(30).read_bytes()[:-1])
    path, complaints = checkpoints.last()
    assert path == checkpoints.path(20)
    assert len(complaints) == 1
    assert "truncated" in complaints[0]
    checkpoints.drop_after(20)
    assert checkpoints.steps() == [10, 20]


def test_none_and_none_whole(tmp_path: Path):
    assert CheckpointFolder(tmp_path / "absent").last() == (None, [])
    checkpoints = filled(tmp_path)
    for step in checkpoints.steps():
        checkpoints.path(step).write_bytes(b"")
    path, complaints = checkpoints.last()
    assert path is None
    assert len(complaints) == 3


def test_at_least_one_is_kept(tmp_path: Path):
    with pytest.raises(ValueError, match="keep is 0"):
        CheckpointFolder(tmp_path, keep=0)


def test_other_files_do_not_disturb(tmp_path: Path):
    checkpoints = filled(tmp_path)
    (tmp_path / "step_12.safetensors").touch()
    (tmp_path / "notes.txt").touch()
    assert checkpoints.steps() == [10, 20, 30]
