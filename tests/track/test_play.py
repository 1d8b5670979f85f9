"""Following through a video: what is written, in whatever way the frames end."""

import csv
import json
import tracemalloc
import warnings

import cv2
import numpy as np
import pytest

from wayscan.data.sources import Source, open_source
from wayscan.data.video import VideoFile, write_video
from wayscan.track.evaluate import Answer
from wayscan.track.play import play

BOX = np.array([20.0, 30, 20, 20])


class Follower:
    """Moves a box by two pixels a frame; loses it where it is told to."""

    def __init__(self, lost=()):
        self.lost = lost

    def start(self, frame, box):
        self.k, self.box = 0, np.asarray(box, dtype=np.float64)
        return Answer(self.box.copy(), 1.0, False)

    def step(self, frame):
        self.k += 1
        assert frame.shape[2] == 3
        return Answer(
            self.box + np.array([2 * self.k, 0, 0, 0]),
            0.1 if self.k in self.lost else 0.9,
            self.k in self.lost,
        )


class Frames(Source):
    """Frames that may break off."""

    name, fps = "frames", 25.0

    def __init__(self, frames, fault=None):
        self.frames, self.fault = frames, fault

    def __iter__(self):
        yield from self.frames
        if self.fault is not None:
            raise self.fault


def pictures(count=10, height=80, width=121):
    rng = np.random.default_rng(0)
    return list(np.repeat(rng.integers(60, 120, (1, height, width, 3), dtype=np.uint8), count, axis=0))


def rows(folder):
    with (folder / "boxes.csv").open() as file:
        return list(csv.DictReader(file))


def test_boxes_video_and_summary(tmp_path):
    summary = play(Follower(lost=(4, 5, 7)), Frames(pictures()), BOX, tmp_path)
    table = rows(tmp_path)
    assert list(table[0]) == ["frame", "time", "x", "y", "w", "h", "score", "lost"]
    assert [row["lost"] for row in table] == list("0000110100")
    assert float(table[3]["x"]) == 26
    assert float(table[3]["time"]) == pytest.approx(3 / 25)
    assert (summary.frames, summary.lost_frames, summary.lost, summary.found_again) == (10, 3, 2, 2)
    assert summary.ended == "finished"
    assert json.loads((tmp_path / "summary.json").read_text())["frames"] == 10
    video = VideoFile(tmp_path / "tracked.mp4")
    assert (video.codec, len(video), video.fps) == ("h264", 10, 25.0)
    green, orange = video[2].astype(int), video[4].astype(int)
    edge = green[40, 23], orange[40, 27]  # the left edge of each box
    assert edge[0][1] > edge[0][0] + 40, "a box that is seen is green"
    assert edge[1][0] > edge[1][1] + 20, "one that is lost is orange"


def test_the_callers_frames_stay_as_they_are(tmp_path):
    frames = pictures(3)
    before = [frame.copy() for frame in frames]
    play(Follower(), Frames(frames), BOX, tmp_path, video=False)
    assert all((a == b).all() for a, b in zip(frames, before, strict=True))
    assert not (tmp_path / "tracked.mp4").exists()


@pytest.mark.parametrize("video", [True, False])
def test_what_breaks_off_leaves_what_was_done(tmp_path, video):
    fault = ValueError("image 0007.jpg cannot be decoded; expected JPEG\nmore")
    summary = play(Follower(), Frames(pictures(6), fault), BOX, tmp_path, video=video)
    assert summary.ended == "broke off"
    assert summary.notes == ("frames: after frame 5: image 0007.jpg cannot be decoded; expected JPEG",)
    assert len(rows(tmp_path)) == 6
    assert (tmp_path / "tracked.mp4").exists() == video


def test_stopping_and_a_limit(tmp_path):
    asked = []
    summary = play(
        Follower(), Frames(pictures()), BOX, tmp_path, stopped=lambda: asked.append(0) or len(asked) > 4
    )
    assert (summary.ended, summary.frames, len(rows(tmp_path))) == ("interrupted", 4, 4)
    assert len(VideoFile(tmp_path / "tracked.mp4")) == 4
    assert play(Follower(), Frames(pictures()), BOX, tmp_path, most=3).frames == 3


def test_a_size_that_changes_is_resized_and_noted(tmp_path):
    frames = [*pictures(3), *pictures(3, 40, 60)]
    summary = play(Follower(), Frames(frames), BOX, tmp_path)
    assert summary.frames == 6
    assert len(summary.notes) == 1
    assert "frame 3 is 60 x 40, the first was 121 x 80" in summary.notes[0]


def test_warnings_of_the_reader_become_notes(tmp_path):
    def frames():
        yield from pictures(2)
        warnings.warn("video a.mp4: 3 pieces could not be decoded", stacklevel=1)

    assert "3 pieces" in play(Follower(), Frames(frames()), BOX, tmp_path).notes[0]


def test_nothing_is_written_where_nothing_can_be_followed(tmp_path):
    with pytest.raises(ValueError, match="gives no frame"):
        play(Follower(), Frames([]), BOX, tmp_path / "a")

    class Refusing(Follower):
        def start(self, frame, box):
            raise ValueError("box shows less than one pixel")

    with pytest.raises(ValueError, match="less than one pixel"):
        play(Refusing(), Frames(pictures()), BOX, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_memory_does_not_grow_with_the_length(tmp_path):
    def frames(count):
        return (np.full((120, 160, 3), k % 250, np.uint8) for k in range(count))

    peaks = []
    for count in (20, 400):
        tracemalloc.start()
        play(Follower(), Frames(frames(count)), BOX, tmp_path, video=False)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 120 * 160 * 3


def test_the_box_may_be_chosen_by_who_sees_the_first_frame(tmp_path):
    seen = []
    play(Follower(), Frames(pictures(2)), lambda image: seen.append(image.shape) or BOX, tmp_path)
    assert seen == [(80, 121, 3)]


@pytest.mark.parametrize("kind", ["grey", "rgba", "16-bit"])
def test_folders_of_any_common_picture(tmp_path, kind):
    grey = np.random.default_rng(0).integers(0, 255, (80, 120), dtype=np.uint8)
    image = {
        "grey": grey,
        "rgba": np.repeat(grey[..., None], 4, axis=2),
        "16-bit": grey.astype(np.uint16) << 8,
    }[kind]
    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), image)
    assert play(Follower(), open_source(tmp_path), BOX, tmp_path / "out").frames == 3


def test_a_broken_picture_ends_the_run_and_is_named(tmp_path):
    for k in range(4):
        cv2.imwrite(str(tmp_path / f"{k}.png"), pictures(1)[0])
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:50])
    summary = play(Follower(), open_source(tmp_path), BOX, tmp_path / "out")
    assert (summary.ended, summary.frames) == ("broke off", 2)
    assert "2.png" in summary.notes[0]


def test_a_video_that_is_cut_off(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (30, 80, 120, 3), dtype=np.uint8)
    write_video(tmp_path / "whole.webm", noise, 25)
    whole = (tmp_path / "whole.webm").read_bytes()
    (tmp_path / "cut.webm").write_bytes(whole[: len(whole) * 2 // 3])
    with open_source(tmp_path / "cut.webm") as source:
        summary = play(Follower(), source, BOX, tmp_path / "out", video=False)
    assert 1 <= summary.frames < 30
    assert len(rows(tmp_path / "out")) == summary.frames
