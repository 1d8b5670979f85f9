"""Tracking clips to look at: sprites and films, the target's box and visible share in every frame."""

from collections.abc import Iterator

from wayscan.data.records import Clip
from wayscan.world.films import FilmSpec, make_film
from wayscan.world.gallery.story import Box, Story, View
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import Sources

RATE = 12.5


def stories(seed: int, count: int, sources: Sources | None = None) -> Iterator[Story]:
    """`count` clips of a seed: a sprite clip, a film, and so on in turn."""
    sprites, films = ClipSpec(sources=sources or Sources()), FilmSpec(rate=RATE)
    for index in range(count):
        clip = make_film(seed, index, films) if index % 2 else make_clip(seed, index, sprites)
        yield Story(name=clip.name, moments=[{"clip": _view(clip, k)} for k in range(len(clip))], rate=RATE)


def _view(clip: Clip, k: int) -> View:
    share = "absent" if clip.absent[k] else f"{clip.visible[k]:.0%}"
    return View(
        image=clip.frame(k),
        boxes=(Box(clip.boxes[k], share),),
        words=clip.text if clip.text and k == 0 else f"frame {k}",
    )
