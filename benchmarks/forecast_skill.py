"""What forecasts are worth: five seeds of every model on two real series, and the seed's settings on a third.

python -m benchmarks.forecast_skill          measures and records both (some minutes on one core)
"""

import sys
from collections.abc import Sequence

import numpy as np

from wayscan.forecast.compare import Comparison, compare
from wayscan.forecast.config import MODELS, Preset, preset
from wayscan.forecast.data import prepare
from wayscan.forecast.metrics import interval
from wayscan.forecast.series.source import load_series

from .claims import Claim, record

SEEDS = 5
LEARNT = ("sunspots", "co2")
PROMISED = ("mingru", "mamba")
LINEAR = ("AR", "ridge on differences")
SEED_SERIES = "co2-weekly"
SEEDS_OWN = {"gru": "the seed's min_gru: 0.055", "mamba_simple": "the seed's Mamba: 0.0024-0.0048"}


def trained(data: str, name: Preset) -> Comparison:
    config = preset(name, data=data)
    series = prepare(load_series(config), config)
    return compare(series, config, MODELS, SEEDS, progress=lambda what: print(data, what, file=sys.stderr))


def skill_claims(data: str) -> list[Claim]:
    """Skill on the test part against the better of last value and seasonal; the linear models beside it."""
    comparison, claims = trained(data, "default"), []
    best_of = "the better of last value and seasonal"
    for model in comparison.models:
        values = np.array([trial.metrics["skill_best"] for trial in comparison.of(model)])
        low, high = interval(values)
        goal = 0.0 if model in PROMISED else None
        about = f"{best_of}; 95 % interval over {len(values)} seeds {low:.3f} to {high:.3f}"
        claims.append(
            Claim(name=f"skill on {data}, {model}", value=float(values.mean()), goal=goal, against=about)
        )
        if goal is not None:
            lower = Claim(name=f"skill on {data}, {model}, lower end of the interval", value=low, goal=goal)
            claims.append(lower)
    for label in LINEAR:
        value = comparison.baselines[label]["skill_best"]
        claims.append(Claim(name=f"skill on {data}, {label}", value=value, against=best_of))
    return claims


def seed_claims() -> list[Claim]:
    """Scaled validation MSE at the seed's settings, its leaky scaler included, beside the baselines'."""
    comparison = trained(SEED_SERIES, "seed")
    title = f"seed preset on {SEED_SERIES}, scaled MSE"
    claims = [
        _mse(
            f"{title}, {model}",
            [trial.metrics["mse"] for trial in comparison.of(model)],
            SEEDS_OWN.get(model),
        )
        for model in comparison.models
    ]
    return claims + [
        _mse(f"{title}, {label}", [own["mse"]], None) for label, own in comparison.baselines.items()
    ]


def _mse(name: str, values: Sequence[float], own: str | None) -> Claim:
    spread = f"{min(values):.2g} to {max(values):.2g} over {len(values)} seeds" if len(values) > 1 else ""
    about = "; ".join(each for each in (spread, f"{own} on AAPL" if own else "") if each)
    return Claim(name=name, value=float(np.mean(values)), better="lower", against=about)


def main() -> None:
    print(record("forecast", "skill", [claim for data in LEARNT for claim in skill_claims(data)]))
    print(record("forecast", "seed", seed_claims()))


if __name__ == "__main__":
    main()
