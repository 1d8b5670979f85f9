"""Files that are either the old one or the new one, never something between.

A write goes to a hidden neighbour, is synced, and is then renamed over its target. A crash leaves at most
a hidden `.NAME.PID.tmp`, which `remove_leftovers` sweeps away.
"""

import errno
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

Bytes = bytes | bytearray | memoryview

_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFullError(OSError):
    """Too little room for a file; carries `path`, `need` and `free` (bytes)."""

    def __init__(self, path: Path, need: int, free: int) -> None:
        self.path, self.need, self.free = Path(path), need, free
        super().__init__(
            errno.ENOSPC,
            f"no room for {path}: it needs {readable_size(need)}, {readable_size(free)} are free; what "
            "was there before is untouched. Free some space (or choose another disk) and resume",
        )


def readable_size(count: int) -> str:
    """
    >>> readable_size(1_234_567)
    '1.2 MB'
    """
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def free_bytes(path: Path) -> int:
    """Room left for an ordinary user on the disk that holds the folder `path`."""
    return shutil.disk_usage(path).free


def is_disk_full(error: OSError) -> bool:
    return error.errno in _FULL


def write_atomically(path: Path, chunks: Iterable[Bytes], *, durable: bool = True) -> int:
    """Write `chunks` one after the other to `path`; return how many bytes that were.

    Args:
        durable: also survive a power cut (fsync of the file and its folder), not only a killed process.
    """
    path = Path(path)
    pieces = [memoryview(chunk).cast("B") for chunk in chunks if len(chunk)]
    need = sum(piece.nbytes for piece in pieces)
    if need > (free := free_bytes(path.parent)):
        raise DiskFullError(path, need, free)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with open(temporary, "wb") as file:
            for piece in pieces:
                file.write(piece)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        free = free_bytes(path.parent)
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and is_disk_full(error):
            raise DiskFullError(path, need, free) from error
        raise
    if durable:
        _sync_folder(path.parent)
    return need


def remove_leftovers(folder: Path) -> None:
    """Delete what crashed writers left in `folder`; only safe while nobody else writes there."""
    for leftover in Path(folder).glob(".*.tmp"):
        leftover.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open folders; its rename is journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
