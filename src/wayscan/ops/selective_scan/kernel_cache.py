"""Where compiled kernels are kept, and who compiles them.

numba invalidates a cached function only when its own file changes, but our kernels span several files and
depend on the processor. So the folder's name is a hash of all of that. The first process to arrive
compiles under a lock; the others wait and load.
"""

import functools
import hashlib
import importlib
import os
import platform
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from filelock import FileLock

KERNEL_SOURCES = ("simd.py", "tiles.py", "problem.py", "cpu.py", "cpu_backward.py", "step.py")
SOURCE_FOLDER = Path(__file__).parent


def cache_root() -> Path:
    """$WAYSCAN_CACHE, else numba's $NUMBA_CACHE_DIR, else the user's cache, else a temporary folder."""
    home_cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    named = os.environ.get("WAYSCAN_CACHE") or os.environ.get("NUMBA_CACHE_DIR")
    candidates = [Path(named)] if named else []
    candidates += [Path(home_cache) / "wayscan", Path(tempfile.gettempdir()) / f"wayscan-{os.getuid()}"]
    for folder in candidates:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise OSError(
        f"no writable folder for compiled kernels: tried {', '.join(map(str, candidates))}; set WAYSCAN_CACHE"
    )


def _fingerprint() -> str:
    import llvmlite
    import numba

    from wayscan.ops.selective_scan import simd

    parts = [
        numba.__version__,
        llvmlite.__version__,
        platform.python_version(),
        simd.CPU,
        *sorted(simd.FEATURES),
    ]
    digest = hashlib.sha256("\n".join(parts).encode())
    for name in KERNEL_SOURCES:
        digest.update((SOURCE_FOLDER / name).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _numba_caches_in(folder: Path):
    from numba.core import config

    before = getattr(config, "CACHE_DIR")  # noqa: B009 (numba sets it where type checkers do not look)
    setattr(config, "CACHE_DIR", str(folder))  # noqa: B010
    try:
        yield
    finally:
        setattr(config, "CACHE_DIR", before)  # noqa: B010


@functools.cache
def compiled(module: str) -> ModuleType:
    """Import a module of kernels, compiled or from the cache."""
    folder = cache_root() / f"kernels-{_fingerprint()}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"), _numba_caches_in(folder):
        return importlib.import_module(f"wayscan.ops.selective_scan.{module}")
