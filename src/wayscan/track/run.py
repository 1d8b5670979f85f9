"""The tracker in torch: a saved model and the loop around it."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wayscan.pretrained import load_pretrained, save_pretrained
from wayscan.track.config import LoopConfig, TrackerConfig
from wayscan.track.data import normalise
from wayscan.track.loop import Sight, Track, TrackingLoop
from wayscan.track.model import Templates, TrackModel, TrackOutput

__all__ = ["Track", "Tracker"]


class Tracker(TrackingLoop):
    """Follows one target; its memory does not grow with the video.

    >>> from wayscan.track.config import preset
    >>> tracker = Tracker(TrackModel(preset("nano")))
    >>> frame = np.zeros((120, 160, 3), dtype=np.uint8)
    >>> tracker.start(frame, (40, 30, 20, 20)).box
    array([40., 30., 20., 20.])
    >>> tracker.step(frame).box.shape
    (4,)
    """

    def __init__(self, model: TrackModel, loop: LoopConfig | None = None) -> None:
        self.model = model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(_TorchNetwork(self.model), loop)

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, loop: LoopConfig | None = None, device: str | torch.device = "cpu"
    ) -> "Tracker":
        """A saved tracker: a folder, a model in the package by name, or a hub id.

        Args:
            loop: how to follow, instead of what is saved beside the weights.
        """
        stored, weights = load_pretrained(source)
        config = TrackerConfig.from_dict(stored)
        model = TrackModel(config.model)
        model.load_state_dict(weights)
        return cls(model.to(device), loop or config.loop)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write config.json and model.safetensors; weights are kept in bfloat16."""
        weights = {
            name: weight.detach().to("cpu", torch.bfloat16)
            for name, weight in self.model.state_dict().items()
        }
        return save_pretrained(
            folder, weights, TrackerConfig(model=self.model.config, loop=self.loop).as_dict()
        )


class _TorchNetwork:
    """A `TrackModel` from arrays to arrays."""

    def __init__(self, model: TrackModel) -> None:
        self.model, self.config = model, model.config
        self._device = next(model.parameters()).device

    @torch.inference_mode()
    def remember(self, pictures: NDArray[np.uint8], boxes: NDArray[np.float32]) -> Templates:
        return self.model.remember(normalise(self._batch_of_one(pictures)), self._batch_of_one(boxes))

    @torch.inference_mode()
    def look(self, templates: Templates, crop: NDArray[np.uint8], past: NDArray[np.float32]) -> Sight:
        output = self.model.look(templates, normalise(self._batch_of_one(crop)), self._batch_of_one(past))
        return sights(self.model, output)[0]

    def _batch_of_one(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array)[None].to(self._device)


def sights(model: TrackModel, output: TrackOutput) -> list[Sight]:
    """What the network sees in each of B search crops."""
    scores = output.score.sigmoid().tolist()
    if output.heat is None or output.dense is None or model.config.box_from == "tokens":
        boxes = model.boxes(output)[..., None].double().cpu().numpy()
        chances = np.ones((len(scores), 1, 1))
    else:
        boxes = output.dense.flatten(2).double().cpu().numpy()
        chances = output.heat.sigmoid().double().cpu().numpy()
    return [Sight(*each) for each in zip(boxes, chances, scores, strict=True)]
