"""Train bundled trackers on one machine, in a given number of minutes; it takes a GPU if there is one.

    export OMP_NUM_THREADS=1
    python recipes/track.py --images DIR --segments DIR --presets tiny nano --out OUT
    python recipes/track.py --free --presets tiny nano --out OUT        (without the photographs)
    python recipes/track.py --images DIR --segments DIR --ablate nano --seeds 3 --out OUT   (on/off table)

On a processor: --presets nano --batch 32 --reuse 1 --workers 1 --rate 1.2e-3 --average 0.998 --minutes 49
--evaluate-every 600.

Worker processes draw samples of the sprite world (seed, index) into shared memory; every model learns from
the same batches. The learning rate follows the clock: warm-up, then a cosine that reaches 0 when the minutes
are over. `--init OUT` goes on from the weights of an earlier run. `--held-images` and `--held-segments` name
photographs that only examine. Each model comes out as NAME/config.json and NAME/model.safetensors (the
averaged weights, bf16), beside metrics.jsonl.
"""

import argparse
import json
import math
import mmap
import multiprocessing
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from wayscan.pretrained import load_pretrained, save_pretrained
from wayscan.track.config import (
    ABLATIONS,
    PRESETS,
    TRAINING_SEEDS,
    TUNING_SEEDS,
    LossConfig,
    TrackConfig,
    TrackerConfig,
    preset,
)
from wayscan.track.coordinates import decode
from wayscan.track.data import prepare, to_tensors
from wayscan.track.dense import best_box
from wayscan.track.losses import iou, losses
from wayscan.track.metrics import auroc
from wayscan.track.model import TrackModel
from wayscan.train.average import ExponentialAverage
from wayscan.train.config import OptimConfig
from wayscan.train.modules import Frozen
from wayscan.train.optim import adamw
from wayscan.world.sprites.library import Library, Sources, library_for
from wayscan.world.sprites.pairs import PairSpec, training_batch

SAVING = 20.0  # seconds kept for the last evaluation and the files


class Feed:
    """Batches 0, 1, 2 … of a seed, drawn by forked processes into shared memory and carried to the device in
    order.
    """

    def __init__(
        self, seed: int, batch: int, spec: PairSpec, library: Library, workers: int, depth: int = 3
    ) -> None:
        context = multiprocessing.get_context("fork")
        example = training_batch(seed, 0, 1, spec, library)
        self.slots = [[_shared(example, batch) for _ in range(depth)] for _ in range(workers)]
        self.free = [context.Semaphore(depth) for _ in range(workers)]
        self.full = [context.Semaphore(0) for _ in range(workers)]
        self.carried: queue.Queue[dict[str, Tensor] | None] = queue.Queue(maxsize=4)
        self.taken = 0

        def work(worker: int) -> None:
            cv2.setNumThreads(0)
            for k in range(10**9):
                self.free[worker].acquire()
                drawn = training_batch(seed, (worker + k * workers) * batch, batch, spec, library)
                for name, place in self.slots[worker][k % depth].items():
                    place[:] = drawn[name]
                self.full[worker].release()

        self.processes = [context.Process(target=work, args=(w,), daemon=True) for w in range(workers)]
        for process in self.processes:
            process.start()

    def carry_to(self, device: str) -> None:
        """Start to bring batches to the device; not before all forks are done."""
        threading.Thread(target=self._carry, args=(device,), daemon=True).start()

    def take(self, wait: bool) -> dict[str, Tensor] | None:
        """The next batch on the device, or None if it is not there yet and `wait` is False."""
        try:
            batch = self.carried.get(block=wait)
        except queue.Empty:
            return None
        if batch is None:
            alive = sum(process.is_alive() for process in self.processes)
            raise RuntimeError(
                f"no batch came within 120 s; {alive} of {len(self.processes)} workers are alive"
            )
        self.taken += 1
        return batch

    def close(self) -> None:
        for process in self.processes:
            process.terminate()

    def _carry(self, device: str) -> None:
        stream = torch.cuda.Stream() if device == "cuda" else None
        for k in range(10**9):
            round_, worker = divmod(k, len(self.slots))
            if not self.full[worker].acquire(timeout=120):
                self.carried.put(None)
                return
            slot = self.slots[worker][round_ % len(self.slots[worker])]
            with torch.cuda.stream(stream):
                batch = {name: torch.from_numpy(place).to(device, copy=True) for name, place in slot.items()}
            if stream is not None:
                stream.synchronize()
                for tensor in batch.values():
                    tensor.record_stream(torch.cuda.default_stream())
            self.free[worker].release()
            self.carried.put(batch)


def _shared(example: dict[str, np.ndarray], batch: int) -> dict[str, np.ndarray]:
    """Arrays of `batch` samples in memory that forked processes share."""
    places = {}
    for name, array in example.items():
        shape = (batch, *array.shape[1:])
        memory = mmap.mmap(-1, math.prod(shape) * array.itemsize)
        places[name] = np.frombuffer(memory, dtype=array.dtype).reshape(shape)
    return places


class Pool:
    """The latest samples on the device, so that each can be learnt from more than once."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.filled, self.next = capacity, 0, 0
        self.kept: dict[str, Tensor] = {}

    def add(self, batch: dict[str, Tensor]) -> None:
        count = len(batch["search"])
        if not self.kept:
            self.capacity -= self.capacity % count
            self.kept = {name: x.new_empty(self.capacity, *x.shape[1:]) for name, x in batch.items()}
        for name, x in batch.items():
            self.kept[name][self.next : self.next + count] = x
        self.next = (self.next + count) % self.capacity
        self.filled = min(self.filled + count, self.capacity)

    def draw(self, count: int) -> dict[str, Tensor]:
        device = self.kept["search"].device
        places = torch.randint(self.filled, (count,), device=device)
        return {name: x[places] for name, x in self.kept.items()}


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
        with torch.autocast(batch["search"].device.type, precision, enabled=precision != torch.float32):
            output = self.model(
                *(batch[name] for name in ("first", "dynamic", "search", "template_boxes", "past"))
            )
        total, parts = losses(self.model, output, batch, LossConfig())
        self.optimiser.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update()
        else:
            self.skipped += 1
        return {"loss": total.detach(), "gradient": norm, **parts}

    @torch.no_grad()
    def evaluate(self, batches: list[dict[str, Tensor]], precision: torch.dtype) -> dict[str, float]:
        """Of the averaged weights on held-out samples: IoU of either head, AUROC of the score."""
        self.model.eval()
        found: dict[str, list[Tensor]] = {
            name: [] for name in ("tokens", "dense", "score", "present", "past", "best")
        }
        with self.average.in_place():
            for raw in batches:
                batch = prepare(raw)
                with torch.autocast(
                    batch["search"].device.type, precision, enabled=precision != torch.float32
                ):
                    output = self.model(
                        *(batch[name] for name in ("first", "dynamic", "search", "template_boxes", "past"))
                    )
                found["tokens"].append(iou(decode(output.logits), batch["box"]))
                if output.heat is not None and output.dense is not None:
                    found["dense"].append(iou(best_box(output.heat, output.dense), batch["box"]))
                found["best"].append(iou(self.model.boxes(output), batch["box"]))
                found["past"].append(iou(batch["past"][:, -1], batch["box"]))
                found["score"].append(output.score.float())
                found["present"].append(batch["present"])
        whole = {name: torch.cat(parts).cpu().numpy() for name, parts in found.items() if parts}
        there = whole["present"] > 0
        heads = {
            f"iou_{name}": float(whole[name][there].mean())
            for name in ("tokens", "dense", "past")
            if name in whole
        }
        return {
            **heads,
            "success": float((whole["best"][there] > 0.5).mean()),
            "auroc": auroc(whole["score"], there & (whole["best"] > 0.3)),
        }

    def save(self, folder: Path) -> None:
        with self.average.in_place():
            weights = {
                name: x.detach().to(torch.bfloat16).cpu() for name, x in self.model.state_dict().items()
            }
        save_pretrained(folder / self.name, weights, TrackerConfig(model=self.config).as_dict())


def enrol(name: str, config: TrackConfig, arguments: argparse.Namespace, seed: int) -> Pupil:
    """A model with its optimiser, from scratch or from earlier weights."""
    torch.manual_seed(seed)
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


def pupils(arguments: argparse.Namespace) -> list[Pupil]:
    if arguments.ablate is None:
        return [enrol(name, preset(name), arguments, 0) for name in arguments.presets]
    whole = preset(arguments.ablate)
    variants = {"whole": whole, **{name: replace(whole, **changes) for name, changes in ABLATIONS.items()}}
    return [
        enrol(f"{name}-{seed}", config, arguments, seed)
        for name, config in variants.items()
        for seed in range(arguments.seeds)
    ]


def rate_share(done: float, warm: float) -> float:
    """Share of the peak rate when a share of the time is done."""
    if done < warm:
        return max(done / warm, 0.01)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (done - warm) / (1 - warm))))


def batches(feed: Feed, pool: Pool, count: int, reuse: int) -> Iterator[dict[str, Tensor]]:
    """Fresh batches as they come; while none is ready, samples of the pool, each fresh batch used `reuse`
    times.
    """
    since = reuse
    while True:
        fresh = feed.take(wait=since >= reuse)
        since = since + 1 if fresh is None else 1
        if fresh is not None and reuse > 1:
            pool.add(fresh)
        yield pool.draw(count) if fresh is None else fresh


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
            measured = pupil.evaluate(self.held_out, self.precision)
            self.write(step=self.steps, model=pupil.name, held_out=measured)
            self.say(f"{pupil.name}: " + ", ".join(f"{name} {value:.3f}" for name, value in measured.items()))
            if self.arguments.ablate is None:
                pupil.save(self.arguments.out)

    def write(self, **line: object) -> None:
        with (self.arguments.out / "metrics.jsonl").open("a") as journal:
            journal.write(json.dumps({"seconds": round(time.monotonic() - self.began, 1), **line}) + "\n")

    def say(self, words: str) -> None:
        say(self.began, words)


def pair_spec(arguments: argparse.Namespace) -> PairSpec:
    """What the samples look like: pictures of the size that all models take."""
    names = arguments.presets if arguments.ablate is None else [arguments.ablate]
    sizes = {(preset(name).template_size, preset(name).search_size) for name in names}
    if len(sizes) > 1:
        raise SystemExit(f"--presets {' '.join(names)} take pictures of different sizes; train them in turn")
    template_size, search_size = sizes.pop()
    sources = Sources(images=arguments.images, segments=arguments.segments, cache=arguments.cache)
    return PairSpec(sources=sources, template_size=template_size, search_size=search_size)


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
    spec = pair_spec(arguments)
    library = library_for(spec.sources)
    say(began, f"library: {library.describe()}")
    # Before anything touches the GPU: processes forked later would inherit its state.
    feed = Feed(arguments.seed, arguments.batch, spec, library, arguments.workers)
    held_out = held_out_batches(arguments, spec, library)
    if arguments.device == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    feed.carry_to(arguments.device)
    learners = pupils(arguments)
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
    parser.add_argument(
        "--ablate", choices=list(PRESETS), help="train a preset with each part left out instead"
    )
    parser.add_argument("--seeds", type=int, default=3, help="how often each ablation is trained")
    parser.add_argument("--images", type=Path, help="folder of photographs")
    parser.add_argument("--segments", type=Path, help="folder of their label images")
    parser.add_argument("--held-images", type=Path, help="folder of photographs only to examine on")
    parser.add_argument("--held-segments", type=Path, help="folder of their label images")
    parser.add_argument(
        "--free", action="store_true", help="use no photographs but those in installed packages"
    )
    parser.add_argument("--cache", type=Path, help="file for the sprite library")
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
