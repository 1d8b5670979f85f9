"""The checkpoints of a run: which there are, which of them can be read, which to keep. Needs no torch."""

import re
from collections.abc import Mapping
from pathlib import Path

from wayscan.data.atomic import remove_leftovers
from wayscan.data.tensor_file import RawTensor, read_header, write_tensors

_NAME = re.compile(r"step_(\d{10})\.safetensors")


class CheckpointFolder:
    """`step_*.safetensors`, from which a run goes on, and `best.safetensors`, the best weights so far.

    Args:
        folder: usually RUN/checkpoints.
        keep: how many steps to keep; the newest are.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}; expected 1 or more, or a run could not be resumed")
        self.folder, self.keep = Path(folder), keep

    @property
    def best(self) -> Path:
        return self.folder / "best.safetensors"

    def path(self, step: int) -> Path:
        return self.folder / f"step_{step:010d}.safetensors"

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, readable or not, oldest first."""
        if not self.folder.is_dir():
            return []
        matches = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def last(self) -> tuple[Path | None, list[str]]:
        """The newest checkpoint that is whole, and what is wrong with the newer ones."""
        complaints = []
        for step in reversed(self.steps()):
            if (complaint := damage(self.path(step))) is None:
                return self.path(step), complaints
            complaints.append(complaint)
        return None, complaints

    def write(self, step: int, tensors: Mapping[str, RawTensor], metadata: Mapping[str, str]) -> None:
        """Write the checkpoint of `step`, then let the oldest go; a failure leaves those that were there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_tensors(self.path(step), tensors, metadata)
        for old in self.steps()[: -self.keep]:
            self.path(old).unlink(missing_ok=True)

    def write_best(self, tensors: Mapping[str, RawTensor], metadata: Mapping[str, str]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_tensors(self.best, tensors, metadata)

    def drop_after(self, step: int) -> None:
        """Forget damaged checkpoints after `step` and crashed writers' leftovers; only under the lock."""
        if self.folder.is_dir():
            remove_leftovers(self.folder)
        for later in self.steps():
            if later > step:
                self.path(later).unlink()


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint file, or None."""
    try:
        read_header(path)
    except (ValueError, OSError) as error:
        return str(error)
    return None
