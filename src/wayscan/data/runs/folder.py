"""A run folder: made, opened, locked, described.

RUN/
  config.json      what was asked: settings, data hash, seed, threads, versions, git state
  state.json       how far it is: running, finished, ..., step, best value
  metrics.jsonl    what was measured; identical for a run that was killed and resumed
  timings.jsonl    how long it took, on which machine; not identical
  checkpoints/     step_*.safetensors and best.safetensors
"""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple

from wayscan.data.atomic import remove_leftovers, write_atomically
from wayscan.data.runs.checkpoints import CheckpointFolder
from wayscan.data.runs.journal import Journal
from wayscan.data.runs.lock import RunLock, is_locked
from wayscan.data.runs.provenance import provenance
from wayscan.data.runs.settings import plain

FORMAT = 1

StateName = Literal["running", "finished", "stopped", "interrupted", "failed", "killed"]


class RunState(NamedTuple):
    """How far a run is. `best` is {"metric", "value", "step"}; `reason` says why it stopped or failed."""

    state: StateName
    step: int = 0
    steps: int | None = None
    best: dict[str, Any] | None = None
    reason: str | None = None
    updated: str | None = None


class Run:
    """One run folder. Make one with `create`, read one with `open`; write only while holding `lock()`."""

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = Path(path), about
        self.metrics = Journal(self.path / "metrics.jsonl")
        self.timings = Journal(self.path / "timings.jsonl")

    @classmethod
    def create(cls, path: Path, *, config: object, **facts: object) -> "Run":
        """Make a run folder.

        Args:
            path: a folder that is absent or empty.
            config: the resolved settings, a dataclass or a mapping.
            facts: what else belongs into config.json: data hash, seed, threads, ...
        """
        path = Path(path)
        if is_run(path):
            raise ValueError(
                f"{path} already holds a run: resume it (--resume) or give this run another folder"
            )
        if path.exists() and (not path.is_dir() or any(not _is_ours(name) for name in path.iterdir())):
            raise ValueError(
                f"{path} exists and is no run folder: nothing was touched; give this run another folder"
            )
        path.mkdir(parents=True, exist_ok=True)
        about = {"format": FORMAT, "created": _now(), "config": plain(config), **plain(facts), **provenance()}
        write_atomically(path / "config.json", [json.dumps(about, indent=2).encode()])
        return cls(path, about)

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open a run folder for reading; nothing in it is touched."""
        path = Path(path)
        if not is_run(path):
            raise ValueError(
                f"{path} is not a run folder (no config.json of a run is in it): `wayscan runs` lists runs"
            )
        about = json.loads((path / "config.json").read_text(encoding="utf-8"))
        if about.get("format", 0) > FORMAT:
            raise ValueError(
                f"{path} is from a newer wayscan (format {about['format']}; this one reads up to {FORMAT}): "
                "update wayscan"
            )
        return cls(path, about)

    def lock(self, *, patience: float = 6.0) -> RunLock:
        return RunLock(self.path, patience=patience)

    def checkpoints(self, *, keep: int = 2) -> CheckpointFolder:
        return CheckpointFolder(self.path / "checkpoints", keep=keep)

    def rewind(self, step: int) -> None:
        """Forget everything after `step`, as a run that goes on from there needs it; only under the lock."""
        remove_leftovers(self.path)
        self.metrics.cut_back(step)
        self.checkpoints().drop_after(step)

    def write_state(self, state: RunState) -> None:
        text = json.dumps({**state._asdict(), "updated": _now()}, default=str)
        write_atomically(self.path / "state.json", [text.encode()], durable=False)

    def state(self) -> RunState:
        """How far the run is; "killed" when it says that it is running but nobody holds its lock."""
        state = self._written_state() or RunState("running", step=self._last_step())
        if state.state == "running" and not is_locked(self.path):
            state = state._replace(state="killed")
        return state

    def _written_state(self) -> RunState | None:
        try:
            written = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
            return RunState(**{name: written[name] for name in RunState._fields if name in written})
        except (OSError, ValueError, TypeError):
            return None

    def _last_step(self) -> int:
        line = self.metrics.last()
        return int(line["step"]) if line else 0  # type: ignore[call-overload]


def _is_ours(path: Path) -> bool:
    """Whether this is what a run leaves that was killed before its config.json was there."""
    return path.name in (".lock", ".owner.json") or (path.name.startswith(".") and path.suffix == ".tmp")


def is_run(path: Path) -> bool:
    try:
        about = json.loads((Path(path) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(about, dict) and isinstance(about.get("config"), Mapping)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
