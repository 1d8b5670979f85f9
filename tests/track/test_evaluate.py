"""Evaluation on clips whose answers are known."""

import subprocess
import sys

import numpy as np
import pytest

from wayscan.data.records import Clip
from wayscan.track.evaluate import Answer, OpenCvTracker, StaticBox, evaluate, follow, starts_of


def moving_clip(frames: int = 12, absent: tuple[int, ...] = ()) -> Clip:
    """A textured square that moves 2 pixels a frame over noise."""
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 120, (frames, 80, 120, 3), dtype=np.uint8)
    square = np.kron(rng.integers(0, 255, (5, 5, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8))
    boxes = np.array([[20.0 + 2 * k, 30, 20, 20] for k in range(frames)])
    for k in range(frames):
        if k not in absent:
            ground[k, 30:50, 20 + 2 * k : 40 + 2 * k] = square
        else:
            boxes[k] = np.nan
    return Clip(name="square", frames=ground, boxes=boxes)


class Oracle:
    """Knows the truth, and says so by its score."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    def start(self, frame, box):
        self.k = 0
        return Answer(np.asarray(box), 1.0, False)

    def step(self, frame):
        self.k += 1
        box = self.clip.boxes[self.k]
        there = bool(np.isfinite(box).all())
        return Answer(np.where(np.isfinite(box), box, 1.0), 0.9 if there else 0.1, not there)


def test_oracle_static_box_and_peers():
    clip = moving_clip(absent=(7, 8))
    results = evaluate(
        [clip],
        {"oracle": lambda: Oracle(clip), "static": StaticBox, "csrt": lambda: OpenCvTracker("csrt")},
        starts=2,
    )
    oracle, static, csrt = (results[name].metrics for name in ("oracle", "static", "csrt"))
    assert oracle["ao"] == oracle["sr75"] == oracle["precision"] == oracle["auroc"] == 1
    assert oracle["auc"] == pytest.approx(20 / 21)
    assert static["ao"] < 0.5 < csrt["ao"]
    assert static["auroc"] == 0.5, "a score that never changes says nothing"
    assert csrt["fps"] > 0
    assert set(results["csrt"].clips) == {"square"}
    assert results["csrt"].clips["square"]["auc"] == pytest.approx(csrt["auc"])


@pytest.mark.parametrize("name", ["kcf", "mil"])
def test_other_peers_follow(name):
    clip = moving_clip(6)
    journey = follow(OpenCvTracker(name), clip, clip.boxes[0])
    assert journey.boxes.shape == (6, 4)
    assert np.isfinite(journey.boxes).all()


def test_starts_are_the_same_for_everyone_and_near_the_truth():
    clip = moving_clip(3)
    starts = starts_of(clip, 3, seed=5)
    np.testing.assert_array_equal(starts, starts_of(clip, 3, seed=5))
    assert (np.abs(np.stack(starts) - clip.boxes[0]) < 8).all()
    assert len({tuple(box) for box in starts}) == 3


def test_what_cannot_be_evaluated_is_refused():
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate([], {"static": StaticBox})
    with pytest.raises(ValueError, match="no box in its first frame"):
        evaluate([moving_clip(4, absent=(0,))], {"static": StaticBox})
    with pytest.raises(ValueError, match="expected one of csrt, kcf, mil"):
        OpenCvTracker("goturn")


def test_measuring_needs_no_torch():
    rooms = ("config", "frames", "metrics", "evaluate")
    code = "import sys; sys.modules['torch'] = None; import wayscan.track; " + "; ".join(
        f"import wayscan.track.{room}" for room in rooms
    )
    subprocess.run([sys.executable, "-c", code], check=True)
