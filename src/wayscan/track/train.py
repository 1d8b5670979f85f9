"""Train a tracker in a run folder: the pair stage, then the sequence stage, each as its preset says.

config = TrackTrainConfig(preset="nano", stage="pair", run=Path("runs/pair"))
train(config)
train(TrackTrainConfig(preset="nano", stage="sequence", init="runs/pair", run=Path("runs/clips")))
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import torch
from torch import nn

from wayscan.data.runs.folder import Run
from wayscan.data.runs.settings import difference_table, differences
from wayscan.pretrained import load_pretrained
from wayscan.track.config import TUNING_SEEDS, LoopConfig, TrackConfig, TrackerConfig
from wayscan.track.data import to_tensors
from wayscan.track.evaluate import StaticBox, evaluate
from wayscan.track.grow import grow
from wayscan.track.model import TrackModel
from wayscan.track.pair_stage import LossCourse, PairTask, examine
from wayscan.track.run import Tracker
from wayscan.track.sequence_stage import SequenceTask, Windows, WindowSpec, as_tracker
from wayscan.track.sources import Pairs, clip_source, pair_crops, pair_source, sprite_sources
from wayscan.track.train_config import TrackTrainConfig
from wayscan.train.checkpoint import load_weights
from wayscan.train.config import OptimConfig, TrainConfig
from wayscan.train.determinism import seed_everything
from wayscan.train.loop import Trainer
from wayscan.train.task import Result, TrainingSet
from wayscan.world.clips import ClipsSpec, tracking_clip
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import library_for
from wayscan.world.sprites.pairs import training_batch

EXAMINED_AT_ONCE = 128
MONITORED = {"pair": ("iou", "iou_past"), "sequence": ("ao", "ao_static")}
"""What decides which weights are best, and its trivial baseline, by stage."""


def train(config: TrackTrainConfig) -> int:
    """Train a tracker, or go on with it; the best weights come out as RUN/model.

    Args:
        config: what to train, on what, and how.
    """
    built = trainer(config)
    result = built.fit()
    print(finish(result, built.model, _loop(config)))
    return 0


def trainer(config: TrackTrainConfig) -> Trainer:
    """All that a run needs, ready to `fit`."""
    config = config.resolved()
    cv2.setNumThreads(0)
    records: TrainingSet
    if config.stage == "pair":
        records = Pairs(pair_source(config), config.pairs_per_epoch)
    else:
        records = _windows(config)
    how = _how(config, len(records))
    course = LossCourse(config.loss_phases(), how.steps_for(len(records)))
    pair = config.stage == "pair"
    return Trainer(
        build(config),
        PairTask(course, config.light) if pair else SequenceTask(course, _loop(config)),
        records,
        run=config.run,
        config=how,
        settings=config,
        evaluate=_examination(config) if pair else _following(config),
        observers=(course,),
        resume=config.resume,
    )


def build(config: TrackTrainConfig) -> TrackModel:
    """The network as a run begins: from scratch, from a saved tracker, or grown from a smaller one."""
    if config.stage == "sequence" and config.init is None:
        raise ValueError(
            "stage is 'sequence' but init is None; expected a tracker that has learnt from pairs: give init"
        )
    seed_everything(config.seed, "weights")
    network = config.network()
    model = TrackModel(network)
    if config.init is not None:
        stored, weights = load_pretrained(saved_tracker(config.init))
        before = TrackerConfig.from_dict(stored).model
        if config.grow:
            weights = grow(weights, before, model)
        else:
            _expect_same(before, network, config.init)
        model.load_state_dict(weights)
    return model


def saved_tracker(source: str) -> str | Path:
    """`source`, or the model in it when it is a run folder."""
    inside = Path(source) / "model"
    return inside if (inside / "config.json").is_file() else source


def finish(result: Result, model: nn.Module, loop: LoopConfig) -> str:
    """Write the best weights of a run that is over as RUN/model; return what came out, in a line."""
    assert isinstance(model, TrackModel)
    best = result.best
    step = load_weights(model, result.path, "last" if best is None else "best")
    folder = Tracker(model, loop).save_pretrained(result.path / "model")
    measured = [line for line in Run.open(result.path).metrics.read() if line.get("step") == step]
    figures = ", ".join(
        f"{name} {line[name]:.3f} ({baseline} {line[baseline]:.3f})"
        for line in measured
        for name, baseline in MONITORED.values()
        if name in line
    )
    reason = f" ({result.reason})" if result.reason else ""
    return f"{result.state}{reason}: {figures or 'not evaluated'} at step {step}; the tracker is in {folder}"


def held_out_batches(config: TrackTrainConfig) -> list[dict[str, torch.Tensor]]:
    """Samples of the tuning seeds, from the same pictures as those that are learnt from."""
    spec = pair_crops(config)
    library = library_for(spec.sources)
    return [
        to_tensors(
            training_batch(
                TUNING_SEEDS[0], start, min(EXAMINED_AT_ONCE, config.held_out - start), spec, library
            )
        )
        for start in range(0, config.held_out, EXAMINED_AT_ONCE)
    ]


def _how(config: TrackTrainConfig, records: int) -> TrainConfig:
    """The settings of the training runtime."""
    named = {
        name: getattr(config, name)
        for name in ("seed", "epochs", "batch_size", "accumulate", "device", "precision", "threads",
                     "workers", "evaluate_every", "checkpoint_every", "log_every", "loggers", "progress")
    }  # fmt: skip
    assert config.learning_rate is not None
    assert config.batch_size is not None
    assert config.warmup_epochs is not None
    assert config.weight_decay is not None
    assert config.beta2 is not None
    optim = OptimConfig(
        learning_rate=config.learning_rate,
        backbone=("stem", "blocks") if config.backbone_share != 1 else (),
        backbone_learning_rate=config.backbone_share * config.learning_rate,
        weight_decay=config.weight_decay,
        betas=(0.9, config.beta2),
        schedule="constant" if config.scheduler == "constant" else "cosine",
        warmup_steps=round(config.warmup_epochs * records / config.batch_size),
        clip_norm=config.clip_norm,
        average_decay=config.average_decay or None,
    )
    return TrainConfig(
        **named,
        optim=optim,
        monitor=MONITORED[config.stage][0],
        better="higher",
    )


def _windows(config: TrackTrainConfig) -> Windows:
    spec = WindowSpec(
        frames=config.clip_frames,
        reversed_share=config.reversed_share,
        absent_frames=config.absent_frames == "keep",
    )
    return Windows(clip_source(config), config.data_seed, config.clips_per_epoch, spec)


def _examination(config: TrackTrainConfig) -> Callable[[nn.Module], Mapping[str, float]]:
    batches = held_out_batches(config)

    def examined(model: nn.Module) -> Mapping[str, float]:
        assert isinstance(model, TrackModel)
        device = next(model.parameters()).device
        return examine(model, ({name: x.to(device) for name, x in batch.items()} for batch in batches))

    return examined


def _following(config: TrackTrainConfig) -> Callable[[nn.Module], Mapping[str, float]]:
    sprites, loop = ClipSpec(sources=sprite_sources(config)), _loop(config)
    both = ClipsSpec(sprites=sprites)
    clips = [
        tracking_clip(TUNING_SEEDS[0], index, both)
        if config.films_weight
        else make_clip(TUNING_SEEDS[0], index, sprites)
        for index in range(config.held_out_clips)
    ]
    static = evaluate(clips, {"static": StaticBox}, starts=1)["static"].metrics["ao"]

    def followed(model: nn.Module) -> Mapping[str, float]:
        assert isinstance(model, TrackModel)
        with as_tracker(model):
            measured = evaluate(clips, {"ours": lambda: Tracker(model, loop)}, starts=1)["ours"].metrics
        # No frames per second: metrics are the same for every machine.
        return {**{name: measured[name] for name in ("ao", "sr50", "auc", "auroc")}, "ao_static": static}

    return followed


def _loop(config: TrackTrainConfig) -> LoopConfig:
    """How the tracker follows: as was saved beside the weights that it begins with."""
    if config.init is None:
        return LoopConfig()
    return TrackerConfig.from_dict(load_pretrained(saved_tracker(config.init))[0]).loop


def _expect_same(stored: TrackConfig, asked: TrackConfig, source: str) -> None:
    before, now = (asdict(replace(network, drop_path=0.0)) for network in (stored, asked))
    if rows := differences(before, now):
        raise ValueError(
            f"the tracker in {source} has another network:\n{difference_table(rows, source, 'asked for')}\n"
            "Choose its preset, or grow it"
        )
