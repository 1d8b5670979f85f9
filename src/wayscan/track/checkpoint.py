"""A tracker out of one checkpoint of a training run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from wayscan.data.runs.folder import Run
from wayscan.track.config import LoopConfig, TrackConfig, TrackerConfig
from wayscan.track.model import TrackModel
from wayscan.track.run import Tracker
from wayscan.train.checkpoint import load_state, put_weights


def tracker_of(run: Path, checkpoint: Path, device: str = "cpu") -> Tracker:
    """The tracker that a run had come to; averaged weights where the run averages, as when it evaluates."""
    network, loop = _settings(run)
    model = TrackModel(network)
    put_weights(model, _weights(checkpoint), checkpoint)
    return Tracker(model.to(device), loop)


def _weights(checkpoint: Path) -> dict[str, Tensor]:
    if checkpoint.stem == "best":
        from safetensors.torch import load_file

        return load_file(checkpoint)
    state = load_state(checkpoint)
    averaged = (state.get("average") or {}).get("average", {})
    return {**state["model"], **averaged}


def _settings(run: Path) -> tuple[TrackConfig, LoopConfig]:
    """The network of a run: beside its model if there is one, or by what was asked of the training."""
    saved = run / "model" / "config.json"
    if saved.is_file():
        config = TrackerConfig.from_dict(json.loads(saved.read_text(encoding="utf-8")))
        return config.model, config.loop
    from wayscan.track.train_config import TrackTrainConfig

    known = {field.name for field in fields(TrackTrainConfig)}
    for asked in _mappings(Run.open(run).about):
        if "preset" in asked and "stage" in asked:
            kept = {name: value for name, value in asked.items() if name in known}
            return TrackTrainConfig(**kept).network(), LoopConfig()
    raise ValueError(f"{run} does not say which network it trains; expected a run of `wayscan track train`")


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """A mapping and all mappings in it."""
    if isinstance(value, Mapping):
        yield value
        for each in value.values():
            yield from _mappings(each)
