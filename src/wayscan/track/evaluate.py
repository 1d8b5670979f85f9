"""Run trackers over clips and measure them: ours, the box that never moves, and OpenCV's, in one run.

Every clip is run from several starts: the true first box, each time jittered a little, as a person's would
be. Numbers are means over starts. Needs no torch.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.data.records import Clip
from wayscan.geometry.boxes import Boxes, iou
from wayscan.track.frames import first_box, rgb_frame
from wayscan.track.metrics import auroc, got10k_metrics, got10k_overlaps, sequence_metrics

JITTER = 0.05  # standard deviation of a start's shift and log size, as a share of the box
FOUND = 0.3  # overlap that a good score should announce

Peer = Literal["csrt", "kcf", "mil"]


class Answer(NamedTuple):
    """What a follower says about a frame; `Track` of wayscan.track.run has the same three."""

    box: Boxes
    score: float
    lost: bool


class Follower(Protocol):
    """Anything that follows: `Tracker`, `StaticBox`, `OpenCvTracker`."""

    def start(self, frame: Any, box: ArrayLike) -> Any:
        """Take the first frame and box."""

    def step(self, frame: Any) -> Any:
        """The next frame's `Answer`."""


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

        if name not in get_args(Peer):
            raise ValueError(f"peer is {name!r}; expected one of {', '.join(get_args(Peer))}")
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
    """One run over a clip: boxes (K, 4), scores (K,), lost (K,), and seconds for the K - 1 steps."""

    boxes: Boxes
    scores: NDArray[np.float64]
    lost: NDArray[np.bool_]
    seconds: float


def follow(follower: Follower, clip: Clip, box: ArrayLike) -> Journey:
    """Run a follower over a whole clip from a box in its first frame; reading frames is not on the clock."""
    answers = [follower.start(clip.frame(0), box)]
    seconds = 0.0
    for k in range(1, len(clip)):
        frame = clip.frame(k)
        began = time.perf_counter()
        answers.append(follower.step(frame))
        seconds += time.perf_counter() - began
    return Journey(
        boxes=np.stack([answer.box for answer in answers]),
        scores=np.array([answer.score for answer in answers]),
        lost=np.array([answer.lost for answer in answers]),
        seconds=seconds,
    )


def jittered_starts(clip: Clip, starts: int, seed: int = 0) -> list[Boxes]:
    """First boxes to start from: the truth, shifted and resized by N(0, JITTER) of its sides."""
    height, width = clip.frame(0).shape[:2]
    if not np.isfinite(clip.boxes[0]).all():
        raise ValueError(f"clip {clip.name!r} has no box in its first frame; expected one to start from")
    rng = np.random.default_rng(seed)
    boxes = []
    for _ in range(starts):
        shift, growth = rng.normal(0, JITTER, 2), rng.normal(0, JITTER, 2)
        x, y, w, h = clip.boxes[0]
        sizes = np.array([w, h]) * np.exp(growth)
        centre = np.array([x + w / 2, y + h / 2]) + shift * [w, h]
        boxes.append(first_box(np.concatenate([centre - sizes / 2, sizes]), width, height))
    return boxes


@dataclass(frozen=True, eq=False)
class Result:
    """Of one follower: `metrics` over all clips, and `clips` with the metrics of each."""

    metrics: dict[str, float]
    clips: dict[str, dict[str, float]]


def evaluate(
    clips: Iterable[Clip],
    followers: Mapping[str, Callable[[], Follower]],
    starts: int = 3,
    seed: int = 0,
) -> dict[str, Result]:
    """Every follower on every clip, from the same starts.

    Success AUC and precisions are means over sequences, AO and SR over frames; the first prediction counts
    as the truth, as in the toolkits. `auroc` says how well the score tells frames with IoU > 0.3 from the
    others, absent ones among them; it is NaN where there is only one kind.
    """
    made = {name: make() for name, make in followers.items()}
    runs: dict[str, list[_Run]] = {name: [] for name in made}
    for clip in clips:
        for box in jittered_starts(clip, starts, seed):
            for name, follower in made.items():
                runs[name].append(_Run.of(clip, follow(follower, clip, box)))
    if not any(runs.values()):
        raise ValueError("there is nothing to evaluate; expected at least one clip and one follower")
    return {name: _result(each) for name, each in runs.items()}


class _Run(NamedTuple):
    """What is kept of a journey: no frames, no boxes."""

    clip: str
    metrics: dict[str, float]
    overlaps: NDArray[np.float64]  # of the frames that AO counts
    scores: NDArray[np.float64]  # of all frames but the first
    found: NDArray[np.bool_]
    steps: int
    seconds: float

    @classmethod
    def of(cls, clip: Clip, journey: Journey) -> "_Run":
        height, width = clip.frame(0).shape[:2]
        predicted = journey.boxes.copy()
        predicted[0] = clip.boxes[0]
        there = np.isfinite(clip.boxes).all(axis=1) & ~clip.absent
        overlaps = np.where(there, iou(predicted, np.where(there[:, None], clip.boxes, 0)), 0)
        counted = got10k_overlaps(predicted, clip.boxes, np.where(there, clip.visible, 0), width, height)
        return cls(
            clip=clip.name,
            metrics=sequence_metrics(predicted, clip.boxes),
            overlaps=counted,
            scores=journey.scores[1:],
            found=overlaps[1:] > FOUND,
            steps=len(clip) - 1,
            seconds=journey.seconds,
        )


def _result(runs: list[_Run]) -> Result:
    by_clip: dict[str, list[_Run]] = {}
    for run in runs:
        by_clip.setdefault(run.clip, []).append(run)
    clips = {
        name: {**_mean([run.metrics for run in members]), **_joined(members)}
        for name, members in by_clip.items()
    }
    return Result({**_mean([run.metrics for run in runs]), **_joined(runs)}, clips)


def _joined(runs: list[_Run]) -> dict[str, float]:
    """The metrics that are counted over the frames of all runs."""
    scores, found = (np.concatenate([getattr(run, name) for run in runs]) for name in ("scores", "found"))
    seconds = sum(run.seconds for run in runs)
    return {
        **got10k_metrics(np.concatenate([run.overlaps for run in runs])),
        "auroc": auroc(scores, found),
        "fps": sum(run.steps for run in runs) / max(seconds, 1e-9),
    }


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
