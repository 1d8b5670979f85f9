"""`wayscan world VERB`: look at the embedded world's data sets and trials, and write them to disk."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from wayscan.data.records import Clip, Episode
from wayscan.world.splits import Split, seeds_of

What = Literal["clips", "drives", "follows", "forest"]

DONE = 0


def show(
    what: What,
    /,
    *,
    seed: int = 3,
    count: int = 6,
    out: Path = Path("wayscan-world"),
    rerun: bool = False,
) -> int:
    """Draw a contact sheet and a video with the truth in them.

    Args:
        what: the data set or trial to look at.
        seed: of what is shown; seeds below 1,000 are for examples.
        count: how many clips, drives, walks or flights.
        out: folder for WHAT.png and WHAT.mp4.
        rerun: write WHAT.rrd for Rerun's viewer too.
    """
    from wayscan.world.gallery.story import Story, hang, log_rerun

    if count < 1 or seed < 0:
        raise ValueError(f"count, seed are {(count, seed)}; expected count >= 1 and seed >= 0")
    make: Callable[[int, int], Iterator[Story]] = importlib.import_module(
        f"wayscan.world.gallery.{what}"
    ).stories
    stories = []
    for number, story in enumerate(make(seed, count), start=1):
        print(f"{number} of {count}: {story.name}, {len(story.moments)} frames", file=sys.stderr)
        stories.append(story)
    for path in hang(stories, out, what):
        print(path)
    if rerun:
        print(log_rerun(stories, out / f"{what}.rrd"))
    return DONE


def make(
    what: Literal["clips", "drives", "follows"],
    folder: Path,
    /,
    *,
    split: Split = "examples",
    seed: int = 0,
    count: int = 20,
    images: Path | None = None,
    segments: Path | None = None,
    form: str | None = None,
) -> int:
    """Write a data set in the form that others' tools read: GOT-10k, DAIR-V2X, OpenTrackVLA.

    Args:
        what: the data set.
        folder: where it goes.
        split: the seeds it is made of; what is made of one split never meets another's.
        seed: number of the seed within the split.
        count: how many clips, drives or walks.
        images: photographs for the sprites of clips, in place of those that installed packages have.
        segments: a label image for each photograph, from which objects are cut out.
        form: another format's name, for example lasot, otb, v2x_seq.
    """
    from wayscan.data.formats.registry import format_named

    seeds = seeds_of(split)
    if not 0 <= seed < len(seeds) or count < 1:
        raise ValueError(
            f"seed, count are {(seed, count)}; expected 0 to {len(seeds) - 1} in split {split}, and at "
            f"least 1"
        )
    records = _records(what, seeds[seed], count, images, segments)
    told = (_told(record, number, count) for number, record in enumerate(records, start=1))
    written = format_named(form or FORMS[what]).write(told, folder)
    print(f"{written} {what} in {folder}")
    return DONE


FORMS = {"clips": "got10k", "drives": "dair_v2x", "follows": "trackvla"}


def _records(
    what: str, seed: int, count: int, images: Path | None, segments: Path | None
) -> Iterator[Clip | Episode]:
    if what == "clips":
        from wayscan.world.clips import ClipsSpec, stream_clips
        from wayscan.world.sprites.clips import ClipSpec
        from wayscan.world.sprites.library import Sources

        sources = Sources(images=images, segments=segments)
        return stream_clips(seed, count, ClipsSpec(sprites=ClipSpec(sources=sources)))
    if images or segments:
        raise ValueError(f"images and segments are for the sprites of clips, not for {what}; leave them out")
    if what == "drives":
        from wayscan.world.drives import drives

        return drives(seed, range(count))
    from wayscan.world.follows import stream_follows

    return stream_follows(seed, count)


def _told(record: Clip | Episode, number: int, count: int) -> Clip | Episode:
    print(f"{number} of {count}: {record.name}", file=sys.stderr)
    return record


VERBS: dict[str, Callable[..., int]] = {"show": show, "make": make}
