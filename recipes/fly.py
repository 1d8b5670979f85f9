"""Make the bundled pilot of Forest-v0: imitate the expert (DAgger), in denser forests too, then TD3.

    python recipes/fly.py --out OUT --minutes 120     (as often as needed: it goes on)

OUT/imitation is a run of `wayscan fly train --warm-start expert` in forests as they are, OUT/denser goes on
from it where there is more to avoid, with many environments and fewer updates a step: an update costs a
hundred times what a step does. OUT/td3 goes on from that by reward. Each keeps the weights that fly its first
tuning forests best. card.md and results.json hold what each does in more tuning forests, beside pilots that
learn nothing; OUT/model is the last of them. Judging forests are not looked at: measure in those once, by
`python -m benchmarks.fly_flights`.

TD3 begins with an actor that flies and critics that know nothing. The actor is held still until they have had
5,000 updates, then moves slowly, held to what it meant: by weight 1 it stays as good as it was, by less it
unlearns. Critics come to the level of their returns in some policy_freq / (tau (1 - gamma)) updates, 40,000
at the usual tau of .005, so their targets follow faster. What sees stays as the imitation left it: less to
forget, and every frame is looked at once.
"""

import json
import shutil
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

from rounds import finish, is_finished, kept, parser_of

from wayscan.fly.judge import judge
from wayscan.fly.train import train
from wayscan.fly.train_config import FlyTrainConfig
from wayscan.world.forests import DENSER

SHARED: dict[str, Any] = {"preset": "cpu", "threads": 1}
MANY: dict[str, Any] = {
    **SHARED, "env_options": {"density": DENSER}, "envs": 16, "save_interval": 16_000,
    "evaluate_every": 16_000, "evaluate_episodes": 200, "log_every": 1_600, "monitor": "validation/success",
}  # fmt: skip


def imitation(arguments: Namespace) -> FlyTrainConfig:
    steps = arguments.imitation_steps
    return FlyTrainConfig(
        run=arguments.out / "imitation", seed=arguments.seed, warm_start="expert", warm_start_steps=steps,
        max_timesteps=steps, save_interval=1_000, evaluate_every=7_000, evaluate_episodes=40, **SHARED,
    )  # fmt: skip


def denser(arguments: Namespace) -> FlyTrainConfig:
    steps, init = arguments.denser_steps, arguments.init or arguments.out / "imitation"
    return FlyTrainConfig(
        run=arguments.out / "denser", seed=arguments.seed, init=str(init), warm_start="expert",
        warm_start_steps=steps, max_timesteps=steps, train_freq=4, learning_starts=2_000,
        buffer_size=100_000, actor_lr=2e-4, **MANY,
    )  # fmt: skip


def td3(arguments: Namespace) -> FlyTrainConfig:
    return FlyTrainConfig(
        run=arguments.out / "td3", seed=arguments.seed, init=str(arguments.out / "denser"),
        freeze_encoder=True, max_timesteps=arguments.td3_steps, train_freq=8, learning_starts=4_000,
        buffer_size=200_000, batch_size=256, policy_starts=5_000, tau=0.03, actor_lr=1e-4, critic_lr=3e-4,
        behaviour_weight=1.0, exploration="gaussian", ou_sigma=0.2, ou_sigma_min=0.1, first_actions="actor",
        **MANY,
    )  # fmt: skip


def measured(model: Path, arguments: Namespace) -> dict[str, Any]:
    """A pilot in tuning forests, once."""

    def measure() -> str:
        judged = judge(
            str(model),
            "wayscan/Forest-v0",
            {},
            episodes=arguments.episodes,
            purpose="tuning",
            blank_depth=True,
        )
        return json.dumps(judged.to_json())

    return json.loads(kept(arguments.out / f"{model.parent.name}-{arguments.episodes}.json", measure))


def card(results: dict[str, dict[str, Any]]) -> str:
    """What has been measured, as Markdown."""
    any_of_them = next(iter(results.values()))
    rows = {name: found["metrics"] for name, found in results.items()}
    rows |= {
        f"{name}, depth blanked": found["references"]["depth blanked"] for name, found in results.items()
    }
    rows |= {**any_of_them["baselines"], "expert": any_of_them["references"]["expert"]}
    lines = [
        f"{any_of_them['n']} tuning forests from seed {any_of_them['seed']}",
        "",
        "| | success | collision | timeout | SPL | return |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in rows.items():
        ends = results[name]["intervals"]["success"] if name in results else None
        span = "" if ends is None else f" [{ends[0]:.3f}, {ends[1]:.3f}]"
        rates = " | ".join(f"{found[key]:.3f}" for key in ("collision", "timeout", "spl"))
        lines.append(f"| {name} | {found['success']:.3f}{span} | {rates} | {found['return']:.1f} |")
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> None:
    parser = parser_of(__doc__, minutes=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", help="a pilot to go on from, instead of one made by imitation")
    parser.add_argument("--imitation-steps", type=int, default=14_000)
    parser.add_argument("--denser-steps", type=int, default=80_000)
    parser.add_argument("--td3-steps", type=int, default=96_000)
    parser.add_argument("--episodes", type=int, default=240, help="tuning forests for the card")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    stages = [] if arguments.init else [imitation(arguments)]
    stages += [denser(arguments), td3(arguments)]
    finish(train, stages, arguments.minutes)
    results = {
        stage.run.name: measured(stage.run / "model", arguments) for stage in stages if is_finished(stage.run)
    }
    if not results:
        return
    shutil.copytree(arguments.out / list(results)[-1] / "model", arguments.out / "model", dirs_exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1))
    (arguments.out / "card.md").write_text(card(results))
    print(card(results))


if __name__ == "__main__":
    main(sys.argv[1:])
