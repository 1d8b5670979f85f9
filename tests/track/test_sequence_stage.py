"""The sequence stage: windows of clips, exploring as the tracker runs, learning on what it met."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wayscan.data.records import Clip
from wayscan.track.config import LoopConfig, LossConfig, preset
from wayscan.track.model import TrackModel
from wayscan.track.pair_stage import LossCourse
from wayscan.track.run import Tracker
from wayscan.track.sequence_stage import (
    SequenceTask,
    Window,
    WindowSpec,
    explore,
    learn,
    window_of,
)
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import Sources, build_library

SOURCES = Sources(packaged=False, textures=4)
CONFIG = replace(
    preset("nano"),
    width=32,
    depth=1,
    states=4,
    stem_width=16,
    dense_width=8,
    template_size=32,
    search_size=64,
)
STEADY = LoopConfig(lost_score=0.0, found_score=0.0, update_score=0.0)
COURSE = LossCourse(((0.0, LossConfig()),), 1)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    spec = ClipSpec(height=64, width=96, frames=10, sources=SOURCES)
    library = build_library(SOURCES)
    return [make_clip(5, index, spec, library) for index in range(3)]


def model_of(**changes) -> TrackModel:
    torch.manual_seed(0)
    model = TrackModel(replace(CONFIG, **changes))
    with torch.no_grad():
        for block in model.blocks:
            torch.nn.init.trunc_normal_(block.get_parameter("mixer.out_proj.weight"), std=0.05)
    return model


def windows_of(clips: list[Clip], frames: int = 8) -> list[Window]:
    rng = np.random.default_rng(0)
    return [window_of(clip, rng, WindowSpec(frames=frames)) for clip in clips]


def test_a_window_is_a_piece_of_its_clip(clips):
    clip = clips[0]
    rng = np.random.default_rng(0)
    for _ in range(20):
        window = window_of(clip, rng, WindowSpec(frames=4))
        (first,) = [k for k in range(len(clip)) if (clip.frame(k) == window.frames[0]).all()]
        step = 1 if (clip.frame(first + 1 if first + 1 < len(clip) else 0) == window.frames[1]).all() else -1
        for k, frame in enumerate(window.frames):
            np.testing.assert_array_equal(frame, clip.frame(first + step * k))
            if window.there[k]:
                np.testing.assert_array_equal(window.boxes[k], clip.boxes[first + step * k])
        assert window.there[0]
        assert np.isfinite(window.boxes).all()
        assert len(window.frames) >= 2


def test_without_absent_frames_a_window_ends_before_them():
    boxes = np.tile([10.0, 10, 20, 20], (9, 1))
    absent = np.zeros(9, dtype=bool)
    absent[4] = True
    clip = Clip(name="gap", frames=np.zeros((9, 48, 64, 3), np.uint8), boxes=boxes, absent=absent)
    rng = np.random.default_rng(0)
    spec = WindowSpec(frames=9, absent_frames=False, reversed_share=0.0)
    for _ in range(20):
        window = window_of(clip, rng, spec)
        assert window.there.all() or len(window.frames) == 2


def test_a_clip_without_a_start_is_refused():
    clip = Clip(name="nobody", frames=np.zeros((3, 48, 64, 3), np.uint8), boxes=np.full((3, 4), np.nan))
    with pytest.raises(ValueError, match="'nobody' has no frame to start from"):
        window_of(clip, np.random.default_rng(0), WindowSpec())


def test_exploring_is_what_the_tracker_does(clips):
    """Frame by frame together, several clips meet what a `Tracker` alone meets."""
    model, loop = model_of(), STEADY
    windows = windows_of(clips)
    explored = explore(model, windows, loop)
    row = 0
    crops = {place: [] for place in range(len(windows))}
    longest = max(len(window.frames) for window in windows)
    for k in range(1, longest):
        for place, window in enumerate(windows):
            if k < len(window.frames):
                crops[place].append(row)
                row += 1
    assert row == len(explored.search)
    update = replace(loop, update_every=min(loop.update_every, longest // 3))
    for place, window in enumerate(windows):
        tracker = Tracker(model, update)
        tracker.start(window.frames[0], window.start)
        for k, note in enumerate(crops[place], start=1):
            question = tracker.ask(window.frames[k])
            # Rounding differs between batches of one and of three, and may move a box by a hair.
            apart = np.abs(explored.search[note].numpy().astype(int) - question.crop)
            assert apart.mean() < 0.1
            torch.testing.assert_close(
                explored.past[note], torch.from_numpy(question.past), atol=1e-3, rtol=0
            )
            pictures = explored.pictures[explored.templates[note]].numpy().astype(int)
            assert np.abs(pictures - np.stack(question.pictures)).mean() < 0.1
            tracker.step(window.frames[k])
    # Each clip's templates at the start, and again after each update; not one pair for each frame.
    assert len(windows) < len(explored.pictures) < len(explored.search)


def test_learning_sees_what_exploring_saw(clips):
    """The same network on the same inputs: the final boxes of both halves agree."""
    model = model_of()
    windows = windows_of(clips)
    explored = explore(model, windows, STEADY)
    outcome = learn(model.eval(), explored, COURSE)
    assert outcome.prediction is not None
    direct = model(
        *(torch.from_numpy(_normalised(explored, k)) for k in (0, 1)),
        torch.from_numpy(_normal(explored.search.numpy())),
        explored.template_boxes[explored.templates],
        explored.past,
    )
    torch.testing.assert_close(outcome.prediction, model.boxes(direct).detach(), atol=1e-4, rtol=1e-4)


def _normal(pictures: np.ndarray) -> np.ndarray:
    from wayscan.track.data import DEVIATION, MEAN

    scaled = (pictures / 255 - np.array(MEAN)) / np.array(DEVIATION)
    return np.moveaxis(scaled, -1, -3).astype(np.float32)


def _normalised(explored, which: int) -> np.ndarray:
    return _normal(explored.pictures[explored.templates, which].numpy())


def test_the_model_keeps_its_mode_and_gets_gradient(clips):
    model = model_of(drop_path=0.1).train()
    model.dense_head.eval()  # as if it were frozen
    outcome = SequenceTask(COURSE, STEADY)(model, windows_of(clips))
    assert model.training
    assert not model.dense_head.training
    outcome.loss.backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not silent
    assert 0 <= float(outcome.parts["explored_iou"]) <= 1


def test_frames_without_the_target_teach_the_score_alone(clips):
    model = model_of()
    windows = [window._replace(there=np.zeros_like(window.there)) for window in windows_of(clips)]
    explored = explore(model, windows, STEADY)
    assert explored.present.sum() == 0
    outcome = learn(model.train(), explored, COURSE)
    for name in ("coordinates", "box", "dense_box"):
        assert float(outcome.parts[name]) == 0
    assert float(outcome.parts["score"]) > 0
    assert torch.isfinite(outcome.loss)


def test_a_target_out_of_the_crop_is_not_there_to_find(clips):
    model = model_of()
    window = windows_of(clips)[0]
    away = window._replace(boxes=window.boxes + np.array([500.0, 0, 0, 0]))
    assert explore(model, [away], STEADY).present.sum() == 0


def test_windows_of_different_length_go_together(clips):
    task = SequenceTask(COURSE, STEADY)
    windows = [windows_of(clips, frames=8)[0], windows_of(clips, frames=3)[1]]
    frames = sum(len(window.frames) - 1 for window in windows)
    assert task.count(windows) == frames
    assert len(explore(model_of(), windows, STEADY).search) == frames


@pytest.mark.parametrize("changes", [{"mask_decoder": True}, {"correlation": False}, {"encoder": "vit"}])
def test_other_networks(clips, changes):
    model = model_of(**changes) if changes.get("encoder") != "vit" else TrackModel(replace(CONFIG, **changes))
    outcome = SequenceTask(COURSE, STEADY)(model.train(), windows_of(clips[:1], frames=3))
    outcome.loss.backward()
    assert torch.isfinite(outcome.loss)
    assert ("reconstruction" in outcome.parts) == bool(changes.get("mask_decoder"))
