"""Make the bundled forecaster of sunspots: every model, five seeds, the one with the least validation error.

python recipes/forecast.py [--out FOLDER]          about a minute on one core; the test part is looked at once
"""

import argparse
from dataclasses import replace
from pathlib import Path

from wayscan.forecast.config import MODELS, preset
from wayscan.forecast.data import Series, prepare
from wayscan.forecast.evaluate import evaluation
from wayscan.forecast.run import Forecaster
from wayscan.forecast.series.source import load_series
from wayscan.forecast.tables import evaluation_table
from wayscan.forecast.train import Learner

SEEDS = 5
BUNDLE = Path(__file__).parents[1] / "src" / "wayscan" / "bundle"
CARD = """# {name}

The next year's number of sunspots from the last {seq_len} years: {model}, {layers} layers, {size:,} weights
in float32.

**Trained on** sunspots of a year, 1700-2008 (NOAA, public domain), the first 60 % of the rows; stopped and
chosen, among {trials} trials (five models, five seeds, one budget), on the next 20 %. On the last
62 years (20 %):

```
{table}
```

**Weak:** {trained} years of one star. Further than a year ahead it feeds on its own forecasts.

Made by `python recipes/forecast.py`.
"""


def best_learner(series: Series) -> Learner:
    """The trial with the least validation error."""
    trials = []
    for model in MODELS:
        for seed in range(SEEDS):
            learner = Learner(
                series, replace(preset("default", data="sunspots"), model_type=model, seed=seed)
            )
            learner.fit()
            print(f"{model}, seed {seed}: validation error {learner.best:.4f}")
            trials.append(learner)
    return min(trials, key=lambda learner: learner.best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=BUNDLE / "forecast-sunspots")
    out = parser.parse_args().out
    config = preset("default", data="sunspots")
    series = prepare(load_series(config), config)
    learner = best_learner(series)
    Forecaster(learner.config).take(learner.network, series).save_pretrained(out)
    result = evaluation(learner.network, series, model=out.name, seed=learner.config.seed)
    card = CARD.format(
        name=out.name,
        model=learner.config.model_type,
        layers=learner.config.layers,
        seq_len=learner.config.seq_len,
        size=learner.network.size(),
        trials=len(MODELS) * SEEDS,
        trained=series.train_rows,
        table=evaluation_table(result),
    )
    (out / "README.md").write_text(card, encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
