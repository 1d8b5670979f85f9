"""People: sixteen solids that stand or walk.

    outfit = Outfit.draw(rng)
    scene.with_movers(walker_solids(outfit, x, y, yaw, phase, speed, instance))
    phase += phase_advance(speed, outfit.height, dt)  # then the foot on the ground does not slide

The legs follow from where the feet are: a foot on the ground moves back under the body exactly as fast as
the body moves on, a foot in the air swings forward, and knees bend as two rods of fixed length demand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import tau

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world.colours import COLOURS, HAIR, SKIN, colour
from wayscan.world.scene import SOLID, Shape, Solids, Texture

PARTS = 16  # solids of one walker
RADIUS = 0.25  # metres of floor around a walker's middle that nobody else enters

# Lengths in body heights.
ANKLE, THIGH, SHIN = 0.045, 0.243, 0.243
HIPS, SHOULDERS = 0.052, 0.107  # half the distance between the joints
SHOULDER_HEIGHT, UPPER_ARM, FOREARM = 0.805, 0.17, 0.20
STRAIGHT = 0.985  # of the leg's length: the knee never quite locks
STEP_FORWARD = 0.3  # m/s from which on steps are as long as the stride says

ARMS, LEGS, FEET = (0.031, 0.031, 0.024, 0.024), (0.049, 0.049, 0.038, 0.038), (0.027, 0.027)  # radii

ATTRIBUTES = ("shirt", "trousers", "hair")
MANNERS = ("wearing", "in", "dressed in")
SHIRTS = ("shirt", "top", "sweater")
TROUSERS = ("trousers", "pants")

LEFT_RIGHT = np.array([1.0, -1.0])


@dataclass(frozen=True, kw_only=True)
class Outfit:
    """How a walker looks: names of wayscan.world.colours, a row of SKIN, metres."""

    shirt: str = "red"
    trousers: str = "blue"
    hair: str = "brown"
    skin: int = 0
    height: float = 1.75

    def __post_init__(self) -> None:
        for name in (self.shirt, self.trousers):
            colour(name)
        if self.hair not in HAIR or not 0 <= self.skin < len(SKIN):
            raise ValueError(
                f"hair, skin are {(self.hair, self.skin)}; expected one of {', '.join(HAIR)} and a number "
                f"from 0 to {len(SKIN) - 1}"
            )
        if not 0.5 <= self.height <= 2.5:
            raise ValueError(f"height is {self.height}; expected 0.5 to 2.5 m")

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Outfit":
        """Anybody; the trousers have another colour than the shirt."""
        shirt, trousers = rng.choice(list(COLOURS), 2, replace=False).tolist()
        hair = str(rng.choice(list(HAIR)))
        skin, height = int(rng.integers(len(SKIN))), float(np.clip(rng.normal(1.73, 0.08), 1.5, 1.98))
        return cls(shirt=shirt, trousers=trousers, hair=hair, skin=skin, height=height)

    def words(
        self,
        attributes: Sequence[str] = ("shirt", "trousers", "hair"),
        rng: np.random.Generator | None = None,
    ) -> str:
        """What the person wears, by the attributes asked for; `rng` varies the phrasing.

        >>> Outfit(shirt="orange").words(["shirt"])
        'wearing an orange shirt'
        >>> Outfit(hair="blond").words(["trousers", "hair"])
        'wearing blue trousers, with blond hair'
        """
        unknown = set(attributes) - set(ATTRIBUTES)
        if unknown or not attributes:
            raise ValueError(f"attributes are {list(attributes)}; expected some of {', '.join(ATTRIBUTES)}")
        draw = _first if rng is None else rng.choice
        article = _article(self.shirt) if draw([True, False]) else "the"
        worn = [f"{article} {self.shirt} {draw(SHIRTS)}"] if "shirt" in attributes else []
        worn += [f"{self.trousers} {draw(TROUSERS)}"] if "trousers" in attributes else []
        if "hair" not in attributes:
            return f"{draw(MANNERS)} {' and '.join(worn)}"
        hair = f"with {self.hair} hair"
        if not worn:
            return hair
        clothes = f"{draw(MANNERS)} {' and '.join(worn)}"
        return f"{clothes}, {hair}" if draw([True, False]) else f"{hair}, {clothes}"


def _first(options: Sequence) -> object:
    return options[0]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def stride(speed: ArrayLike, height: ArrayLike) -> NDArray[np.float64]:
    """Metres of one cycle (two steps): long legs and hurry make it longer."""
    return np.asarray(height) * (0.32 + 0.33 * np.minimum(np.asarray(speed), 2.2))


def phase_advance(speed: ArrayLike, height: ArrayLike, dt: float) -> NDArray[np.float64]:
    """Radians of gait in dt seconds."""
    return tau * np.asarray(speed) * dt / stride(speed, height)


def walker_solids(
    outfit: Outfit, x: float, y: float, yaw: float, phase: float, speed: float, instance: int
) -> Solids:
    """One walker at (x, y), facing yaw: (PARTS,) solids."""
    return walkers_solids([outfit], np.array([[x, y, yaw]]), [phase], [speed], [instance])


def walkers_solids(
    outfits: Sequence[Outfit],
    poses: NDArray[np.float64],
    phases: ArrayLike,
    speeds: ArrayLike,
    instances: ArrayLike,
) -> Solids:
    """N walkers in one table: poses (N, 3); phases, speeds and instances (N,) → (N · PARTS,) solids."""
    count = len(outfits)
    table = np.concatenate([np.zeros((0, PARTS), SOLID), *(_dressed(outfit)[None] for outfit in outfits)])
    height = np.array([outfit.height for outfit in outfits]).reshape(count)
    start, end, radius = _posture(height, np.asarray(phases), np.asarray(speeds))
    cosine, sine = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    table["instance"] = np.asarray(instances)[:, None]
    table["turn"] = np.stack([cosine, sine], axis=-1)[:, None]
    table["a"] = _placed(start, poses, cosine, sine)
    rods = table["shape"] == Shape.CAPSULE
    table["b"] = np.where(rods[..., None], _placed(end, poses, cosine, sine), end)
    table["radius"] = np.where(rods, radius, 0.0)
    return table.reshape(-1)


def _placed(
    points: NDArray[np.float64], poses: NDArray[np.float64], cosine: NDArray, sine: NDArray
) -> NDArray[np.float64]:
    """Points (N, PARTS, 3) of bodies at the origin, facing x, brought to the poses (N, 3)."""
    forward, left, up = points[..., 0], points[..., 1], points[..., 2]
    cosine, sine = cosine[:, None], sine[:, None]
    x = poses[:, :1] + cosine * forward - sine * left
    y = poses[:, 1:2] + sine * forward + cosine * left
    return np.stack([x, y, up], axis=-1)


# ---- the body: parts in the order of _dressed -----------------------------------------------------------


@lru_cache(maxsize=1024)
def _dressed(outfit: Outfit) -> Solids:
    """What of a walker's solids does not move: shapes and looks (PARTS,)."""
    shirt, trousers = COLOURS[outfit.shirt], COLOURS[outfit.trousers]
    skin, hair, shoes = SKIN[outfit.skin], HAIR[outfit.hair], (0.13, 0.10, 0.09)
    cloth, bare = Texture.FINE, Texture.PLAIN
    parts = [
        (Shape.ELLIPSOID, shirt, cloth),  # chest and belly
        (Shape.CAPSULE, shirt, cloth),  # shoulders
        (Shape.CAPSULE, trousers, cloth),  # hips
        (Shape.CAPSULE, skin, bare),  # neck
        (Shape.ELLIPSOID, skin, bare),  # head
        (Shape.ELLIPSOID, hair, bare),
        *[(Shape.CAPSULE, shirt, cloth)] * 2,  # upper arms
        *[(Shape.CAPSULE, skin, bare)] * 2,  # forearms with hands
        *[(Shape.CAPSULE, trousers, cloth)] * 4,  # thighs, shins
        *[(Shape.CAPSULE, shoes, bare)] * 2,
    ]
    table = np.zeros(PARTS, SOLID)
    for row, (shape, paint, texture) in zip(table, parts, strict=True):
        row["shape"], row["colour"], row["texture"] = shape, paint, texture
        row["tile"], row["contrast"] = 0.6, 0.0 if texture == Texture.PLAIN else 0.25
    return table


def _posture(
    height: NDArray[np.float64], phase: NDArray[np.float64], speed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Starts, ends (half axes of ellipsoids) (N, PARTS, 3) and radii (N, PARTS) at the origin, facing x.

    Computed in body heights; the last axis of the legs' and arms' arrays is left, right.
    """
    cycle = np.stack([phase, phase + np.pi], axis=-1)  # (N, 2)
    hurry = np.clip(speed / STEP_FORWARD, 0, 1)
    reach = (stride(speed, 1.0) / 4 * hurry)[:, None]
    foot, lift, tilt = _foot(cycle, reach)
    on_ground = np.where(lift > 0, 0.0, np.abs(foot)).max(axis=-1)
    leg = STRAIGHT * (THIGH + SHIN)
    hip = ANKLE + np.sqrt(leg**2 - on_ground**2)  # (N,)
    knee = _knee(foot, ANKLE + lift - hip[:, None])
    sink = hip - ANKLE - leg  # the whole body goes up and down with the hips
    lean = 0.02 * np.clip(speed, 0, 2)

    count = len(height)
    start, end, radius = np.zeros((count, PARTS, 3)), np.zeros((count, PARTS, 3)), np.zeros((count, PARTS))

    def upper(forward: float, left: float, up: float) -> NDArray[np.float64]:
        """A point of the upper body, which leans forward a little."""
        ahead = forward + lean * (up - 0.5) / 0.3
        return np.stack([ahead, np.full(count, left), up + sink], axis=-1)

    start[:, 0], end[:, 0] = upper(0.0, 0.0, 0.665), (0.07, 0.098, 0.175)
    start[:, 1], end[:, 1] = upper(0.0, -0.082, 0.79), upper(0.0, 0.082, 0.79)
    start[:, 2], end[:, 2] = upper(0.0, -0.036, 0.528), upper(0.0, 0.036, 0.528)
    start[:, 3], end[:, 3] = upper(0.0, 0.0, 0.8), upper(0.005, 0.0, 0.88)
    start[:, 4], end[:, 4] = upper(0.012, 0.0, 0.922), (0.052, 0.044, 0.066)
    start[:, 5], end[:, 5] = upper(-0.001, 0.0, 0.945), (0.059, 0.051, 0.053)

    swing = -(0.16 + 0.2 * np.clip(speed / 1.4, 0, 1.4))[:, None] * hurry[:, None] * np.cos(cycle)
    bend = (0.12 + 0.3 * hurry)[:, None] + np.maximum(swing, 0)
    for side, sign in enumerate(LEFT_RIGHT.tolist()):
        shoulder = upper(0.0, sign * SHOULDERS, SHOULDER_HEIGHT - 0.015)
        elbow = shoulder + _rod(UPPER_ARM, swing[:, side], sign * 0.02)
        hand = elbow + _rod(FOREARM, swing[:, side] + bend[:, side], sign * 0.005)
        hip_joint = np.stack([np.zeros(count), np.full(count, sign * HIPS), hip], axis=-1)
        knee_joint = hip_joint + np.stack([knee[0][:, side], np.zeros(count), knee[1][:, side]], axis=-1)
        ankle = np.stack([foot[:, side], np.full(count, sign * HIPS), ANKLE + lift[:, side]], axis=-1)
        toes = ankle + _sole(0.095, tilt[:, side])
        heel = ankle + _sole(-0.02, tilt[:, side])
        for part, (a, b) in zip(
            (6, 8, 10, 12, 14),
            ((shoulder, elbow), (elbow, hand), (hip_joint, knee_joint), (knee_joint, ankle), (heel, toes)),
            strict=True,
        ):
            start[:, part + side], end[:, part + side] = a, b
    radius[:] = (0, 0.046, 0.06, 0.034, 0, 0, *ARMS, *LEGS, *FEET)
    scale = height[:, None, None]
    return start * scale, end * scale, radius * height[:, None]


def _foot(
    cycle: NDArray[np.float64], reach: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where a foot is in its cycle: forward of the hips, above the ground, pitch of the sole.

    The first half of the cycle it stands, the second it swings.
    """
    turn = np.mod(cycle, tau) / np.pi  # 0 to 2
    stands = turn < 1
    air = np.clip(turn - 1, 0, 1)
    forward = np.where(stands, reach * (1 - 2 * turn), -reach * np.cos(np.pi * air))
    brisk = np.minimum(reach / 0.15, 1.2)
    lift = np.where(stands, 0.0, brisk * (0.05 * np.sin(np.pi * air) + 0.03 * np.sin(tau * air).clip(0)))
    tilt = np.where(stands, 0.0, -0.7 * brisk * np.sin(tau * air))
    return forward, lift, tilt


def _knee(
    forward: NDArray[np.float64], up: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The knee, relative to the hip, of a leg whose ankle is at (forward, up): it bends to the front."""
    far = np.hypot(forward, up)
    along = (far**2 + THIGH**2 - SHIN**2) / (2 * far)
    aside = np.sqrt(np.maximum(THIGH**2 - along**2, 0))
    return (along * forward - aside * up) / far, (along * up + aside * forward) / far


def _rod(length: float, angle: NDArray[np.float64], outwards: float) -> NDArray[np.float64]:
    """From a joint to the end of a hanging rod that is swung forward by an angle: (N, 3)."""
    return np.stack([length * np.sin(angle), np.full(len(angle), outwards), -length * np.cos(angle)], axis=-1)


def _sole(length: float, tilt: NDArray[np.float64]) -> NDArray[np.float64]:
    """From the ankle to a point of the sole, `length` ahead of it."""
    below = 0.027 - ANKLE
    return np.stack(
        [
            length * np.cos(tilt) - below * np.sin(tilt),
            0 * tilt,
            length * np.sin(tilt) + below * np.cos(tilt),
        ],
        axis=-1,
    )
