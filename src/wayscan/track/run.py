"""The tracker: start it with a frame and a box, then give it one frame after the other."""

from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wayscan.geometry.boxes import (
    Boxes,
    clip_to_image,
    crop_image,
    crop_region,
    from_crop,
    to_crop,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from wayscan.pretrained import load_pretrained, save_pretrained
from wayscan.track.config import LoopConfig, TrackerConfig
from wayscan.track.coordinates import HIGH, LOW
from wayscan.track.data import normalise
from wayscan.track.frames import first_box, rgb_frame
from wayscan.track.model import Templates, TrackModel, TrackOutput


class Track(NamedTuple):
    """Where the target is in one frame.

    Attributes:
        box: (4,) x, y, w, h in pixels. score: the overlap that the box is expected to have, in [0, 1].
        lost: the target has not been seen for some frames; the box is where it was last.
    """

    box: Boxes
    score: float
    lost: bool


class Tracker:
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
        self.loop = loop or LoopConfig()
        self._device = next(model.parameters()).device
        self.reset()

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

    def reset(self) -> None:
        """Forget the target."""
        self._size: tuple[int, int] | None = None  # of the frames, width and height
        self._pictures: list[NDArray[np.uint8]] = []  # first and dynamic template
        self._in_templates: list[Boxes] = []  # the target in each, as corners in units of the crop
        self._templates: Templates | None = None
        self._past: deque[Boxes] = deque(maxlen=max(self.model.config.past, 1))
        self._since_update = 0
        self._doubtful = 0  # frames in a row with a score below lost_score

    def start(self, frame: Any, box: ArrayLike) -> Track:
        """Take the first frame and the target's box (x, y, w, h) in it."""
        image = rgb_frame(frame)
        box = first_box(box, image.shape[1], image.shape[0])
        self.reset()
        self._size = (image.shape[1], image.shape[0])
        self._remember(image, box)
        self._past.extend([box] * (self._past.maxlen or 1))
        return Track(box.copy(), 1.0, False)

    def step(self, frame: Any) -> Track:
        """Find the target in the next frame."""
        if self._size is None:
            raise RuntimeError("Tracker.step came before Tracker.start; start with a frame and a box")
        image = rgb_frame(frame)
        if image.shape[1::-1] != self._size:
            raise ValueError(
                f"frame is {image.shape[1]} x {image.shape[0]}; expected {self._size[0]} x {self._size[1]}, "
                "as at the start; resize it, or start again"
            )
        lost_for = self._doubtful - self.loop.patience
        last = self._past[-1]
        widening = min(self.loop.widening ** max(lost_for + 1, 0), self.loop.widest)
        found, score = self._look(image, last, widening)
        self._doubtful = self._count_doubt(score)
        lost = self._doubtful >= self.loop.patience
        box = last if lost else self._follow(last, found)
        self._past.append(box)
        self._since_update += 1
        every = self.loop.update_every
        if every and self._since_update >= every and score >= self.loop.update_score and not lost:
            self._remember(image, box)
        return Track(box.copy(), score, lost)

    @torch.inference_mode()
    def _look(self, image: NDArray[np.uint8], last: Boxes, widening: float) -> tuple[Boxes, float]:
        """The network's box in this frame, and its score."""
        config = self.model.config
        assert self._templates is not None
        region = crop_region(last, config.search_factor * widening)
        crop = crop_image(image, region, config.search_size)
        past = np.clip(xywh_to_xyxy(to_crop(np.stack(self._past), region)), LOW, HIGH)
        output = self.model.look(
            self._templates,
            normalise(torch.from_numpy(crop)[None].to(self._device)),
            torch.from_numpy(past).float()[None].to(self._device),
        )
        # Whoever searches widely expects the target anywhere, at any size.
        expected = to_crop(last, region) if widening == 1 else None
        corners = self._choose(output, expected)
        return from_crop(xyxy_to_xywh(corners), region), float(output.score.sigmoid())

    def _choose(self, output: TrackOutput, expected: Boxes | None) -> NDArray[np.float64]:
        """The final box (4,) as corners in units of the crop."""
        if output.heat is None or output.dense is None or self.model.config.box_from == "tokens":
            return self.model.boxes(output)[0].double().cpu().numpy()
        chance = output.heat[0].sigmoid().double().cpu().numpy()
        boxes = output.dense[0].flatten(1).double().cpu().numpy()
        if expected is not None:
            chance = chance * (1 - self.loop.window + self.loop.window * _window(*chance.shape))
            sizes = np.maximum(boxes[2:] - boxes[:2], 1e-3)
            change = np.exp(np.abs(np.log(sizes / expected[2:, None])).sum(axis=0))
            chance = chance.ravel() * np.exp(-self.loop.size_penalty * (change - 1))
        return boxes[:, chance.argmax()]

    def _follow(self, last: Boxes, found: Boxes) -> Boxes:
        """Go to where the target was found, and part of the way to its size."""
        assert self._size is not None
        sizes = np.maximum(found[2:], 1.0)
        rate = self.loop.size_rate
        sizes = last[2:] ** (1 - rate) * sizes**rate
        centre = found[:2] + found[2:] / 2
        margin = min(self.loop.margin, *self._size)
        box = clip_to_image(np.concatenate([centre - sizes / 2, sizes]), *self._size, margin)
        box[2:] = np.maximum(box[2:], 1.0)
        return box

    def _count_doubt(self, score: float) -> int:
        """Frames in a row in which the target was not seen, this one included."""
        lost = self._doubtful >= self.loop.patience
        least = self.loop.found_score if lost else self.loop.lost_score
        return self._doubtful + 1 if score < least else 0

    @torch.inference_mode()
    def _remember(self, image: NDArray[np.uint8], box: Boxes) -> None:
        """Make the target in this frame the dynamic template; the first one is the first template too."""
        config = self.model.config
        region = crop_region(box, config.template_factor)
        picture = crop_image(image, region, config.template_size)
        corners = xywh_to_xyxy(to_crop(box, region))
        self._pictures = [*(self._pictures or [picture])[:1], picture]
        self._in_templates = [*(self._in_templates or [corners])[:1], corners]
        pictures = normalise(torch.from_numpy(np.stack(self._pictures))[None].to(self._device))
        boxes = torch.from_numpy(np.stack(self._in_templates)).float()[None].to(self._device)
        self._templates = self.model.remember(pictures, boxes)
        self._since_update = 0


@lru_cache(maxsize=8)
def _window(height: int, width: int) -> NDArray[np.float64]:
    """A cosine bump (h, w): 1 in the middle, near 0 at the edges."""
    return np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
