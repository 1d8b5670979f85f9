"""Records refuse what does not fit together, and fill in what follows from the boxes."""

import numpy as np
import pytest

from wayscan.data.records import Clip, Episode, Frame

FRAMES = np.zeros((3, 8, 9, 3), dtype=np.uint8)


def test_a_clip_knows_what_is_absent():
    boxes = np.array([[0, 0, 2, 2], [np.nan] * 4, [1, 1, 2, 2]], dtype=float)
    clip = Clip(name="a", boxes=boxes, frames=FRAMES)
    assert clip.absent.tolist() == [False, True, False]
    assert len(list(clip)) == len(clip) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((2, 4))}, "boxes have shape"),
        ({"frames": FRAMES.astype(float)}, "RGB uint8"),
        ({"visible": np.ones(2)}, "visible has shape"),
    ],
)
def test_a_clip_refuses_what_does_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        Clip(**{"name": "a", "boxes": np.zeros((3, 4)), "frames": FRAMES, **change})


def test_frame_and_episode_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="depth has shape"):
        Frame(image=FRAMES[0], depth=np.zeros((2, 2), dtype=np.float32))
    with pytest.raises(ValueError, match="front has 2 rows"):
        Episode(name="e", times=np.arange(3.0), poses=np.zeros((3, 3)), videos={"front": FRAMES[:2]})
