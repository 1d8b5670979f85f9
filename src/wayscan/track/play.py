"""Follow a target through a video, folder, camera or stream: boxes.csv, an annotated video, summary.json.

Memory does not grow with the length: a frame is read, followed, drawn, encoded and forgotten. Whatever ends
the frames (the last one, a key, a camera that is unplugged, a file that breaks off), what was done until then
is on disk.
"""

import csv
import json
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from wayscan.data.atomic import write_atomically
from wayscan.data.drawing import GREEN, ORANGE, draw_box, write
from wayscan.data.footage import Image
from wayscan.data.sources import Source
from wayscan.data.video import write_video
from wayscan.track.evaluate import Follower
from wayscan.track.frames import rgb_frame
from wayscan.track.loop import Track

BOXES, VIDEO, SUMMARY = "boxes.csv", "tracked.mp4", "summary.json"
HEAD = ("frame", "time", "x", "y", "w", "h", "score", "lost")


class Moment(NamedTuple):
    """One frame, its number from 0, its time in seconds, and where the target is in it."""

    number: int
    time: float
    image: Image
    track: Track


@dataclass(kw_only=True)
class Summary:
    """What a run over a video came to; also written as summary.json.

    Attributes:
        seconds: that following took, reading and writing left out. fps: frames in each of them.
        lost, found_again: how often the target was given up, and how often it came back.
        ended: "finished", "interrupted", or "broke off" where the frames ended with a fault.
        notes: what was wrong with the frames, one line each.
    """

    source: str
    frames: int = 0
    seconds: float = 0.0
    fps: float = 0.0
    mean_score: float = 0.0
    lost_frames: int = 0
    lost: int = 0
    found_again: int = 0
    ended: str = "finished"
    notes: tuple[str, ...] = ()

    def note(self, words: str) -> None:
        if words not in self.notes:
            self.notes = (*self.notes, words)


def play(
    follower: Follower,
    source: Source,
    box: ArrayLike | Callable[[Image], ArrayLike],
    folder: Path | str,
    *,
    video: bool = True,
    most: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
    on_moment: Callable[[Moment], object] = lambda moment: None,
) -> Summary:
    """Follow from the first frame of a source, and write what comes of it into a folder.

    Args:
        box: x, y, w, h in the first frame, or what chooses it when the first frame is shown to it.
        video: also write the annotated video.
        most: stop after so many frames.
        stopped: asked before each frame; True ends the run in order.
    """
    folder, summary = Path(folder), Summary(source=source.name)
    frames = iter(source)
    first = next(frames, None)
    if first is None:
        raise ValueError(f"{source.name} gives no frame; expected at least one; check the file or the camera")
    first_box = box(first) if callable(box) else box
    whole = _frames(chain([first], frames), summary, stopped, most)
    moments = _moments(follower, whole, first_box, source.fps, summary)
    with ExitStack() as stack:
        stack.enter_context(_noted_warnings(summary))
        opening = next(moments)  # refuses a box that cannot be started from, before a file is touched
        folder.mkdir(parents=True, exist_ok=True)
        table = stack.enter_context((folder / BOXES).open("w", newline="", encoding="ascii"))
        drawn = _written(chain([opening], moments), table, on_moment)
        if video:
            write_video(folder / VIDEO, map(annotated, drawn), source.fps, preset="veryfast")
        else:
            for _ in drawn:
                pass
    _write_json(folder / SUMMARY, asdict(summary))
    return summary


def _frames(
    frames: Iterable[Image], summary: Summary, stopped: Callable[[], bool], most: int | None
) -> Iterator[Image]:
    """Frames of the first one's size, until they end in whatever way."""
    import cv2

    size, number, resized = None, 0, False
    frames = iter(frames)
    while number != most:
        if stopped():
            summary.ended = "interrupted"
            return
        try:
            image = next(frames, None)
        except (ValueError, OSError, cv2.error) as fault:
            summary.ended = "broke off"
            summary.note(f"{summary.source}: after frame {number - 1}: {str(fault).splitlines()[0]}")
            return
        if image is None:
            return
        image = rgb_frame(image)
        own, size = image.shape[1::-1], size or image.shape[1::-1]
        if own != size:
            if not resized:  # said once: notes must not grow with the video
                summary.note(
                    f"{summary.source}: frame {number} is {own[0]} x {own[1]}, the first was {size[0]} x "
                    f"{size[1]}; frames of another size were resized to the first one's"
                )
            resized = True
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        yield image
        number += 1


def _moments(
    follower: Follower, frames: Iterator[Image], box: ArrayLike, fps: float, summary: Summary
) -> Iterator[Moment]:
    was_lost, scores = False, 0.0
    for number, image in enumerate(frames):
        began = time.perf_counter()
        track = follower.step(image) if number else follower.start(image, box)
        summary.seconds += time.perf_counter() - began
        summary.frames = number + 1
        scores += track.score
        summary.mean_score = scores / summary.frames
        summary.fps = summary.frames / max(summary.seconds, 1e-9)
        summary.lost_frames += track.lost
        summary.lost += track.lost and not was_lost
        summary.found_again += was_lost and not track.lost
        was_lost = track.lost
        yield Moment(number, number / fps, image, track)


def _written(
    moments: Iterable[Moment], table: Any, on_moment: Callable[[Moment], object]
) -> Iterator[Moment]:
    """Each moment, once its line is in the table of boxes."""
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(HEAD)
    for moment in moments:
        box, score, lost = moment.track
        numbers = [f"{value:.3f}" for value in (moment.time, *box, score)]
        rows.writerow([moment.number, *numbers, int(lost)])
        table.flush()
        on_moment(moment)
        yield moment


def annotated(moment: Moment) -> Image:
    """A copy of the frame with the box in it: green while the target is seen, orange where it was lost."""
    image = np.array(moment.image)
    box, score, lost = moment.track
    draw_box(image, box, ORANGE if lost else GREEN, "lost" if lost else f"{score:.2f}")
    return write(image, f"frame {moment.number}, {moment.time:.1f} s")


class _noted_warnings(warnings.catch_warnings):  # noqa: N801 - it is used like a function
    """Warnings of the reader as notes of the summary."""

    def __init__(self, summary: Summary) -> None:
        super().__init__(record=True)
        self._summary = summary

    def __enter__(self) -> Any:
        self._heard: Any = super().__enter__()
        warnings.simplefilter("always")
        return self._heard

    def __exit__(self, *fault: Any) -> None:
        super().__exit__(*fault)
        for heard in self._heard:
            self._summary.note(str(heard.message))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, [(json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()])
