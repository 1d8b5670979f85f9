"""Recordings of the expert following people, made by (seed, index): data for followers, with no download.

    episode = make_follow(seed=0, index=3)  # a data.Episode: video, poses, tracks, actions, instruction
    write_episodes(stream_follows(seed=1_000, count=50), FOLDER)  # data.formats.trackvla

Frame k was seen before action k. `actions` are what the expert asked for, in m/s and rad/s. In the share
`perturbed` of the episodes the robot is driven off its way now and then, for a moment but into nothing, so
that recovering is seen too: `facts["executed"]` is what it was told then and `facts["perturbed"]` says when.
Seeds are split as wayscan.world.splits says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wayscan.data.records import Episode, Lens
from wayscan.world.cameras import Camera
from wayscan.world.following import FOLLOW_VERSION
from wayscan.world.following.expert import Expert, foreseeing
from wayscan.world.following.pursuit import DT, LIMITS, Pursuit
from wayscan.world.following.tasks import SPLITS, FollowSpec, check_split, draw_task

CALM, PUSH = (15, 45), (4, 9)  # steps between pushes, and of a push


@dataclass(frozen=True, kw_only=True)
class FollowsSpec:
    """What recordings are like. The defaults are frozen with FOLLOW_VERSION."""

    split: Literal["single", "distracted", "ambiguous", "all"] = "all"
    """One split, or each in turn."""
    perturbed: float = 0.5
    """Share of the episodes with pushes."""
    follow: FollowSpec = field(default_factory=FollowSpec)

    def __post_init__(self) -> None:
        if self.split != "all":
            check_split(self.split)
        if not 0 <= self.perturbed <= 1:
            raise ValueError(f"perturbed is {self.perturbed}; expected a share from 0 to 1")


def stream_follows(
    seed: int, count: int, spec: FollowsSpec | None = None, first: int = 0
) -> Iterator[Episode]:
    """Episodes `first` to `first + count - 1` of a seed, made when they are asked for."""
    return (make_follow(seed, index, spec) for index in range(first, first + count))


def make_follow(seed: int, index: int, spec: FollowsSpec | None = None) -> Episode:
    """Episode `index` of a seed: a function of (seed, index) and the spec alone."""
    spec = spec or FollowsSpec()
    rng = np.random.default_rng((seed, index, 4))
    split = SPLITS[index % len(SPLITS)] if spec.split == "all" else spec.split
    pursuit = Pursuit(draw_task(rng, split), spec.follow)
    pushes = _pushes(rng, spec.follow.rules.steps, rng.random() < spec.perturbed)
    recorded = _record(pursuit, pushes)
    outcome, count = pursuit.outcome(), len(recorded.poses)
    task, people = pursuit.task, np.array(recorded.people)
    names = ["target", *(f"walker {k}" for k in range(1, len(task.outfits)))]
    return Episode(
        name=f"{split}/seed_{seed}/{task.place.kind}/{index}",
        times=np.arange(count, dtype=np.float64) * DT,
        poses=np.array(recorded.poses),
        videos={"front": np.array(recorded.images)},
        lenses={"front": _lens(spec.follow)},
        tracks={name: people[:, k] for k, name in enumerate(names)},
        sizes={name: (0.4, 0.5, outfit.height) for name, outfit in zip(names, task.outfits, strict=True)},
        actions=np.array(recorded.asked),
        text=task.instruction,
        facts={
            "dis_to_human": np.array(recorded.distances),
            "facing": np.array(recorded.facing, dtype=float),
            "following": np.array(recorded.following),
            "executed": np.array(recorded.executed),
            "perturbed": (pushes[:count] != 0).any(axis=1),
            "velocity_scale": (1.0, 1.0, 1.0),
            "split": split,
            "seed": seed,
            "index": index,
            "scene": task.place.kind,
            "attributes": task.attributes,
            "finish": outcome.status in ("time", "arrived"),
            "status": outcome.status,
            "success": outcome.success,
            "collision": outcome.collision,
            "following_step": outcome.following_steps,
            "following_rate": outcome.following_steps / outcome.steps,
            "total_step": outcome.steps,
        },
        source=f"wayscan follows v{FOLLOW_VERSION}",
        synthetic=True,
    )


@dataclass(kw_only=True, eq=False)
class _Recorded:
    """One row a step, taken before it."""

    images: list[NDArray[np.uint8]] = field(default_factory=list)
    poses: list[NDArray[np.float64]] = field(default_factory=list)
    people: list[NDArray[np.float64]] = field(default_factory=list)  # (N, 3) each
    asked: list[NDArray[np.float64]] = field(default_factory=list)
    executed: list[NDArray[np.float64]] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    facing: list[bool] = field(default_factory=list)
    following: list[bool] = field(default_factory=list)


def _record(pursuit: Pursuit, pushes: NDArray[np.float64]) -> _Recorded:
    recorded, expert = _Recorded(), Expert()
    while pursuit.status == "running":
        view, asked = pursuit.look(), expert(pursuit)
        push = pushes[pursuit.step_count]
        executed = foreseeing(pursuit, np.clip(asked + push, -LIMITS, LIMITS)) if push.any() else asked
        recorded.images.append(view.image)
        recorded.poses.append(pursuit.robot.copy())
        recorded.people.append(pursuit.crowd.poses)
        recorded.asked.append(asked)
        recorded.executed.append(executed)
        recorded.distances.append(pursuit.distance)
        recorded.facing.append(abs(pursuit.bearing) < pursuit.spec.view / 2)
        recorded.following.append(pursuit.following)
        pursuit.step(executed)
    return recorded


def _pushes(rng: np.random.Generator, steps: int, any_: bool) -> NDArray[np.float64]:
    """What is added to the commands (steps, 3): nothing most of the time, then the same for some steps."""
    pushes = np.zeros((steps, 3))
    step = int(rng.integers(*CALM)) if any_ else steps
    while step < steps:
        lasts = int(rng.integers(*PUSH))
        pushes[step : step + lasts] = rng.uniform(-1, 1, 3) * LIMITS
        step += lasts + int(rng.integers(*CALM))
    return pushes


def _lens(spec: FollowSpec) -> Lens:
    camera = Camera(
        width=spec.width, height=spec.height, position=(0.0, 0.0, spec.camera_height), field=spec.view
    )
    return Lens(matrix=camera.matrix, pose=camera.pose)
