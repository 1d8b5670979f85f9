"""Make the bundled pilot of Forest-v0: imitate the expert (DAgger), then go on by TD3.

    python recipes/fly.py --out OUT --minutes 60     (as often as needed: it goes on)

OUT/imitation is a run of `wayscan fly train --warm-start expert`, OUT/td3 one of `--init OUT/imitation`. Both
keep the weights that fly the first tuning forests best. card.md and results.json then hold what each does in
more tuning forests, beside pilots that learn nothing; OUT/model is the one that succeeds more often. Judging
forests are not looked at: measure in those once, by `python -m benchmarks.fly_flights`.

TD3 begins with an actor that flies and critics that know nothing. The actor is held still until the critics
have had `--policy-starts` updates, then moves slowly, and is held to what was flown (`--behaviour-weight`):
with weight 0 a few hundred of its updates unlearn all. Critics come to the level of their returns in some
1 / (tau (1 - gamma)) updates, 20,000 at the usual tau of .005, so their targets follow faster (`--tau`). What
sees stays as the imitation left it unless `--learn-encoder` is given: less to forget, and all networks look
once.
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

SHARED: dict[str, Any] = {
    "preset": "cpu", "threads": 1, "evaluate_episodes": 40, "save_interval": 1_000,
}  # fmt: skip


def imitation(arguments: Namespace) -> FlyTrainConfig:
    return FlyTrainConfig(
        run=arguments.out / "imitation",
        seed=arguments.seed,
        warm_start="expert",
        warm_start_steps=arguments.imitation_steps,
        max_timesteps=arguments.imitation_steps,
        evaluate_every=7_000,
        **SHARED,
    )


def td3(arguments: Namespace) -> FlyTrainConfig:
    return FlyTrainConfig(
        run=arguments.out / "td3",
        seed=arguments.seed,
        init=str(arguments.init or arguments.out / "imitation"),
        freeze_encoder=not arguments.learn_encoder,
        max_timesteps=arguments.td3_steps,
        policy_starts=arguments.policy_starts,
        tau=arguments.tau,
        actor_lr=arguments.actor_lr,
        behaviour_weight=arguments.behaviour_weight,
        critic_lr=3e-4,
        exploration="gaussian",
        ou_sigma=0.1,
        ou_sigma_min=0.05,
        first_actions="actor",
        learning_starts=1_000,
        evaluate_every=arguments.evaluate_every,
        **SHARED,
    )


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


def card(results: dict[str, dict[str, Any]], chosen: str) -> str:
    """What has been measured, as Markdown."""
    any_of_them = next(iter(results.values()))
    rows = {name: found["metrics"] for name, found in results.items()}
    rows |= {
        f"{name}, depth blanked": found["references"]["depth blanked"] for name, found in results.items()
    }
    rows |= {**any_of_them["baselines"], "expert": any_of_them["references"]["expert"]}
    lines = [
        f"{any_of_them['n']} tuning forests from seed {any_of_them['seed']}; chosen: {chosen}",
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
    parser = parser_of(__doc__, minutes=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", help="a pilot to do TD3 with, instead of one made by imitation")
    parser.add_argument("--imitation-steps", type=int, default=14_000)
    parser.add_argument("--td3-steps", type=int, default=16_000, help="0 leaves TD3 out")
    parser.add_argument("--policy-starts", type=int, default=8_000, help="updates of the critics alone")
    parser.add_argument("--tau", type=float, default=0.03, help="how fast TD3's targets follow")
    parser.add_argument("--actor-lr", type=float, default=3e-5)
    parser.add_argument("--behaviour-weight", type=float, default=5.0, help="of TD3+BC's second term")
    parser.add_argument("--learn-encoder", action="store_true", help="let TD3 change what sees, too")
    parser.add_argument("--evaluate-every", type=int, default=2_000, help="steps of TD3")
    parser.add_argument("--episodes", type=int, default=100, help="tuning forests for the card")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    stages = [] if arguments.init else [imitation(arguments)]
    stages += [td3(arguments)] if arguments.td3_steps else []
    finish(train, stages, arguments.minutes)
    results = {
        stage.run.name: measured(stage.run / "model", arguments) for stage in stages if is_finished(stage.run)
    }
    if not results:
        return
    chosen = max(results, key=lambda name: results[name]["metrics"]["success"])
    shutil.copytree(arguments.out / chosen / "model", arguments.out / "model", dirs_exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(results, indent=1))
    (arguments.out / "card.md").write_text(card(results, chosen))
    print(card(results, chosen))


if __name__ == "__main__":
    main(sys.argv[1:])
