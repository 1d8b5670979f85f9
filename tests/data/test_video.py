"""Videos: every frame by number, what is written plays in browsers, and broken files are handled."""

import multiprocessing
import pickle
import threading
import warnings
from pathlib import Path

import av
import numpy as np
import pytest

from wayscan.data.video import VideoFile, read_frames, write_video

COUNT, HEIGHT, WIDTH = 130, 46, 64


def picture(k: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A flat colour with the frame's number in eight dark or bright stripes."""
    image = np.full((height, width, 3), (40 + k, 100, 200 - k), dtype=np.uint8)
    for bit in range(8):
        image[height // 4 : height // 2, bit * width // 8 : (bit + 1) * width // 8] = (
            220 if k >> bit & 1 else 30
        )
    return image


def number(image: np.ndarray) -> int:
    height, width = image.shape[:2]
    stripes = image[height * 5 // 16 : height * 7 // 16, width // 16 :: width // 8].mean(axis=(0, 2))
    return sum(int(bright > 125) << bit for bit, bright in enumerate(stripes))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    assert write_video(path, (picture(k) for k in range(COUNT)), 25, crf=10, preset="ultrafast") == COUNT
    return path


def encode(
    path: Path, codec: str, form: str, images: list[np.ndarray], source: str = "rgb24", **options
) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"threads": "1", **options})
        stream.height, stream.width, stream.pix_fmt = *images[0].shape[:2], form
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format=source)))
        container.mux(stream.encode(None))
    return path


def boxes(path: Path) -> list[bytes]:
    """The names of an mp4's outermost boxes, in order."""
    content, place, names = path.read_bytes(), 0, []
    while place < len(content):
        names.append(content[place + 4 : place + 8])
        place += int.from_bytes(content[place : place + 4], "big")
    return names


def test_frames_by_number_in_any_order(film):
    video = VideoFile(film)
    assert (len(video), video.fps, video.codec) == (COUNT, 25, "h264")
    assert video[0].shape == (HEIGHT, WIDTH, 3)
    for k in [0, 1, 2, 100, 99, 98, 3, 129, 0, 64, 64, 65]:
        assert number(video[k]) == k
        assert np.abs(video[k].astype(int) - picture(k))[:9].max() <= 6
    assert number(video[-1]) == COUNT - 1
    np.testing.assert_allclose(video.times, np.arange(COUNT) / 25, atol=1e-4)
    with pytest.raises(IndexError, match="it has 130, 0 to 129"):
        video[COUNT]
    assert not video.broken


def test_keyframes_are_used_and_give_the_same(tmp_path):
    path = encode(
        tmp_path / "keys.mkv", "libx264", "yuv420p", [picture(k) for k in range(COUNT)], g="10", bf="2"
    )
    video = VideoFile(path)
    assert len(video.index.keys) >= 13
    for k in (120, 5, 119, 70, 71, 0, 129):
        assert number(video[k]) == k


def test_loops_do_not_disturb_each_other_nor_copies_in_threads(film):
    video = VideoFile(film)
    assert [(number(a), number(b)) for a, b, _ in zip(video, video, range(3), strict=False)] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]
    assert [number(frame) for frame in read_frames(film)] == list(range(COUNT))
    assert number(pickle.loads(pickle.dumps(video))[7]) == 7
    seen = []
    threads = [threading.Thread(target=lambda k=k: seen.append(number(video[k]) == k)) for k in (3, 90)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True, True]


def test_a_frame_may_be_changed_without_changing_the_next(film):
    video = VideoFile(film)
    video[4][:] = 0
    assert number(video[4]) == 4


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "h264"), ("a.webm", "vp9")])
def test_browsers_play_what_is_written(tmp_path, name, codec):
    path = tmp_path / "new" / name
    write_video(path, (picture(k, 45, 63) for k in range(6)), 12.5)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == (codec, "yuv420p")
        assert (stream.height, stream.width, stream.average_rate) == (46, 64, 12.5)
    if codec == "h264":
        assert boxes(path).index(b"moov") < boxes(path).index(b"mdat")
    frames = list(read_frames(path))
    assert len(frames) == 6
    for k, frame in enumerate(frames):
        assert np.abs(frame[32:45, 32:63].astype(int) - picture(k, 45, 63)[32:, 32:]).max() <= 8
    assert np.abs(frames[0][45].astype(int) - frames[0][44]).max() <= 8  # the padding repeats the edge
    assert [path.name for path in path.parent.iterdir()] == [name]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "no frame came"),
        ([picture(0), picture(1, 50)], r"frame 1 is \(50, 64\), the first was \(46, 64\)"),
        ([picture(0).astype(float)], "frame 0 is float64"),
        ([picture(0)[..., 0]], "expected RGB uint8"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, frames, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "a.mp4", frames)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"\.mp4 or \.webm"):
        write_video(tmp_path / "a.avi", frames)
    with pytest.raises(ValueError, match="above 0"):
        write_video(tmp_path / "a.mp4", frames, fps=0)


@pytest.mark.parametrize("content", [b"", b"no video " * 400, None])
def test_what_is_no_video_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    for read in (VideoFile, lambda path: next(read_frames(path))):
        with pytest.raises(
            ValueError, match=r"video .*a\.mp4 (is empty|cannot be opened|does not exist)"
        ) as fault:
            read(path)
        assert "\n" not in str(fault.value)


def test_sound_alone_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="no pictures"):
        VideoFile(tmp_path / "a.wav")


@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_file_that_is_cut_off_gives_what_is_there(film, tmp_path, share):
    content = film.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: int(len(content) * share)])
    video = VideoFile(path)
    frames = [number(frame) for frame in video]
    assert 0 < len(frames) < COUNT or share == 0.97
    good = len(frames) - len(video.broken)
    assert frames[:good] == list(range(good))
    assert len(quiet(path)) <= len(frames)


def test_a_file_cut_before_its_index_is_refused(tmp_path):
    path = encode(tmp_path / "a.mp4", "libx264", "yuv420p", [picture(k) for k in range(9)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 5])
    with pytest.raises(ValueError, match="cannot be opened"):
        VideoFile(path)


def test_a_broken_frame_in_the_middle_keeps_the_others_numbers(tmp_path):
    """Motion JPEG: each frame stands alone, so that one of them can be spoilt."""
    path = encode(tmp_path / "a.avi", "mjpeg", "yuvj420p", [picture(k) for k in range(9)])
    content, place = bytearray(path.read_bytes()), -1
    for _ in range(5):
        place = content.index(b"\xff\xd8\xff", place + 1)
    end = content.index(b"\xff\xd9", place)
    content[place : end + 2] = bytes(end + 2 - place)
    path.write_bytes(content)
    video = VideoFile(path)
    frames = list(video)
    assert [number(frame) for frame in frames] == [0, 1, 2, 3, 3, 5, 6, 7, 8]
    assert video.broken == {4}
    assert number(video[4]) == 3
    with pytest.warns(UserWarning, match="1 pieces could not be decoded"):
        assert [number(frame) for frame in read_frames(path)] == [0, 1, 2, 3, 5, 6, 7, 8]


def test_a_size_that_changes_midway_is_brought_to_the_first(tmp_path):
    first = encode(tmp_path / "1.ts", "libx264", "yuv420p", [picture(k) for k in range(6)])
    second = encode(tmp_path / "2.ts", "libx264", "yuv420p", [picture(k, 92, 128) for k in range(6, 12)])
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    video = VideoFile(path)
    frames = list(video)
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert len(frames) == len(video) == len(list(read_frames(path)))
    assert number(video[len(video) - 1]) == 11
    assert number(video[1]) == 1


@pytest.mark.parametrize(
    ("form", "image", "source", "expected"),
    [
        ("gray", np.full((16, 16), 90, np.uint8), "gray", (90, 90, 90)),
        ("gray16le", np.full((16, 16), 90 * 257, np.uint16), "gray16le", (90, 90, 90)),
        ("bgra", np.full((16, 16, 4), (20, 40, 90, 10), np.uint8), "bgra", (90, 40, 20)),
    ],
)
def test_grey_deep_and_transparent_videos_become_rgb(tmp_path, form, image, source, expected):
    path = encode(tmp_path / "a.mkv", "ffv1", form, [image] * 3, source=source)
    frame = VideoFile(path)[2]
    assert frame.shape == (16, 16, 3)
    assert np.abs(frame.astype(int) - expected).max() <= 2


@pytest.mark.parametrize(("matrix", "turned"), [((0, 1, -1, 0), 3), ((0, -1, 1, 0), 1), ((-1, 0, 0, -1), 2)])
def test_a_stored_rotation_is_applied(film, tmp_path, matrix, turned):
    content = bytearray(film.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = ((value << 16) & 0xFFFFFFFF for value in matrix)
    content[place : place + 36] = b"".join(v.to_bytes(4, "big") for v in (a, b, 0, c, d, 0, 0, 0, 1 << 30))
    path = tmp_path / "turned.mp4"
    path.write_bytes(content)
    np.testing.assert_array_equal(VideoFile(path)[5], np.rot90(VideoFile(film)[5], turned))


def check_frames(video: VideoFile) -> None:
    assert [number(video[k]) for k in (51, 7, 100)] == [51, 7, 100]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_open_it_anew(film, method):
    """A fork inherits the open decoder: it must neither use it, nor hang when it is freed."""
    video = VideoFile(film)
    assert number(video[50]) == 50
    process = multiprocessing.get_context(method).Process(target=check_frames, args=(video,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads
        process.start()
    process.join(timeout=60)
    process.kill()
    assert process.exitcode == 0
    assert number(video[51]) == 51


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_damaged_the_frames_that_are_left_have_one_size(film, tmp_path, seed):
    rng = np.random.default_rng(seed)
    content = bytearray(film.read_bytes())
    for place in rng.integers(len(content) // 2, len(content), 8):
        content[place] = rng.integers(256)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    video = VideoFile(path)
    frames = list(video)
    assert len(frames) == len(video)
    assert {frame.shape for frame in frames} == {(HEIGHT, WIDTH, 3)}
    assert len(quiet(path)) <= len(frames)


def quiet(path: Path) -> list[np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(read_frames(path))
