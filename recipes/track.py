"""Train bundled trackers on one machine, in a given number of minutes; it takes a GPU if there is one.

    export OMP_NUM_THREADS=1
    python recipes/track.py --images DIR --segments DIR --presets tiny nano --out OUT
    python recipes/track.py --free --presets tiny nano --out OUT        (without the photographs)

On a processor: --presets nano --batch 32 --reuse 1 --workers 1 --rate 1.2e-3 --average 0.998 --minutes 49
--evaluate-every 600.

This is the pair stage against the clock, for making the bundled models: `wayscan track train` does the same
by epochs, in a run folder that can be resumed, and has the sequence stage. Worker processes draw samples of
the sprite world (seed, index) into shared memory; all models learn from the same batches, so that a GPU does
not wait for them. The learning rate follows the clock: warm-up, then a cosine that reaches 0 when the minutes
are over. `--init OUT` goes on from the weights of an earlier run. `--held-images` and `--held-segments` name
photographs that only examine. Each model comes out as NAME/config.json and NAME/model.safetensors (the
averaged weights, bf16), beside metrics.jsonl.
"""

import argparse
import json
import math
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import torch
from torch import Tensor
from track_feed import Feed, Pool, batches

from wayscan.pretrained import load_pretrained, save_pretrained
from wayscan.track.config import (
    PRESETS,
    TRAINING_SEEDS,
    TUNING_SEEDS,
    LossConfig,
    TrackConfig,
    TrackerConfig,
    preset,
)
from wayscan.track.data import prepare, to_tensors
from wayscan.track.model import TrackModel
from wayscan.track.pair_stage import examine, outcome, predict
from wayscan.track.sources import pair_crops, pair_source
from wayscan.track.train_config import TrackTrainConfig
from wayscan.train.average import ExponentialAverage
from wayscan.train.config import OptimConfig
from wayscan.train.modules import Frozen
from wayscan.train.optim import adamw
from wayscan.world.sprites.library import Library, Sources, library_for
from wayscan.world.sprites.pairs import PairSpec, training_batch

SAVING = 20.0  # seconds kept for the last evaluation and the files


def autocast(device: torch.device, precision: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


@dataclass(eq=False)
class Pupil:
    """One model that learns, with its optimiser and its average."""

    name: str
    config: TrackConfig
    model: TrackModel
    optimiser: torch.optim.Optimizer
    average: ExponentialAverage
    rate: float
    skipped: int = 0

    def step(self, batch: dict[str, Tensor], share: float, precision: torch.dtype) -> dict[str, Tensor]:
        """One update at `share` of the peak rate; the parts of the loss."""
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * share
        with autocast(batch["search"].device, precision):
            output = predict(self.model, batch)
        learnt = outcome(self.model, output, batch, LossConfig())
        self.optimiser.zero_grad()
        learnt.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update()
        else:
            self.skipped += 1
        return {"loss": learnt.loss.detach(), "gradient": norm, **learnt.parts}  # type: ignore[dict-item]

    def examine(self, batches: list[dict[str, Tensor]], precision: torch.dtype) -> dict[str, float]:
        """How good the averaged weights are on held-out samples."""
        with self.average.in_place():
            return examine(self.model, batches, autocast(batches[0]["search"].device, precision))

    def save(self, folder: Path) -> None:
        with self.average.in_place():
            weights = {
                name: x.detach().to(torch.bfloat16).cpu() for name, x in self.model.state_dict().items()
            }
        save_pretrained(folder / self.name, weights, TrackerConfig(model=self.config).as_dict())


def enrol(name: str, config: TrackConfig, arguments: argparse.Namespace) -> Pupil:
    """A model with its optimiser, from scratch or from earlier weights."""
    torch.manual_seed(0)
    model = TrackModel(config)
    if arguments.init is not None:
        _, weights = load_pretrained(
            arguments.init / name if (arguments.init / name).is_dir() else arguments.init
        )
        model.load_state_dict(weights)
    model = model.to(device=arguments.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    rate = arguments.rate or (1e-3 if config.width > 128 else 1.5e-3)
    optimiser = adamw(model, OptimConfig(learning_rate=rate, weight_decay=arguments.decay, betas=(0.9, 0.98)))
    return Pupil(
        name, config, model, optimiser, ExponentialAverage(model, arguments.average, Frozen(model, ())), rate
    )


def rate_share(done: float, warm: float) -> float:
    """Share of the peak rate when a share of the time is done."""
    if done < warm:
        return max(done / warm, 0.01)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm) / (1 - warm))))


@dataclass(eq=False)
class School:
    """All pupils, what they are examined on, and the journal."""

    arguments: argparse.Namespace
    began: float
    feed: Feed
    held_out: list[dict[str, Tensor]]
    precision: torch.dtype
    pupils: list[Pupil]
    steps: int = 0

    def learn(self) -> None:
        """Train until the minutes are over."""
        options = self.arguments
        lessons = batches(self.feed, Pool(options.pool), options.batch, options.reuse)
        self.step(next(lessons), 0.0)  # kernels compile at the first step: not on the clock
        self.say("first step done")
        start, end = time.monotonic(), self.began + 60 * options.minutes - SAVING
        reported = examined = start
        for batch in lessons:
            now = time.monotonic()
            done = (now - start) / max(end - start, 1.0)
            if done >= 1:
                break
            share = rate_share(done, options.warm)
            figures = self.step(batch, share)
            if now - reported >= 10:
                reported = now
                self.report(figures, share, now - start)
            if now - examined >= options.evaluate_every:
                examined = now
                self.examine()
        self.examine()

    def step(self, batch: dict[str, Tensor], share: float) -> dict[str, dict[str, Tensor]]:
        """Every pupil learns from the same batch."""
        self.steps += 1
        prepared = prepare(batch, light=0.15)
        return {pupil.name: pupil.step(prepared, share, self.precision) for pupil in self.pupils}

    def report(self, figures: dict[str, dict[str, Tensor]], share: float, seconds: float) -> None:
        batch = self.arguments.batch
        rounded = {
            name: {part: round(float(value), 5) for part, value in parts.items()}
            for name, parts in figures.items()
        }
        pace, fresh = self.steps * batch / seconds, self.feed.taken * batch
        skipped = {pupil.name: pupil.skipped for pupil in self.pupils}
        self.write(
            step=self.steps, fresh=fresh, rate=share, samples_per_second=pace, skipped=skipped, parts=rounded
        )
        losses_now = "  ".join(
            f"{n} {p['loss']:.3f} (gradient {p['gradient']:.2f})" for n, p in rounded.items()
        )
        self.say(f"step {self.steps}, {fresh:,} fresh, {pace:.0f}/s, rate {share:.3f}: {losses_now}")

    def examine(self) -> None:
        """Measure and save every pupil."""
        for pupil in self.pupils:
            measured = pupil.examine(self.held_out, self.precision)
            self.write(step=self.steps, model=pupil.name, held_out=measured)
            self.say(f"{pupil.name}: " + ", ".join(f"{name} {value:.3f}" for name, value in measured.items()))
            pupil.save(self.arguments.out)

    def write(self, **line: object) -> None:
        with (self.arguments.out / "metrics.jsonl").open("a") as journal:
            journal.write(json.dumps({"seconds": round(time.monotonic() - self.began, 1), **line}) + "\n")

    def say(self, words: str) -> None:
        say(self.began, words)


def lesson_config(arguments: argparse.Namespace) -> TrackTrainConfig:
    """What all models learn from: pictures of the size that they take."""
    sizes = {(preset(name).template_size, preset(name).search_size) for name in arguments.presets}
    if len(sizes) > 1:
        raise SystemExit(
            f"--presets {' '.join(arguments.presets)} take pictures of different sizes; train them in turn"
        )
    return TrackTrainConfig(
        preset=arguments.presets[0],
        images=arguments.images,
        segments=arguments.segments,
        cache=arguments.cache,
        data_seed=arguments.seed,
        films=arguments.films,
        films_weight=arguments.films_weight if arguments.films else 0.0,
    )


def held_out_batches(
    arguments: argparse.Namespace, spec: PairSpec, library: Library
) -> list[dict[str, Tensor]]:
    """Samples of the tuning seeds, from photographs that nothing learns from if some are given."""
    if arguments.held_images is not None:
        kept = Sources(
            images=arguments.held_images, segments=arguments.held_segments, packaged=False, textures=0
        )
        spec, library = replace(spec, sources=kept), library_for(kept)
    return [
        to_tensors(training_batch(TUNING_SEEDS[0], 256 * k, 256, spec, library), arguments.device)
        for k in range(arguments.held_out // 256)
    ]


def train(arguments: argparse.Namespace, began: float) -> None:
    arguments.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(0)
    config = lesson_config(arguments)
    spec = pair_crops(config)
    library = library_for(spec.sources)
    say(began, f"library: {library.describe()}")
    source = pair_source(config)
    source.prepare()
    say(began, f"learning from {source.fingerprint()}")
    # Before anything touches the GPU: processes forked later would inherit its state.
    feed = Feed(arguments.seed, arguments.batch, source, arguments.workers)
    held_out = held_out_batches(arguments, spec, library)
    if arguments.device == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    feed.carry_to(arguments.device)
    learners = [enrol(name, preset(name), arguments) for name in arguments.presets]
    for pupil in learners:
        say(began, f"{pupil.name}: {sum(p.numel() for p in pupil.model.parameters()):,} parameters")
    precision = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    school = School(arguments, began, feed, held_out, precision, learners)
    school.learn()
    feed.close()
    say(began, f"done: {school.steps} steps, {feed.taken * arguments.batch:,} fresh samples")


def say(began: float, words: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {words}", flush=True)


def arguments_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", default=["tiny", "nano"], choices=list(PRESETS))
    parser.add_argument("--images", type=Path, help="folder of photographs")
    parser.add_argument("--segments", type=Path, help="folder of their label images")
    parser.add_argument("--held-images", type=Path, help="folder of photographs only to examine on")
    parser.add_argument("--held-segments", type=Path, help="folder of their label images")
    parser.add_argument(
        "--free", action="store_true", help="use no photographs but those in installed packages"
    )
    parser.add_argument("--cache", type=Path, help="file for the sprite library")
    parser.add_argument(
        "--films", type=int, default=0, help="different films of the 3-D world to learn from too"
    )
    parser.add_argument("--films-weight", type=float, default=0.5, help="of their samples; sprites have 1")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="folder of an earlier run")
    parser.add_argument("--minutes", type=float, default=9.0, help="of the whole command, saving included")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--reuse", type=int, default=3, help="how often a sample may be learnt from")
    parser.add_argument("--pool", type=int, default=200_000, help="samples kept on the device for that")
    parser.add_argument("--rate", type=float, help="peak learning rate; default 1e-3, nano 1.5e-3")
    parser.add_argument("--decay", type=float, default=0.05)
    parser.add_argument("--warm", type=float, default=0.03, help="share of the time that the rate rises")
    parser.add_argument("--average", type=float, default=0.999, help="decay of the weights' average")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--seed", type=int, default=TRAINING_SEEDS[0])
    parser.add_argument("--held-out", type=int, default=1024)
    parser.add_argument("--evaluate-every", type=float, default=60.0, help="seconds")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp32"], help="of matrix products")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cuda", "cpu"]
    )
    arguments = parser.parse_args(words)
    if arguments.free == (arguments.images is not None):
        parser.error("give --images (and --segments), or --free to use no photographs")
    if arguments.seed not in TRAINING_SEEDS:
        parser.error(f"--seed {arguments.seed}: training seeds are {TRAINING_SEEDS}")
    return arguments


if __name__ == "__main__":
    train(arguments_of(sys.argv[1:]), time.monotonic())
