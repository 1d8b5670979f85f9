"""Fly the bundled pilot through 200 unseen forests, also denser ones and without sight, and record it.

python -m benchmarks.fly_flights [--label flights] [--model fly-cpu]

The forests are those of the judging seeds; nothing learns from them and nothing is chosen by them. Pilots
that learn nothing fly the same ones. Another label keeps another pilot's claims apart.
"""

import argparse
import sys
from typing import Any, Literal, NamedTuple

from wayscan.fly.judge import Judged, judge
from wayscan.world.forests import DENSER, DENSITY

from .claims import Claim, record

EPISODES = 200
TRIVIAL = ("straight", "potential")


class Trial(NamedTuple):
    """An environment that the pilot is flown in."""

    title: str
    env_name: str
    options: dict[str, Any]
    goals: dict[str, tuple[float, Literal["higher", "lower"]]]
    """Of the pilot's metrics, and of a reference's or baseline's success by its name."""


TRIALS = (
    Trial(
        f"{DENSITY:g} on 100 m²",
        "wayscan/Forest-v0",
        {},
        {
            "success": (0.85, "higher"), "collision": (0.10, "lower"), "straight": (0.40, "lower"),
            "depth blanked": (0.45, "lower"),
        },
    ),
    Trial(
        f"denser by half, {DENSER:g} on 100 m²",
        "wayscan/Forest-v0",
        {"density": DENSER},
        {"success": (0.65, "higher")},
    ),
    Trial(
        f"{DENSITY:g} on 100 m², MuJoCo's physics",
        "wayscan/ForestMujoco-v0",
        {},
        {"success": (0.75, "higher")},
    ),
)  # fmt: skip


def claims_of(model: str, trial: Trial, judged: Judged) -> list[Claim]:
    """The pilot's rates with their intervals; beside them those who learn nothing, and the pilot blind."""
    forests = f"{trial.env_name}, {trial.title}"
    metrics, intervals = judged.flown.metrics(), judged.flown.intervals()
    claims = []

    def add(who: str, metric: str, value: float, goal_of: str, against: str) -> None:
        goal, better = trial.goals.get(goal_of, (None, "lower" if metric == "collision" else "higher"))
        name = f"{forests}: {metric} of {who}"
        claims.append(Claim(name=name, value=value, goal=goal, better=better, against=against))

    for metric in ("success", "collision", "spl"):
        low, high = intervals[metric]
        about = f"{len(judged.seeds)} judging seeds; 95 %: {low:.3f}–{high:.3f}"
        add(model, metric, metrics[metric], metric, about)
    for name in TRIVIAL:
        add(f"the {name} pilot", "success", judged.baselines[name]["success"], name, "learns nothing")
    blank = judged.references["depth blanked"]["success"]
    add(f"{model} with its depth blanked", "success", blank, "depth blanked", "nothing near, in every frame")
    claims.append(
        Claim(
            name=f"{forests}: success of {model} over the potential field's",
            value=metrics["success"] - judged.baselines["potential"]["success"],
            goal=0.0,
            against="the same forests",
        )
    )
    return claims


def measure(model: str, episodes: int = EPISODES) -> list[Claim]:
    claims = []
    for trial in TRIALS:
        judged = judge(model, trial.env_name, trial.options, episodes=episodes, blank_depth=True)
        print(judged.table(), flush=True)
        claims += claims_of(model, trial, judged)
    return claims


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="fly-cpu")
    parser.add_argument("--label", default="flights")
    arguments = parser.parse_args(words)
    print(record("fly", arguments.label, measure(arguments.model)))


if __name__ == "__main__":
    main(sys.argv[1:])
