"""What a person names: a pilot, an environment that fits it, a folder for what is made of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from wayscan.fly.environment import FOREST, make_environment, trained_in
from wayscan.fly.recording import expect_fit
from wayscan.fly.run import Pilot


def made_folder(path: str | Path) -> Path:
    """A folder to write into; why there can be none is said in one line."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise ValueError(
            f"out: {path} cannot be a folder ({fault.strerror}: {fault.filename}); expected a folder, which "
            f"may be new"
        ) from None
    return path


class Opened(NamedTuple):
    """A pilot and an environment that fits it."""

    pilot: Pilot
    env: Any
    env_name: str
    called: str  # the model, on figures


@contextmanager
def opened(
    model: str, env_name: str | None, env_options: Mapping[str, Any] | None, device: str = "cpu"
) -> Iterator[Opened]:
    """Open both, and close the environment afterwards.

    Args:
        env_name: that of the training run, with its options, if not given; Forest-v0 for other models.
    """
    pilot = Pilot.from_pretrained(model, device=device)
    name, options = (env_name, {}) if env_name else trained_in(model) or (FOREST, {})
    env = make_environment(name, {**options, **(env_options or {})})
    try:
        expect_fit(pilot.config, env, model, name)
        yield Opened(pilot, env, name, Path(model).resolve().name if Path(model).exists() else model)
    finally:
        env.close()
