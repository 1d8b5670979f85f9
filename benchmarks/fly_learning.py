"""Record what recipes/fly_core.py and recipes/fly_encoders.py found, which takes them minutes to hours.

python -m benchmarks.fly_learning --core OUT/results.json --encoders OUT/results.json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from .claims import Claim, record

GOALS = {"Pendulum-v1": -170.0}


def over_seeds(values: Sequence[float], interval: Sequence[float | None]) -> str:
    """
    >>> over_seeds([0.7, 0.8, 0.9], [0.552, 1.05])
    '3 seeds, 95 %: 0.552 to 1.05'
    """
    low, high = interval
    return "1 seed" if low is None else f"{len(values)} seeds, 95 %: {low:.3g} to {high:.3g}"


def core_claims(results: dict[str, Any]) -> list[Claim]:
    """Mean return in judging episodes after so many steps; random actions beside it."""
    claims = []
    for env_name, found in results.items():
        title = f"{env_name}, {found['steps']:,} steps from states: return"
        others = f"{found['known']}; random actions {found['random']:.0f}"
        goal = GOALS.get(env_name) if len(found["returns"]) >= 3 else None
        about = f"{over_seeds(found['returns'], found['interval'])}; {others}"
        claims.append(Claim(name=title, value=mean(found["returns"]), goal=goal, against=about))
    return claims


def encoder_claims(results: dict[str, Any]) -> list[Claim]:
    """Success of each encoder at equal steps, and of pilots that learn nothing."""
    trained = f"{results['steps']:,} steps of imitation" + (
        f" and {results['td3_steps']:,} of TD3" if results["td3_steps"] else ""
    )
    forests = f"{results['episodes']} tuning forests"
    claims = [
        Claim(
            name=f"encoder {encoder}, {trained}: success",
            value=mean(found["success"]),
            against=f"{over_seeds(found['success'], found['interval'])}; {forests} each",
        )
        for encoder, found in results["encoders"].items()
    ]
    for name in ("straight", "potential"):
        success = results["baselines"][name]["success"]
        claims.append(Claim(name=f"encoders: success of the {name} pilot", value=success, against=forests))
    return claims


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--core", type=Path, help="results.json of recipes/fly_core.py")
    parser.add_argument("--encoders", type=Path, help="results.json of recipes/fly_encoders.py")
    arguments = parser.parse_args(words)
    if arguments.core:
        print(record("fly", "core", core_claims(json.loads(arguments.core.read_text()))))
    if arguments.encoders:
        print(record("fly", "encoders", encoder_claims(json.loads(arguments.encoders.read_text()))))


if __name__ == "__main__":
    main(sys.argv[1:])
