"""Pilots trained in several ways, several seeds each, the same steps; a table of what they came to.

    python recipes/fly_compare.py encoders --out OUT --minutes 60      (as often as needed: it goes on)
    python recipes/fly_compare.py encoders --out OUT --table           (what is known so far)

core        is the TD3 under the pilots a TD3? Environments that everybody knows, from states alone, with the
            settings of published TD3s (RL Zoo for Pendulum-v1, Fujimoto 2018's widths and rates for others)
encoders    what sees best: six encoders in Forest-v0, by imitation
unstable    what the seed advises where training is unstable, on Pendulum-v1
weak        what the seed advises where pilots are weak, in Forest-v0, by imitation

Every variant and seed is a run of `wayscan fly train` in OUT/VARIANT-SEED, in rounds of seeds, so that the
table after one round compares all variants. A CPU does not come far by reward alone in the time that many
runs leave to each: what is compared in forests is imitation (DAgger), one update a step, judged by the last
weights in tuning forests. Where TD3 learns from states the best weights by tuning episodes are judged.
results.json and table.md hold means over seeds with 95 % intervals, beside pilots that learn nothing;
`python -m benchmarks.fly_learning OUT/results.json` records them.
"""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, Literal, get_args

from rounds import ask_for_seeds, finish, in_rounds, is_finished, kept, parser_of, spread

from wayscan.data.runs.folder import Run
from wayscan.fly.config import Encoder
from wayscan.fly.judge import judge
from wayscan.fly.run import Pilot
from wayscan.fly.train import train
from wayscan.fly.train_config import FlyTrainConfig

Settings = dict[str, Any]
FROM_STATES: Settings = {
    "preset": "cpu", "encoder": "mlp", "seq_len": 1, "exploration": "gaussian", "ou_sigma": 0.1,
    "ou_sigma_min": 0.1, "evaluate_episodes": 20,
}  # fmt: skip
PENDULUM: Settings = {
    **FROM_STATES, "env_name": "Pendulum-v1", "max_timesteps": 20_000, "learning_starts": 1_000,
    "hidden_dim": 64, "state_feature_dim": 32, "gamma": 0.98, "actor_lr": 1e-3, "critic_lr": 1e-3,
    "evaluate_every": 5_000,
}  # fmt: skip
IMITATION: Settings = {
    "preset": "cpu", "env_name": "wayscan/Forest-v0", "warm_start": "expert", "learning_starts": 500,
    "max_timesteps": 3_000, "evaluate_every": 0, "evaluate_episodes": 5,
    "save_interval": 1_000,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is trained, what it is judged by, and what the table shows.

    Args:
        known: by variant, what others have published.
        shown: metrics of episodes.
    """

    variants: Mapping[str, Settings]
    known: Mapping[str, str] = field(default_factory=dict)
    purpose: Literal["judging", "tuning"] = "tuning"
    shown: tuple[str, ...] = ("success", "collision", "timeout", "spl")
    blank_depth: bool = True


COMPARISONS: dict[str, Comparison] = {
    "core": Comparison(
        variants={
            "Pendulum-v1": PENDULUM,
            "InvertedPendulum-v5": {
                **PENDULUM, "env_name": "InvertedPendulum-v5", "gamma": 0.99, "evaluate_episodes": 10,
            },
            "HalfCheetah-v5": {
                **FROM_STATES, "env_name": "HalfCheetah-v5", "max_timesteps": 1_000_000,
                "learning_starts": 25_000, "buffer_size": 1_000_000, "hidden_dim": 256,
                "state_feature_dim": 128, "batch_size": 256, "evaluate_every": 50_000,
                "evaluate_episodes": 10, "save_interval": 10_000,
            },
        },
        known={
            "Pendulum-v1": "SB3's TD3 −146, RL Zoo's −152",
            "InvertedPendulum-v5": "at most 1000",
            "HalfCheetah-v5": "9,583 to 9,656 after 1,000,000 steps",
        },
        purpose="judging",
        shown=("return",),
        blank_depth=False,
    ),
    "encoders": Comparison(
        variants={encoder: {**IMITATION, "encoder": encoder} for encoder in get_args(Encoder)}
    ),
    "unstable": Comparison(
        variants={
            "as it is": PENDULUM,
            "tau 0.01": {**PENDULUM, "tau": 0.01},
            "rates 1e-4": {**PENDULUM, "actor_lr": 1e-4, "critic_lr": 1e-4},
            "rates 1e-4 and 5e-4": {**PENDULUM, "actor_lr": 1e-4, "critic_lr": 5e-4},
            "policy noise 0.1": {**PENDULUM, "policy_noise": 0.1},
        },
        shown=("return",),
        blank_depth=False,
    ),
    "weak": Comparison(
        variants={
            "as it is": IMITATION,
            "4 frames": {**IMITATION, "seq_len": 4},
            "2 temporal layers": {**IMITATION, "vmamba_temporal_layers": 2},
            "twice the blocks in stage 3": {**IMITATION, "vmamba_num_vss_blocks": (1, 1, 2, 1)},
            "twice the features": {**IMITATION, "feature_dim": 128, "hidden_dim": 256},
        }
    ),
}  # fmt: skip


def config_of(variant: str, seed: int, arguments: Namespace) -> FlyTrainConfig:
    settings = dict(COMPARISONS[arguments.what].variants[variant])
    if arguments.steps:
        settings["max_timesteps"] = arguments.steps
        settings["evaluate_every"] = min(settings["evaluate_every"], arguments.steps)
    if settings.get("warm_start"):
        settings["warm_start_steps"] = settings["max_timesteps"]
    return FlyTrainConfig(run=run_of(variant, seed, arguments), seed=seed, threads=1, **settings)


def run_of(variant: str, seed: int, arguments: Namespace) -> Path:
    return arguments.out / f"{variant.replace(' ', '-')}-{seed}"


def measured(variant: str, seed: int, arguments: Namespace) -> dict[str, Any]:
    """What a finished run's pilot does, its size, and how long learning took; measured once."""
    comparison, run = COMPARISONS[arguments.what], run_of(variant, seed, arguments)

    def measure() -> str:
        judged = judge(
            str(run),
            comparison.variants[variant]["env_name"],
            {},
            episodes=arguments.episodes,
            purpose=comparison.purpose,
            blank_depth=comparison.blank_depth,
        )
        weights = sum(each.numel() for each in Pilot.from_pretrained(run).policy.parameters())
        seconds = sum(line["learning_seconds"] for line in Run.open(run).timings.read())
        about = {"weights": weights, "learning_seconds": seconds, "late": late_returns(run)}
        return json.dumps({**judged.to_json(), **about})

    return json.loads(kept(run / f"judged-{arguments.episodes}.json", measure))


def late_returns(run: Path) -> list[float]:
    """Mean returns of tuning episodes in the second half of training: do they stay up?"""
    lines = [line for line in Run.open(run).metrics.read() if "validation/return" in line]
    return [line["validation/return"] for line in lines if line["step"] > lines[-1]["step"] / 2]


def summary(arguments: Namespace) -> dict[str, Any]:
    """Everything that is known, by variant: lists over seeds."""
    comparison = COMPARISONS[arguments.what]
    variants: dict[str, Any] = {}
    others: dict[str, dict[str, float]] = {}
    for variant in arguments.variants:
        runs = [
            measured(variant, seed, arguments)
            for seed in arguments.seeds
            if is_finished(run_of(variant, seed, arguments))
        ]
        if not runs:
            continue
        metrics = {name: [run["metrics"][name] for run in runs] for name in comparison.shown}
        variants[variant] = {
            "steps": arguments.steps or comparison.variants[variant]["max_timesteps"],
            "metrics": metrics,
            "intervals": {name: spread(values)[1:] for name, values in metrics.items()},
            "blind": [run["references"].get("depth blanked", {}).get("success") for run in runs],
            "weights": runs[0]["weights"],
            "learning_seconds": mean(run["learning_seconds"] for run in runs),
            "late_returns": [run["late"] for run in runs],
            "known": comparison.known.get(variant, ""),
            "random": runs[0]["baselines"]["random"],
        }
        if comparison.blank_depth:
            others = {**runs[0]["baselines"], "expert": runs[0]["references"]["expert"]}
    return {
        "comparison": arguments.what,
        "purpose": comparison.purpose,
        "episodes": arguments.episodes,
        "variants": variants,
        "others": others,
    }


def table(found: Mapping[str, Any]) -> str:
    """A summary as Markdown."""
    comparison = COMPARISONS[found["comparison"]]
    titles = ["", "steps", "seeds", *comparison.shown]
    titles += (
        ["blind: success"] if comparison.blank_depth else ["worst of the second half", "random", "known"]
    )
    rows = [
        f"{found['episodes']} {found['purpose']} episodes a seed",
        "",
        f"| {' | '.join([*titles, 'weights', 'learning, s'])} |",
        "|" + "---|" * (len(titles) + 2),
    ]
    for variant, one in found["variants"].items():
        cells = [f"{one['steps']:,}", str(len(one["late_returns"]))]
        cells += [str(spread(one["metrics"][name])) for name in comparison.shown]
        if comparison.blank_depth:
            cells.append(f"{mean(one['blind']):.3g}")
        else:
            worst = spread([min(late) for late in one["late_returns"]])
            cells += [str(worst), f"{one['random']['return']:.0f}", one["known"]]
        cells += [f"{one['weights']:,}", f"{one['learning_seconds']:.0f}"]
        rows.append(f"| {variant} | {' | '.join(cells)} |")
    for name, metrics in found["others"].items():
        shown = " | ".join(f"{metrics[each]:.3g}" for each in comparison.shown)
        rows.append(f"| {name} | | | {shown} |" + " |" * (len(titles) - 1 - len(comparison.shown)))
    return "\n".join(rows)


def main(words: list[str]) -> None:
    parser = parser_of(__doc__, minutes=60)
    ask_for_seeds(parser)
    parser.add_argument("what", choices=list(COMPARISONS))
    parser.add_argument("--variants", nargs="+", help="only these")
    parser.add_argument("--steps", type=int, help="instead of each variant's own number")
    parser.add_argument("--episodes", type=int, default=100, help="to judge each seed by")
    parser.add_argument("--table", action="store_true", help="only write the table of what is finished")
    arguments = parser.parse_args(words)
    names = list(COMPARISONS[arguments.what].variants)
    arguments.variants = arguments.variants or names
    if unknown := [name for name in arguments.variants if name not in names]:
        parser.error(f"{', '.join(unknown)}: no variant of {arguments.what}; expected some of {names}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.table:
        finish(train, in_rounds(config_of, arguments), arguments.minutes)
    found = summary(arguments)
    (arguments.out / "results.json").write_text(json.dumps(found, indent=1))
    (arguments.out / "table.md").write_text(table(found) + "\n")
    print(table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
