"""What the scan's bench measures in processes of their own: memory, the first scan, other instruction sets,
and ours beside the yardstick, where nobody else has stirred the heap.

python -m benchmarks.scan_processes memory ENGINE SIZE    prints peak extra bytes of forward and backward
python -m benchmarks.scan_processes yardstick SIZE        prints seconds of ours and the yardstick, as JSON
python -m benchmarks.scan_processes serve FOLDER          answers one line of input at a time:
    results    writes out and gradients of S1 to FOLDER/results.pt
    forward    runs S1 forward and answers with its seconds; `both` likewise, backward included
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from .memory import peak_extra_bytes
from .scan_engines import Prepared, engines
from .scan_problems import SIZES, Results, Size, make_problem
from .timing import (
    MOST_REPEATS,
    garbage_collection_paused,
    keep_freed_memory,
    medians,
    seconds_of,
    take_turns,
)
from .yardstick.build import processor_features

PATIENCE = 600  # seconds for a process: compiling kernels for another processor is part of it
NARROW_CPU = "x86-64-v3"  # AVX2 and FMA, nothing wider

FIRST_SCAN = """
import time
import torch

torch.set_num_threads(1)
u, delta, z, B, C = (torch.randn(2, rows, 320) for rows in (1536, 1536, 1536, 16, 16))
A = -torch.rand(1536, 16)
start = time.perf_counter()
from wayscan import selective_scan

selective_scan(u, delta, A, B, C, z=z, delta_softplus=True, backend="cpu")
print(time.perf_counter() - start)
"""


# ---- asked by the bench ---------------------------------------------------------------------------------


def seconds_to_first_scan() -> float:
    """From `from wayscan import selective_scan` to the end of one scan of S1, torch imported before."""
    return float(_answer("-c", FIRST_SCAN))


def peak_bytes(engine: str, size: Size) -> int:
    """Peak extra memory of one forward and backward pass."""
    return int(_answer("-m", __spec__.name, "memory", engine, size.name))


def seconds_beside_yardstick(size: Size) -> dict[str, dict[str, float]]:
    """Medians of ours and the yardstick, by direction and engine."""
    return json.loads(_answer("-m", __spec__.name, "yardstick", size.name))


def _answer(*arguments: str) -> str:
    """The last line that a fresh Python process prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, env=_environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:2])} … failed: {done.stderr.strip()[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def _environment(**extra: str) -> dict[str, str]:
    """Ours, one thread, and the same places to import from."""
    paths = os.pathsep.join(path for path in sys.path if path)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **extra}


class Server:
    """A process that holds S1 ready and runs it when asked."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, "serve", str(folder)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, request: str) -> str:
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None, "it is a pipe"
        assert answers is not None, "it is a pipe"
        questions.write(f"{request}\n")
        questions.flush()
        answer = answers.readline()
        if not answer:
            raise RuntimeError(f"the process asked for {request!r} ended with {self._process.wait()}")
        return answer.strip()

    def seconds(self, request: str) -> float:
        return float(self.ask(request))

    def results(self) -> Results:
        self.ask("results")
        return Results(*torch.load(self._folder / "results.pt", weights_only=True))

    def stop(self) -> None:
        self._process.communicate(timeout=PATIENCE)  # closes its input, at which it ends


@contextmanager
def wide_and_narrow() -> Iterator[tuple[Server, Server]]:
    """Two processes that scan alike, the second with AVX-512 masked off."""
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / name for name in ("wide", "narrow")]
        for folder in folders:
            folder.mkdir()
        wide, narrow = (
            Server(folder, environment)
            for folder, environment in zip(folders, (_environment(), _environment(**_narrow())), strict=True)
        )
        try:
            yield wide, narrow
        finally:
            wide.stop()
            narrow.stop()


def _narrow() -> dict[str, str]:
    """numba's words for this processor without AVX-512."""
    wider = ("avx512", "evex", "avx10")
    flags = [f"{'-' if name.startswith(wider) else '+'}{name}" for name in sorted(processor_features())]
    return {"NUMBA_CPU_NAME": NARROW_CPU, "NUMBA_CPU_FEATURES": ",".join(flags)}


# ---- run in the process ---------------------------------------------------------------------------------


def _memory(engine: str, size: Size) -> None:
    """A few steps first: they load what is loaded once."""
    few = Size(
        name="few", batch=1, channels=16 * size.groups, length=2, states=size.states, groups=size.groups
    )
    Prepared(engines()[engine], make_problem(few), few).both()
    print(peak_extra_bytes(Prepared(engines()[engine], make_problem(size), size).both))


def _beside_yardstick(size: Size) -> None:
    keep_freed_memory()
    ready = {name: Prepared(engines()[name], make_problem(size), size) for name in ("ours", "yardstick")}
    found = {}
    for direction, method in (("forward", "forward"), ("forward+backward", "both")):
        calls = {name: getattr(prepared, method) for name, prepared in ready.items()}
        for call in calls.values():
            call()
        found[direction] = medians(take_turns(calls, dict.fromkeys(calls, MOST_REPEATS)))
    print(json.dumps(found))


def _serve(folder: Path) -> None:
    keep_freed_memory()
    size = SIZES["S1"]
    prepared = Prepared(engines()["ours"], make_problem(size), size)
    calls = {"forward": prepared.forward, "both": prepared.both}
    for line in sys.stdin:
        request = line.strip()
        if request == "results":
            torch.save(tuple(prepared.results(*prepared.both())), folder / "results.pt")
            print("written", flush=True)
        else:
            with garbage_collection_paused():
                print(seconds_of(calls[request]), flush=True)


def _main(task: str, *arguments: str) -> None:
    torch.set_num_threads(1)
    if task == "memory":
        engine, size = arguments
        _memory(engine, SIZES[size])
    elif task == "yardstick":
        _beside_yardstick(SIZES[arguments[0]])
    else:
        _serve(Path(arguments[0]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
