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
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from filelock import FileLock


@dataclass(frozen=True)
class KernelSet:
    """Kernels that are compiled together.

    Args:
        package: its name ("wayscan.ops.selective_scan"), whose folder `sources` are relative to.
        sources: every file whose change asks for compiling again.
    """

    package: str
    sources: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where the sources are."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"kernels of {self.package!r}: expected an installed package")
        return Path(spec.submodule_search_locations[0])

    def fingerprint(self) -> str:
        """Of the sources, the processor and the versions."""
        import llvmlite
        import numba

        cpu, features = processor()
        parts = [numba.__version__, llvmlite.__version__, platform.python_version(), cpu, *sorted(features)]
        digest = hashlib.sha256("\n".join(parts).encode())
        folder = self.folder
        for name in self.sources:
            digest.update((folder / name).read_bytes())
        return digest.hexdigest()[:16]

    def compiled(self, module: str) -> ModuleType:
        """Import a module of kernels of the package, compiled or from the cache.

        What it decorates with a signature is compiled now; what it decorates without, at its first call.
        """
        return _compiled(self, module)


def processor() -> tuple[str, set[str]]:
    """The processor numba compiles for, and its features (NUMBA_CPU_NAME and NUMBA_CPU_FEATURES included)."""
    from numba.core.registry import cpu_target

    _, cpu, features = cpu_target.target_context.codegen().magic_tuple()  # pyright: ignore[reportAttributeAccessIssue]
    return cpu, {flag[1:] for flag in features.split(",") if flag.startswith("+")}


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
def _compiled(kernels: KernelSet, module: str) -> ModuleType:
    folder = cache_root() / f"kernels-{kernels.fingerprint()}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"), _numba_caches_in(folder):
        return importlib.import_module(f"{kernels.package}.{module}")
