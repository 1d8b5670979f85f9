"""Environments by name. Needs no torch."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any


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
        near = get_close_matches(name, [*ours.ENVIRONMENTS, *gymnasium.registry], n=3)
        raise ValueError(
            f"env_name is {name!r}, which Gymnasium does not know; "
            + (f"did you mean {', '.join(near)}?" if near else f"ours are {', '.join(ours.ENVIRONMENTS)}")
        )
    own = {"stack": 1} if is_forest(name) else {}
    return gymnasium.make(name, **{**own, **(options or {})})


def is_forest(name: str) -> bool:
    """Whether it has Forest-v0's options and infos."""
    return name in ("wayscan/Forest-v0", "AirSimEnv-v42")


def is_one_simulator(name: str) -> bool:
    """Whether there is one world behind all environments of this name, so that only one may fly."""
    return name == "AirSimEnv-v42"
