"""The loop that follows a target, around whatever network looks: start it, then give it frame after frame.

NumPy and OpenCV only: `Tracker` of wayscan.track.run looks with torch, `OnnxTracker` of wayscan.track.onnx
with onnxruntime.
"""

from collections import deque
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.geometry.boxes import (
    Boxes,
    CropRegion,
    clip_to_image,
    crop_image,
    crop_region,
    from_crop,
    to_crop,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from wayscan.track.config import COORDINATE_SPAN, LoopConfig, TrackConfig
from wayscan.track.frames import first_box, rgb_frame


class Track(NamedTuple):
    """Where the target is in one frame.

    Attributes:
        box: (4,) x, y, w, h in pixels. score: the overlap that the box is expected to have, in [0, 1].
        lost: the target has not been seen for some frames; the box is where it was last.
    """

    box: Boxes
    score: float
    lost: bool


class Sight(NamedTuple):
    """What a network sees in one search crop; boxes are x1, y1, x2, y2 in units of it.

    Attributes:
        boxes: (4, P) boxes to choose from; one alone is the network's own choice.
        chance: (h, w) with h · w = P: how likely each place is the target's centre. score: in [0, 1].
    """

    boxes: NDArray[np.float64]
    chance: NDArray[np.float64]
    score: float


class Question(NamedTuple):
    """What a loop asks its network about a frame.

    Attributes:
        image: the frame. region: the square of it that the crop shows.
        templates: as the network remembers them; pictures (2, S, S, 3) and in_templates (2, 4) say of what.
        crop: (X, X, 3) uint8. past: (T, 4) float32 past boxes, as corners in units of the crop.
        expected: (4,) the last box in units of the crop; None when the target may be anywhere.
    """

    image: NDArray[np.uint8]
    region: CropRegion
    templates: Any
    pictures: list[NDArray[np.uint8]]
    in_templates: list[Boxes]
    crop: NDArray[np.uint8]
    past: NDArray[np.float32]
    expected: Boxes | None


class Network(Protocol):
    """Looks for the target of two templates in a search crop."""

    config: TrackConfig

    def remember(self, pictures: NDArray[np.uint8], boxes: NDArray[np.float32]) -> Any:
        """Templates from pictures (2, S, S, 3) and the target in each, (2, 4)."""
        ...

    def look(self, templates: Any, crop: NDArray[np.uint8], past: NDArray[np.float32]) -> Sight:
        """Find the target in a crop (X, X, 3), given its past boxes (T, 4)."""
        ...


class TrackingLoop:
    """Follows one target; its memory does not grow with the video."""

    def __init__(self, network: Network, loop: LoopConfig | None = None) -> None:
        self.network = network
        self.loop = loop or LoopConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the target."""
        self._size: tuple[int, int] | None = None  # of the frames, width and height
        self._pictures: list[NDArray[np.uint8]] = []  # first and dynamic template
        self._in_templates: list[Boxes] = []  # the target in each, as corners in units of the crop
        self._templates: Any = None
        self._past: deque[Boxes] = deque(maxlen=max(self.network.config.past, 1))
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
        question = self.ask(frame)
        return self.answer(question, self.network.look(question.templates, question.crop, question.past))

    def ask(self, frame: Any) -> Question:
        """The first half of a step, for who answers several loops at once."""
        if self._size is None:
            name = type(self).__name__
            raise RuntimeError(f"{name}.step came before {name}.start; start with a frame and a box")
        image = rgb_frame(frame)
        if image.shape[1::-1] != self._size:
            raise ValueError(
                f"frame is {image.shape[1]} x {image.shape[0]}; expected {self._size[0]} x {self._size[1]}, "
                "as at the start; resize it, or start again"
            )
        lost_for = self._doubtful - self.loop.patience
        widening = min(self.loop.widening ** max(lost_for + 1, 0), self.loop.widest)
        return self._look(image, self._past[-1], widening)

    def answer(self, question: Question, sight: Sight) -> Track:
        """The second half of a step: what the network sees becomes the next box."""
        image, last, score = question.image, self._past[-1], sight.score
        corners = self._choose(sight, question.expected)
        self._doubtful = self._count_doubt(score)
        lost = self._doubtful >= self.loop.patience
        box = last if lost else self._follow(last, from_crop(xyxy_to_xywh(corners), question.region))
        self._past.append(box)
        self._since_update += 1
        every = self.loop.update_every
        if every and self._since_update >= every and score >= self.loop.update_score and not lost:
            self._remember(image, box)
        return Track(box.copy(), score, lost)

    def _look(self, image: NDArray[np.uint8], last: Boxes, widening: float) -> Question:
        """Where to look in this frame, and what the network is shown of it."""
        config = self.network.config
        region = crop_region(last, config.search_factor * widening)
        crop = crop_image(image, region, config.search_size)
        past = np.clip(xywh_to_xyxy(to_crop(np.stack(self._past), region)), *COORDINATE_SPAN)
        # Whoever searches widely expects the target anywhere, at any size.
        expected = to_crop(last, region) if widening == 1 else None
        return Question(
            image, region, self._templates, self._pictures, self._in_templates, crop,
            past.astype(np.float32), expected,
        )  # fmt: skip

    def _choose(self, sight: Sight, expected: Boxes | None) -> NDArray[np.float64]:
        """The final box (4,) as corners in units of the crop."""
        chance, boxes = sight.chance, sight.boxes
        if expected is not None and boxes.shape[1] > 1:
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

    def _remember(self, image: NDArray[np.uint8], box: Boxes) -> None:
        """Make the target in this frame the dynamic template; the first one is the first template too."""
        config = self.network.config
        region = crop_region(box, config.template_factor)
        picture = crop_image(image, region, config.template_size)
        corners = xywh_to_xyxy(to_crop(box, region))
        self._pictures = [*(self._pictures or [picture])[:1], picture]
        self._in_templates = [*(self._in_templates or [corners])[:1], corners]
        boxes = np.stack(self._in_templates).astype(np.float32)
        self._templates = self.network.remember(np.stack(self._pictures), boxes)
        self._since_update = 0


@lru_cache(maxsize=8)
def _window(height: int, width: int) -> NDArray[np.float64]:
    """A cosine bump (h, w): 1 in the middle, near 0 at the edges."""
    return np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
