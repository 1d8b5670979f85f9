"""Stories: what somebody should look at, before it is drawn; as a contact sheet, a video or a Rerun file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.data.drawing import (
    GREEN,
    ORANGE,
    Colour,
    contact_sheet,
    draw_box,
    draw_path,
    enlarged,
    save_picture,
    write,
)
from wayscan.data.footage import Image
from wayscan.data.video import write_video

SHEET_COLUMNS = 6  # moments of a story on a contact sheet


class Box(NamedTuple):
    """A box (x, y, w, h) with a word."""

    box: NDArray[np.float64]
    words: str = ""
    colour: Colour = GREEN


class Path2D(NamedTuple):
    """A line through pixels (T, 2)."""

    pixels: NDArray[np.float64]
    colour: Colour = ORANGE


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A picture and what is true of it."""

    image: Image
    boxes: tuple[Box, ...] = ()
    paths: tuple[Path2D, ...] = ()
    words: str = ""
    zoom: int = 1  # how much larger it is drawn


Moment = Mapping[str, View]
"""What the cameras show at one time, by name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Story:
    """Moments one after another, `rate` a second."""

    name: str
    moments: Sequence[Moment]
    rate: float


def drawn(view: View) -> Image:
    """The picture with boxes, paths and words in it."""
    image = enlarged(view.image, view.zoom) if view.zoom > 1 else view.image.copy()
    for path in view.paths:
        draw_path(image, np.asarray(path.pixels) * view.zoom, path.colour)
    for box in view.boxes:
        draw_box(image, np.asarray(box.box) * view.zoom, box.colour, box.words)
    return write(image, view.words) if view.words else image


def together(moment: Moment, columns: int) -> Image:
    """All views of a moment in one picture."""
    return contact_sheet([drawn(view) for view in moment.values()], columns, gap=2)


def hang(stories: Iterable[Story], out: Path, name: str) -> tuple[Path, Path]:
    """Write a contact sheet, a row a story, and a video of all; returns their paths."""
    stories = list(stories)
    cells = []
    for story in stories:
        chosen = np.linspace(0, len(story.moments) - 1, min(SHEET_COLUMNS, len(story.moments))).round()
        cells += [together(story.moments[int(k)], columns=1) for k in chosen]
    columns = min(SHEET_COLUMNS, len(cells))
    sheet = save_picture(out / f"{name}.png", contact_sheet(cells, columns))
    video = out / f"{name}.mp4"
    write_video(video, _frames(stories), stories[0].rate)
    return sheet, video


def _frames(stories: Sequence[Story]) -> Iterator[Image]:
    for story in stories:
        for moment in story.moments:
            yield together(moment, columns=len(moment))


def log_rerun(stories: Iterable[Story], file: Path) -> Path:
    """Write pictures, boxes and paths as a Rerun recording, to look at with `rerun FILE`."""
    try:
        import rerun as rr  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f'--rerun needs rerun-sdk ({missing}); pip install "wayscan[rerun]"'
        ) from missing
    file.parent.mkdir(parents=True, exist_ok=True)
    rr.init("wayscan")
    rr.save(str(file))
    for story in stories:
        for k, moment in enumerate(story.moments):
            rr.set_time("time", duration=k / story.rate)
            for camera, view in moment.items():
                place = f"{story.name}/{camera}"
                known = [box for box in view.boxes if np.isfinite(box.box).all()]
                rr.log(place, rr.Image(view.image))
                rr.log(
                    f"{place}/boxes",
                    rr.Boxes2D(
                        array=[box.box for box in known],
                        array_format=rr.Box2DFormat.XYWH,
                        labels=[box.words for box in known],
                        colors=[box.colour for box in known],
                    ),
                )
                rr.log(f"{place}/paths", rr.LineStrips2D([path.pixels for path in view.paths]))
                rr.log(f"{place}/words", rr.TextLog(view.words))
    return file
