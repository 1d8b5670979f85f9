"""Who plays: the scene, the target, its look-alikes and what hides it, drawn from a library."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from wayscan.geometry.boxes import Boxes, enclosing_box
from wayscan.world.sprites.compose import Bend, Wave
from wayscan.world.sprites.cutouts import Scene, Sprite, SpriteKind, blob_mask, outline_of
from wayscan.world.sprites.library import Library

Name = TypeVar("Name")
Kind = Literal["object", "shape", "texture", "scene"]

# Shares, where the library has many of each kind; a kind of which it has few is drawn less.
NATURAL_SCENES, FEW_NATURAL_SCENES, MANY_SCENES = 0.85, 0.6, 100
MANY_SPRITES = 300
TARGETS: dict[Kind, float] = {"object": 0.5, "shape": 0.14, "texture": 0.08, "scene": 0.28}
EXTRAS: dict[SpriteKind, float] = {"object": 0.8, "shape": 0.12, "texture": 0.08}  # what else stands there
PARTS = 0.15  # of sprite targets: only a part of the sprite is the target
REGIONS = 0.5  # of scene targets: the outline of a thing seen in the photograph, not an arbitrary patch
LARGEST_REGION = 0.25  # √(w · h) of such an outline over the photograph's longer side
LEAST_DIFFERENCE = 60.0  # of sprite and scene: mean colour, summed over channels; three draws try for it
LEAST_CONTRAST = 12.0  # grey levels: a part of a clear sky is nothing that can be followed
TWINS = 0.35  # of distractors: the target's own sprite again
SIBLINGS = 0.2  # of distractors: another object of the target's photograph
MAGNIFICATION = 1.4  # of a picture, at most: more would be blurred as no lens blurs


@dataclass(frozen=True, eq=False)
class Role:
    """The target before it is placed: a sprite (None: the scene) and the outline to follow."""

    sprite: Sprite | None
    outline: NDArray[np.float64]  # (n, 2) in the pixels of the sprite or scene
    whole: bool

    @cached_property
    def box(self) -> Boxes:
        return enclosing_box(self.outline)

    @cached_property
    def side(self) -> float:
        """√(w · h) in the picture's pixels."""
        return float((self.box[2] * self.box[3]) ** 0.5)

    @property
    def anchor(self) -> tuple[float, float]:
        """Centre of its box in the picture."""
        x, y, w, h = self.box.tolist()
        return x + w / 2, y + h / 2


def pick(rng: np.random.Generator, members: tuple[int, ...]) -> int:
    return members[int(rng.integers(len(members)))]


def draw_scene(rng: np.random.Generator, library: Library) -> Scene:
    natural, textures = library.scenes_by_nature[True], library.scenes_by_nature[False]
    wants_natural = rng.random() < (NATURAL_SCENES if len(natural) >= MANY_SCENES else FEW_NATURAL_SCENES)
    return library.scenes[pick(rng, (natural or textures) if wants_natural else (textures or natural))]


def draw_role(rng: np.random.Generator, library: Library, scene: Scene) -> Role:
    """Draw what is followed."""
    shares: dict[Kind, float] = {name: _worth(library, name, share) for name, share in TARGETS.items()}
    name = _drawn(rng, shares)
    if name == "scene":
        return Role(None, _scene_outline(rng, scene), False)
    sprite = library.sprites[pick(rng, library.sprites_by_kind[name])]
    for _ in range(2):
        if np.abs(sprite.colour - scene.colour).sum() >= LEAST_DIFFERENCE:
            break
        sprite = library.sprites[pick(rng, library.sprites_by_kind[name])]
    if rng.random() < PARTS:
        part = _part_outline(rng, sprite)
        return Role(sprite, part, part is sprite.outline)
    return Role(sprite, sprite.outline, True)


def draw_distractor(rng: np.random.Generator, library: Library, role: Role) -> Sprite:
    """Something that may be taken for the target: its twin, its sibling, or a thing of any kind."""
    chance = rng.random()
    if role.sprite is not None and chance < TWINS:
        return role.sprite
    if role.sprite is not None and chance < TWINS + SIBLINGS:
        siblings = library.objects_by_scene.get(role.sprite.scene, ())
        if siblings:
            return library.sprites[pick(rng, siblings)]
    return draw_sprite(rng, library)


def draw_sprite(rng: np.random.Generator, library: Library) -> Sprite:
    shares: dict[SpriteKind, float] = {kind: _worth(library, kind, share) for kind, share in EXTRAS.items()}
    return library.sprites[pick(rng, library.sprites_by_kind[_drawn(rng, shares)])]


def draw_slab(rng: np.random.Generator, library: Library) -> Sprite:
    """An opaque box, wall or pole."""
    return library.sprites[pick(rng, library.sprites_by_kind["slab"])]


def draw_bend(rng: np.random.Generator, side: float, strength: float) -> Bend:
    """A deformation of a thing about `side` world pixels big; folding is impossible at these slopes."""

    frequencies = 2 * np.pi * rng.uniform(0.3, 1.1, 4) / side
    amplitudes = np.clip(strength * rng.normal(0, 0.12, 4), -0.3, 0.3) / frequencies
    phases = rng.uniform(0, 2 * np.pi, 4)
    first, second, third, fourth = (
        Wave(*values)
        for values in zip(amplitudes.tolist(), frequencies.tolist(), phases.tolist(), strict=True)
    )
    return Bend(first, second, third, fourth)


def _drawn(rng: np.random.Generator, shares: Mapping[Name, float]) -> Name:
    """A name drawn by its share; the shares need not sum to 1."""
    left = rng.random() * sum(shares.values())
    for name, share in shares.items():
        left -= share
        if left < 0:
            return name
    return next(reversed(list(shares)))


def _worth(library: Library, kind: Kind | SpriteKind, share: float) -> float:
    """The share of a kind, smaller where the library has few of it: nothing should be seen all the time."""
    if kind == "scene":
        return share
    return share * min(len(library.sprites_by_kind[kind]) / MANY_SPRITES, 1.0)


def _scene_outline(rng: np.random.Generator, scene: Scene) -> NDArray[np.float64]:
    """A thing seen in the scene, or a patch of it; drawn again while it has no contrast."""
    outline = _any_outline(rng, scene)
    for _ in range(3):
        if _contrast(scene.levels, outline) >= LEAST_CONTRAST:
            break
        outline = _any_outline(rng, scene)
    return outline


def _any_outline(rng: np.random.Generator, scene: Scene) -> NDArray[np.float64]:
    width, height = scene.size
    if scene.regions and rng.random() < REGIONS:
        region = scene.regions[int(rng.integers(len(scene.regions)))]
        if np.prod(np.ptp(region, axis=0)) < (LARGEST_REGION * max(width, height)) ** 2:
            return region
    side, stretch = np.exp(rng.uniform(np.log(20), np.log(110))), np.exp(rng.normal(0, 0.35))
    w, h = min(int(side * stretch), width - 4), min(int(side / stretch), height - 4)
    outline = outline_of(blob_mask(rng, h, w))
    if outline is None:
        outline = np.array([[0, 0], [w, 0], [w, h], [0, h]], dtype=np.float64)
    # Two draws averaged: patches lie in the middle of photographs more often than at their borders.
    x, y = rng.random((2, 2)).mean(axis=0) * (width - w, height - h)
    return outline + np.array([x, y])


def _contrast(levels: tuple[NDArray[np.uint8], ...], outline: NDArray[np.float64]) -> float:
    """Standard deviation of the colours, in grey levels, inside the outline's box."""
    coarse = levels[min(2, len(levels) - 1)]
    shrink = coarse.shape[0] / levels[0].shape[0]
    x, y, w, h = (enclosing_box(outline) * shrink).astype(int)
    part = coarse[max(y, 0) : y + h + 1, max(x, 0) : x + w + 1, :3]
    return float(part.std(axis=(0, 1)).mean())


def _part_outline(rng: np.random.Generator, sprite: Sprite) -> NDArray[np.float64]:
    """A box around a part of a sprite, tight on its mask: a head, a wheel, a half."""
    width, height = sprite.size
    w, h = max(int(width * rng.uniform(0.35, 0.8)), 6), max(int(height * rng.uniform(0.35, 0.8)), 6)
    x, y = int(rng.integers(0, max(width - w, 0) + 1)), int(rng.integers(0, max(height - h, 0) + 1))
    ys, xs = np.nonzero(sprite.levels[0][y : y + h, x : x + w, 3] > 127)
    if len(xs) < 0.3 * w * h:
        return sprite.outline
    left, right, top, bottom = x + xs.min(), x + xs.max() + 1, y + ys.min(), y + ys.max() + 1
    part = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)
    return part if _contrast(sprite.levels, part) >= LEAST_CONTRAST else sprite.outline
