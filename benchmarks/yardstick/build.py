"""Compiling scan512.c, once, where there is a C compiler and a processor with AVX-512.

The library lies in wayscan's cache folder under a name made of the source, the command and the processor's
features: it is built again when any of them changes.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from wayscan.ops.kernel_cache import cache_root

SOURCE = Path(__file__).parent / "scan512.c"
FLAGS = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
NEEDS = ("avx512f", "avx512dq")


class Yardstick(NamedTuple):
    """The loaded library, or None and the reason why there is none."""

    library: ctypes.CDLL | None
    why_not: str = ""


@functools.cache
def yardstick() -> Yardstick:
    compiler = shutil.which("gcc")
    if compiler is None:
        return Yardstick(None, "no C compiler: gcc is not on the PATH")
    features = processor_features()
    missing = [name for name in NEEDS if name not in features]
    if missing:
        return Yardstick(None, f"written for AVX-512, and this processor lacks {', '.join(missing)}")
    folder = cache_root() / f"yardstick-{_fingerprint(compiler, features)}"
    folder.mkdir(exist_ok=True)
    target = folder / "libscan512.so"
    with FileLock(folder / "lock"):
        if not target.exists():
            problem = _compile(compiler, target)
            if problem:
                return Yardstick(None, problem)
    return Yardstick(ctypes.CDLL(str(target)))


def processor_features() -> set[str]:
    """What this processor can do, in LLVM's words; nothing that numba is told by environment variables."""
    from llvmlite.binding import get_host_cpu_features

    return {name for name, present in get_host_cpu_features().items() if present}


def _fingerprint(compiler: str, features: set[str]) -> str:
    digest = hashlib.sha256(SOURCE.read_bytes())
    digest.update("\n".join([compiler, *FLAGS, *sorted(features)]).encode())
    return digest.hexdigest()[:16]


def _compile(compiler: str, target: Path) -> str:
    """Build the library; a sentence if that fails."""
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    command = [compiler, *FLAGS, str(SOURCE), "-o", str(unfinished)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the compiler did not finish: {error}"
    if done.returncode != 0:
        return f"the compiler failed: {(done.stderr.strip().splitlines() or ['it gave no reason'])[0]}"
    unfinished.replace(target)
    return ""
