"""Filmed clips: somebody walks through a place of the 3-D world, others too, and a camera follows.

    clip = make_film(seed=0, index=3)  # a data.Clip, like those of the sprites

Beside the sprites, whose variety teaches appearance, films have what sprites cannot: bodies that turn and
walk, true perspective, things that stand in front of one another, and a cameraman who is late.
"""

from dataclasses import dataclass, replace
from math import atan2, hypot, pi
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from wayscan.data.records import Clip
from wayscan.world.actors.crowd import Crowd, free_places
from wayscan.world.actors.figure import Outfit, walkers_solids
from wayscan.world.cameras import Camera
from wayscan.world.places import Place, draw_place
from wayscan.world.render.boxes import instance_boxes
from wayscan.world.render.picture import render
from wayscan.world.scene import Scene
from wayscan.world.sprites.damage import Damage, apply_damage, draw_damages
from wayscan.world.sprites.motion import wander

FILM_VERSION = 2

ATTEMPTS = 30
LEAST_VISIBLE = 0.05  # a frame that shows less of the target is marked absent
CLEAR_START = 0.7  # of the target, in the first frame
SMALLEST_START = 12.0  # pixels of the first box's shorter side
LARGEST_START = 0.85  # of the frame's height
FINER = 2  # pictures are drawn so much larger, then averaged
TWIN = 0.35  # of films: one of the others wears what the target wears
LOOKS_AWAY = 0.2  # of films: the camera loses the target from view for a while
PEOPLE = (2, 6)  # others beside the target
HEAD_ROOM = 0.55  # of a walker's height: what the camera points at

Operator = Literal["walks", "stands", "from above"]
OPERATORS: dict[Operator, float] = {"walks": 0.4, "stands": 0.35, "from above": 0.25}


@dataclass(frozen=True, kw_only=True)
class FilmSpec:
    """What a film looks like. The defaults are frozen with the generator's version."""

    height: int = 192
    width: int = 256
    frames: int = 90
    rate: float = 12.5  # frames a second

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 48 or self.frames < 2 or self.rate <= 0:
            raise ValueError(
                f"height, width, frames, rate are {(self.height, self.width, self.frames, self.rate)}; "
                f"expected at least 48, 48, 2 and a rate above 0"
            )


@dataclass(frozen=True, eq=False)
class Shot:
    """Frame k before it is drawn: where everybody is, and the camera."""

    poses: NDArray[np.float64]  # (N, 3) of the walkers, the target first
    phases: NDArray[np.float64]
    speeds: NDArray[np.float64]
    camera: Camera


def make_film(seed: int, index: int, spec: FilmSpec | None = None) -> Clip:
    """Film `index` of a seed: a function of (seed, index) and the spec alone."""
    spec = spec or FilmSpec()
    rng = np.random.default_rng((seed, index, 2))
    for _ in range(ATTEMPTS):
        stage = _Stage(rng, spec)
        shots = stage.shots()
        boxes, visible = stage.truth(shots[0])
        fits = min(boxes[2:]) >= SMALLEST_START and boxes[3] <= LARGEST_START * spec.height
        if visible >= CLEAR_START and fits:
            return stage.film(shots, f"film-{seed}-{index:06d}")
    raise RuntimeError(
        f"no film of {ATTEMPTS} drafts shows its target in the first frame; widen the frame of {spec}"
    )


class _Stage:
    """One draft: a place, people who walk about in it, and a camera."""

    def __init__(self, rng: np.random.Generator, spec: FilmSpec) -> None:
        self.rng, self.spec = rng, spec
        self.place: Place = draw_place(rng, first_instance=PEOPLE[1] + 1)
        count = 1 + int(rng.integers(PEOPLE[0], PEOPLE[1] + 1))
        self.outfits = [Outfit.draw(rng) for _ in range(count)]
        if rng.random() < TWIN:
            self.outfits[1] = self.outfits[0]
        self.operator: Operator = rng.choice(list(OPERATORS), p=list(OPERATORS.values()))  # type: ignore[assignment]
        floor, edge = self.place.floor, 0.8 * self.place.half
        start = free_places(rng, floor, 1, low=-edge / 2, high=edge / 2)
        low, high = np.maximum(start - 5, -edge), np.minimum(start + 5, edge)
        starts = np.concatenate([start, free_places(rng, floor, count - 1, low=low, high=high, taken=start)])
        low, high = np.maximum(start - 8, -edge), np.minimum(start + 8, edge)
        camera = free_places(rng, floor, 1, low=low, high=high, taken=starts, apart=1.5)
        places = np.concatenate([starts, camera])
        heights = [*(outfit.height for outfit in self.outfits), 1.75]
        speeds = np.append(rng.uniform(0.6, 1.6, count), rng.uniform(0.9, 1.5))
        self.crowd = Crowd(places, floor, speeds=speeds, heights=heights)
        self.field = float(rng.uniform(0.45, 1.15))
        self.eye = float(rng.uniform(6.6, 8.0) if self.operator == "from above" else rng.uniform(1.2, 1.9))

    def shots(self) -> list[Shot]:
        """All frames, after a second in which everybody has begun to walk."""
        spec, dt = self.spec, 1 / self.spec.rate
        lead = round(spec.rate)
        aim_error = self._aim_errors()
        zoom = np.exp(self.rng.uniform(0, 0.18) * wander(self.rng, spec.frames, 40))
        aim, shots = self.crowd.positions[0].copy(), []
        late = float(np.exp(self.rng.uniform(np.log(0.08), np.log(0.5))))  # seconds
        for k in range(-lead, spec.frames):
            self._send(k, dt)
            self.crowd.step(dt)
            aim += (self.crowd.positions[0] - aim) * (1 - np.exp(-dt / late))
            if k >= 0:
                camera = self._camera(aim, aim_error[k], self.field * float(zoom[k]))
                shots.append(
                    Shot(
                        self.crowd.poses[:-1].copy(),
                        self.crowd.phases[:-1].copy(),
                        self.crowd.walking[:-1].copy(),
                        camera,
                    )
                )
        return shots

    def truth(self, shot: Shot) -> tuple[NDArray[np.float64], float]:
        """The target's box (4,), NaN out of view, and its visible share."""
        found = instance_boxes(self._scene(shot), shot.camera)
        return found.boxes[0], float(found.visible[0])

    def film(self, shots: list[Shot], name: str) -> Clip:
        spec = self.spec
        frames = np.empty((spec.frames, spec.height, spec.width, 3), dtype=np.uint8)
        boxes, visible = np.empty((spec.frames, 4)), np.empty(spec.frames)
        for k, (shot, damage) in enumerate(zip(shots, self._damages(shots), strict=True)):
            frames[k] = apply_damage(_drawn(self._scene(shot), shot.camera), damage)
            boxes[k], visible[k] = self.truth(shot)
        absent = ~(visible >= LEAST_VISIBLE) | ~(boxes[:, 2:].min(axis=1) >= 2)
        boxes[absent] = np.nan
        return Clip(
            name=name,
            frames=frames,
            boxes=boxes,
            visible=np.where(absent, 0.0, visible),
            absent=absent,
            text=f"the person {self.outfits[0].words()}",
            source=f"wayscan films v{FILM_VERSION}",
            synthetic=True,
        )

    def _send(self, k: int, dt: float) -> None:
        """Whoever has arrived goes elsewhere; a cameraman who walks goes to where he sees the target."""
        crowd, half = self.crowd, 0.75 * self.place.half
        last = len(crowd) - 1
        for walker in np.flatnonzero(crowd.arrived[:-1]):
            if self.rng.random() < (0.9 if walker == 0 else 0.4) * dt / 0.4:
                goal = free_places(self.rng, self.place.floor, 1, low=-half, high=half)[0]
                crowd.send(int(walker), goal)
        if self.operator == "walks" and k % round(1.5 * self.spec.rate) == 0:
            away = crowd.positions[last] - crowd.positions[0]
            reach = max(float(np.hypot(*away)), 1e-6)
            goal = crowd.positions[0] + away / reach * self.rng.uniform(3.0, 6.0)
            goal = goal.clip(-half, half)
            if self.place.floor.distance(goal)[0] > self.place.floor.clearance:
                crowd.send(last, goal)

    def _aim_errors(self) -> NDArray[np.float64]:
        """How far off the camera points (K, 2), in fields of view: framing, tremor, and a look elsewhere."""
        rng, count = self.rng, self.spec.frames
        framing = rng.normal(0, 0.1, 2) + rng.uniform(0.02, 0.1) * np.stack(
            [wander(rng, count), 0.7 * wander(rng, count)], axis=1
        )
        tremor = rng.normal(0, 1, (count, 2)).cumsum(axis=0)
        tremor -= np.linspace(0, 1, count)[:, None] * tremor[-1]
        errors = framing + rng.uniform(0, 0.0025) * tremor
        if rng.random() < LOOKS_AWAY:
            middle, span = rng.uniform(0.35, 0.8) * count, rng.uniform(5, 12)
            away = np.exp(-0.5 * ((np.arange(count) - middle) / span) ** 2)
            heading = rng.uniform(0, 2 * pi)
            errors += 0.9 * away[:, None] * np.array([np.cos(heading), 0.5 * np.sin(heading)])
        return errors

    def _camera(self, aim: NDArray[np.float64], error: NDArray[np.float64], field: float) -> Camera:
        x, y = self.crowd.positions[-1]
        dx, dy = aim - self.crowd.positions[-1]
        dz = HEAD_ROOM * self.outfits[0].height - self.eye
        return Camera(
            width=self.spec.width,
            height=self.spec.height,
            position=(float(x), float(y), self.eye),
            yaw=atan2(dy, dx) + float(error[0]) * field,
            pitch=float(np.clip(atan2(dz, max(hypot(dx, dy), 0.3)) + float(error[1]) * field, -1.4, 0.6)),
            field=field,
        )

    def _scene(self, shot: Shot) -> Scene:
        people = walkers_solids(
            self.outfits, shot.poses, shot.phases, shot.speeds, np.arange(len(self.outfits))
        )
        empty = ("nobody",) * (PEOPLE[1] + 1 - len(self.outfits))
        return Scene(
            solids=np.concatenate([self.place.solids, people]),
            ground=self.place.ground,
            light=self.place.light,
            names=("walker",) * len(self.outfits) + empty + self.place.names,
        )

    def _damages(self, shots: list[Shot]) -> list[Damage]:
        """Blur from how the camera turns, and all else that cameras do to a video."""
        turns = np.array([(-shot.camera.yaw, -shot.camera.pitch) for shot in shots])
        return draw_damages(self.rng, np.unwrap(turns, axis=0) * shots[0].camera.focal)


def _drawn(scene: Scene, camera: Camera) -> NDArray[np.uint8]:
    """A picture without jagged edges."""
    size = (camera.width, camera.height)
    large = replace(camera, width=FINER * camera.width, height=FINER * camera.height)
    picture = cv2.resize(render(scene, large).image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(picture, dtype=np.uint8)
