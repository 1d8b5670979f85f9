"""The command line: `wayscan COMMAND …` and `wayscan SYSTEM VERB …`.

This file stays light, so that `wayscan --help` is there at once: a command's code, torch and even tyro
are imported when that command runs. A command is a function; its parameters are its flags. Those of a system
are in its `commands.py`, in a table VERBS. `--config FILE.yaml` stands for the flags that the file holds.
"""

import importlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from wayscan.names import nearest

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def demo(*, out: Path = Path("wayscan-demo"), seed: int = 0) -> int:
    """See it work: the scan against its definition, and a small model that learns, on this machine.

    Args:
        out: folder for the figure.
        seed: of the data and the weights.
    """
    from wayscan.demo import run

    return run(out, seed)


def bench(name: str, /, *, json: bool = False) -> int:
    """Measure a promise: prints each claim, its goal and what came out.

    Args:
        name: which bench: scan, runs, world, forecast, track, fly.
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.benches import run_bench

    return run_bench(name, json)


def convert(source: Path, folder: Path, /) -> int:
    """Turn someone's .pt or .pth file of tensors into model.safetensors.

    Args:
        source: the checkpoint; anything but tensors is refused.
        folder: where model.safetensors and conversion.json go.
    """
    from wayscan.pretrained import convert as convert_file

    print(convert_file(source, folder))
    return DONE


def models(*, json: bool = False) -> int:
    """List the models that come with the package.

    Args:
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.pretrained import bundled_models

    names = list(bundled_models())
    if json:
        print_json({"models": names})
    else:
        print("\n".join(names) if names else "no bundled models in this version")
    return DONE


def runs(root: Path = Path("."), /, *, json: bool = False) -> int:
    """List the training runs below a folder: state, step, best metric.

    Args:
        root: where to look, four levels deep.
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.data.runs.listing import list_runs, table

    rows = list_runs(root)
    if json:
        print_json({"runs": [{**row._asdict(), "path": str(row.path)} for row in rows]})
    else:
        print(table(rows) if rows else f"no runs below {root}")
    return DONE


def show(run: Path, /, *, out: Path | None = None, language: Literal["en", "zh"] = "en") -> int:
    """Draw the curves of a training run.

    Args:
        run: the run folder.
        out: where the picture goes; figures/curves.png in the run folder if not given.
        language: of the labels.
    """
    from wayscan.train.show import draw_curves

    print(draw_curves(run, out or run / "figures" / "curves.png", language))
    return DONE


def warmup() -> int:
    """Compile the CPU kernels now, so that the first scan or picture does not wait for it."""
    from wayscan.ops.kernel_cache import cache_root
    from wayscan.warming import warmup as compile_kernels

    compile_kernels()
    print(f"kernels compiled, in {cache_root()}")
    return DONE


def print_json(value: object) -> None:
    """One line, the last of standard output."""
    print(json.dumps(value, ensure_ascii=False))


COMMANDS: dict[str, Callable[..., int]] = {
    command.__name__: command for command in (demo, bench, runs, show, convert, models, warmup)
}
SYSTEMS: dict[str, str] = {
    "fly": "Fly a drone, or any Gymnasium environment, by depth images and states.",
    "forecast": "Forecast a series: MinGRU, GRU and Mamba in NumPy beside honest baselines.",
    "track": "Follow one target through a video: from a first box to a box in every frame.",
    "world": "The embedded world: look at its data sets and trials, and write them to disk.",
}
"""What has verbs, and what it is for; the verbs are in wayscan.NAME.commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it went (0 done, 1 failed, 2 bad input, 130 interrupted)."""
    name, *rest = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in ("-h", "--help"):
        print(_overview())
        return DONE
    if name == "--version":
        from wayscan import __version__

        print(f"wayscan {__version__}")
        return DONE
    if name in SYSTEMS:
        return _run_verb(name, rest)
    if name not in COMMANDS:
        return _complain(f"no command {name!r}; {nearest(name, (*COMMANDS, *SYSTEMS))}")
    return _run(COMMANDS[name], name, rest)


def _run_verb(system: str, arguments: Sequence[str]) -> int:
    verbs: dict[str, Callable[..., int]] = importlib.import_module(f"wayscan.{system}.commands").VERBS
    verb, *rest = arguments or ["--help"]
    if verb in ("-h", "--help"):
        lines = [f"usage: wayscan {system} VERB …", "", SYSTEMS[system], "", *_table(verbs)]
        print("\n".join([*lines, "", f"wayscan {system} VERB --help says more."]))
        return DONE
    if verb not in verbs:
        return _complain(f"{system} has no verb {verb!r}; {nearest(verb, verbs)}")
    return _run(verbs[verb], f"{system} {verb}", rest)


def _run(command: Callable[..., int], name: str, arguments: Sequence[str]) -> int:
    import tyro

    _bear_absent_torch()
    try:
        return tyro.cli(
            command,
            args=_with_file(arguments),
            prog=f"wayscan {name}",
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _bear_absent_torch() -> None:
    """tyro looks once whether torch is loaded and trips over `sys.modules["torch"] = None`: let it look."""
    import tyro

    if "torch" in sys.modules and sys.modules["torch"] is None:
        del sys.modules["torch"]
        tyro.cli(lambda: None, args=[])
        sys.modules["torch"] = None  # type: ignore[assignment]


def _with_file(arguments: Sequence[str]) -> list[str]:
    """`--config FILE.yaml` replaced by those flags in the file that the command line does not set itself.

    >>> _with_file(["a", "--seed", "1"])
    ['a', '--seed', '1']
    """
    words = [part for word in arguments for part in _split_config(word)]
    if "--config" not in words:
        return words
    place = words.index("--config")
    if place + 1 == len(words):
        raise ValueError("--config is the last word; expected a YAML file of flags after it")
    from wayscan.data.runs.reading import read_settings

    settings = read_settings(Path(words[place + 1]))
    given = [*words[:place], *words[place + 2 :]]
    named = {_bare(word) for word in given if word.startswith("--")}
    flags = [
        word for name, value in settings.items() if _bare(name) not in named for word in _flag(name, value)
    ]
    return [*given, *flags]


def _bare(flag: str) -> str:
    """The setting that a flag sets: `--no-half` and `--half=1` are both about half.

    >>> _bare("--no-half"), _bare("--num_blocks=2"), _bare("num-blocks")
    ('half', 'num_blocks', 'num_blocks')
    """
    return flag.removeprefix("--").split("=")[0].removeprefix("no-").replace("-", "_")


def _split_config(word: str) -> list[str]:
    return word.split("=", 1) if word.startswith("--config=") else [word]


def _flag(name: str, value: Any) -> list[str]:
    """The words that set a flag.

    >>> _flag("num_blocks", [2, 2]), _flag("half", False), _flag("out", None)
    (['--num-blocks', '2', '2'], ['--no-half'], ['--out', 'None'])
    """
    dashed = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{dashed}" if value else f"--no-{dashed}"]
    if isinstance(value, dict):
        return [f"--{dashed}", *(str(word) for pair in value.items() for word in pair)]
    return [f"--{dashed}", *map(str, value if isinstance(value, list) else [value])]


def _complain(message: str) -> int:
    print(f"wayscan: {message}", file=sys.stderr)
    return BAD_INPUT


def _overview() -> str:
    lines = ["Selective-scan models that turn frames into motion.", "", "usage: wayscan COMMAND …", ""]
    systems = [f"  {name:<10}{summary}" for name, summary in SYSTEMS.items()]
    more = "wayscan COMMAND --help says more. wayscan --version"
    return "\n".join([*lines, *systems, "", *_table(COMMANDS), "", more])


def _table(commands: dict[str, Callable[..., int]]) -> list[str]:
    return [f"  {name:<10}{(command.__doc__ or '').splitlines()[0]}" for name, command in commands.items()]


if __name__ == "__main__":
    sys.exit(main())
