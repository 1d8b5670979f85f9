"""Tracking clips to look at: the target's box and visible share in every frame."""

from collections.abc import Iterator

from wayscan.data.records import Clip
from wayscan.world.clips import ClipsSpec, stream_clips
from wayscan.world.films import FilmSpec
from wayscan.world.gallery.story import Box, Story, View

RATE = 12.5


def stories(seed: int, count: int) -> Iterator[Story]:
    """The first `count` clips of a seed."""
    for clip in stream_clips(seed, count, ClipsSpec(films=FilmSpec(rate=RATE))):
        yield Story(name=clip.name, moments=[{"clip": _view(clip, k)} for k in range(len(clip))], rate=RATE)


def _view(clip: Clip, k: int) -> View:
    share = "absent" if clip.absent[k] else f"{clip.visible[k]:.0%}"
    words = clip.text if clip.text and k == 0 else f"frame {k}"
    return View(image=clip.frame(k), boxes=(Box(clip.boxes[k], share),), words=words)
