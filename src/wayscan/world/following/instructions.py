"""What the robot is told: whom to follow, in words that fit nobody else."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from wayscan.world.actors.figure import ATTRIBUTES, Outfit
from wayscan.world.colours import COLOURS, HAIR

TEMPLATES = (
    "Follow the person {words}.",
    "Please follow the person {words}.",
    "Follow the pedestrian {words}.",
    "Keep following the person {words}.",
    "Stay behind the person {words}.",
    "Keep up with the person {words}.",
    "Go after the person {words}.",
    "Stay close to the person {words}.",
    "Do not lose sight of the person {words}.",
    "Your target is the person {words}: follow them.",
    "Keep your distance and walk behind the person {words}.",
    "Accompany the person {words} wherever they go.",
    "Stay near and track the person {words}.",
    "Move with the person {words}.",
    "Trail the person {words} at a safe distance.",
    "Be the shadow of the person {words}.",
)
ALIKE = 0.42  # distance of two colours below which words are no help at a glance


def instruct(outfit: Outfit, attributes: Sequence[str], rng: np.random.Generator) -> str:
    """One instruction that names these attributes."""
    return str(rng.choice(TEMPLATES)).format(words=outfit.words(attributes, rng))


def differ(attribute: str, one: Outfit, other: Outfit) -> bool:
    """Whether an attribute tells two people apart at a glance."""
    palette = HAIR if attribute == "hair" else COLOURS
    first, second = (np.array(palette[getattr(each, attribute)]) for each in (one, other))
    return bool(np.linalg.norm(first - second) >= ALIKE)


def identifies(attributes: Sequence[str], outfit: Outfit, others: Sequence[Outfit]) -> bool:
    """Whether nobody else fits the description."""
    return all(any(differ(name, outfit, other) for name in attributes) for other in others)


def identifying(outfit: Outfit, others: Sequence[Outfit], rng: np.random.Generator) -> tuple[str, ...]:
    """Attributes that fit the outfit alone: as few as will do, half of the time with one more."""
    clothes = ATTRIBUTES[:2]
    for count in (1, 2):
        fitting = [names for names in combinations(clothes, count) if identifies(names, outfit, others)]
        if fitting:
            chosen = fitting[int(rng.integers(len(fitting)))]
            spare = [name for name in ATTRIBUTES if name not in chosen]
            more = {str(rng.choice(spare))} if rng.random() < 0.5 else set()
            return tuple(name for name in ATTRIBUTES if name in {*chosen, *more})
    raise ValueError(f"shirt and trousers of {outfit} do not tell it from {list(others)}")
