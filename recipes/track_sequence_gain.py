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
import os
import signal
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from wayscan.data.runs.folder import Run, is_run
from wayscan.track.config import TUNING_SEEDS
from wayscan.track.evaluate import StaticBox, evaluate
from wayscan.track.run import Tracker
from wayscan.track.train import saved_tracker, train
from wayscan.track.train_config import TrackTrainConfig
from wayscan.world.clips import ClipsSpec, tracking_clip
from wayscan.world.sprites.clips import ClipSpec
from wayscan.world.sprites.library import Sources

DRAWS = 5000


def is_finished(run: Path) -> bool:
    return is_run(run) and Run.open(run).state().state == "finished" and (run / "model").is_dir()


def work(arguments: argparse.Namespace) -> None:
    """Train the seeds that are not finished, until the minutes are over."""
    stop = threading.Timer(60 * arguments.minutes, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stop.daemon = True
    stop.start()
    for seed in range(arguments.seeds):
        run = arguments.out / str(seed)
        if not is_finished(run):
            train(
                TrackTrainConfig(
                    preset=arguments.preset,
                    stage="sequence",
                    init=arguments.init,
                    run=run,
                    seed=seed,
                    data_seed=1_000 + seed,
                    resume=is_run(run),
                    clips_per_epoch=arguments.clips_learnt,
                    epochs=1,
                    films=arguments.films,
                    learning_rate=arguments.rate,
                    cache=arguments.cache,
                    threads=1,
                    workers=arguments.workers,
                )
            )
    stop.cancel()


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


def kept(path: Path, source: str | Path, arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """As `measure`, once."""
    if not path.is_file():
        path.write_text(json.dumps(measure(source, arguments)))
    return json.loads(path.read_text())


def report(arguments: argparse.Namespace) -> str:
    before = kept(arguments.out / "before.json", saved_tracker(arguments.init), arguments)
    finished = [arguments.out / str(seed) for seed in range(arguments.seeds)]
    after = [kept(run / "measured.json", run / "model", arguments) for run in finished if is_finished(run)]
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--init", required=True, help="folder, run or bundled name of a tracker")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--preset", default="nano", choices=["small", "tiny", "nano"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--clips-learnt", type=int, default=1000, help="windows that each seed learns from")
    parser.add_argument("--films", type=int, default=200, help="different films to learn from, of each seed")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--clips", type=int, default=40, help="tuning clips to measure on")
    parser.add_argument("--size-rates", type=float, nargs="+", default=[0.12, 0.25])
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="of training; then stop, to be gone on with"
    )
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="file for the sprite library")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        work(arguments)
    except SystemExit as stopped:
        print(f"stopped ({stopped.code}); the same command goes on", file=sys.stderr)
        return
    print(report(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
