"""Peak extra memory of a call: how far the process's resident memory rises above where it stood before.

Measured by the kernel and not by torch, so that numpy's arrays and every engine's scratch memory count too.
On Linux the high-water mark (VmHWM) is set back to the present size first; elsewhere the mark of the whole
process (ru_maxrss) has to do. Run it in a fresh process, after a small call of the same kind has loaded what
has to be loaded.
"""

import ctypes
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_RESET_HIGH_WATER = "5"  # the word for it in /proc/self/clear_refs


def peak_extra_bytes(call: Callable[[], object]) -> int:
    _give_back_freed_memory()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_HIGH_WATER)
    before = resident_bytes()
    result = call()
    extra = _high_water_bytes() - before
    del result  # what a call returns counts as its memory
    return extra


def _give_back_freed_memory() -> None:
    """Memory that was freed but not returned to the system would hide what the call takes."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """What the process has in memory now; its high-water mark where the system does not say."""
    size = _status("VmRSS")
    return _high_water_bytes() if size is None else size


def _high_water_bytes() -> int:
    size = _status("VmHWM")
    if size is not None:
        return size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _status(field: str) -> int | None:
    """A size that Linux tells about this process, in bytes."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return None
