"""Where the numbers of a run come from: software, machine, source tree, data."""

import hashlib
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = (
    "wayscan", "numpy", "numba", "torch", "accelerate", "transformers", "peft", "gymnasium", "mujoco",
    "opencv-contrib-python-headless", "av",
)  # fmt: skip
_WHOLE = 1 << 20
_SAMPLE = 1 << 16


def provenance() -> dict[str, Any]:
    """Versions, machine, command line and git state, as they are written into config.json."""
    return {
        "versions": versions(),
        "machine": {
            "host": socket.gethostname(),
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "command": sys.argv,
        "git": git_state(Path.cwd()) or git_state(Path(__file__).parent),
    }


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    if "wayscan" not in found:
        from wayscan import __version__

        found["wayscan"] = __version__
    return found


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit, branch and changed files of the source tree around `folder`; None outside a git tree."""

    def ask(*words: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.rstrip("\n") if answer.returncode == 0 else None

    if (root := ask("rev-parse", "--show-toplevel")) is None:
        return None
    changed = ask("status", "--porcelain", "--untracked-files=no") or ""
    return {
        "root": root,
        "commit": ask("rev-parse", "HEAD"),
        "branch": ask("rev-parse", "--abbrev-ref", "HEAD"),
        "changed": [line[3:] for line in changed.splitlines()],
    }


def hash_file(path: Path) -> str:
    """A hash of the whole content, for cache keys; read once while the file's size and time stay the same."""
    about = Path(path).stat()
    return _hash_content(Path(path), about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _hash_content(path: Path, size: int, modified: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def hash_files(root: Path, files: Iterable[Path] | None = None) -> str:
    """A hash of a data set: each file's name below `root`, size and content.

    Of files over 1 MiB only the first, middle and last 64 KiB are read, so that terabytes take minutes; a
    change that keeps the size and all three samples goes unseen.
    """
    root = Path(root)
    chosen = sorted(
        path for path in (root.rglob("*") if files is None else map(Path, files)) if path.is_file()
    )
    if not chosen:
        raise ValueError(f"data {root} holds no files to hash; expected a data set: check the path")
    digest = hashlib.blake2b(digest_size=16)
    for path in chosen:
        name = path.relative_to(root) if path.is_relative_to(root) else path
        size = path.stat().st_size
        digest.update(f"{name.as_posix()}\0{size}\0".encode())
        with open(path, "rb") as file:
            if size <= _WHOLE:
                digest.update(file.read())
                continue
            for start in (0, size // 2, size - _SAMPLE):
                file.seek(start)
                digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
