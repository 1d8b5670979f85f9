"""What sees best: six encoders, the same forests, teacher and steps, several seeds each.

    python recipes/fly_encoders.py --out OUT --minutes 60     (as often as needed: it goes on)
    python recipes/fly_encoders.py --out OUT --table          (what is known so far)

Every encoder and seed is a run of `wayscan fly train --preset cpu` in OUT/ENCODER-SEED, in rounds of seeds,
so that the table after one round compares all encoders. A CPU does not come far by reward alone in the time
that eighteen runs leave to each: what is compared is imitation (DAgger) for `--steps` steps of
Forest-v0's standard forests, one update a step; `--td3-steps` adds TD3, which leaves encoders free to learn.
The last weights count, for nothing is chosen; they fly the first tuning forests. results.json and table.md
hold the mean over seeds with its interval, the encoder's weights, and pilots that learn nothing.
"""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any, get_args

from fly_rounds import finish, is_finished, kept, parser_of, spread

from wayscan.data.runs.folder import Run
from wayscan.fly.config import Encoder
from wayscan.fly.judge import judge
from wayscan.fly.run import Pilot
from wayscan.fly.train_config import FlyTrainConfig

ENCODERS: tuple[Encoder, ...] = get_args(Encoder)
SHOWN = ("success", "collision", "timeout", "spl")


def config_of(encoder: Encoder, seed: int, arguments: Namespace) -> FlyTrainConfig:
    return FlyTrainConfig(
        preset="cpu",
        run=arguments.out / f"{encoder}-{seed}",
        encoder=encoder,
        seed=seed,
        warm_start="expert",
        warm_start_steps=arguments.steps,
        max_timesteps=arguments.steps + arguments.td3_steps,
        learning_starts=500,
        policy_starts=arguments.td3_steps // 3,
        actor_lr=3e-4 if arguments.td3_steps == 0 else 1e-4,
        evaluate_every=0,
        evaluate_episodes=5,
        save_interval=1_000,
        threads=1,
    )


def measured(run: Path, episodes: int) -> dict[str, Any]:
    """A finished run's pilot in tuning forests, its size, and how long learning took; once."""

    def measure() -> str:
        judged = judge(
            str(run), "wayscan/Forest-v0", {}, episodes=episodes, purpose="tuning", blank_depth=True
        )
        policy = Pilot.from_pretrained(run).policy
        seconds = [line["learning_seconds"] for line in Run.open(run).timings.read()]
        about = {
            "weights": sum(each.numel() for each in policy.parameters()),
            "learning_seconds": sum(seconds),
        }
        return json.dumps({**judged.to_json(), **about})

    return json.loads(kept(run / f"judged-{episodes}.json", measure))


def table(arguments: Namespace) -> str:
    """The encoders that have finished runs, as Markdown; the same in results.json."""
    known: dict[str, dict[int, dict[str, Any]]] = {
        encoder: {
            seed: measured(run, arguments.episodes)
            for seed in range(arguments.seeds)
            if is_finished(run := arguments.out / f"{encoder}-{seed}")
        }
        for encoder in ENCODERS
    }
    known = {encoder: runs for encoder, runs in known.items() if runs}
    (arguments.out / "results.json").write_text(json.dumps(summary(known, arguments), indent=1))
    lines = [
        f"{arguments.steps:,} steps of imitation, {arguments.td3_steps:,} of TD3; {arguments.episodes} "
        f"tuning forests a seed",
        "",
        "| | seeds | success | collision | timeout | SPL | blind: success | actor's weights | learning, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for encoder, runs in known.items():
        cells = [str(spread([run["metrics"][name] for run in runs.values()])) for name in SHOWN]
        blind = spread([run["references"]["depth blanked"]["success"] for run in runs.values()])
        seconds = spread([run["learning_seconds"] for run in runs.values()])
        about = f"{next(iter(runs.values()))['weights']:,} | {seconds.mean:.0f}"
        lines.append(f"| {encoder} | {len(runs)} | {' | '.join(cells)} | {blind.mean:.3g} | {about} |")
    if known:
        any_of_them = next(iter(next(iter(known.values())).values()))
        others = {**any_of_them["baselines"], "expert": any_of_them["references"]["expert"]}
        for name, found in others.items():
            lines.append(f"| {name} | | {' | '.join(f'{found[each]:.3g}' for each in SHOWN)} | | | |")
    text = "\n".join(lines)
    (arguments.out / "table.md").write_text(text + "\n")
    return text


def summary(known: dict[str, dict[int, dict[str, Any]]], arguments: Namespace) -> dict[str, Any]:
    """What `python -m benchmarks.fly_learning` records."""
    return {
        "steps": arguments.steps,
        "td3_steps": arguments.td3_steps,
        "episodes": arguments.episodes,
        "encoders": {
            encoder: {
                "success": (values := [run["metrics"]["success"] for run in runs.values()]),
                "interval": spread(values)[1:],
            }
            for encoder, runs in known.items()
        },
        "baselines": next(iter(next(iter(known.values())).values()))["baselines"] if known else {},
    }


def main(words: list[str]) -> None:
    parser = parser_of(__doc__, minutes=60)
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), choices=list(ENCODERS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6_000, help="of imitation")
    parser.add_argument("--td3-steps", type=int, default=0, help="of TD3 after it")
    parser.add_argument("--episodes", type=int, default=100, help="tuning forests to measure in")
    parser.add_argument("--table", action="store_true", help="only write the table of what is finished")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.table:
        rounds = [
            config_of(encoder, seed, arguments)
            for seed in range(arguments.seeds)
            for encoder in arguments.encoders
        ]
        finish(rounds, arguments.minutes)
    print(table(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
