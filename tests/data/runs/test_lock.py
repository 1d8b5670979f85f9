"""One run folder, one writer."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from wayscan.data.runs.lock import RunLock, is_locked

HOLD = """
import sys, time
from wayscan.data.runs.lock import RunLock
with RunLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_told_who_holds_it(tmp_path: Path):
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    assert is_locked(tmp_path)
    with pytest.raises(
        RuntimeError, match=rf"in use by process {holder.pid} on .* give this run another folder"
    ):
        RunLock(tmp_path, patience=0.0).acquire()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert not is_locked(tmp_path)  # the system lets go of what a killed process held
    with RunLock(tmp_path, patience=0.0):
        assert str(os.getpid()) in (tmp_path / ".owner.json").read_text()


def test_asking_leaves_no_trace(tmp_path: Path):
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_child_of_the_holder_does_not_keep_it(tmp_path: Path):
    """Data workers are forked from a run and may outlive it."""
    lock = RunLock(tmp_path, patience=0.0).acquire()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert is_locked(tmp_path)
    lock.release()
    assert not is_locked(tmp_path)
