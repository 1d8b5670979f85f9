"""Drives: a data set of cooperative driving, made as it is read.

    drive = make_drive(1000, 0)
    now = drive.facts["now"]          # the step at which one decides
    drive.videos["vehicle"][now]      # what the ego's camera sees then, drawn when it is asked for
    drive.videos["roadside"][now]     # what the mast's camera sees
    drive.text                        # caption, position and speed, route, task
    future_of(drive)                  # (45, 2) metres in the ego's frame at that moment

Each drive is a function of (seed, index); `wayscan.world.splits` says which seeds are for what. Shares of
what happens are exact in every block of twenty indices of a seed (`wayscan.world.driving.cases`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wayscan.data.footage import Footage, Image
from wayscan.data.records import Episode, Frame, Lens
from wayscan.geometry.poses import to_ego
from wayscan.world.actors.car import car_size, car_solids
from wayscan.world.actors.drivers import DT
from wayscan.world.actors.figure import walkers_solids
from wayscan.world.actors.traffic import Motion, simulate
from wayscan.world.cameras import Camera
from wayscan.world.driving.cases import Case, case_of
from wayscan.world.driving.moments import FUTURE, HISTORY, STEPS, WALKER_SIZE, Misses, Moment, find_moment
from wayscan.world.driving.prompts import draw_prompt
from wayscan.world.driving.scenery import signal_solids
from wayscan.world.driving.settings import EGO, Setting, draw_setting
from wayscan.world.render.picture import render
from wayscan.world.road_paint import painted
from wayscan.world.scene import Ground, Scene

DRIVES_VERSION = 1
NOW = HISTORY  # the step of an episode at which one decides
ATTEMPTS = 200
_TYPES = {"car": "Car", "suv": "Car", "van": "Van", "truck": "Truck", "bus": "Bus"}
VEHICLE = Camera(name="vehicle", width=256, height=144, position=(1.0, 0.0, 1.45), pitch=-0.05, field=1.25)


@dataclass(frozen=True, kw_only=True)
class DriveSpec:
    """How large the pictures are. The defaults are frozen with DRIVES_VERSION; other sizes show the same."""

    width: int = 256
    height: int = 144

    def __post_init__(self) -> None:
        if min(self.width, self.height) < 16:
            raise ValueError(
                f"width, height are {(self.width, self.height)}; expected at least 16 pixels each"
            )


def make_drive(seed: int, index: int, spec: DriveSpec | None = None) -> Episode:
    """One drive of HISTORY + 1 + FUTURE steps; pictures are drawn when they are asked for.

    `facts` holds: "now", the step at which one decides; "kind" (straight, left, right, braking), "reason" and
    "decided_by" (vehicle or roadside: the camera that shows the reason); "decider", the track of who makes
    the ego brake, where it is somebody, and the shares of it that the cameras see then, "seen_by_vehicle" and
    "seen_by_roadside"; "command" (straight, left, right), the route; "corner" (left, right), the far one at
    which the roadside's mast stands; "place", the kind of road; "types" of the tracks, as DAIR-V2X names
    them; "seed", "index", "version".
    """
    return stage_drive(seed, index, spec).episode()


def stage_drive(
    seed: int, index: int, spec: DriveSpec | None = None, misses: Misses | None = None
) -> "Drive":
    """A drive with everything that is behind its episode.

    Args:
        misses: counts why settings did not show their case, where one wants to know.
    """
    spec = spec or DriveSpec()
    if seed < 0 or index < 0:
        raise ValueError(f"seed, index are {(seed, index)}; expected both >= 0")
    case = case_of(seed, index)
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng((seed, index, attempt))
        setting = draw_setting(rng, case, width=spec.width, height=spec.height)
        motion = simulate(setting.road, setting.cars, setting.walkers, setting.signals, steps=STEPS)
        moment = find_moment(rng, case, setting, motion, VEHICLE)
        if isinstance(moment, Moment):
            return Drive(seed, index, spec, case, setting, motion, moment, rng)
        if misses is not None:
            misses[moment] = misses.get(moment, 0) + 1
    raise RuntimeError(
        f"drive ({seed}, {index}): none of {ATTEMPTS} settings shows its case, {case}; expected one; this is "
        f"a fault of the generator, take another index"
    )


def future_of(drive: Episode) -> NDArray[np.float64]:
    """The ego's path after now: (45, 2) metres, x forward and y left of the ego at that moment."""
    now = drive.facts["now"]
    return to_ego(drive.poses[now + 1 :, :2], drive.poses[now])


def history_of(drive: Episode) -> NDArray[np.float64]:
    """The ego's poses up to now, (21, 3), in its frame at that moment: the last row is zero."""
    now = drive.facts["now"]
    return to_ego(drive.poses[: now + 1], drive.poses[now])


class Drive:
    """A setting, what happened there, and the moment it is cut around."""

    def __init__(
        self,
        seed: int,
        index: int,
        spec: DriveSpec,
        case: Case,
        setting: Setting,
        motion: Motion,
        moment: Moment,
        rng: np.random.Generator,
    ) -> None:
        self.seed, self.index, self.spec, self.case = seed, index, spec, case
        self.setting, self.motion, self.moment = setting, motion, moment
        self.first = moment.now - NOW  # step of the simulation
        self.prompt = self._prompt(rng)

    @property
    def window(self) -> slice:
        """The episode's steps of the simulation."""
        return slice(self.first, self.first + HISTORY + 1 + FUTURE)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of those who move or are parked, cars first; the ego is "ego"."""
        cars = [f"{car.kind} {number}" for number, car in enumerate(self.setting.cars)]
        return "ego", *cars[1:], *(f"walker {number}" for number in range(len(self.setting.walkers)))

    def episode(self) -> Episode:
        window, names = self.window, self.names
        cars, walkers = self.motion.cars[window], self.motion.walkers[window]
        tracks = {names[k]: cars[:, k] for k in range(1, cars.shape[1])}
        tracks |= {f"walker {k}": walkers[:, k] for k in range(walkers.shape[1])}
        sizes = {names[k]: car_size(car.kind) for k, car in enumerate(self.setting.cars) if k != EGO}
        for number, walker in enumerate(self.setting.walkers):
            sizes[f"walker {number}"] = (*WALKER_SIZE[:2], walker.outfit.height)
        vehicle, roadside = self.vehicle, self.setting.roadside
        return Episode(
            name=f"drive-{self.seed}-{self.index}",
            times=np.arange(-HISTORY, FUTURE + 1, dtype=np.float64) * DT,
            poses=cars[:, EGO],
            videos={name: DriveFootage(self, name) for name in ("vehicle", "roadside")},
            lenses={
                "vehicle": Lens(matrix=vehicle.matrix, pose=vehicle.pose, frame="ego"),
                "roadside": Lens(matrix=roadside.matrix, pose=roadside.pose, frame="world"),
            },
            tracks=tracks,
            sizes=sizes,
            text=self.prompt,
            facts=self._facts(),
            source="wayscan drives",
            synthetic=True,
        )

    def _facts(self) -> dict[str, object]:
        setting, decider, shares = self.setting, self.setting.decider, self.moment
        types = {self.names[k]: _TYPES[car.kind] for k, car in enumerate(setting.cars) if k != EGO}
        types |= {f"walker {number}": "Pedestrian" for number in range(len(setting.walkers))}
        facts: dict[str, object] = {
            "now": NOW,
            "kind": self.case.kind,
            "reason": self.case.reason,
            "decided_by": self.case.decided_by,
            "command": setting.turn,
            "corner": setting.corner,
            "place": setting.road.kind,
            "types": types,
            "seed": self.seed,
            "index": self.index,
            "version": DRIVES_VERSION,
        }
        if decider is not None:
            what, number = decider
            facts["decider"] = f"walker {number}" if what == "walker" else self.names[number]
            facts["seen_by_vehicle"], facts["seen_by_roadside"] = shares.vehicle_share, shares.roadside_share
        return facts

    def _prompt(self, rng: np.random.Generator) -> str:
        now = self.moment.now
        to_line = (
            self.setting.ego.way.stop
            - float(self.motion.lengths[now, EGO])
            - car_size(self.setting.ego.kind)[0] / 2
        )
        return draw_prompt(
            rng, self.setting, self.motion.cars[now, EGO], float(self.motion.speeds[now, EGO]), to_line
        )

    # ---- pictures -----------------------------------------------------------------------------------------

    @property
    def vehicle(self) -> Camera:
        """The ego's camera, in the ego's frame."""
        spec = self.spec
        return Camera(
            name="vehicle",
            width=spec.width,
            height=spec.height,
            position=VEHICLE.position,
            pitch=VEHICLE.pitch,
            field=VEHICLE.field,
        )

    def camera(self, name: str, step: int) -> Camera:
        """In the world, at a step of the episode."""
        if name == "roadside":
            return self.setting.roadside
        x, y, yaw = self.motion.cars[self.first + step, EGO].tolist()
        return self.vehicle.at(x, y, yaw)

    def frame(self, name: str, step: int) -> Frame:
        """What a camera sees at a step of the episode: image, depth, instances (as numbered in `scene`)."""
        return render(self.scene(name, step), self.camera(name, step), time=DT * (step - NOW))

    @cached_property
    def _ground(self) -> Ground:
        return painted(self.setting.road)

    def instance(self, name: str) -> int:
        """The number in pictures of instances of a track, or of "ego"."""
        return len(self.setting.scenery.names) + self.names.index(name)

    def scene(self, camera: str, step: int) -> Scene:
        """Everything at a step of the episode. The ego's own camera does not see the ego."""
        k, setting, motion = self.first + step, self.setting, self.motion
        base = len(setting.scenery.names)
        parts = [setting.scenery.solids]
        for number, car in enumerate(setting.cars):
            if number == EGO and camera == "vehicle":
                continue
            x, y, yaw = motion.cars[k, number].tolist()
            braking = bool(motion.accelerations[k, number] < -0.5)
            parts.append(car_solids(car.kind, car.paint, x, y, yaw, base + number, braking=braking))
        count, people = len(setting.cars), len(setting.walkers)
        if people:
            parts.append(
                walkers_solids(
                    [walker.outfit for walker in setting.walkers],
                    motion.walkers[k],
                    motion.phases[k],
                    motion.walking[k],
                    base + count + np.arange(people),
                )
            )
        names = (*setting.scenery.names, *self.names)
        if setting.signals is not None:
            parts.append(signal_solids(setting.road, setting.signals, k * DT, len(names)))
            names += ("traffic light",) * len(setting.road.arms)
        return Scene(solids=np.concatenate(parts), ground=self._ground, light=setting.light, names=names)


class DriveFootage(Footage):
    """One camera's frames of a drive, each drawn when it is asked for."""

    def __init__(self, drive: Drive, camera: str) -> None:
        self._drive, self._camera = drive, camera

    def __len__(self) -> int:
        return HISTORY + 1 + FUTURE

    def __getitem__(self, k: int, /) -> Image:
        step = range(HISTORY + 1 + FUTURE)[k]  # refuses what lies outside; below zero counts from the end
        return self._drive.frame(self._camera, step).image

    def __iter__(self) -> Iterator[Image]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"DriveFootage({self._camera} of drive-{self._drive.seed}-{self._drive.index})"


def drives(seed: int, indices: Sequence[int], spec: DriveSpec | None = None) -> Iterator[Episode]:
    """Drives of one seed, one after another."""
    return (make_drive(seed, index, spec) for index in indices)
