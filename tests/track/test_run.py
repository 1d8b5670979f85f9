"""The tracker: it follows, survives, remembers no more than it must, and says what it was given wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wayscan.track.config import LoopConfig, TrackerConfig, preset
from wayscan.track.model import TrackModel
from wayscan.track.run import Tracker
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import Sources, build_library

SOURCES = Sources(packaged=False, textures=4)
CONFIG = replace(preset("nano"), width=32, depth=1, stem_width=16, dense_width=8)


@pytest.fixture(scope="module")
def clip():
    spec = ClipSpec(height=96, width=128, frames=12, sources=SOURCES)
    return make_clip(3, 0, spec, build_library(SOURCES))


@pytest.fixture
def tracker():
    torch.manual_seed(0)
    return Tracker(TrackModel(CONFIG), LoopConfig(lost_score=0.0, found_score=0.0))


def run(tracker, clip):
    tracks = [tracker.start(clip.frame(0), clip.boxes[0])]
    return [*tracks, *(tracker.step(clip.frame(k)) for k in range(1, len(clip)))]


def with_score(tracker, score):
    """The tracker with a score head that always says the same."""
    head = tracker.model.score_head
    torch.nn.init.zeros_(head.last.weight)
    torch.nn.init.constant_(head.last.bias, float(np.log(score / (1 - score))))
    return tracker


def test_a_whole_clip(tracker, clip):
    tracks = run(tracker, clip)
    assert (tracks[0].box == clip.boxes[0]).all()
    for track in tracks:
        x, y, w, h = track.box
        assert np.isfinite(track.box).all()
        assert x >= 0
        assert y >= 0
        assert x + w <= 128 + 1e-6
        assert y + h <= 96 + 1e-6
        assert min(w, h) >= 1
        assert 0 <= track.score <= 1
        assert not track.lost


def test_the_same_frames_give_the_same_boxes(tracker, clip):
    first = run(tracker, clip)
    again = run(tracker, clip)  # start forgets the run before
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.box, b.box)


def test_the_callers_copy_is_the_callers(tracker, clip):
    track = tracker.start(clip.frame(0), clip.boxes[0])
    track.box[:] = np.nan
    assert np.isfinite(tracker.step(clip.frame(1)).box).all()


def test_sizes_move_slowly(clip):
    torch.manual_seed(0)
    model = TrackModel(CONFIG)
    stubborn = Tracker(model, LoopConfig(size_rate=0.0, lost_score=0.0, found_score=0.0))
    middle = np.array([50.0, 40.0, 16.0, 12.0])
    stubborn.start(clip.frame(0), middle)
    track = stubborn.step(clip.frame(1))
    np.testing.assert_allclose(track.box[2:], middle[2:], atol=1e-9)


def test_lost_stays_and_widens_and_is_found_again(tracker, clip, monkeypatch):
    with_score(tracker, 0.05)
    tracker.loop = LoopConfig(lost_score=0.2, found_score=0.4, patience=2, widening=1.5, widest=2.0)
    sides = []
    look = tracker._look

    def noted(image, last, widening):
        sides.append(widening)
        return look(image, last, widening)

    monkeypatch.setattr(tracker, "_look", noted)
    tracks = run(tracker, clip)
    assert [track.lost for track in tracks[:5]] == [False, False, True, True, True]
    np.testing.assert_array_equal(tracks[2].box, tracks[1].box)
    np.testing.assert_array_equal(tracks[-1].box, tracks[1].box)
    assert sides[:5] == [1, 1, 1.5, 2.0, 2.0]
    with_score(tracker, 0.3)
    assert tracker.step(clip.frame(1)).lost, "between lost_score and found_score what was lost stays lost"
    with_score(tracker, 0.9)
    assert not tracker.step(clip.frame(1)).lost
    tracker.step(clip.frame(2))
    assert sides[-1] == 1


@pytest.mark.parametrize(("score", "updates"), [(0.9, 2), (0.3, 0)])
def test_the_dynamic_template_is_gated_by_the_score(tracker, clip, score, updates):
    with_score(tracker, score)
    tracker.loop = LoopConfig(update_every=5, update_score=0.6, lost_score=0.1, found_score=0.1)
    tracker.start(clip.frame(0), clip.boxes[0])
    first, seen = tracker._pictures[0].copy(), []
    for k in range(1, len(clip)):
        tracker.step(clip.frame(k))
        seen.append(tracker._templates)
    assert len({id(templates) for templates in seen}) == 1 + updates
    np.testing.assert_array_equal(tracker._pictures[0], first)


def test_memory_is_constant(tracker, clip):
    def held():
        tensors = [tracker._templates.tokens, *tracker._templates.matches]
        arrays = [*tracker._pictures, *tracker._in_templates, *tracker._past]
        return sum(t.numel() for t in tensors) + sum(a.size for a in arrays)

    with_score(tracker, 0.9)
    tracker.start(clip.frame(0), clip.boxes[0])
    tracker.step(clip.frame(1))
    tracker._remember(clip.frame(1), clip.boxes[1])
    before = held()
    for k in range(60):
        tracker.step(clip.frame(k % len(clip)))
    assert held() == before


@pytest.mark.parametrize("tokens", [True, False])
def test_both_heads_and_no_past(clip, tokens):
    config = replace(CONFIG, box_from="tokens" if tokens else "dense", past=0)
    run(Tracker(TrackModel(config), LoopConfig(lost_score=0, found_score=0)), clip)


def test_saved_and_loaded_it_follows_alike(tracker, clip, tmp_path):
    rounded = Tracker.from_pretrained(tracker.save_pretrained(tmp_path / "a"))
    again = Tracker.from_pretrained(rounded.save_pretrained(tmp_path / "b"))
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert again.loop == tracker.loop
    assert again.model.config == CONFIG
    for a, b in zip(run(rounded, clip), run(again, clip), strict=True):
        np.testing.assert_array_equal(a.box, b.box)
    faster = Tracker.from_pretrained(tmp_path / "a", loop=LoopConfig(update_every=0))
    assert faster.loop.update_every == 0


def test_configuration_round_trip_and_strangers():
    config = TrackerConfig(model=CONFIG, loop=LoopConfig(window=0.1))
    assert TrackerConfig.from_dict(config.as_dict()) == config
    with pytest.raises(ValueError, match="'fly'"):
        TrackerConfig.from_dict({"system": "fly"})
    with pytest.raises(ValueError, match="has no depht"):
        TrackerConfig.from_dict({"system": "track", "model": {"depht": 3}})


GREY = np.random.default_rng(0).integers(0, 255, (96, 128), dtype=np.uint8)


@pytest.mark.parametrize(
    "frame",
    [
        GREY,
        GREY[..., None],
        np.repeat(GREY[..., None], 4, axis=2),
        GREY.astype(np.uint16) << 8,
        np.asfortranarray(np.repeat(GREY[..., None], 3, axis=2)),
        np.repeat(GREY[..., None], 3, axis=2)[:, ::-1],
    ],
    ids=["grey", "grey with an axis", "RGBA", "16-bit", "columns first", "mirrored view"],
)
def test_any_common_frame_is_taken(tracker, frame):
    tracker.start(frame, (40, 30, 20, 20))
    assert np.isfinite(tracker.step(frame).box).all()


def test_kinds_of_frame_agree(tracker):
    boxes = []
    for frame in (GREY, np.repeat(GREY[..., None], 4, axis=2), GREY.astype(np.uint16) * 257):
        tracker.start(frame, (40, 30, 20, 20))
        boxes.append(tracker.step(frame).box)
    np.testing.assert_array_equal(boxes[0], boxes[1])
    np.testing.assert_array_equal(boxes[0], boxes[2])


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((200, 10, 20, 20), "shows less than one pixel"),
        ((-30, 10, 20, 20), "shows less than one pixel"),
        ((10, 10, 0, 20), "w, h > 0"),
        ((10, 10, 20, -5), "w, h > 0"),
        ((np.nan, 10, 20, 20), "finite"),
        ((10, 10, np.inf, 20), "finite"),
        ((10, 10, 20), "four numbers"),
        ("10,10,20,20", "four numbers"),
    ],
)
def test_boxes_that_cannot_be_started_from_are_refused_in_one_line(tracker, box, words):
    with pytest.raises(ValueError, match=words) as refusal:
        tracker.start(GREY, box)
    assert "\n" not in str(refusal.value)


def test_a_box_that_reaches_over_the_edge_is_cut(tracker):
    np.testing.assert_array_equal(tracker.start(GREY, (-10, -10, 30, 30)).box, [0, 0, 20, 20])
    np.testing.assert_array_equal(tracker.start(GREY, (100, 80, 60, 60)).box, [100, 80, 28, 16])


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (GREY.astype(np.float32) / 255, "float32"),
        (np.zeros((2, 96, 128, 3), np.uint8), "one picture at a time"),
        (np.zeros((0, 128, 3), np.uint8), "shape"),
        (np.zeros((96, 128, 2), np.uint8), "shape"),
        (None, "shape"),
    ],
)
def test_frames_that_are_no_pictures_are_refused(tracker, frame, words):
    with pytest.raises(ValueError, match=words):
        tracker.start(frame, (40, 30, 20, 20))


def test_a_frame_of_another_size_and_a_step_too_early_are_refused(tracker):
    with pytest.raises(RuntimeError, match=r"before Tracker\.start"):
        tracker.step(GREY)
    tracker.start(GREY, (40, 30, 20, 20))
    with pytest.raises(ValueError, match="expected 128 x 96"):
        tracker.step(GREY[:50])


@pytest.mark.parametrize("box", [(0, 0, 128, 96), (127, 95, 1, 1), (0, 40, 128, 2)])
def test_extreme_boxes(tracker, box):
    tracker.start(GREY, box)
    for _ in range(3):
        assert np.isfinite(tracker.step(GREY).box).all()


@pytest.mark.parametrize(
    "changes", [{"window": 2.0}, {"found_score": 0.1}, {"widening": 0.5}, {"size_penalty": -1}]
)
def test_impossible_loops_are_refused(changes):
    with pytest.raises(ValueError, match="expected"):
        LoopConfig(**changes)
