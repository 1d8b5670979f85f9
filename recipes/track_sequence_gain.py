"""What the sequence stage adds to a tracker that has learnt from pairs: seeds, unseen clips, intervals.

    python recipes/track_sequence_gain.py --init runs/pairs --out OUT --minutes 30   (as often as needed)

Every seed is a run of `wayscan track train --stage sequence` in OUT/SEED. The tracker before and those after
follow the same clips, sprites and films in turn, of a tuning seed that chose no weights, each at every rate
of `--size-rates`, since what suits the loop may change with the weights. gain.json and gain.md hold AO and
the score's AUROC beside the static box, and the difference in AO of a clip, mean over seeds, with its 95 %
interval over clips.
"""

import argparse
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from rounds import ask_for_seeds, finish, is_finished, kept, parser_of

from wayscan.track.config import TUNING_SEEDS
from wayscan.track.evaluate import StaticBox, evaluate
from wayscan.track.run import Tracker
from wayscan.track.train import saved_tracker, train
from wayscan.track.train_config import TrackTrainConfig
from wayscan.world.clips import ClipsSpec, tracking_clip
from wayscan.world.sprites.clips import ClipSpec
from wayscan.world.sprites.library import Sources

DRAWS = 5000


def config_of(seed: int, arguments: argparse.Namespace) -> TrackTrainConfig:
    return TrackTrainConfig(
        preset=arguments.preset,
        stage="sequence",
        init=arguments.init,
        run=arguments.out / str(seed),
        seed=seed,
        data_seed=1_000 + seed,
        clips_per_epoch=arguments.clips_learnt,
        epochs=1,
        films=arguments.films,
        learning_rate=arguments.rate,
        cache=arguments.cache,
        threads=1,
        workers=arguments.workers,
    )


def measure(source: str | Path, arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """AO of each clip, and AO and AUROC of all, by the size rate of the loop; and those of the static box."""
    spec = ClipsSpec(sprites=ClipSpec(sources=Sources(cache=arguments.cache)))
    saved = Tracker.from_pretrained(source)
    followers = {
        f"{rate:g}": partial(Tracker, saved.model, replace(saved.loop, size_rate=rate))
        for rate in arguments.size_rates
    }
    clips = (tracking_clip(TUNING_SEEDS[1], index, spec) for index in range(arguments.clips))
    results = evaluate(clips, {**followers, "static": StaticBox}, starts=1)
    return {
        name: {
            "clips": [clip["ao"] for clip in result.clips.values()],
            "all": [result.metrics["ao"], result.metrics["auroc"]],
        }
        for name, result in results.items()
    }


def measured(
    path: Path, source: str | Path, arguments: argparse.Namespace
) -> dict[str, dict[str, list[float]]]:
    """As `measure`, once."""
    return json.loads(kept(path, lambda: json.dumps(measure(source, arguments))))


def report(arguments: argparse.Namespace) -> str:
    before = measured(arguments.out / "before.json", saved_tracker(arguments.init), arguments)
    finished = [arguments.out / str(seed) for seed in arguments.seeds]
    after = [
        measured(run / "measured.json", run / "model", arguments) for run in finished if is_finished(run)
    ]
    lines = [
        "| size rate | static | before: AO, AUROC | after | AO of a clip, after - before |",
        "|---|---|---|---|---|",
    ]
    gains = {}
    rng = np.random.default_rng(0)
    for rate in (name for name in before if name != "static"):
        old = before[rate]
        row = f"| {rate} | {before['static']['all'][0]:.3f} | {old['all'][0]:.3f}, {old['all'][1]:.3f} |"
        if not after:
            lines.append(f"{row} | |")
            continue
        new = np.mean([run[rate]["all"] for run in after], axis=0).tolist()
        gain = np.mean([run[rate]["clips"] for run in after], axis=0) - np.array(old["clips"])
        means = rng.choice(gain, (DRAWS, len(gain))).mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975]).tolist()
        each = [float(np.mean(run[rate]["clips"]) - np.mean(old["clips"])) for run in after]
        gains[rate] = {"mean": float(gain.mean()), "interval": [low, high], "seeds": each}
        difference = f"{gain.mean():+.3f} [{low:+.3f}, {high:+.3f}], {len(after)} seeds"
        lines.append(f"{row} {new[0]:.3f}, {new[1]:.3f} | {difference} |")
    (arguments.out / "gain.json").write_text(json.dumps(gains, indent=1))
    text = "\n".join(lines)
    (arguments.out / "gain.md").write_text(text + "\n")
    return text


def main(words: list[str]) -> None:
    parser = parser_of(__doc__, minutes=60)
    ask_for_seeds(parser)
    parser.add_argument("--init", required=True, help="folder, run or bundled name of a tracker")
    parser.add_argument("--preset", default="nano", choices=["small", "tiny", "nano"])
    parser.add_argument("--clips-learnt", type=int, default=1000, help="windows that each seed learns from")
    parser.add_argument("--films", type=int, default=200, help="different films to learn from, of each seed")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--clips", type=int, default=40, help="tuning clips to measure on")
    parser.add_argument("--size-rates", type=float, nargs="+", default=[0.12, 0.25])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="file for the sprite library")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    finish(train, [config_of(seed, arguments) for seed in arguments.seeds], arguments.minutes)
    print(report(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
