"""Files that are the old one or the new one."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from wayscan.data import atomic
from wayscan.data.atomic import DiskFullError, readable_size, remove_leftovers, write_atomically


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_chunks_follow_each_other(tmp_path: Path):
    assert write_atomically(tmp_path / "a", [b"one ", b"", memoryview(b"two")]) == 7
    assert (tmp_path / "a").read_bytes() == b"one two"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_atomically(tmp_path / "a", [b"old"])
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", [b"new"])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_disk_that_fills_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_atomically(tmp_path / "a", [b"old"])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match=r"no room for .*/a: it needs 3 B, .* free"):
        write_atomically(tmp_path / "a", [b"new"])
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("foreseen", [True, False], ids=["foreseen", "met while writing"])
def test_a_disk_that_is_really_full(small_disk: Path, monkeypatch: pytest.MonkeyPatch, foreseen: bool):
    write_atomically(small_disk / "a", [b"o" * 600_000])
    if not foreseen:
        monkeypatch.setattr(atomic, "free_bytes", lambda _: 10_000_000)
    with pytest.raises(DiskFullError) as caught:
        write_atomically(small_disk / "a", [b"n" * 600_000])
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.need == 600_000
    assert caught.value.path == small_disk / "a"
    if foreseen:
        assert 400_000 < caught.value.free < 600_000
    assert (small_disk / "a").read_bytes() == b"o" * 600_000
    assert [path.name for path in small_disk.iterdir()] == ["a"]


def test_leftovers_of_a_killed_writer_are_swept_away(tmp_path: Path):
    (tmp_path / ".a.123-4.tmp").write_bytes(b"half")
    (tmp_path / "kept.tmp").write_bytes(b"somebody's")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.tmp"]


def test_sizes_read_well():
    assert [readable_size(size) for size in (0, 999, 1000, 2_500_000_000_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.5 TB",
    ]
