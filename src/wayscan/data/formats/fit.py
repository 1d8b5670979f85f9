"""Whether an episode fits a format, before it is written: what has no place must not be lost silently."""

import numpy as np

from wayscan.data.records import Episode

LEEWAY = 1e-3  # seconds that a step may differ


def check_fits(episode: Episode, source: str, *, dt: float, cameras: tuple[str, ...]) -> None:
    """Refuse steps that are not `dt`, and cameras that the format does not have."""
    gaps = np.diff(episode.times)
    if len(episode) < 2 or np.abs(gaps - dt).max() > LEEWAY:
        steps = f"steps of {gaps.min():g} to {gaps.max():g} s" if len(gaps) else "one moment"
        raise ValueError(
            f"episode {episode.name!r} has {steps}; {source} has steps of {dt:g} s, two moments at least; "
            f"sample it so"
        )
    others = [name for name in (*episode.videos, *episode.lenses) if name not in cameras]
    if others:
        raise ValueError(
            f"episode {episode.name!r} has camera {others[0]!r}; {source} has {' and '.join(cameras)}; "
            f"rename it, or leave it out"
        )
