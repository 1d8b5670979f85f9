"""Run trackers over clips and measure them: ours, the box that never moves, and OpenCV's, in one run.

A clip is run from its true first box, as the benchmarks do, and on wish from further ones that are jittered a
little, as a person's would be; numbers are then means over starts. Needs no torch.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.data.records import Clip
from wayscan.geometry.boxes import Boxes, iou
from wayscan.names import expect_one_of
from wayscan.track.frames import first_box, rgb_frame
from wayscan.track.metrics import (
    auroc,
    got10k_metrics,
    got10k_overlaps,
    sequence_curves,
    sequence_metrics,
)

JITTER = 0.05  # standard deviation of a start's shift and log size, as a share of the box
FOUND = 0.3  # overlap that a good score should announce
RESAMPLED = 1000  # sets of clips for an interval

Peer = Literal["csrt", "kcf", "mil"]


class Answer(NamedTuple):
    """What a follower says about a frame; `Track` of wayscan.track.loop has the same three."""

    box: Boxes
    score: float
    lost: bool


class Follower(Protocol):
    """Anything that follows: `Tracker`, `StaticBox`, `OpenCvTracker`."""

    def start(self, frame: Any, box: ArrayLike) -> Any:
        """Take the first frame and box."""

    def step(self, frame: Any) -> Any:
        """The next frame's `Answer`."""


BASELINE = "static box"  # what StaticBox is called


class StaticBox:
    """The trivial baseline: the first box, for ever."""

    def start(self, frame: Any, box: ArrayLike) -> Answer:
        """Take the first frame and box."""
        self._box = np.asarray(box, dtype=np.float64)
        return Answer(self._box, 1.0, False)

    def step(self, frame: Any) -> Answer:
        """The first box."""
        return Answer(self._box, 1.0, False)


class OpenCvTracker:
    """A tracker of OpenCV's contributed modules; where it finds nothing the last box stays."""

    def __init__(self, name: Peer) -> None:
        import cv2

        expect_one_of("peer", name, get_args(Peer))
        maker = getattr(cv2, f"Tracker{name.upper()}_create", None)
        if maker is None:
            raise ImportError(
                f"this OpenCV {cv2.__version__} has no {name.upper()} tracker; pip install "
                "opencv-contrib-python-headless, and no other opencv"
            )
        self._make: Callable[[], Any] = maker

    def start(self, frame: Any, box: ArrayLike) -> Answer:
        """Take the first frame and box."""
        image = rgb_frame(frame)
        self._box = first_box(box, image.shape[1], image.shape[0])
        self._tracker = self._make()
        x, y, w, h = np.round(self._box).astype(int).tolist()
        self._tracker.init(np.ascontiguousarray(image[..., ::-1]), (x, y, max(w, 1), max(h, 1)))
        return Answer(self._box, 1.0, False)

    def step(self, frame: Any) -> Answer:
        """The next frame's box."""
        found, box = self._tracker.update(np.ascontiguousarray(rgb_frame(frame)[..., ::-1]))
        if found:
            self._box = np.asarray(box, dtype=np.float64)
        return Answer(self._box, 1.0 if found else 0.0, not found)


@dataclass(frozen=True, eq=False)
class Journey:
    """One run over a clip: boxes (K, 4), scores (K,), lost (K,), and the seconds (K,) that each frame took.

    The first frame's seconds are those of the start.
    """

    boxes: Boxes
    scores: NDArray[np.float64]
    lost: NDArray[np.bool_]
    times: NDArray[np.float64]


def follow(follower: Follower, clip: Clip, box: ArrayLike) -> Journey:
    """Run a follower over a whole clip from a box in its first frame; reading frames is not on the clock."""
    answers, times = [], []
    for k, frame in enumerate(clip):
        began = time.perf_counter()
        answers.append(follower.step(frame) if k else follower.start(frame, box))
        times.append(time.perf_counter() - began)
    return Journey(
        boxes=np.stack([answer.box for answer in answers]),
        scores=np.array([answer.score for answer in answers]),
        lost=np.array([answer.lost for answer in answers]),
        times=np.array(times),
    )


def starts_of(clip: Clip, starts: int, seed: int = 0) -> list[Boxes]:
    """First boxes to start from: the truth, then the truth shifted and resized by N(0, JITTER) of its
    sides.
    """
    height, width = clip.frame(0).shape[:2]
    if not np.isfinite(clip.boxes[0]).all():
        raise ValueError(f"clip {clip.name!r} has no box in its first frame; expected one to start from")
    rng = np.random.default_rng(seed)
    boxes = [first_box(clip.boxes[0], width, height)]
    for _ in range(starts - 1):
        shift, growth = rng.normal(0, JITTER, 2), rng.normal(0, JITTER, 2)
        x, y, w, h = clip.boxes[0]
        sizes = np.array([w, h]) * np.exp(growth)
        centre = np.array([x + w / 2, y + h / 2]) + shift * [w, h]
        boxes.append(first_box(np.concatenate([centre - sizes / 2, sizes]), width, height))
    return boxes


@dataclass(frozen=True, eq=False)
class Result:
    """Of one follower.

    Attributes:
        metrics: over all clips; empty where no clip has a truth beyond its first frame.
        intervals: where 95 of 100 such sets of clips would put each metric, by resampling whole clips.
        clips: the metrics of each clip.
        curves: success, precision and norm_precision over their thresholds, means over sequences.
        journeys: of each clip, from its true first box.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    clips: dict[str, dict[str, float]]
    curves: dict[str, list[float]]
    journeys: dict[str, Journey]


def evaluate(
    clips: Iterable[Clip],
    followers: Mapping[str, Callable[[], Follower]],
    starts: int = 1,
    seed: int = 0,
    on_run: Callable[[str, str], object] = lambda clip, follower: None,
) -> dict[str, Result]:
    """Every follower on every clip, from the same starts.

    Success AUC and precisions are means over sequences, AO and SR over frames; the first prediction counts
    as the truth, as in the toolkits. `auroc` says how well the score tells frames with IoU > 0.3 from the
    others, absent ones among them; it is NaN where there is only one kind.

    Args:
        starts: 1 starts from the truth, as the benchmarks do; more add starts that are a little off.
        on_run: told the clip and the follower before each run.
    """
    if starts < 1:
        raise ValueError(f"starts is {starts}; expected 1, the true first box, or more")
    made = {name: make() for name, make in followers.items()}
    runs: dict[str, list[_Run]] = {name: [] for name in made}
    for clip in clips:
        for box in starts_of(clip, starts, seed):
            for name, follower in made.items():
                on_run(clip.name, name)
                runs[name].append(_Run.of(clip, follow(follower, clip, box)))
    if not any(runs.values()):
        raise ValueError("there is nothing to evaluate; expected at least one clip and one follower")
    return {name: _result(each) for name, each in runs.items()}


class _Run(NamedTuple):
    """What is kept of a run: no frames."""

    clip: str
    journey: Journey
    has_truth: bool  # beyond the first frame
    metrics: dict[str, float]
    curves: dict[str, NDArray[np.float64]]
    overlaps: NDArray[np.float64]  # of the frames that AO counts
    found: NDArray[np.bool_]  # of all frames but the first

    @classmethod
    def of(cls, clip: Clip, journey: Journey) -> "_Run":
        height, width = clip.frame(0).shape[:2]
        predicted = journey.boxes.copy()
        predicted[0] = clip.boxes[0]
        there = np.isfinite(clip.boxes).all(axis=1) & ~clip.absent
        overlaps = np.where(there, iou(predicted, np.where(there[:, None], clip.boxes, 0)), 0)
        return cls(
            clip=clip.name,
            journey=journey,
            has_truth=bool(np.isfinite(clip.boxes[1:]).any()),
            metrics=sequence_metrics(predicted, clip.boxes),
            curves=sequence_curves(predicted, clip.boxes),
            overlaps=got10k_overlaps(predicted, clip.boxes, np.where(there, clip.visible, 0), width, height),
            found=overlaps[1:] > FOUND,
        )


def _result(runs: list[_Run]) -> Result:
    journeys: dict[str, Journey] = {}
    for run in runs:
        journeys.setdefault(run.clip, run.journey)
    judged: dict[str, list[_Run]] = {}
    for run in runs:
        if run.has_truth:
            judged.setdefault(run.clip, []).append(run)
    if not judged:
        return Result({}, {}, {}, {}, journeys)
    everyone = [run for members in judged.values() for run in members]
    return Result(
        metrics=_metrics(everyone),
        intervals=_intervals(list(judged.values())),
        clips={name: _metrics(members) for name, members in judged.items()},
        curves={
            name: np.mean([run.curves[name] for run in everyone], axis=0).tolist()
            for name in everyone[0].curves
        },
        journeys=journeys,
    )


def _metrics(runs: list[_Run]) -> dict[str, float]:
    sums, counts = _sums_and_counts(runs)
    scores = np.concatenate([run.journey.scores[1:] for run in runs])
    found = np.concatenate([run.found for run in runs])
    return {name: _ratio(sums[name], counts[name]) for name in sums} | {"auroc": auroc(scores, found)}


def _sums_and_counts(runs: list[_Run]) -> tuple[dict[str, float], dict[str, float]]:
    """Every metric but AUROC is a mean: over sequences, over frames, or frames over seconds."""
    sums = {name: sum(run.metrics[name] for run in runs) for name in runs[0].metrics}
    counts = dict.fromkeys(sums, float(len(runs)))
    overlaps = np.concatenate([run.overlaps for run in runs])
    if len(overlaps):
        sums |= {name: value * len(overlaps) for name, value in got10k_metrics(overlaps).items()}
    else:
        sums |= {"ao": 0.0, "sr50": 0.0, "sr75": 0.0}
    counts |= dict.fromkeys(("ao", "sr50", "sr75"), float(len(overlaps)))
    sums["fps"] = float(sum(len(run.journey.times) - 1 for run in runs))
    counts["fps"] = float(sum(run.journey.times[1:].sum() for run in runs))
    return sums, counts


def _intervals(clips: list[list[_Run]]) -> dict[str, tuple[float, float]]:
    """From the 2.5th to the 97.5th percentile of each metric over sets of clips drawn with repetition."""
    parts = [_sums_and_counts(runs) for runs in clips]
    drawn = np.random.default_rng(0).integers(len(clips), size=(RESAMPLED, len(clips)))
    intervals = {}
    for name in parts[0][0]:
        sums, counts = (np.array([part[k][name] for part in parts])[drawn].sum(axis=1) for k in (0, 1))
        known = counts > 0  # a set of clips may hold no frame that AO counts
        if known.any():
            low, high = np.percentile(sums[known] / counts[known], [2.5, 97.5]).tolist()
            intervals[name] = (low, high)
    return intervals


def _ratio(total: float, count: float) -> float:
    return total / count if count else float("nan")
