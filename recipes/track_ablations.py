"""What each part of the tracker is worth: train it with one part left out, several seeds each.

    python recipes/track_ablations.py --out OUT --minutes 30    (as often as needed: it goes on)
    python recipes/track_ablations.py --out OUT --table         (what is known so far)

Every variant and seed is a run of `wayscan track train` in OUT/VARIANT-SEED, in rounds of seeds, so that the
table after one round compares all variants. Runs that were stopped are resumed, finished ones measured on
clips of the tuning seeds. results.json and table.md hold each variant's IoU on held-out samples and AO on
clips, beside the last box and the static box, and the difference from the whole tracker with the same seed.
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean, stdev

from rounds import ask_for_seeds, finish, in_rounds, is_finished, kept, parser_of

from wayscan.data.runs.folder import Run
from wayscan.track.config import ABLATIONS, TUNING_SEEDS
from wayscan.track.evaluate import StaticBox, evaluate
from wayscan.track.run import Tracker
from wayscan.track.train import train
from wayscan.track.train_config import TrackTrainConfig
from wayscan.world.clips import ClipsSpec, tracking_clip
from wayscan.world.sprites.clips import ClipSpec
from wayscan.world.sprites.library import Sources

VARIANTS = ("whole", *ABLATIONS)


def config_of(variant: str, seed: int, arguments: argparse.Namespace) -> TrackTrainConfig:
    run = arguments.out / f"{variant}-{seed}"
    return TrackTrainConfig(
        preset=arguments.preset,
        ablation=None if variant == "whole" else variant,  # type: ignore[arg-type]
        seed=seed,
        run=run,
        pairs_per_epoch=arguments.samples,
        films=arguments.films,
        films_weight=0.5,
        epochs=1,
        warmup_epochs=0.03,
        cache=arguments.cache,
        threads=1,
        workers=arguments.workers,
    )


def measured(run: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """What a finished run has come to, measured once and kept in it."""

    def measure() -> str:
        spec = ClipsSpec(sprites=ClipSpec(sources=Sources(cache=arguments.cache)))
        made = (tracking_clip(TUNING_SEEDS[1], index, spec) for index in range(arguments.clips))
        tracker = Tracker.from_pretrained(run / "model")
        results = evaluate(made, {"ours": lambda: tracker, "static": StaticBox}, starts=1)
        best = Run.open(run).state().best or {}
        at_best = next(
            line for line in Run.open(run).metrics.read() if line["step"] == best["step"] and "iou" in line
        )
        return json.dumps(
            {
                "iou": at_best["iou"],
                "iou_past": at_best["iou_past"],
                "ao": results["ours"].metrics["ao"],
                "ao_static": results["static"].metrics["ao"],
            }
        )

    return json.loads(kept(run / "measured.json", measure))


def table(arguments: argparse.Namespace) -> str:
    """The variants that have finished runs, as Markdown; the same in results.json."""
    known = {
        variant: {
            seed: measured(run, arguments)
            for seed in arguments.seeds
            if is_finished(run := arguments.out / f"{variant}-{seed}")
        }
        for variant in arguments.variants
    }
    (arguments.out / "results.json").write_text(json.dumps(known, indent=1))
    lines = [
        "| variant | seeds | IoU (last box) | AO (static box) | AO against whole, same seed |",
        "|---|---|---|---|---|",
    ]
    for variant, runs in known.items():
        if not runs:
            continue
        means = {name: mean(run[name] for run in runs.values()) for name in next(iter(runs.values()))}
        paired = [
            run["ao"] - known["whole"][seed]["ao"] for seed, run in runs.items() if seed in known["whole"]
        ]
        spread = f" ± {stdev(paired):.3f}" if len(paired) > 1 else ""
        against = "" if variant == "whole" or not paired else f"{mean(paired):+.3f}{spread}"
        lines.append(
            f"| {variant} | {len(runs)} | {means['iou']:.3f} ({means['iou_past']:.3f}) | {means['ao']:.3f} "
            f"({means['ao_static']:.3f}) | {against} |"
        )
    text = "\n".join(lines)
    (arguments.out / "table.md").write_text(text + "\n")
    return text


def main(words: list[str]) -> None:
    parser = parser_of(__doc__, minutes=60)
    ask_for_seeds(parser)
    parser.add_argument("--preset", default="nano", choices=["small", "tiny", "nano"])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--samples", type=int, default=60_000, help="pairs that each run learns from")
    parser.add_argument("--films", type=int, default=100, help="different films that a third come from")
    parser.add_argument("--clips", type=int, default=40, help="tuning clips that each run is measured on")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="file for the sprite library")
    parser.add_argument("--table", action="store_true", help="only write the table of what is finished")
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if not arguments.table:
        finish(train, in_rounds(config_of, arguments), arguments.minutes)
    print(table(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
