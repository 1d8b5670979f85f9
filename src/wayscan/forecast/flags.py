"""Settings as flags of a command: each may be left out, and then comes from the preset."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Literal, get_type_hints

import tyro

from wayscan.forecast.config import PRESETS, ForecastConfig, Preset
from wayscan.forecast.config import preset as make_config

FROM_PRESET = "preset"


def with_settings(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command `--preset` and a flag for every setting; it is called with the settings made."""

    def build(given: dict[str, Any]) -> ForecastConfig:
        return make_config(given.pop("preset"), **_chosen(given, _NAMES))

    about = "where settings come from that are not given: ours, or the seed's values"
    choice = _parameter("preset", Annotated[Preset, _help(about)], "default")
    return _with_flags(command, build, [choice, *map(_flag, fields(ForecastConfig))])


def with_data(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command the flags that choose a series; it is called with those settings that were given."""
    flags = [_flag(each, "the model's own") for each in fields(ForecastConfig) if each.name in DATA]
    return _with_flags(command, lambda given: _chosen(given, DATA), flags)


DATA = ("data", "column", "features", "gaps", "order", "encoding", "season")
_NAMES = tuple(each.name for each in fields(ForecastConfig))


def _with_flags(
    command: Callable[..., int], build: Callable[[dict[str, Any]], object], flags: list[inspect.Parameter]
) -> Callable[..., int]:
    """The first parameter of `command` is what `build` makes of the flags; the others are flags already."""
    own = list(inspect.signature(command).parameters.values())[1:]
    hints = get_type_hints(command, include_extras=True)
    parameters = [*(each.replace(annotation=hints[each.name]) for each in own), *flags]

    @functools.wraps(command)
    def run(*positional: Any, **given: Any) -> int:
        for each in flags:
            given.setdefault(each.name, each.default)
        return command(build(given), *positional, **given)

    run.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": int}
    del run.__wrapped__  # type: ignore[attr-defined]  # its parameters are not those of `run`
    return run


def _chosen(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Take the settings out of the flags; those left to the preset are left out."""
    found = {name: given.pop(name) for name in names}
    return {name: value for name, value in found.items() if value != FROM_PRESET}


def _flag(each: Any, otherwise: str | None = None) -> inspect.Parameter:
    kind = get_type_hints(ForecastConfig)[each.name]
    defaults = {name: getattr(settings, each.name) for name, settings in PRESETS.items()}
    ours, seeds = defaults["default"], defaults["seed"]
    shown = f"{_shown(ours)}" if ours == seeds else f"{_shown(ours)}; seed: {_shown(seeds)}"
    text = f"{each.metadata['about']} ({otherwise or shown})"
    return _parameter(each.name, Annotated[Literal["preset"] | kind, _help(text)], FROM_PRESET)


def _shown(value: Any) -> str:
    return " ".join(value) or "none" if isinstance(value, tuple) else str(value)


def _help(text: str) -> Any:
    return tyro.conf.arg(help=text, help_behavior_hint="")


def _parameter(name: str, kind: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
