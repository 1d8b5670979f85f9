"""Windows: moments of following: the pictures so far, an instruction, and where the way went on.

H history, T waypoints. Waypoints are poses (x, y, θ) at dt, 2 dt, … T dt after the current frame, in metres
and radians, in the frame that the body had then (x forward, y left). The start (0, 0, 0) is not among them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.data.records import Episode
from wayscan.geometry.poses import to_ego

HISTORY, HORIZON, DT = 31, 8, 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Window:
    """One sample."""

    current: Path
    images: tuple[Path, ...] = ()  # ≤ H, the oldest first; fewer at the start of an episode
    instruction: str = ""
    waypoints: NDArray[np.float64]  # (T, 3)
    valid: NDArray[np.bool_] = None  # type: ignore[assignment]  # (T,); all if not given
    actions: NDArray[np.float64] | None = None  # (T + 1, 3) = (vx, vy, ω) from the current frame on
    dt: float = DT
    facts: Mapping[str, Any] = field(default_factory=dict)  # collision, target_distance, what else is said
    source: str = ""
    synthetic: bool = False

    def __post_init__(self) -> None:
        if self.waypoints.ndim != 2 or self.waypoints.shape[1] != 3 or not len(self.waypoints):
            raise ValueError(
                f"window of {self.current}: waypoints have shape {self.waypoints.shape}; expected (T, 3): x, "
                f"y, θ"
            )
        if not np.isfinite(self.waypoints).all():
            raise ValueError(
                f"window of {self.current}: waypoints hold NaN or infinity; expected finite metres and "
                f"radians, and `valid` False where nothing is known"
            )
        if self.valid is None:
            object.__setattr__(self, "valid", np.ones(len(self.waypoints), dtype=np.bool_))
        if self.valid.shape != (len(self.waypoints),):
            raise ValueError(
                f"window of {self.current}: valid has shape {self.valid.shape}; expected "
                f"({len(self.waypoints)},)"
            )
        if not self.dt > 0:
            raise ValueError(f"window of {self.current}: dt is {self.dt}; expected seconds above 0")


def windows_of(
    episode: Episode,
    pictures: Sequence[Path],
    *,
    history: int = HISTORY,
    horizon: int = HORIZON,
    stride: int = 1,
) -> list[Window]:
    """Every `stride`-th moment of an episode whose frames lie in `pictures`, except the last.

    Beyond the end the last pose stands in, marked as not valid.
    """
    if len(pictures) != len(episode):
        raise ValueError(
            f"episode {episode.name!r} has {len(episode)} moments, but {len(pictures)} pictures came; "
            f"expected one each"
        )
    dt = round(float(np.median(np.diff(episode.times))), 6) if len(episode) > 1 else DT
    return [_window(episode, pictures, k, history, horizon, dt) for k in range(0, len(episode) - 1, stride)]


def _window(
    episode: Episode, pictures: Sequence[Path], k: int, history: int, horizon: int, dt: float
) -> Window:
    ahead = np.arange(k + 1, k + 1 + horizon)
    held = np.minimum(ahead, len(episode) - 1)
    actions = None
    if episode.actions is not None:
        actions = np.zeros((horizon + 1, episode.actions.shape[1]))
        known = episode.actions[k : k + horizon + 1]
        actions[: len(known)] = known
    distance = episode.facts.get("dis_to_human")
    return Window(
        current=pictures[k],
        images=tuple(pictures[max(k - history, 0) : k]),
        instruction=episode.text,
        waypoints=to_ego(episode.poses[held], episode.poses[k]),
        valid=ahead < len(episode),
        actions=actions,
        dt=dt,
        facts={
            "collision": bool(episode.facts.get("collision", False)),
            "target_distance": 0.0 if distance is None else float(distance[k]),
            "episode": episode.name,
        },
        source=episode.source,
        synthetic=episode.synthetic,
    )
