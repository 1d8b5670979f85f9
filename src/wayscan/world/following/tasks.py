"""Episodes before they begin: a place, people and their clothes, where they go, what the robot is told."""

from dataclasses import dataclass, field
from math import pi
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wayscan.names import expect_one_of
from wayscan.world.actors.crowd import free_places
from wayscan.world.actors.figure import Outfit
from wayscan.world.following.instructions import differ, identifying, instruct
from wayscan.world.following.rules import Rules
from wayscan.world.places import Place, draw_place

Split = Literal["single", "distracted", "ambiguous"]
SPLITS: tuple[Split, ...] = get_args(Split)

DISTRACTORS = (3, 6)  # how many, in the splits that have any
START = (1.5, 2.4)  # metres from the robot to the target
LEG = (4.0, 11.0)  # metres of straight line from goal to goal
SHORT, LONG = (10.0, 20.0), 45.0  # metres of a way that ends early, and of one that does not
SHARE_SHORT = 0.5
ATTEMPTS = 200


@dataclass(frozen=True, kw_only=True)
class FollowSpec:
    """What the robot sees and how it is judged."""

    width: int = 128
    height: int = 128
    view: float = pi / 2  # horizontal angle
    camera_height: float = 1.0
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 16:
            raise ValueError(
                f"width, height are {(self.width, self.height)}; expected at least 16 pixels each"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Leg:
    """A part of the target's way: where to, how fast, how long it stands there."""

    goal: tuple[float, float]
    speed: float
    pause: float  # seconds


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """An episode before it begins. Walker 0 is the target."""

    split: Split
    place: Place
    outfits: tuple[Outfit, ...]
    starts: NDArray[np.float64]  # (N, 2)
    speeds: NDArray[np.float64]  # (N,)
    headings: NDArray[np.float64]  # (N,)
    robot: NDArray[np.float64]  # (3,)
    legs: tuple[Leg, ...]
    attributes: tuple[str, ...]  # that the instruction names
    instruction: str
    seed: int  # of where the others go


def check_split(split: str) -> Split:
    return expect_one_of("split", split, SPLITS)


def draw_task(rng: np.random.Generator, split: str = "single") -> Task:
    """An episode of a split."""
    split = check_split(split)
    count = 0 if split == "single" else int(rng.integers(DISTRACTORS[0], DISTRACTORS[1] + 1))
    target = Outfit.draw(rng)
    others = _others(rng, target, count, split)
    attributes = identifying(target, others, rng)
    for _ in range(ATTEMPTS):
        place = draw_place(rng, first_instance=1 + count)
        start = free_places(rng, place.floor, 1, low=-place.half, high=place.half)[0]
        legs = _way(rng, place, start)
        robot = None if legs is None else _behind(rng, place, start, legs)
        if legs is None or robot is None:
            continue
        starts = _scattered(rng, place, start, robot, count)
        if starts is None:
            continue
        headings = rng.uniform(-pi, pi, count)
        return Task(
            split=split,
            place=place,
            outfits=(target, *others),
            starts=np.concatenate([start[None], starts]),
            speeds=np.concatenate([[legs[0].speed], rng.uniform(0.5, 1.3, count)]),
            headings=np.concatenate([[_heading(place, start, legs[0].goal)], headings]),
            robot=robot,
            legs=legs,
            attributes=attributes,
            instruction=instruct(target, attributes, rng),
            seed=int(rng.integers(2**32)),
        )
    raise RuntimeError(f"no episode of split {split!r} in {ATTEMPTS} drafts; draw another")


# ---- people ---------------------------------------------------------------------------------------------


def _others(rng: np.random.Generator, target: Outfit, count: int, split: Split) -> tuple[Outfit, ...]:
    """Outfits of those who are not followed."""
    others: list[Outfit] = []
    shared = _shared(rng, count) if split == "ambiguous" else [""] * count
    for same in shared:
        for _ in range(ATTEMPTS):
            other = Outfit.draw(rng)
            if same:
                other = _in_the_same(other, target, same)
            apart = [name for name in ("shirt", "trousers") if name != same]
            if other.shirt != other.trousers and all(differ(name, other, target) for name in apart):
                others.append(other)
                break
        else:
            raise RuntimeError(f"no outfit in {ATTEMPTS} differs from {target}; draw another episode")
    return tuple(others)


def _shared(rng: np.random.Generator, count: int) -> list[str]:
    """What each of the others has of the target: all the shirt, all the trousers, or some the one and some
    the other.
    """
    kind = str(rng.choice(["shirt", "trousers", "either"], p=[0.35, 0.35, 0.3]))
    if kind != "either":
        return [kind] * count
    return ["shirt", "trousers", *rng.choice(["shirt", "trousers"], count - 2).tolist()]


def _in_the_same(other: Outfit, target: Outfit, attribute: str) -> Outfit:
    clothes = {"shirt": other.shirt, "trousers": other.trousers, attribute: getattr(target, attribute)}
    return Outfit(**clothes, hair=other.hair, skin=other.skin, height=other.height)


# ---- ways -----------------------------------------------------------------------------------------------


def _way(rng: np.random.Generator, place: Place, start: NDArray[np.float64]) -> tuple[Leg, ...] | None:
    """Goals one after the other until the way is long enough; None if the place has no such way."""
    wanted = rng.uniform(*SHORT) if rng.random() < SHARE_SHORT else LONG
    pace = rng.uniform(0.65, 1.2)
    legs: list[Leg] = []
    here, length = start, 0.0
    for _ in range(ATTEMPTS):
        goal = free_places(rng, place.floor, 1, low=-place.half, high=place.half)[0]
        route = place.floor.route(here, goal)
        if route is None or not LEG[0] <= np.linalg.norm(goal - here) <= LEG[1]:
            continue
        pause = float(rng.uniform(0.5, 3.0)) if rng.random() < 0.5 else 0.0
        speed = float(np.clip(pace * rng.uniform(0.85, 1.15), 0.6, 1.25))
        legs.append(Leg(goal=(float(goal[0]), float(goal[1])), speed=speed, pause=pause))
        length += float(np.linalg.norm(np.diff(np.vstack([here, route]), axis=0), axis=1).sum())
        here = goal
        if length >= wanted:
            return tuple(legs)
    return None


def _heading(place: Place, start: NDArray[np.float64], goal: tuple[float, float]) -> float:
    route = place.floor.route(start, goal)
    way = (np.array(goal) if route is None else route[0]) - start
    return float(np.arctan2(way[1], way[0]))


def _behind(
    rng: np.random.Generator, place: Place, start: NDArray[np.float64], legs: tuple[Leg, ...]
) -> NDArray[np.float64] | None:
    """A pose of the robot behind the target, more or less, and turned to it, more or less."""
    heading = _heading(place, start, legs[0].goal)
    for _ in range(20):
        angle = heading + pi + rng.uniform(-1.0, 1.0)
        where = start + rng.uniform(*START) * np.array([np.cos(angle), np.sin(angle)])
        if place.floor.distance(where)[0] > 0.5 and place.floor.clear(where[None], start[None], 0.3)[0]:
            return np.array([*where, angle + pi + rng.uniform(-0.35, 0.35)])
    return None


def _scattered(
    rng: np.random.Generator, place: Place, start: NDArray[np.float64], robot: NDArray[np.float64], count: int
) -> NDArray[np.float64] | None:
    """Where the others are: half of them near the target, none between it and the robot."""
    here = robot[:2]
    line = here + np.linspace(0, 1, 6)[:, None] * (start - here)
    near = count // 2
    low, high = np.maximum(start - 5, -place.half), np.minimum(start + 5, place.half)
    try:
        close = free_places(rng, place.floor, near, low=low, high=high, taken=line, apart=1.1)
        taken = np.concatenate([line, close])
        far = free_places(
            rng, place.floor, count - near, low=-place.half, high=place.half, taken=taken, apart=1.1
        )
    except ValueError:  # too full here
        return None
    return np.concatenate([close, far])
