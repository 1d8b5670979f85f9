"""A target and its surroundings at a few moments of one imagined video, as stages that a crop can be drawn
from.

Lengths are world pixels, which are the pixels of the imagined video's frames.
"""

from dataclasses import dataclass, replace

import numpy as np

from wayscan.geometry.boxes import enclosing_box
from wayscan.world.sprites.cast import (
    MAGNIFICATION,
    Role,
    draw_bend,
    draw_distractor,
    draw_role,
    draw_scene,
    draw_slab,
    draw_sprite,
)
from wayscan.world.sprites.compose import NO_LAYER, Layer, Placement, Stage, Target, place
from wayscan.world.sprites.cutouts import Scene, Sprite
from wayscan.world.sprites.library import Library

DISTRACTOR_COUNTS = (0.4, 0.3, 0.18, 0.12)  # shares of 0, 1, 2, 3 distractors
BENT = 0.4  # of moments: the target is deformed
FRAME_SIDES = (240.0, 640.0)  # the video's longer side
TARGET_SHARES = (0.045, 0.3)  # √(w · h) over the video's longer side, before limits
WIDE_FRAMES = 0.8  # of sprite targets: the frame is larger than the scene, so its edge is rarely in the crop
SMALLEST = 12.0  # √(w · h)


@dataclass(frozen=True, eq=False)
class Other:
    """A distractor: where it is at the search crop and how far away at the first template."""

    sprite: Sprite
    offset: tuple[float, float]  # from the target's place in the search crop
    drift: tuple[float, float]
    scale: float
    angle: float
    gain: float


def draw_stages(
    rng: np.random.Generator, library: Library, aspect_jitter: float
) -> tuple[Stage, Stage, Stage]:
    """The stages of the first template, the dynamic template and the search crop."""
    scene = draw_scene(rng, library)
    role = draw_role(rng, library, scene)
    frame_side = float(np.exp(rng.uniform(*np.log(FRAME_SIDES))))
    fit = frame_side / max(scene.size)
    # Behind a sprite the scene may go on, mirrored, past its edges; behind a part of itself it would
    # give a twin.
    room = 1.7 if role.sprite is not None and rng.random() < WIDE_FRAMES else 1.0
    frame = (scene.size[0] * fit * room, scene.size[1] * fit * room)
    side = _side(rng, role, fit, frame_side)
    end = _end(rng, role, frame, side, fit)
    others = _draw_others(rng, library, role, side)

    drift = rng.normal(0, 1, 2) * side * np.exp(rng.normal(-0.6, 0.8))
    growth = rng.normal(0, 0.3)
    twist = rng.uniform(-0.8, 0.8) if rng.random() < 0.1 else rng.normal(0, 0.1)
    light = rng.normal(0, 0.12)
    # How much of the way from the search crop back to the first template each moment is.
    shares = (1.0, float(rng.uniform(0, 0.9)), 0.0)

    def stage_at(share: float) -> Stage:
        centre = (end[0] + share * drift[0], end[1] + share * drift[1])
        size = side * float(np.exp(share * growth))
        aspect = float(np.exp(rng.normal(0, aspect_jitter)))
        angle = share * twist + rng.normal(0, 0.03)
        matrix = place(role.anchor, centre, scale=size / role.side, aspect=aspect, angle=angle)
        placement = Placement(matrix, draw_bend(rng, size, 1.0) if rng.random() < BENT else None)
        layers = [_other_layer(other, end, share) for other in others]
        target = Target(placement.of(role.outline), None, False)
        if role.sprite is None:
            return Stage(scene, placement, tuple(layers), target, frame)
        streak = tuple(rng.normal(0, 0.15 * size, 2)) if rng.random() < 0.12 else (0.0, 0.0)
        layers.append(Layer(role.sprite, placement, float(np.exp(light + rng.normal(0, 0.08))), streak))
        target = replace(target, layer=len(layers) - 1, whole=role.whole)
        return Stage(scene, _backdrop(rng, scene, frame, fit, side), tuple(layers), target, frame)

    first, later, now = (stage_at(share) for share in shares)
    return first, later, now


def occluded(rng: np.random.Generator, library: Library, stage: Stage) -> Stage:
    """The stage with something in front of a part of the target."""
    x, y, w, h = stage.target.box.tolist()
    sprite = draw_slab(rng, library) if rng.random() < 0.4 else draw_sprite(rng, library)
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.65)
    centre = (x + w / 2 + reach * w * np.cos(angle), y + h / 2 + reach * h * np.sin(angle))
    scale = (w * h) ** 0.5 * rng.uniform(0.5, 1.3) / _sprite_side(sprite)
    return stage.with_layer(_upright(sprite, centre, scale, rng))


def covered(rng: np.random.Generator, library: Library, stage: Stage) -> Stage:
    """The stage with the target wholly hidden behind a slab."""
    x, y, w, h = stage.target.box.tolist()
    slab = draw_slab(rng, library)
    _, _, sw, sh = enclosing_box(slab.outline)
    larger = rng.uniform(1.2, 1.8)
    across, down = larger * max(w, 4) / sw, larger * max(h, 4) / sh
    placement = Placement(
        place(_middle(slab), (x + w / 2, y + h / 2), scale=(across * down) ** 0.5, aspect=across / down)
    )
    return stage.with_layer(Layer(slab, placement, float(np.exp(rng.normal(0, 0.1)))))


def without_target(rng: np.random.Generator, library: Library, stage: Stage) -> Stage:
    """The stage whose target has gone; half of the time another thing stands where it was."""
    index = stage.target.layer
    if index is None:
        raise ValueError(
            "the target is a part of the scene and cannot be removed; cover it, or look elsewhere"
        )
    layers = list(stage.layers)
    gone = layers.pop(index)
    if rng.random() < 0.5:
        x, y, w, h = stage.target.box.tolist()
        sprite = draw_sprite(rng, library)
        if sprite is not gone.sprite:
            scale = (w * h) ** 0.5 * float(np.exp(rng.normal(0, 0.25))) / _sprite_side(sprite)
            layers.append(_upright(sprite, (x + w / 2, y + h / 2), scale, rng))
    return replace(stage, layers=tuple(layers), target=replace(stage.target, layer=NO_LAYER, whole=False))


def _side(rng: np.random.Generator, role: Role, fit: float, frame_side: float) -> float:
    if role.sprite is None:
        return role.side * fit
    wanted = frame_side * float(np.exp(rng.uniform(*np.log(TARGET_SHARES))))
    return max(min(wanted, MAGNIFICATION * role.side), SMALLEST)


def _end(
    rng: np.random.Generator, role: Role, frame: tuple[float, float], side: float, fit: float
) -> tuple[float, float]:
    """Where the target ends: mostly well inside the frame, sometimes at its edge."""
    if role.sprite is None:
        x, y = role.anchor
        return x * fit, y * fit
    low, high = (-0.03, 1.03) if rng.random() < 0.12 else (0.1, 0.9)
    return float(rng.uniform(low, high) * frame[0]), float(rng.uniform(low, high) * frame[1])


def _draw_others(rng: np.random.Generator, library: Library, role: Role, side: float) -> list[Other]:
    others = []
    for _ in range(int(rng.choice(len(DISTRACTOR_COUNTS), p=DISTRACTOR_COUNTS))):
        sprite = draw_distractor(rng, library, role)
        size = side * float(np.exp(rng.normal(0, 0.35)))
        # In front of a target that is a part of the scene, a distractor would hide it: keep clear of it.
        nearest = 0.6 * (size + side) if role.sprite is None else 0.7 * side
        distance, angle = nearest + rng.exponential(0.9) * side, rng.uniform(0, 2 * np.pi)
        drift = rng.normal(0, 0.5, 2) * side if role.sprite is not None else np.zeros(2)
        others.append(
            Other(
                sprite,
                (distance * float(np.cos(angle)), distance * float(np.sin(angle))),
                (float(drift[0]), float(drift[1])),
                min(size / _sprite_side(sprite), 1.5 * MAGNIFICATION),
                float(rng.normal(0, 0.15)),
                float(np.exp(rng.normal(0, 0.15))),
            )
        )
    return others


def _other_layer(other: Other, end: tuple[float, float], share: float) -> Layer:
    centre = (
        end[0] + other.offset[0] + share * other.drift[0],
        end[1] + other.offset[1] + share * other.drift[1],
    )
    matrix = place(_middle(other.sprite), centre, scale=other.scale, angle=other.angle)
    return Layer(other.sprite, Placement(matrix), other.gain)


def _backdrop(
    rng: np.random.Generator, scene: Scene, frame: tuple[float, float], fit: float, side: float
) -> Placement:
    """The scene behind a sprite target: shifted, zoomed and turned a little at each moment."""
    shift = rng.normal(0, 0.4 * side, 2)
    matrix = place(
        (scene.size[0] / 2, scene.size[1] / 2),
        (frame[0] / 2 + float(shift[0]), frame[1] / 2 + float(shift[1])),
        scale=fit * 1.1 * float(np.exp(rng.normal(0, 0.07))),
        angle=float(rng.normal(0, 0.03)),
    )
    return Placement(matrix)


def _upright(sprite: Sprite, centre: tuple[float, float], scale: float, rng: np.random.Generator) -> Layer:
    matrix = place(_middle(sprite), centre, scale=scale, angle=float(rng.normal(0, 0.1)))
    return Layer(sprite, Placement(matrix), float(np.exp(rng.normal(0, 0.15))))


def _sprite_side(sprite: Sprite) -> float:
    width, height = sprite.size
    return float((width * height) ** 0.5)


def _middle(sprite: Sprite) -> tuple[float, float]:
    width, height = sprite.size
    return width / 2, height / 2
