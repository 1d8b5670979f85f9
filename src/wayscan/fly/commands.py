"""`wayscan fly VERB`: each verb is a function whose parameters are its flags."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import Literal

from wayscan.fly.train_config import FlyTrainConfig, Option
from wayscan.world.splits import JUDGING

DONE, FAILED, INTERRUPTED = 0, 1, 130
MODEL = "fly-cpu"


def train(config: FlyTrainConfig) -> int:
    """Train a pilot by TD3 on any Gymnasium environment; the best weights are RUN/model."""
    from wayscan.fly.train import train as train_pilot

    return train_pilot(config)


def evaluate(
    *,
    model: str = MODEL,
    env_name: str = "wayscan/Forest-v0",
    env_options: dict[str, Option] | None = None,
    episodes: int = 100,
    purpose: Literal["judging", "tuning"] = "judging",
    device: str = "cpu",
    threads: int = 1,
    blank_depth: bool = False,
    json: bool = False,
) -> int:
    """Measure a pilot on fixed seeds, beside pilots that learn nothing.

    Args:
        model: a folder, a training run, a bundled model, or a hub id.
        env_name: a Gymnasium environment.
        env_options: what it is made with: --env-options image 64 density 4.8.
        episodes: one for each of the split's first seeds.
        purpose: which seeds: to judge, or to choose between settings.
        device: "cpu", "cuda", …
        threads: of the networks on the CPU.
        blank_depth: fly the pilot once more with its images blank, as a reference: does it fly by sight?
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.fly.judge import judge

    if episodes < 1:
        raise ValueError(f"episodes is {episodes}; expected 1 or more")
    judged = judge(
        model, env_name, env_options or {}, episodes=episodes, purpose=purpose, device=device,
        threads=threads, blank_depth=blank_depth,
    )  # fmt: skip
    if json:
        print(dumps(judged.to_json(), ensure_ascii=False, allow_nan=False))
    else:
        print(judged.table())
    return DONE


def run(
    *,
    model: str = MODEL,
    env_name: str = "wayscan/Forest-v0",
    env_options: dict[str, Option] | None = None,
    seed: int = 0,
    episodes: int = 1,
    json: bool = False,
) -> int:
    """Fly a pilot and print what it does: one line an episode.

    Args:
        model: a folder, a training run, a bundled model, or a hub id.
        env_name: a Gymnasium environment.
        env_options: what it is made with.
        seed: of the first episode; the next ones count up.
        episodes: how many.
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.fly.environment import make_environment
    from wayscan.fly.evaluate import deciding, fly_episodes, several
    from wayscan.fly.run import Pilot

    pilot = Pilot.from_pretrained(model)
    seeds = range(seed, seed + episodes)
    with several(lambda: make_environment(env_name, env_options), seeds, 1) as envs:
        flown = fly_episodes(deciding(pilot.policy), envs, seeds)
    rows = [{name: float(values[n]) for name, values in flown.values.items()} for n in range(episodes)]
    if json:
        print(dumps({"system": "fly", "model": model, "episodes": rows}, allow_nan=False))
        return DONE
    for number, row in zip(seeds, rows, strict=True):
        print(f"seed {number}: " + ", ".join(f"{name} {value:.3g}" for name, value in row.items()))
    return DONE


def show(
    *,
    model: str = MODEL,
    env_name: str | None = None,
    env_options: dict[str, Option] | None = None,
    seed: int = JUDGING.start,
    flights: int = 6,
    steps: int = 100,
    out: Path | None = None,
    language: Literal["en", "zh"] = "en",
    device: str = "cpu",
    json: bool = False,
) -> int:
    """Look at a pilot: attention, features, flights from above, and a film of what it sees.

    Writes attention.png, features.png, returns.png, flights.png and flight.mp4; of a training run its curves,
    too. What an environment or an encoder does not have is left out, and said.

    Args:
        model: a folder, a training run, a bundled model, or a hub id.
        env_name: a Gymnasium environment; that of the training run, else wayscan/Forest-v0.
        env_options: what it is made with: --env-options image 64 density 4.8.
        seed: of the first flight, which the attention and the film show; the next ones count up.
        flights: how many.
        steps: of the features.
        out: where the files go; wayscan-fly/MODEL, or figures in the run's folder, if not given.
        language: of the words.
        device: "cpu", "cuda", …
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.data.runs.folder import is_run
    from wayscan.fly.show import show_pilot

    folder = out or (
        Path(model) / "figures" if is_run(Path(model)) else Path("wayscan-fly") / Path(model).name
    )
    with _busy() as on_part:
        shown = show_pilot(
            model, folder, env_name=env_name, env_options=env_options, seed=seed, flights=flights,
            steps=steps, language=language, device=device, on_part=on_part,
        )  # fmt: skip
    for part, why in shown.skipped.items():
        print(f"wayscan: no {part}: {why}", file=sys.stderr)
    if json:
        told = {
            "system": "fly", "model": model, "data": shown.env_name, "out": str(folder),
            "written": {part: str(path) for part, path in shown.written.items()},
            "skipped": shown.skipped, "flights": [flight.summary() for flight in shown.flights],
            "baselines": {"random": [flight.summary() for flight in shown.random]},
        }  # fmt: skip
        print(dumps(told, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(str(path) for path in shown.written.values()))
    return DONE


def export(
    *,
    model: str = MODEL,
    out: Path = Path("actor.onnx"),
    env_name: str | None = None,
    env_options: dict[str, Option] | None = None,
    check: bool = True,
    json: bool = False,
) -> int:
    """Write a pilot as one ONNX graph with its state, which a robot calls once a frame without torch.

    Args:
        model: a folder, a training run, a bundled model, or a hub id.
        out: the file. `wayscan.fly.OnnxPilot` flies it.
        env_name: what to compare in; that of the training run, else wayscan/Forest-v0 if the pilot fits it.
        env_options: what it is made with.
        check: compare with torch afterwards, on made-up observations and on an episode.
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.data.atomic import readable_size
    from wayscan.fly.export import SAME, compare, export_pilot
    from wayscan.fly.run import Pilot

    report = {
        "system": "fly",
        "model": model,
        "out": str(out),
        **export_pilot(Pilot.from_pretrained(model), out),
    }
    found = compare(model, out, env_name, env_options) if check else {}
    if check and "flight" not in found:
        print("wayscan: no flight compared: name an environment that fits by --env-name", file=sys.stderr)
    if json:
        print(dumps({**report, "parity": found}, ensure_ascii=False, allow_nan=False))
    else:
        print(f"{out}: {readable_size(report['bytes'])}, {report['nodes']} nodes")
        for name, each in found.items():
            print(
                f"  {name}: largest difference of actions {each['difference']:.1e}; a decision takes "
                f"{each['onnx_ms']:.2g} ms (torch {each['torch_ms']:.2g} ms)"
            )
    return DONE if all(each["difference"] <= SAME for each in found.values()) else FAILED


VERBS: dict[str, Callable[..., int]] = {verb.__name__: verb for verb in (train, run, evaluate, show, export)}


@contextmanager
def _busy() -> Iterator[Callable[[str], None]]:
    """A line on standard error that says what is being done."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda part: progress.update(task, description=part)
