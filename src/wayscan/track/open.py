"""A tracker by whatever a person names: a model, a training run, an exported folder. Light until it opens."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wayscan.track.config import EXPORTED, LoopConfig

if TYPE_CHECKING:
    from wayscan.track.loop import TrackingLoop


def open_tracker(
    source: str | Path, *, device: str = "cpu", threads: int | None = None, loop: LoopConfig | None = None
) -> "TrackingLoop":
    """The tracker of a model's folder, name or hub id, of a training run, or of an exported folder.

    Args:
        threads: of this process; None leaves torch's own number. A small tracker is fastest on one, and on a
            busy machine by far: its steps are too short to wait for a second thread.
    """
    folder = Path(source).expanduser()
    if (folder / EXPORTED).is_file():
        from wayscan.track.onnx import OnnxTracker

        return OnnxTracker.from_folder(folder, loop=loop, threads=threads or 1)
    import torch

    from wayscan.track.run import Tracker

    if threads is not None:
        torch.set_num_threads(threads)
    return Tracker.from_pretrained(_model_of(folder) or source, device=device, loop=loop)


def _model_of(folder: Path) -> Path | None:
    """The model that a training run has come to, if the folder is one."""
    from wayscan.data.runs.folder import is_run

    if not is_run(folder):
        return None
    if not (folder / "model" / "config.json").is_file():
        raise ValueError(
            f"{folder} is a run without a model yet; expected model/config.json in it; let it finish, or "
            "evaluate its checkpoints with --checkpoints all"
        )
    return folder / "model"


def checkpoint_trackers(
    run: Path, device: str = "cpu", threads: int | None = None
) -> "dict[str, Callable[[], TrackingLoop]]":
    """By name: the model of a training run, its best weights, and each of its checkpoints, newest first."""
    from wayscan.data.runs.folder import Run

    checkpoints = Run.open(run).checkpoints()
    found: dict[str, Callable[[], TrackingLoop]] = {}
    if (run / "model" / "config.json").is_file():
        found["model"] = partial(open_tracker, run / "model", device=device, threads=threads)
    paths = [checkpoints.path(step) for step in reversed(checkpoints.steps())]
    if checkpoints.best.is_file():
        paths.insert(0, checkpoints.best)
    for path in paths:
        found[path.stem] = partial(_from_checkpoint, run, path, device)
    if not found:
        raise ValueError(f"{run} has neither a model nor a checkpoint yet; wait for its first one")
    return found


def _from_checkpoint(run: Path, path: Path, device: str) -> "TrackingLoop":
    from wayscan.track.checkpoint import tracker_of

    return tracker_of(run, path, device)
