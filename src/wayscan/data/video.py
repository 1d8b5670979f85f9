"""Videos: read frame by frame or by number, and written so that a browser plays them. Needs PyAV.

Frames are RGB uint8 (H, W, 3), whatever the file holds: grey, 16-bit and alpha are converted, a stored
rotation is applied (as players do), and where the size changes midway later frames are resized to the first
one's. A frame that cannot be decoded is never fatal: `read_frames` leaves it out, `VideoFile` shows the one
before it, so that numbers keep their meaning; both count.
"""

import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from wayscan.data.footage import Image

SEEK_FROM = 48  # frames ahead from which jumping to a keyframe beats decoding everything between
FPS = 30.0  # where a video does not say


def open_video(path: Path | str) -> tuple[Any, Any]:
    """A container and its first video stream; refuses with one line what holds no video."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"video {path} does not exist; expected a video file; check the path")
    if path.stat().st_size == 0:
        raise ValueError(f"video {path} is empty (0 bytes); expected a video file; copy it again")
    try:
        container = av.open(str(path))
    except (FFmpegError, ValueError) as fault:
        raise ValueError(
            f"video {path} cannot be opened ({_reason(fault)}); expected mp4, webm, mkv, mov or avi; it "
            f"is no video, or it was cut off: copy it again"
        ) from None
    if container.format.name == "tty":  # FFmpeg would film the letters of any text
        container.close()
        raise ValueError(f"video {path} cannot be opened (it is a text); expected mp4, webm, mkv, mov or avi")
    if not container.streams.video:
        container.close()
        raise ValueError(f"video {path} has no pictures (only sound or text); expected a video stream")
    return container, container.streams.video[0]


def read_frames(path: Path | str) -> Iterator[Image]:
    """Every frame in order, in constant memory; warns at the end of frames that could not be decoded."""
    container, stream = open_video(path)
    stream.thread_type = "AUTO"
    whole = broken = 0
    size = stream.width, stream.height
    with container:
        for frame in _decoded(container, stream):
            if frame is None:
                broken += 1
            else:
                whole += 1
                yield to_rgb(frame, size)
    if not whole:
        raise ValueError(f"video {path}: no frame can be decoded; expected a whole video; copy it again")
    if broken:
        warnings.warn(f"video {path}: {broken} pieces could not be decoded and were left out", stacklevel=2)


class VideoFile:
    """Footage over a video: exact frames by number, fast in order, by seeking otherwise.

    The first use lists the packets (nothing is decoded), which gives the exact count. Other processes and
    threads open the file anew.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        container, stream = open_video(self.path)
        with container:
            rate = stream.average_rate or stream.guessed_rate
            self.fps = float(rate) if rate else FPS
            self.codec: str = stream.codec_context.name
        self.broken: set[int] = set()  # frames found not to be decodable, by number
        self._index: Index | None = None
        self._local = threading.local()

    def __len__(self) -> int:
        return len(self.index.stamps)

    def __getitem__(self, k: int) -> Image:
        count = len(self)
        if not -count <= k < count:
            raise IndexError(f"frame {k} of video {self.path}; it has {count}, 0 to {count - 1}")
        return self._reader().frame(int(k) % count)

    def __iter__(self) -> Iterator[Image]:
        reader = _Reader(self)  # its own, so that two loops over one video do not disturb each other
        return (reader.frame(k) for k in range(len(self)))

    def __repr__(self) -> str:
        return f"VideoFile({self.path})"

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "fps": self.fps, "codec": self.codec, "broken": self.broken}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _index=None, _local=threading.local())

    @property
    def index(self) -> "Index":
        """Where the frames are; made once."""
        if self._index is None:
            self._index = _list_packets(self.path)
        return self._index

    @property
    def times(self) -> NDArray[np.float64]:
        """(K,) seconds from the first frame."""
        index = self.index
        if not index.dated:
            return np.arange(len(self)) / self.fps
        return (index.stamps - index.stamps[0]) * index.unit

    def _reader(self) -> "_Reader":
        """This thread's and process's own."""
        key = (os.getpid(), threading.get_ident())
        if getattr(self._local, "key", None) != key:
            self._local.reader, self._local.key = _Reader(self), key
        return self._local.reader


class Index(NamedTuple):
    """What a video's packets say without decoding."""

    stamps: NDArray[np.int64]  # (K,) when each frame is shown
    keys: NDArray[np.int64]  # those from which decoding can start
    unit: float  # seconds in one
    dated: bool  # False: stamps are missing or come twice, so frames are found by counting


class _Reader:
    """One open decoder, at one place of a video."""

    def __init__(self, video: VideoFile) -> None:
        self._video, self._index = video, video.index
        self._container: Any = None
        self._good: Any = None  # the newest frame that could be decoded; it stands in for a broken one
        self._rewind()

    def frame(self, k: int) -> Image:
        if k < self._next - 1:
            self._rewind()
        if k >= self._next:
            self._jump(k)
        while self._next <= k and (number := self._advance(k)) <= k:
            self._next = number + 1
        if self._next <= k:  # passed by
            self._video.broken.add(k)
        if self._good is None:
            raise ValueError(f"video {self._video.path}: frame {k} and all after it cannot be decoded")
        return to_rgb(self._good, self._size)

    def _advance(self, k: int) -> int:
        """Take the decoder's next frame, unless it is later than k; its number (K at the end)."""
        if self._waiting is None:
            self._waiting = next((frame for frame in self._frames if frame is not None), None)
        if self._waiting is None:
            return len(self._index.stamps)
        number = self._next
        if self._index.dated and self._waiting.pts is not None:
            number = int(np.searchsorted(self._index.stamps, self._waiting.pts))
        if number <= k:
            self._good, self._waiting = self._waiting, None
        elif self._good is None:  # where nothing good came before, a later one stands in
            self._good = self._waiting
        return number

    def _jump(self, k: int) -> None:
        """Go on from the last keyframe before k, where that saves decoding."""
        stamps, keys, _, dated = self._index
        if not dated or k - self._next <= SEEK_FROM or not len(keys):
            return
        key = keys[max(np.searchsorted(keys, stamps[k], side="right") - 1, 0)]
        if key > stamps[self._next]:
            self._container.seek(int(key), stream=self._stream, backward=True)
            self._frames, self._waiting = _decoded(self._container, self._stream), None

    def _rewind(self) -> None:
        self.close()
        self._container, self._stream = open_video(self._video.path)
        self._stream.codec_context.thread_count = 1  # a forked process could not free a decoder with threads
        self._size = self._stream.width, self._stream.height
        self._frames, self._waiting = _decoded(self._container, self._stream), None
        self._good, self._next = None, 0

    def close(self) -> None:
        if self._container is not None:
            self._container.close()

    def __del__(self) -> None:
        if hasattr(self, "_container"):
            self.close()


def to_rgb(frame: Any, size: tuple[int, int] | None = None) -> Image:
    """A decoded frame as RGB uint8 (H, W, 3), upright; made `size` (width, height as stored)."""
    width, height = size if size and all(size) else (frame.width, frame.height)
    space = "ITU709" if frame.colorspace == 1 else None  # as tagged; everything else is read as BT.601
    frame = frame.reformat(format="rgb24", width=width, height=height, src_colorspace=space, threads=1)
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(), round(frame.rotation / 90)), dtype=np.uint8)


def write_video(
    path: Path | str,
    frames: Iterable[Image],
    fps: float = FPS,
    *,
    crf: int | None = None,
    preset: str = "medium",
) -> int:
    """Write frames as H.264 (.mp4, index first) or VP9 (.webm), 4:2:0, which browsers play; returns how many.

    The file appears when it is whole. An odd width or height is padded by repeating the last column or row.

    Args:
        crf: quality, from 0 (best) to 51 (63 for .webm); 20 (32) if not given.
        preset: of x264, from "ultrafast" to "veryslow".
    """
    path = Path(path)
    codecs = {".mp4": "libx264", ".webm": "libvpx-vp9"}
    if path.suffix.lower() not in codecs:
        raise ValueError(f"video {path} ends in {path.suffix!r}; expected a name in .mp4 or .webm")
    if not fps > 0:
        raise ValueError(f"fps is {fps}; expected frames a second, above 0")
    codec = codecs[path.suffix.lower()]
    if codec == "libx264":
        options = {"crf": str(20 if crf is None else crf), "preset": preset}
    else:
        options = {"crf": str(32 if crf is None else crf), "b": "0", "deadline": "good", "cpu-used": "5"}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}.tmp{path.suffix}")
    try:
        count = _encode(partial, frames, Fraction(fps).limit_denominator(100_000), codec, options, path)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _encode(
    partial: Path, frames: Iterable[Image], fps: Fraction, codec: str, options: dict[str, str], path: Path
) -> int:
    faststart = {"movflags": "+faststart"} if codec == "libx264" else {}
    count, first = 0, None
    with av.open(str(partial), "w", options=faststart) as container:
        stream: Any = container.add_stream(codec, rate=fps, options=options)
        stream.pix_fmt = "yuv420p"
        for image in frames:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ValueError(
                    f"video {path}: frame {count} is {image.dtype} {image.shape}; expected RGB uint8 "
                    f"(H, W, 3)"
                )
            if first is None:
                first = image.shape
                stream.height, stream.width = (side + side % 2 for side in first[:2])
                context = stream.codec_context
                context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
                context.color_range = 1  # limited
            if image.shape != first:
                raise ValueError(
                    f"video {path}: frame {count} is {image.shape[:2]}, the first was {first[:2]}; "
                    f"expected one size; resize them"
                )
            odd = [(0, side % 2) for side in first[:2]]
            frame = av.VideoFrame.from_ndarray(np.pad(image, [*odd, (0, 0)], mode="edge"), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = count, 1 / fps
            container.mux(stream.encode(frame))
            count += 1
        if not count:
            raise ValueError(f"video {path}: no frame came; expected at least one")
        container.mux(stream.encode(None))
    return count


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames; None for each packet that cannot be decoded. Ends where the file ends or is cut off."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:  # cut off in the middle of a packet
            packet = None
        try:
            yield from stream.decode(packet)
        except FFmpegError as fault:
            if not isinstance(fault, EOFError):
                yield None
        if packet is None or packet.size == 0:
            return


def _packets(path: Path) -> Iterator[Any]:
    container, stream = open_video(path)
    with container:
        try:
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    yield packet
        except FFmpegError:  # cut off: what came before counts
            return


def _list_packets(path: Path) -> Index:
    found = [(packet.pts, packet.is_keyframe, packet.time_base) for packet in _packets(path)]
    stamps = [stamp for stamp, _, _ in found]
    dated = None not in stamps and len(set(stamps)) == len(stamps)
    if not dated:
        container, stream = open_video(path)
        with container:
            stamps = list(range(sum(frame is not None for frame in _decoded(container, stream))))
    if not stamps:
        raise ValueError(
            f"video {path} holds no frame; expected at least one; it may be cut off: copy it again"
        )
    keys = sorted(stamp for stamp, is_key, _ in found if is_key) if dated else []
    unit = float(found[0][2] or 1)
    return Index(np.array(sorted(stamps), dtype=np.int64), np.array(keys, dtype=np.int64), unit, dated)


def _reason(fault: Exception) -> str:
    return getattr(fault, "strerror", None) or str(fault)
