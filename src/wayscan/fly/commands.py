"""`wayscan fly VERB`: each verb is a function whose parameters are its flags."""

from collections.abc import Callable
from json import dumps
from typing import Literal

from wayscan.fly.train_config import FlyTrainConfig, Option

DONE, FAILED, INTERRUPTED = 0, 1, 130


def train(config: FlyTrainConfig) -> int:
    """Train a pilot by TD3 on any Gymnasium environment; the best weights are RUN/model."""
    from wayscan.fly.train import train as train_pilot

    return train_pilot(config)


def evaluate(
    *,
    model: str,
    env_name: str = "wayscan/Forest-v0",
    env_options: dict[str, Option] | None = None,
    episodes: int = 100,
    purpose: Literal["judging", "tuning"] = "judging",
    device: str = "cpu",
    threads: int = 1,
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
        json: print one JSON object as the last line of standard output.
    """
    from wayscan.fly.judge import judge

    if episodes < 1:
        raise ValueError(f"episodes is {episodes}; expected 1 or more")
    judged = judge(
        model, env_name, env_options or {}, episodes=episodes, purpose=purpose, device=device, threads=threads
    )
    if json:
        print(dumps(judged.to_json(), ensure_ascii=False, allow_nan=False))
    else:
        print(judged.table())
    return DONE


def run(
    *,
    model: str,
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


VERBS: dict[str, Callable[..., int]] = {verb.__name__: verb for verb in (train, run, evaluate)}
