"""The command line: `wayscan COMMAND …`.

This file stays light, so that `wayscan --help` is there at once: a command's code, torch and even tyro
are imported when that command runs. A command is a function below; its parameters are its flags.
"""

import json
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

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
        name: which bench; `scan` is the selective scan.
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
    """Compile the CPU kernels now, so that the first scan does not wait for it."""
    from wayscan.ops import warmup as compile_kernels
    from wayscan.ops.selective_scan.kernel_cache import cache_root

    compile_kernels()
    print(f"kernels compiled, in {cache_root()}")
    return DONE


def print_json(value: object) -> None:
    """One line, the last of standard output."""
    print(json.dumps(value, ensure_ascii=False))


COMMANDS: dict[str, Callable[..., int]] = {
    command.__name__: command for command in (demo, bench, runs, show, convert, models, warmup)
}


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
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=2)
        hint = f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(COMMANDS)}"
        return _complain(f"no command {name!r}{hint}")
    return _run(name, rest)


def _run(name: str, arguments: Sequence[str]) -> int:
    import tyro

    try:
        return tyro.cli(
            COMMANDS[name], args=arguments, prog=f"wayscan {name}", config=(tyro.conf.OmitArgPrefixes,)
        )
    except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _complain(message: str) -> int:
    print(f"wayscan: {message}", file=sys.stderr)
    return BAD_INPUT


def _overview() -> str:
    lines = ["Selective-scan models that turn frames into motion.", "", "usage: wayscan COMMAND …", ""]
    for name, command in COMMANDS.items():
        lines.append(f"  {name:<10}{(command.__doc__ or '').splitlines()[0]}")
    return "\n".join([*lines, "", "wayscan COMMAND --help says more. wayscan --version"])


if __name__ == "__main__":
    sys.exit(main())
