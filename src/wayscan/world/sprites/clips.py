"""Tracking clips: K frames of a scene with moving sprites, and the target's exact box and visibility in
each.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wayscan.data.records import Clip
from wayscan.geometry.boxes import clip_to_image
from wayscan.world.sprites import GENERATOR_VERSION
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
from wayscan.world.sprites.compose import (
    Bend,
    Layer,
    Matrix,
    Placement,
    Stage,
    Target,
    View,
    Wave,
    compose,
    place,
)
from wayscan.world.sprites.cutouts import Scene, Sprite
from wayscan.world.sprites.damage import Damage, apply_damage, draw_damages
from wayscan.world.sprites.library import Library, Sources, library_for
from wayscan.world.sprites.motion import Path, draw_camera, draw_path, excursion, through, wander

ATTEMPTS = 20
LEAST_VISIBLE = 0.05  # a frame that shows less of the target is marked absent
DISTRACTOR_COUNTS = (0.25, 0.3, 0.25, 0.2)  # shares of 0, 1, 2, 3 distractors
BENT = 0.5  # of actors: they deform as they move


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """What a clip looks like. The defaults are frozen with the generator's version."""

    height: int = 192
    width: int = 256
    frames: int = 90
    leaving_share: float = 0.25  # of clips: the target leaves the frame
    occluder_shares: tuple[float, ...] = (0.5, 0.35, 0.15)  # of clips with 0, 1, 2 things that cross in front
    sources: Sources = field(default_factory=Sources)

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 48 or self.frames < 2:
            raise ValueError(
                f"height, width, frames are {(self.height, self.width, self.frames)}; expected at least "
                f"48, 48 and 2"
            )


@dataclass(frozen=True, eq=False)
class Actor:
    """A sprite with its path and how it is drawn."""

    sprite: Sprite
    anchor: tuple[float, float]  # the point of the sprite that the path moves
    scale: float
    path: Path
    bend: Bend | None
    stride: float  # radians that the deformation advances in a frame
    gains: NDArray[np.float64]  # (K,)

    def layer(self, k: int, camera: Matrix) -> Layer:
        """How frame k shows it."""
        x, y = self.path.centres[k].tolist()
        matrix = place(
            self.anchor,
            (x, y),
            scale=self.scale * float(self.path.scales[k]),
            aspect=float(self.path.aspects[k]),
            angle=float(self.path.angles[k]),
        )
        matrix = through(camera, matrix)
        before = self.path.centres[max(k - 1, 0)]
        speed = camera[:, :2] @ (self.path.centres[k] - before)
        bend = (
            None
            if self.bend is None
            else _carried(self.bend, camera[:, :2] @ [x, y] + camera[:, 2], self.stride * k)
        )
        return Layer(
            self.sprite, Placement(matrix, bend), float(self.gains[k]), (0.5 * speed[0], 0.5 * speed[1])
        )


@dataclass(frozen=True, eq=False)
class Script:
    """A whole clip before it is drawn: actors from back to front; `lead` is the target's place among them."""

    scene: Scene
    fit: float  # ground pixels a scene pixel
    offset: tuple[float, float]
    role: Role
    actors: tuple[Actor, ...]
    lead: int | None
    cameras: list[Matrix]
    damages: list[Damage]
    frame: tuple[int, int]

    def stage(self, k: int) -> Stage:
        """The stage of frame k."""
        camera = self.cameras[k]
        ground = np.array([[self.fit, 0, self.offset[0]], [0, self.fit, self.offset[1]]])
        backdrop = Placement(through(camera, ground))
        layers = tuple(actor.layer(k, camera) for actor in self.actors)
        followed = backdrop if self.lead is None else layers[self.lead].placement
        target = Target(followed.of(self.role.outline), self.lead, self.role.whole)
        return Stage(self.scene, backdrop, layers, target, self.frame)


def make_clip(seed: int, index: int, spec: ClipSpec | None = None, library: Library | None = None) -> Clip:
    """Clip `index` of a seed: a function of (seed, index) and the spec alone."""
    spec = spec or ClipSpec()
    library = library or library_for(spec.sources)
    rng = np.random.default_rng((seed, index, 1))
    view = View(0.0, 0.0, 1.0, spec.width, spec.height)
    script = _script_with_clear_start(rng, library, spec, view)
    frames = np.empty((spec.frames, spec.height, spec.width, 3), dtype=np.uint8)
    boxes, visible = np.empty((spec.frames, 4)), np.empty(spec.frames)
    for k in range(spec.frames):
        stage = script.stage(k)
        drawn = compose(stage, view)
        frames[k] = apply_damage(drawn.image, script.damages[k])
        boxes[k], visible[k] = clip_to_image(stage.target.box, spec.width, spec.height), drawn.visible
    absent = (visible < LEAST_VISIBLE) | (boxes[:, 2:].min(axis=1) < 2)
    boxes[absent] = np.nan
    return Clip(
        name=f"sprites-{seed}-{index:06d}",
        frames=frames,
        boxes=boxes,
        visible=np.where(absent, 0.0, visible),
        absent=absent,
        source=f"wayscan sprites v{GENERATOR_VERSION}",
        synthetic=True,
    )


def _script_with_clear_start(
    rng: np.random.Generator, library: Library, spec: ClipSpec, view: View
) -> Script:
    """A script whose first frame shows at least 0.7 of the target: nobody starts a tracker on less."""
    for _ in range(ATTEMPTS):
        script = draw_script(rng, library, spec)
        stage = script.stage(0)
        if compose(stage, view).visible >= 0.7 and min(stage.target.box[2:]) >= 8:
            return script
    raise RuntimeError(
        f"no clip of {ATTEMPTS} drafts shows its target in the first frame; widen the frame of {spec}"
    )


def draw_script(rng: np.random.Generator, library: Library, spec: ClipSpec) -> Script:
    """Draw scene, target, paths, distractors, occluders, camera and damage."""
    frame = (spec.width, spec.height)
    scene = draw_scene(rng, library)
    role = draw_role(rng, library, scene)
    cover = max(spec.width / scene.size[0], spec.height / scene.size[1])
    fit = cover * rng.uniform(1.0, 1.5)
    start = rng.uniform(0.22, 0.78, 2) * frame
    if role.sprite is None:
        # Mostly inside the photograph: the part that is followed starts where the photograph roughly has it.
        offset = (float(start[0] - role.anchor[0] * fit), float(start[1] - role.anchor[1] * fit))
        side = role.side * fit
    else:
        offset = ((frame[0] - scene.size[0] * fit) / 2, (frame[1] - scene.size[1] * fit) / 2)
        side = min(
            min(frame) * float(np.exp(rng.uniform(np.log(0.14), np.log(0.5)))), MAGNIFICATION * role.side
        )

    path = draw_path(rng, spec.frames, frame, start, side)
    ones = np.ones(spec.frames)
    still = Path(np.repeat(start[None], spec.frames, axis=0), ones, ones, 0 * ones)
    lead_path = still if role.sprite is None else path
    cameras = draw_camera(rng, spec.frames, frame, path.centres, restless=2.5 if role.sprite is None else 1.0)
    if role.sprite is not None and rng.random() < spec.leaving_share:
        lead_path = path.away(excursion(rng, path, frame, side))

    actors = [
        _distractor(rng, library, role, spec, frame, start, side)
        for _ in range(_count(rng, DISTRACTOR_COUNTS))
    ]
    lead = None
    if role.sprite is not None:
        lead = len(actors)
        actors.append(_actor(rng, role.sprite, role.anchor, side / role.side, lead_path, side))
    crossings = _count(rng, spec.occluder_shares)
    actors += [_occluder(rng, library, lead_path, side, frame) for _ in range(crossings)]
    damages = draw_damages(rng, np.array([camera[:, 2] for camera in cameras]))
    return Script(scene, fit, offset, role, tuple(actors), lead, cameras, damages, frame)


def _distractor(
    rng: np.random.Generator,
    library: Library,
    role: Role,
    spec: ClipSpec,
    frame: tuple[int, int],
    start: NDArray[np.float64],
    side: float,
) -> Actor:
    sprite = draw_distractor(rng, library, role)
    size = side * float(np.exp(rng.normal(0, 0.3)))
    place_at = rng.uniform(0.05, 0.95, 2) * frame
    if np.abs(place_at - start).max() < size + side:
        place_at = np.mod(place_at + np.array(frame) / 2, frame)
    own_side = (sprite.size[0] * sprite.size[1]) ** 0.5
    path = draw_path(rng, spec.frames, frame, place_at, size)
    middle = (sprite.size[0] / 2, sprite.size[1] / 2)
    return _actor(rng, sprite, middle, min(size / own_side, 1.5 * MAGNIFICATION), path, size)


def _occluder(
    rng: np.random.Generator, library: Library, lead: Path, side: float, frame: tuple[int, int]
) -> Actor:
    """Something that crosses in front of the target after coming from far away."""
    frames = len(lead.centres)
    sprite = draw_slab(rng, library) if rng.random() < 0.5 else draw_sprite(rng, library)
    own_side = (sprite.size[0] * sprite.size[1]) ** 0.5
    size = side * rng.uniform(0.5, 1.4)
    meets = int(rng.integers(frames // 4, frames))
    least = 1.3 * (side + size) / max(meets, 1)
    velocity = (least + side * float(np.exp(rng.normal(-3.3, 0.6)))) * rng.choice([-1.0, 1.0])
    offset = rng.uniform(-0.35, 0.35, 2) * side
    centres = (
        lead.centres[meets]
        + offset
        + (np.arange(frames) - meets)[:, None] * np.array([velocity, 0.1 * velocity])
    )
    path = Path(centres, np.ones(frames), np.ones(frames), np.zeros(frames))
    middle = (sprite.size[0] / 2, sprite.size[1] / 2)
    return _actor(rng, sprite, middle, size / own_side, path, size)


def _actor(
    rng: np.random.Generator,
    sprite: Sprite,
    anchor: tuple[float, float],
    scale: float,
    path: Path,
    side: float,
) -> Actor:
    bend = draw_bend(rng, side, 0.9) if rng.random() < BENT else None
    gains = np.exp(rng.normal(0, 0.1) + rng.uniform(0, 0.1) * wander(rng, len(path.centres)))
    return Actor(sprite, anchor, scale, path, bend, float(rng.normal(0, 0.15)), gains)


def _carried(bend: Bend, centre: NDArray[np.float64], advance: float) -> Bend:
    """The deformation moved along with its thing (its waves are fixed to the world) and advanced in phase."""

    def moved(wave: Wave, coordinate: float) -> Wave:
        return wave._replace(phase=wave.phase - wave.frequency * coordinate + advance)

    x, y = float(centre[0]), float(centre[1])
    return Bend(moved(bend.x_by_y, y), moved(bend.x_by_x, x), moved(bend.y_by_x, x), moved(bend.y_by_y, y))


def _count(rng: np.random.Generator, shares: tuple[float, ...]) -> int:
    return int(rng.choice(len(shares), p=np.array(shares) / sum(shares)))
