"""A store on disk for what is dear to compute: features of a frozen model, decoded frames. Needs no torch.

    cache = ArrayCache("~/.cache/wayscan/features", max_bytes=20_000_000_000)
    key = cache_key(weights_hash(encoder), hash_file(picture), size=384, pooling="grid")
    tokens = cache.get_or_make(key, lambda: {"fine": encode(picture)})["fine"]

Any number of processes may share a store. An entry is one file, there whole or not at all; what is damaged
(by a power cut, say) counts as absent. When the store would outgrow its bound, the entries that were not used
for longest go first.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from wayscan.data.atomic import readable_size, remove_leftovers, write_atomically

Arrays = dict[str, NDArray]

_AFTER_CLEARING = 0.9  # clear down to this share of the bound, so that not every new entry has to clear


def cache_key(*identities: str, **settings: object) -> str:
    """A key for what is made of these (a model's hash, a file's hash) with these settings.

    >>> cache_key("model a", "file b", size=384) == cache_key("model a", "file b", size=384)
    True
    >>> cache_key("model a", "file b", size=384) == cache_key("model a", "file b", size=224)
    False
    """
    if not identities:
        raise ValueError(
            "a cache key was asked for nothing; expected hashes of the model and the file it is made of"
        )
    text = "\0".join([*map(repr, identities), *(f"{name}={settings[name]!r}" for name in sorted(settings))])
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


class ArrayCache:
    """Named arrays by key, in at most `max_bytes` on disk.

    Args:
        folder: where; made if absent.
        max_bytes: what all entries together may take.
    """

    def __init__(self, folder: str | Path, *, max_bytes: int) -> None:
        if max_bytes <= 0:
            raise ValueError(f"max_bytes is {max_bytes}; expected a number of bytes above 0")
        self.folder, self.max_bytes = Path(folder).expanduser(), max_bytes
        self.folder.mkdir(parents=True, exist_ok=True)
        self._size = (
            self.folder / "size"
        )  # what all entries take, kept so that a new one need not look at all
        self._lock_path = self.folder / ".lock"

    def get(self, key: str) -> Arrays | None:
        """The arrays of `key`, or None."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self._path(key)
        try:
            arrays = load(path.read_bytes())
            os.utime(path)  # used just now: will be cleared late
        except FileNotFoundError:
            return None
        except (SafetensorError, ValueError):
            path.unlink(missing_ok=True)
            return None
        return arrays

    def put(self, key: str, arrays: Mapping[str, NDArray]) -> None:
        """Store the arrays under `key`; an entry that is there is replaced."""
        from safetensors.numpy import save

        content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        if len(content) > self.max_bytes:
            raise ValueError(
                f"an entry of {readable_size(len(content))} was put into {self.folder}, which holds at most "
                f"{readable_size(self.max_bytes)}; expected entries far below it: raise max_bytes"
            )
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        with FileLock(self._lock_path):
            # Noted first: a process killed here leaves the size too large, which the next clearing mends.
            self._note_size(self._make_room(len(content)) + len(content))
            write_atomically(path, [content], durable=False)  # what a power cut damages is made again

    def get_or_make(self, key: str, make: Callable[[], Mapping[str, NDArray]]) -> Arrays:
        """The arrays of `key`, made and stored if absent; processes that miss it at once all make it."""
        if (arrays := self.get(key)) is None:
            arrays = {name: np.asarray(array) for name, array in make().items()}
            self.put(key, arrays)
        return arrays

    def size(self) -> int:
        """What all entries take on disk, in bytes."""
        return sum(size for _, size, _ in self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    def __contains__(self, key: str) -> bool:
        return self._path(key).exists()

    def clear(self) -> None:
        with FileLock(self._lock_path):
            for path, _, _ in self._entries():
                path.unlink(missing_ok=True)
            self._note_size(0)

    def _path(self, key: str) -> Path:
        if not key.isalnum():
            raise ValueError(f"cache key is {key!r}; expected letters and digits, as cache_key gives them")
        return self.folder / key[:2] / f"{key}.safetensors"

    def _make_room(self, need: int) -> int:
        """Clear the entries longest unused if `need` more bytes would be too many; return the size then."""
        size = self._noted_size()
        if size is not None and size + need <= self.max_bytes:
            return size
        entries = sorted(self._entries(), key=lambda entry: entry[2])
        size, goal = sum(entry[1] for entry in entries), self.max_bytes * _AFTER_CLEARING - need
        if size + need <= self.max_bytes:
            return size
        for folder in {path.parent for path, _, _ in entries}:
            remove_leftovers(folder)
        for path, bytes_of_it, _ in entries:
            if size <= max(goal, 0):
                break
            path.unlink(missing_ok=True)
            size -= bytes_of_it
        return size

    def _entries(self) -> list[tuple[Path, int, int]]:
        """Path, bytes and time of last use of every entry."""
        found = []
        for path in self.folder.glob("*/*.safetensors"):
            try:
                about = path.stat()
            except FileNotFoundError:  # cleared by another process just now
                continue
            found.append((path, about.st_size, about.st_mtime_ns))
        return found

    def _noted_size(self) -> int | None:
        try:
            return int(self._size.read_text())
        except (OSError, ValueError):
            return None

    def _note_size(self, size: int) -> None:
        write_atomically(self._size, [str(size).encode()], durable=False)
