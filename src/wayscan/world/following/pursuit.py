"""An episode as it runs: people walk, a robot drives, a camera looks, rules judge."""

from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world.actors.crowd import Crowd, Others, free_places
from wayscan.world.actors.figure import walkers_solids
from wayscan.world.cameras import Camera
from wayscan.world.following.rules import Outcome, Status, is_following, judge, status_of
from wayscan.world.following.tasks import FollowSpec, Task
from wayscan.world.render.inside import check_view
from wayscan.world.render.picture import render
from wayscan.world.scene import Look, Scene, Solids, cylinder, solids, sphere

DT = 0.1
LIMITS = np.array([1.6, 0.8, 1.6])  # m/s forward, m/s left, rad/s
ACCELERATIONS = np.array([4.0, 4.0, 8.0])  # m/s², m/s², rad/s²
ROBOT_RADIUS = 0.25
YIELD_RADIUS = 0.35  # what people leave to the robot
STAYS = 20  # steps that the target stands at its last goal before the episode ends
PATIENCE = 30  # steps after which who gets nowhere looks for another way
NEAR_TARGET = 0.6  # of the others' goals


class View(NamedTuple):
    """What the camera shows after a number of steps, and the share of the image that is the target."""

    image: NDArray[np.uint8]  # (H, W, 3)
    ids: NDArray[np.int32]  # (H, W)
    mask: float
    step: int


class Pursuit:
    """One episode. `step` takes a command in m/s and rad/s; `look` is what the robot sees now."""

    def __init__(self, task: Task, spec: FollowSpec | None = None) -> None:
        self.task, self.spec = task, spec or FollowSpec()
        self.crowd = Crowd(
            task.starts,
            task.place.floor,
            speeds=task.speeds,
            heights=[outfit.height for outfit in task.outfits],
            headings=task.headings,
        )
        self.robot = task.robot.copy()  # x, y, yaw
        self.velocity = np.zeros(3)  # forward, left, turning
        self.distances: list[float] = []
        self.masks: list[float] = []
        self.status: Status = "running"
        self._rng = np.random.default_rng(task.seed)
        self._leg, self._stood = 0, 0
        self._waits = np.zeros(len(self.crowd), dtype=int)
        self._slow = np.zeros(len(self.crowd), dtype=int)
        self._camera = Camera(
            width=self.spec.width,
            height=self.spec.height,
            position=(0.0, 0.0, self.spec.camera_height),
            field=self.spec.view,
        )
        self._still = Scene(
            solids=task.place.solids,
            ground=task.place.ground,
            light=task.place.light,
            names=("target", *["walker"] * (len(self.crowd) - 1), *task.place.names),
        )
        self._send_target()
        for walker in range(1, len(self.crowd)):
            self._send(walker)
        self._view: View | None = None

    # ---- what is to be seen -----------------------------------------------------------------------------

    @property
    def step_count(self) -> int:
        return len(self.distances)

    @property
    def distance(self) -> float:
        """Metres from the robot to the target."""
        return float(np.linalg.norm(self.crowd.positions[0] - self.robot[:2]))

    @property
    def bearing(self) -> float:
        """Radians from the robot's nose to the target, to the left."""
        x, y = self.crowd.positions[0] - self.robot[:2]
        return float(np.mod(np.arctan2(y, x) - self.robot[2] + pi, 2 * pi) - pi)

    @property
    def camera(self) -> Camera:
        return self._camera.at(*self.robot.tolist())

    def scene(self, *, robot: bool = False) -> Scene:
        """Everything at this moment; the robot itself only for cameras that are not on it."""
        crowd = self.crowd
        people = walkers_solids(
            self.task.outfits, crowd.poses, crowd.phases, crowd.walking, np.arange(len(crowd))
        )
        return self._still.with_movers(people, *([self._body()] if robot else []))

    def look(self) -> View:
        """What the robot's camera shows now; once it has run into something, what it showed last."""
        if self._view is None or self._view.step < self.step_count:
            scene, camera = self.scene(), self.camera
            if self._view is not None and _covered(scene, camera):
                return self._view._replace(step=self.step_count)
            frame = render(scene, camera)
            assert frame.ids is not None
            self._view = View(frame.image, frame.ids, float(np.mean(frame.ids == 0)), self.step_count)
        return self._view

    def look_down(self, size: int) -> NDArray[np.uint8]:
        """The robot and those around it from above, its nose upwards: (size, size, 3)."""
        camera = Camera(width=size, height=size, position=(0.0, 0.0, 11.0), pitch=-pi / 2, field=pi / 3)
        return render(self.scene(robot=True), camera.at(*self.robot.tolist())).image

    def _body(self) -> Solids:
        x, y, yaw = self.robot.tolist()
        mine, shell = len(self._still.names), Look((0.92, 0.92, 0.94))
        eye = (x + 0.2 * cos(yaw), y + 0.2 * sin(yaw), self.spec.camera_height)
        return solids(
            [
                cylinder((x, y, 0.05), ROBOT_RADIUS, 0.3, shell, instance=mine),
                cylinder((x, y, 0.3), 0.06, self.spec.camera_height - 0.3, shell, instance=mine),
                sphere((x, y, self.spec.camera_height), 0.13, shell, instance=mine),
                sphere(eye, 0.05, Look((0.1, 0.1, 0.1)), instance=mine),
            ]
        )

    # ---- what happens -----------------------------------------------------------------------------------

    def step(self, command: ArrayLike) -> Status:
        """Drive for DT seconds with a command (3,), m/s forward and left, rad/s; what is beyond the limits is
        cut off.
        """
        if self.status != "running":
            raise RuntimeError(f"the episode is over ({self.status}); begin another")
        self._direct()
        self.crowd.step(DT, self._as_seen_by_people())
        self._drive(np.clip(np.asarray(command, dtype=np.float64), -LIMITS, LIMITS))
        self.distances.append(self.distance)
        self.masks.append(self.look().mask)
        self.status = status_of(self.distances, self._touches(), self._stood >= STAYS, self.spec.rules)
        return self.status

    @property
    def following(self) -> bool:
        """Whether the robot follows at this moment."""
        return bool(is_following(self.distance, self.look().mask, self.spec.rules))

    def outcome(self) -> Outcome:
        return judge(self.status, self.distances, self.masks, self.spec.rules)

    def _drive(self, command: NDArray[np.float64]) -> None:
        change = ACCELERATIONS * DT
        self.velocity = self.velocity + np.clip(command - self.velocity, -change, change)
        forward, left, turning = self.velocity.tolist()
        yaw = self.robot[2] + turning * DT / 2
        self.robot = self.robot + DT * np.array(
            [forward * cos(yaw) - left * sin(yaw), forward * sin(yaw) + left * cos(yaw), turning]
        )

    def _touches(self) -> bool:
        """In touch with a thing, or too near to one of the others."""
        gaps = np.linalg.norm(self.crowd.positions[1:] - self.robot[:2], axis=1)
        near = gaps.min(initial=np.inf) < self.spec.rules.hit
        return bool(near or self.task.place.floor.distance(self.robot[:2])[0] < ROBOT_RADIUS)

    def world_velocity(self) -> NDArray[np.float64]:
        """The robot's velocity (2,) in the world's frame."""
        forward, left, yaw = self.velocity[0], self.velocity[1], self.robot[2]
        return np.array([forward * cos(yaw) - left * sin(yaw), forward * sin(yaw) + left * cos(yaw)])

    def _as_seen_by_people(self) -> Others:
        return Others(
            positions=self.robot[None, :2], velocities=self.world_velocity()[None], radius=YIELD_RADIUS
        )

    # ---- where people go --------------------------------------------------------------------------------

    def _direct(self) -> None:
        """Give a new goal to whoever has arrived and waited, or gets nowhere."""
        arrived = self.crowd.arrived
        slow = ~arrived & (self.crowd.walking < 0.1)
        self._slow = np.where(slow, self._slow + 1, 0)
        stuck = self._slow > PATIENCE
        self._slow[stuck] = 0
        self._waits = np.where(arrived, self._waits - 1, self._waits)
        for walker in np.flatnonzero((arrived & (self._waits < 0)) | stuck).tolist():
            if walker:
                self._send(walker)
            else:
                self._leg += 1
                self._send_target()
        if self._leg >= len(self.task.legs):
            self._stood += 1

    def _send_target(self) -> None:
        if self._leg < len(self.task.legs):
            leg = self.task.legs[self._leg]
            self.crowd.send(0, leg.goal)
            self.crowd.speeds[0] = leg.speed
            self._waits[0] = round(leg.pause / DT)
        else:
            self.crowd.stop(0)

    def _send(self, walker: int) -> None:
        """Another goal for one of the others: often one that leads it past the target."""
        place, half = self.task.place, self.task.place.half
        low, high = np.full(2, -half), np.full(2, half)
        if self._rng.random() < NEAR_TARGET:
            ahead = np.array(self.task.legs[min(self._leg, len(self.task.legs) - 1)].goal)
            middle = (self.crowd.positions[0] + ahead) / 2
            low, high = np.maximum(middle - 3, low), np.minimum(middle + 3, high)
        try:
            goal = free_places(self._rng, place.floor, 1, low=low, high=high)[0]
        except ValueError:  # no room there: it stays where it is for now
            goal = self.crowd.positions[walker]
        self.crowd.send(walker, goal)
        self._waits[walker] = int(self._rng.integers(10, 40)) if self._rng.random() < 0.2 else 0


def _covered(scene: Scene, camera: Camera) -> bool:
    """Whether something is where the camera is."""
    try:
        check_view(scene, camera)
    except ValueError:
        return True
    return False
