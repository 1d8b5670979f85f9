"""One evaluation from names: which model, which sequences, beside whom."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from wayscan.track.evaluate import BASELINE, Follower, OpenCvTracker, Peer, StaticBox, evaluate
from wayscan.track.open import checkpoint_trackers, open_tracker
from wayscan.track.report import Evaluation
from wayscan.track.sequences import Sequences


def judge(
    model: str,
    sequences: Sequences,
    *,
    starts: int = 1,
    seed: int = 0,
    against: Sequence[Peer] = (),
    all_checkpoints: bool = False,
    device: str = "cpu",
    threads: int | None = None,
    on_run: Callable[[str, str], object] = lambda clip, follower: None,
) -> Evaluation:
    """Run a model, the static box and OpenCV's trackers over the same sequences from the same starts.

    Args:
        all_checkpoints: `model` is a training run, and each of its checkpoints runs beside its model.
    """
    for name in against:
        if name not in get_args(Peer):
            raise ValueError(f"against names {name!r}; expected some of {', '.join(get_args(Peer))}")
    began = time.perf_counter()
    models: Mapping[str, Callable[[], Follower]]
    if all_checkpoints:
        models = checkpoint_trackers(Path(model), device, threads)
    else:
        models = {model: partial(open_tracker, model, device=device, threads=threads)}
    peers = {name: partial(OpenCvTracker, name) for name in against}
    everyone: dict[str, Callable[[], Follower]] = {**models, **peers, BASELINE: StaticBox}
    results = evaluate(sequences.clips, everyone, starts, seed, on_run)
    first, *others = models
    return Evaluation(
        model=first,
        data=sequences.name,
        synthetic=sequences.synthetic,
        seed=seed,
        seconds=time.perf_counter() - began,
        result=results[first],
        baselines={BASELINE: results[BASELINE]},
        peers={name: results[name] for name in peers},
        others={name: results[name] for name in others},
    )
