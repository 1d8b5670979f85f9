"""`wayscan world VERB`: look at the embedded world's data sets and trials, and write them to disk."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

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


VERBS: dict[str, Callable[..., int]] = {"show": show}
