"""Record what recipes/fly_compare.py found, which takes minutes to hours.

python -m benchmarks.fly_learning OUT/results.json [OUT/results.json ...]
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

from .claims import Claim, record

GOALS = {"Pendulum-v1": -170.0}


def claims_of(found: dict[str, Any]) -> list[Claim]:
    """The first metric of every variant, and of pilots that learn nothing."""
    what, claims = found["comparison"], []
    episodes = f"{found['episodes']} {found['purpose']} episodes each"
    for variant, one in found["variants"].items():
        metric, values = next(iter(one["metrics"].items()))
        known = f"; {one['known']}; random actions {one['random']['return']:.0f}" if one["known"] else ""
        claims.append(
            Claim(
                name=f"{what}: {variant}, {one['steps']:,} steps: {metric}",
                value=mean(values),
                goal=GOALS.get(variant) if len(values) >= 3 else None,
                against=f"{over_seeds(len(values), one['intervals'][metric])}; {episodes}{known}",
            )
        )
    for name, metrics in found["others"].items():
        metric = next(iter(next(iter(found["variants"].values()))["metrics"]))
        claims.append(Claim(name=f"{what}: {name}: {metric}", value=metrics[metric], against=episodes))
    return claims


def name_of(found: dict[str, Any]) -> str:
    """Of the comparison; of its variant where there is one alone, to stand beside the others' record.

    >>> name_of({"comparison": "core", "variants": {"HalfCheetah-v5": {}}})
    'core-HalfCheetah-v5'
    """
    alone = list(found["variants"]) if len(found["variants"]) == 1 else []
    return "-".join([found["comparison"], *alone])


def over_seeds(seeds: int, interval: list[float | None]) -> str:
    """
    >>> over_seeds(3, [0.552, 1.05])
    '3 seeds, 95 %: 0.552 to 1.05'
    """
    low, high = interval
    return "1 seed" if low is None else f"{seeds} seeds, 95 %: {low:.3g} to {high:.3g}"


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+")
    for path in parser.parse_args(words).results:
        found = json.loads(path.read_text())
        print(record("fly", f"compare-{name_of(found)}", claims_of(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
