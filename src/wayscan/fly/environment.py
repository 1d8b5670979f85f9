"""Environments by name. Needs no torch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wayscan.names import nearest

FOREST = "wayscan/Forest-v0"


def make_environment(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """A Gymnasium environment; wayscan's own show single frames unless `stack` is asked for."""
    try:
        import gymnasium
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            'wayscan fly needs gymnasium, which is not installed; run: pip install "wayscan[fly]"',
            name="gymnasium",
        ) from missing
    import wayscan.world.envs as ours

    if name not in gymnasium.registry and ":" not in name:
        near = nearest(name, [*ours.ENVIRONMENTS, *gymnasium.registry])
        raise ValueError(f"env_name is {name!r}, which Gymnasium does not know; {near}")
    own = {"stack": 1} if is_forest(name) else {}
    try:
        return gymnasium.make(name, **{**own, **(options or {})})
    except TypeError as fault:  # an option that it does not have
        if not options:
            raise
        raise ValueError(f"{name} cannot be made with {dict(options)}: {fault.__cause__ or fault}") from fault


def is_forest(name: str) -> bool:
    """Whether it has Forest-v0's options and infos."""
    return name in ("wayscan/Forest-v0", "wayscan/ForestMujoco-v0", "AirSimEnv-v42")


def forest_vector(name: str) -> Any:
    """The class of many forests of this name at once, which reference pilots fly; None where there is none.

    >>> forest_vector("wayscan/Forest-v0").__name__, forest_vector("Pendulum-v1")
    ('ForestVector', None)
    """
    if not is_forest(name):
        return None
    from gymnasium import spec
    from gymnasium.envs.registration import load_env_creator

    import wayscan.world.envs  # noqa: F401 (registers)

    entry = spec(name).vector_entry_point
    return load_env_creator(entry) if isinstance(entry, str) else entry


def is_one_simulator(name: str) -> bool:
    """Whether there is one world behind all environments of this name, so that only one may fly."""
    return name == "AirSimEnv-v42"


def trained_in(model: str | Path) -> tuple[str, dict[str, Any]] | None:
    """The environment and options of the training run that `model` is; None for any other model."""
    from wayscan.data.runs.folder import Run, is_run

    if not is_run(Path(model)):
        return None
    config = Run.open(Path(model)).about["config"]
    return config.get("env_name", FOREST), dict(config.get("env_options") or {})
