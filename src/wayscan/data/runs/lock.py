"""One run folder, one writer."""

import json
import os
import socket
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from wayscan.data.atomic import write_atomically


class RunLock:
    """Held while a run writes into its folder; the system lets go of it even when the process is killed.

    Args:
        folder: the run folder.
        patience: seconds to wait for a holder. Data workers of a killed run may outlive it for some seconds.
    """

    def __init__(self, folder: Path, *, patience: float = 6.0) -> None:
        self.folder, self.patience = Path(folder), patience
        self._lock = FileLock(self.folder / ".lock")
        self._owner = self.folder / ".owner.json"

    def acquire(self) -> "RunLock":
        try:
            self._lock.acquire(timeout=self.patience, poll_interval=0.1)
        except Timeout:
            raise RuntimeError(
                f"run folder {self.folder} is in use by {self._owner_in_words()}: wait for it, stop it, or "
                "give this run another folder"
            ) from None
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
        write_atomically(self._owner, [json.dumps(owner).encode()], durable=False)
        return self

    def release(self) -> None:
        self._owner.unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> "RunLock":
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _owner_in_words(self) -> str:
        try:
            owner = json.loads(self._owner.read_text())
            return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
        except (OSError, ValueError, KeyError):
            return "another process"


def is_locked(folder: Path) -> bool:
    """Say whether somebody is writing into this run folder just now; leaves the folder as it is."""
    path = Path(folder) / ".lock"
    if not path.exists():
        return False
    probe = FileLock(path)
    try:
        probe.acquire(timeout=0)
    except (Timeout, OSError):
        return True
    probe.release()
    return False


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
