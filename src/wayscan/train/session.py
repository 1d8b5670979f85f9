"""What every training in a run folder does alike: go on from the newest checkpoint, and say how it ended."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from wayscan.data.runs.folder import Run
from wayscan.train.checkpoint import Checkpointer, load_state
from wayscan.train.outputs import Outputs


def newest_state(run: Run, *, speaks: bool = True) -> tuple[dict[str, Any], Path] | None:
    """What the newest whole checkpoint holds, and its file; None where nothing was ever saved.

    Args:
        speaks: tell of newer ones that are broken.
    """
    path, complaints = run.checkpoints().last()
    if path is None and complaints:
        raise ValueError(
            f"{run.path} has no whole checkpoint to go on from ({'; '.join(complaints)}): start it again"
        )
    if path is None:
        return None
    for complaint in complaints if speaks else ():
        print(f"{complaint}: going on from {path.name}", file=sys.stderr)
    return load_state(path), path


@contextmanager
def failure_noted(outputs: Outputs) -> Iterator[None]:
    """The run's state says that it failed, and why; the error goes on."""
    try:
        yield
    except SystemExit:
        raise
    except BaseException as error:
        state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with suppress(OSError):  # a full disk has been told about by `error`
            outputs.write_state(state, str(error))
        raise


def leave(outputs: Outputs, checkpointer: Checkpointer, signal: int, *, step: int, going_on: int) -> NoReturn:
    """End an interrupted process when all is saved: SystemExit(128 + signal)."""
    checkpointer.wait()
    outputs.write_state("interrupted")
    outputs.say(f"interrupted at step {step}; resume goes on from step {going_on}")
    raise SystemExit(128 + signal)
