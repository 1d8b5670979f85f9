"""Clips: seeded, true boxes, absences that come and go, and readable as any other clip."""

import numpy as np
import pytest

from wayscan.data.formats import got10k
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import Sources, build_library
from wayscan.world.sprites.motion import bounced, wander

SOURCES = Sources(packaged=False, textures=6)
SPEC = ClipSpec(frames=40, sources=SOURCES)


@pytest.fixture(scope="module")
def library():
    return build_library(SOURCES)


@pytest.fixture(scope="module")
def clips(library):
    return [make_clip(0, index, SPEC, library) for index in range(10)]


def test_a_clip_is_a_function_of_seed_and_index(library, clips):
    again = make_clip(0, 4, SPEC, library)
    np.testing.assert_array_equal(again.frames, clips[4].frames)
    np.testing.assert_array_equal(again.boxes, clips[4].boxes)
    other = make_clip(1, 4, SPEC, library)
    assert (other.frames != clips[4].frames).any()


def test_boxes_lie_in_the_frame_and_start_in_view(clips):
    for clip in clips:
        assert clip.synthetic
        assert clip.frames.shape == (40, 192, 256, 3)
        assert clip.visible[0] >= 0.7
        assert not clip.absent[0]
        known = clip.boxes[~clip.absent]
        assert (known[:, :2] >= 0).all()
        assert (known[:, 0] + known[:, 2] <= 256 + 1e-6).all()
        assert (known[:, 1] + known[:, 3] <= 192 + 1e-6).all()
        assert np.isnan(clip.boxes[clip.absent]).all()
        assert (clip.visible[clip.absent] == 0).all()


def test_targets_move_but_do_not_jump(clips):
    steps = []
    for clip in clips:
        centres = clip.boxes[:, :2] + clip.boxes[:, 2:] / 2
        sides = np.sqrt(clip.boxes[:, 2] * clip.boxes[:, 3])
        steps.append(np.linalg.norm(np.diff(centres, axis=0), axis=1) / sides[1:])
    steps = np.concatenate(steps)
    assert 0.005 < np.nanmedian(steps) < 0.3


def test_targets_leave_and_return(library):
    spec = ClipSpec(frames=90, leaving_share=1.0, occluder_shares=(1.0,), sources=SOURCES)
    clips = [make_clip(9, index, spec, library) for index in range(8)]
    left = [clip for clip in clips if clip.absent.any()]
    assert len(left) >= 3
    assert any(not clip.absent[-1] for clip in left)


def test_things_cross_in_front(library):
    crossing = ClipSpec(frames=40, leaving_share=0.0, occluder_shares=(0.0, 0.0, 1.0), sources=SOURCES)
    lowest = [make_clip(3, index, crossing, library).visible.min() for index in range(8)]
    assert np.mean(np.array(lowest) < 0.8) >= 0.6


def test_a_clip_is_written_and_read_as_got10k(clips, tmp_path):
    got10k.write_split(clips[:1], tmp_path, "val")
    (again,) = got10k.read_split(tmp_path, "val")
    np.testing.assert_allclose(again.boxes, clips[0].boxes, atol=1e-4)
    assert np.abs(again.frame(5).astype(int) - clips[0].frames[5]).mean() < 6


def test_impossible_clips_are_refused():
    with pytest.raises(ValueError, match="at least 48, 48 and 2"):
        ClipSpec(height=0)


def test_paths_are_smooth_and_bounded():
    series = wander(np.random.default_rng(0), 2000)
    assert 0.3 < series.std() < 2
    assert np.abs(np.diff(series)).max() < 0.4
    frame = np.array([100.0, 50.0])
    folded = bounced(np.linspace([-500.0, -300.0], [700.0, 400.0], 500), frame)
    assert (folded >= 0.05 * frame - 1e-9).all()
    assert (folded <= 0.95 * frame + 1e-9).all()
