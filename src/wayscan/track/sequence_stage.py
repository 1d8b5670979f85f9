"""The sequence stage: follow whole clips on own predictions, then learn on the frames as they were met.

1. Explore, without gradient and in evaluation mode: the very loop of `Tracker` runs over a clip from a
   jittered first box. Every frame leaves what the network was shown (crop, past boxes, templates) and
   where the target was in it. Several clips go frame by frame together, so that the network sees batches.
2. Learn: the same inputs once more, with gradient, the frames of all clips as one batch.

Both happen inside one step, on weights and data that are functions of the step: nothing is kept between
steps, so that a killed run goes on to the same numbers. Letters: B clips, K frames of a clip, N frames of
all clips together (the first ones not counted), U different pairs of templates, T past boxes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wayscan.data.records import Clip
from wayscan.geometry.boxes import (
    Boxes,
    CropRegion,
    clip_to_image,
    cxcywh_to_xywh,
    iou,
    to_crop,
    xywh_to_cxcywh,
    xywh_to_xyxy,
)
from wayscan.track.clip_pairs import usable_frames
from wayscan.track.config import LoopConfig
from wayscan.track.data import normalise
from wayscan.track.embed import Matches
from wayscan.track.frames import first_box
from wayscan.track.loop import Question
from wayscan.track.model import Templates, TrackModel
from wayscan.track.pair_stage import LossCourse, outcome
from wayscan.track.run import Tracker, sights
from wayscan.track.sources import ClipSource
from wayscan.train.task import Outcome

START_JITTER = 0.05  # of the first box's centre and log size, in shares of the box
LEAST_IN_SIGHT = 0.3  # share of the target's box that a crop must show for the target to be there to find
_ENDLESS = 2**40


class Window(NamedTuple):
    """Some frames of a clip that a tracker is sent over.

    Attributes:
        frames: K pictures (H, W, 3) uint8. boxes: (K, 4) x, y, w, h in pixels, 0 where unknown.
        there: (K,) whether a frame shows the target. start: (4,) the box that the tracker is given.
    """

    frames: list[NDArray[np.uint8]]
    boxes: Boxes
    there: NDArray[np.bool_]
    start: Boxes


@dataclass(frozen=True, kw_only=True)
class WindowSpec:
    """How windows are cut from clips."""

    frames: int = 32
    """K at most."""
    reversed_share: float = 0.5
    absent_frames: bool = True
    """False keeps to consecutive frames that show the target."""


class Windows:
    """A training set of the sequence stage: `count` new windows in every epoch."""

    def __init__(self, source: ClipSource, seed: int, count: int, spec: WindowSpec) -> None:
        self.source, self.seed, self.count, self.spec = source, seed, count, spec

    def __len__(self) -> int:
        return self.count

    def record(self, index: int, rng: np.random.Generator) -> Window:
        clip = self.source.clip(self.seed, int(rng.integers(_ENDLESS)))
        return window_of(clip, rng, self.spec)

    def collate(self, records: list[Window]) -> list[Window]:
        """Clips keep their own sizes and lengths."""
        return records

    def fingerprint(self) -> str:
        return f"{self.count} windows {self.spec} {self.seed} of {self.source.fingerprint()}"


def window_of(clip: Clip, rng: np.random.Generator, spec: WindowSpec) -> Window:
    """A random window that begins with a frame that shows the target, played backwards now and then."""
    usable = np.zeros(len(clip), dtype=bool)
    usable[usable_frames(clip)] = True
    order = np.arange(len(clip))[:: -1 if rng.random() < spec.reversed_share else 1]
    starts = np.flatnonzero(usable[order][:-1])  # a start needs a frame after it
    if len(starts) == 0:
        raise ValueError(f"clip {clip.name!r} has no frame to start from; expected one that shows its target")
    whole = starts[starts <= len(clip) - spec.frames]
    start = int(rng.choice(whole if len(whole) else starts[:1]))
    chosen = order[start : start + spec.frames]
    if not spec.absent_frames:
        gaps = np.flatnonzero(~usable[chosen])
        chosen = chosen[: max(int(gaps[0]), 2)] if len(gaps) else chosen
    frames = [clip.frame(int(k)) for k in chosen]
    height, width = frames[0].shape[:2]
    there = usable[chosen]
    boxes = np.where(np.isfinite(clip.boxes[chosen]), clip.boxes[chosen], 0.0)
    return Window(frames, boxes, there, _jittered_start(rng, boxes[0], width, height))


class Explored(NamedTuple):
    """What a tracker was shown in N frames, and the truth there.

    Attributes:
        pictures: (U, 2, S, S, 3) uint8 the different pairs of templates. template_boxes: (U, 2, 4).
        templates: (N,) the pair of each frame. search: (N, X, X, 3) uint8. past: (N, T, 4).
        box: (N, 4) the truth; this and the past boxes are corners in units of the frame's crop.
        present: (N,) 1 where the crop shows the target. overlap: IoU of the tracker's boxes, mean over
            frames with the target.
    """

    pictures: Tensor
    template_boxes: Tensor
    templates: Tensor
    search: Tensor
    past: Tensor
    box: Tensor
    present: Tensor
    overlap: float


class SequenceTask:
    """Explore, then the loss over all frames of a batch of windows.

    Args:
        course: weights of the losses.
        loop: how the tracker follows while it explores.
    """

    def __init__(self, course: LossCourse, loop: LoopConfig) -> None:
        self.course, self.loop = course, loop

    def __call__(self, model: TrackModel, windows: Sequence[Window]) -> Outcome:
        explored = explore(model, windows, self.loop)
        return learn(model, explored, self.course)

    def count(self, windows: Sequence[Window]) -> float:
        """Frames that the loss averages over."""
        return float(sum(len(window.frames) - 1 for window in windows))


@torch.no_grad()
def explore(model: TrackModel, windows: Sequence[Window], loop: LoopConfig) -> Explored:
    """Follow the targets of all windows with the weights as they are."""
    if loop.update_every:  # a window is short: let it see the dynamic template change
        longest = max(len(window.frames) for window in windows)
        loop = replace(loop, update_every=min(loop.update_every, max(longest // 3, 1)))
    with as_tracker(model):
        trackers = [Tracker(model, loop) for _ in windows]
        for tracker, window in zip(trackers, windows, strict=True):
            tracker.start(window.frames[0], window.start)
        notes: list[_Note] = []
        for k in range(1, max(len(window.frames) for window in windows)):
            notes += _step_together(model, trackers, windows, k)
    return _collected(notes, next(model.parameters()).device)


def learn(model: TrackModel, explored: Explored, course: LossCourse) -> Outcome:
    """The loss over all explored frames as one batch; equal templates are embedded once."""
    pictures = normalise(explored.pictures)
    templates = _rows(model.remember(pictures, explored.template_boxes), explored.templates)
    output = model.look(templates, normalise(explored.search), explored.past)
    batch = {"box": explored.box, "present": explored.present}
    if output.patches is not None:
        batch["dynamic"] = pictures[explored.templates, 1]
    found = outcome(model, output, batch, course.weights)
    return found._replace(parts={**found.parts, "explored_iou": explored.overlap})


@contextmanager
def as_tracker(model: nn.Module) -> Iterator[None]:
    """Trackers may run on a model that is in training: every module's mode and layout come back after it.

    A `Tracker` puts weights in channels-last order; the moments of an optimiser, and what a checkpoint gives
    back, are not in it, and a fused optimiser takes weights and moments for equally laid out.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]


class _Note(NamedTuple):
    """One frame of one window: what was asked, where the target was, whether the crop shows it."""

    window: int
    question: Question
    truth: Boxes
    present: bool
    overlap: float  # NaN without a target


def _step_together(
    model: TrackModel, trackers: Sequence[Tracker], windows: Sequence[Window], k: int
) -> list[_Note]:
    """Frame k of all windows that have one: all trackers ask, the network answers them at once."""
    going = [place for place, window in enumerate(windows) if k < len(window.frames)]
    questions = [trackers[place].ask(windows[place].frames[k]) for place in going]
    device = next(model.parameters()).device
    crops, past = (
        torch.from_numpy(np.stack([getattr(question, name) for question in questions])).to(device)
        for name in ("crop", "past")
    )
    output = model.look(_joined([question.templates for question in questions]), normalise(crops), past)
    notes = []
    for place, question, sight in zip(going, questions, sights(model, output), strict=True):
        window, track = windows[place], trackers[place].answer(question, sight)
        truth, there = window.boxes[k], bool(window.there[k])
        overlap = float(iou(track.box, truth)) if there else float("nan")
        notes.append(_Note(place, question, truth, there and _in_sight(truth, question.region), overlap))
    return notes


def _in_sight(box: Boxes, region: CropRegion) -> bool:
    shown = clip_to_image(to_crop(box, region), 1, 1)
    return bool(shown[2:].prod() >= LEAST_IN_SIGHT * to_crop(box, region)[2:].prod())


def _collected(notes: list[_Note], device: torch.device) -> Explored:
    pairs: dict[tuple[int, int], int] = {}
    unique: list[Question] = []
    rows = []
    for note in notes:
        key = (note.window, id(note.question.templates))  # the question keeps it alive
        if key not in pairs:
            pairs[key] = len(unique)
            unique.append(note.question)
        rows.append(pairs[key])
    truths = [xywh_to_xyxy(to_crop(note.truth, note.question.region)) for note in notes]
    overlaps = np.array([note.overlap for note in notes])
    arrays = {
        "pictures": np.stack([np.stack(question.pictures) for question in unique]),
        "template_boxes": np.stack(
            [np.stack(question.in_templates) for question in unique], dtype=np.float32
        ),
        "templates": np.array(rows),
        "search": np.stack([note.question.crop for note in notes]),
        "past": np.stack([note.question.past for note in notes]),
        "box": np.stack(truths, dtype=np.float32),
        "present": np.array([note.present for note in notes], dtype=np.float32),
    }
    tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    return Explored(**tensors, overlap=float(np.nanmean(overlaps)) if np.isfinite(overlaps).any() else 0.0)


def _joined(templates: Sequence[Templates]) -> Templates:
    """Templates of one target each, as a batch."""
    tokens = torch.cat([each.tokens for each in templates])
    matches = [each.matches for each in templates if each.matches is not None]
    if not matches:
        return Templates(tokens)
    return Templates(
        tokens, Matches(*(torch.cat([getattr(each, name) for each in matches]) for name in Matches._fields))
    )


def _rows(templates: Templates, rows: Tensor) -> Templates:
    """Templates (U, …) → those of each frame, (N, …)."""
    matches = templates.matches
    return Templates(
        templates.tokens[rows], None if matches is None else Matches(*(each[rows] for each in matches))
    )


def _jittered_start(rng: np.random.Generator, box: Boxes, width: int, height: int) -> Boxes:
    """The truth as a person would draw it."""
    x, y, w, h = xywh_to_cxcywh(box).tolist()
    right, down, wider, taller = rng.normal(0, START_JITTER, 4).tolist()
    moved = np.array([x + right * w, y + down * h, w * np.exp(wider), h * np.exp(taller)])
    return first_box(cxcywh_to_xywh(moved), width, height)
