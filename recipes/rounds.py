"""Training runs one after the other, until some minutes are over; means and intervals."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from wayscan.data.runs.folder import Run, is_run

# Student's t: 97.5 % with n - 1 degrees of freedom.
T = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def is_finished(run: Path) -> bool:
    return is_run(run) and Run.open(run).state().state == "finished" and (run / "model").is_dir()


def finish(train: Callable[[Any], object], configs: Iterable[Any], minutes: float) -> None:
    """Train what is not finished, in this order; after the minutes a run stops, to be gone on with.

    Args:
        train: a system's. configs: of that system, with `run` and `resume`.
    """
    with stopping_after(minutes):
        for config in configs:
            if not is_finished(config.run):
                train(replace(config, resume=is_run(config.run)))


def in_rounds(
    config_of: Callable[[str, int, argparse.Namespace], Any], arguments: argparse.Namespace
) -> list[Any]:
    """The runs of all variants with the first seed, then with the next: so a table compares all early."""
    return [config_of(variant, seed, arguments) for seed in arguments.seeds for variant in arguments.variants]


@contextmanager
def stopping_after(minutes: float) -> Iterator[None]:
    """Send this process the signal that ends a run cleanly; the block then ends, without an error."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    stop = threading.Timer(60 * minutes, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stop.daemon = True
    stop.start()
    try:
        yield
    except SystemExit as stopped:
        print(f"stopped ({stopped.code}); the same command goes on", file=sys.stderr)
    finally:
        stop.cancel()
        signal.signal(signal.SIGTERM, before)


class Spread(NamedTuple):
    """The mean over seeds and its 95 % interval by Student's t; one seed has none."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.mean:.3g}"
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


def spread(values: Sequence[float]) -> Spread:
    """
    >>> print(spread([0.7, 0.8, 0.9]))
    0.8 [0.552, 1.05]
    """
    middle = mean(values)
    if len(values) < 2:
        return Spread(middle, None, None)
    reach = T[min(len(values), max(T))] * stdev(values) / len(values) ** 0.5
    return Spread(middle, middle - reach, middle + reach)


def kept(path: Path, measure: Callable[[], str]) -> str:
    """What `measure` gives, measured once and kept in a file."""
    if not path.is_file():
        path.write_text(measure(), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def parser_of(description: str | None, minutes: float) -> argparse.ArgumentParser:
    """With what all of these recipes ask for."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=minutes, help="of training; then stop")
    return parser


def ask_for_seeds(parser: argparse.ArgumentParser) -> None:
    """Seeds by number, so that machines may share them out."""
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
