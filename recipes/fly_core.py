"""Is the TD3 under the pilots a TD3? Environments that everybody knows, from states alone, several seeds.

    python recipes/fly_core.py --out OUT                                        Pendulum-v1, five minutes
    python recipes/fly_core.py --out OUT --env-names InvertedPendulum-v5
    python recipes/fly_core.py --out OUT --env-names HalfCheetah-v5 --steps 1000000 --minutes 600

Every environment and seed is a run of `wayscan fly train` in OUT/ENVIRONMENT-SEED. The best weights by tuning
episodes fly the judging ones, beside random actions: results.json and table.md. Settings are those of
published TD3s (RL Zoo for Pendulum-v1, Fujimoto 2018's widths and rates for the others); none was chosen on
judging episodes.
"""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from fly_rounds import finish, is_finished, kept, parser_of, spread

from wayscan.fly.judge import judge
from wayscan.fly.train_config import FlyTrainConfig

SHARED: dict[str, Any] = {
    "preset": "cpu", "encoder": "mlp", "seq_len": 1, "exploration": "gaussian", "ou_sigma": 0.1,
    "ou_sigma_min": 0.1, "threads": 1, "evaluate_episodes": 20,
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "Pendulum-v1": {
        "max_timesteps": 20_000, "learning_starts": 1_000, "hidden_dim": 64, "state_feature_dim": 32,
        "gamma": 0.98, "actor_lr": 1e-3, "critic_lr": 1e-3, "evaluate_every": 5_000,
    },
    "InvertedPendulum-v5": {
        "max_timesteps": 20_000, "learning_starts": 1_000, "hidden_dim": 64, "state_feature_dim": 32,
        "actor_lr": 1e-3, "critic_lr": 1e-3, "evaluate_every": 5_000, "evaluate_episodes": 10,
    },
    "HalfCheetah-v5": {
        "max_timesteps": 1_000_000, "learning_starts": 25_000, "buffer_size": 1_000_000, "hidden_dim": 256,
        "state_feature_dim": 128, "batch_size": 256, "evaluate_every": 50_000, "evaluate_episodes": 10,
        "save_interval": 10_000,
    },
}  # fmt: skip
KNOWN = {
    "Pendulum-v1": "SB3's TD3 −146, RL Zoo's −152",
    "InvertedPendulum-v5": "at most 1000",
    "HalfCheetah-v5": "9,583 to 9,656 after 1,000,000 steps",
}


def config_of(env_name: str, seed: int, arguments: Namespace) -> FlyTrainConfig:
    settings = {**SHARED, **SETTINGS[env_name]}
    if arguments.steps:
        settings |= {
            "max_timesteps": arguments.steps,
            "evaluate_every": min(settings["evaluate_every"], arguments.steps),
        }
    return FlyTrainConfig(run=arguments.out / f"{env_name}-{seed}", env_name=env_name, seed=seed, **settings)


def measured(run: Path, env_name: str, episodes: int) -> dict[str, Any]:
    """What a finished run's pilot does in the judging episodes."""

    def measure() -> str:
        return json.dumps(judge(str(run), env_name, {}, episodes=episodes).to_json())

    return json.loads(kept(run / f"judged-{episodes}.json", measure))


def table(arguments: Namespace) -> str:
    """The environments that have finished runs, as Markdown; the same in results.json."""
    lines = [
        "| environment | steps | seeds | return | each | random actions | known |",
        "|---|---|---|---|---|---|---|",
    ]
    results = {}
    for env_name in SETTINGS:
        runs = {
            seed: measured(run, env_name, arguments.episodes)
            for seed in range(arguments.seeds)
            if is_finished(run := arguments.out / f"{env_name}-{seed}")
        }
        if not runs:
            continue
        returns = [run["metrics"]["return"] for run in runs.values()]
        steps = arguments.steps or SETTINGS[env_name]["max_timesteps"]
        random = next(iter(runs.values()))["baselines"]["random"]["return"]
        results[env_name] = {
            "steps": steps,
            "episodes": arguments.episodes,
            "returns": returns,
            "interval": spread(returns)[1:],
            "random": random,
            "known": KNOWN[env_name],
        }
        each = ", ".join(f"{value:.1f}" for value in returns)
        found = f"{len(runs)} | {spread(returns)} | {each} | {random:.0f}"
        lines.append(f"| {env_name} | {steps:,} | {found} | {KNOWN[env_name]} |")
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1))
    text = "\n".join(lines)
    (arguments.out / "table.md").write_text(text + "\n")
    return text


def main(words: list[str]) -> None:
    parser = parser_of(__doc__, minutes=10)
    parser.add_argument("--env-names", nargs="+", default=["Pendulum-v1"], choices=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="instead of each environment's own number")
    parser.add_argument("--episodes", type=int, default=100, help="to judge by")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    rounds = [
        config_of(env_name, seed, arguments)
        for seed in range(arguments.seeds)
        for env_name in arguments.env_names
    ]
    finish(rounds, arguments.minutes)
    print(table(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
