"""Frames from whatever a person names."""

import cv2
import numpy as np
import pytest

from wayscan.data.sources import Camera, open_source
from wayscan.data.video import write_video


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    write_video(path, (np.full((32, 48, 3), 40 * k, np.uint8) for k in range(5)), 10)
    return path


def levels(source) -> list[int]:
    with source:
        return [round(float(frame.mean()) / 40) for frame in source]


def test_a_video(film):
    source = open_source(film)
    assert (source.name, source.fps, source.count) == ("film.mp4", 10, 5)
    assert levels(source) == levels(source) == [0, 1, 2, 3, 4]


def test_a_folder_of_images_of_every_kind_and_one_image(tmp_path):
    for k, picture in enumerate(
        [
            np.full((8, 9), 0, np.uint8),
            np.full((8, 9, 3), 40, np.uint8),
            np.full((8, 9, 4), 80, np.uint8),
            np.full((8, 9), 120 * 257, np.uint16),
        ]
    ):
        cv2.imwrite(str(tmp_path / f"{k}.png"), picture)
    source = open_source(str(tmp_path))
    assert source.count == 4
    assert levels(source) == [0, 1, 2, 3]
    assert levels(open_source(tmp_path / "2.png")) == [2]


def test_a_stream_through_opencv(film):
    camera = Camera(str(film))
    assert camera.fps == 10
    assert camera.count is None
    assert levels(camera) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("flim.mp4", r"'.*flim\.mp4' does not exist; .*did you mean film\.mp4\?"),
        ("empty", "holds no image"),
        ("text.txt", "cannot be opened"),
    ],
)
def test_what_gives_no_frames_is_refused_in_one_line(film, place, message):
    (film.parent / "empty").mkdir(exist_ok=True)
    (film.parent / "text.txt").write_text("no video" * 100)
    with pytest.raises(ValueError, match=message) as fault:
        open_source(film.parent / place)
    assert "\n" not in str(fault.value)


def test_a_camera_that_is_not_there():
    with pytest.raises(ValueError, match="camera 97 cannot be opened"):
        open_source("97")
