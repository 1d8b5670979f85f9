"""From commands to thrusts, as flight controllers do it: velocity → attitude → body rates → motors.

    velocity   asks for the acceleration of wayscan.world.drone: limited((u − v) / lag), and (climb − v) / lag
    attitude   the thrust must point along that acceleration and gravity's: body rates by the angle between
    rates      torques by what is missing of the rates; the yaw rate is the command's, by its own lag
    motors     four thrusts that make this force and these torques

The gains of the two inner loops belong to the airframe; the outer one's are the drone's lags and its limit of
tilt, so that the twin does what the drone of the embedded world does. Plain floats: one drone, one moment.
"""

from collections.abc import Sequence
from math import copysign, hypot, sqrt
from typing import NamedTuple

from wayscan.world.drone import DroneSpec
from wayscan.world.flight import GRAVITY
from wayscan.world.twin.airframe import Airframe

ATTITUDE_GAIN = 20.0  # rad/s for each radian between the thrust's direction and the one asked for
RATE_GAIN = 40.0  # rad/s² for each rad/s
LEAST_LIFT = 1.0  # m/s²: rotors cannot pull down, and without thrust nothing can be steered
LEAST_UPRIGHT = 0.5  # cosine of the tilt beyond which more thrust would not help


class Axes(NamedTuple):
    """How the body lies: its x, y, z axes in the world, and how fast its heading turns (rad/s)."""

    forward: tuple[float, float, float]
    left: tuple[float, float, float]
    up: tuple[float, float, float]
    yaw_rate: float


def axes_of(quaternion: Sequence[float], rates: Sequence[float]) -> Axes:
    """From MuJoCo's quaternion (w, x, y, z) and the body rates."""
    w, x, y, z = quaternion
    forward = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
    left = (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))
    up = (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))
    level = max(1 - forward[2] * forward[2], 1e-9)
    return Axes(forward, left, up, (rates[2] * up[2] + rates[1] * left[2]) / level)


class Autopilot:
    """Flies one make of drone on one airframe."""

    def __init__(self, spec: DroneSpec, airframe: Airframe) -> None:
        self._lag, self._climb_lag, self._turn_lag, _, self._most_pull, _ = spec.make.tolist()
        self._mass, self._inertia, self._most = airframe.mass, airframe.inertia, airframe.most
        self._turning = 0.25 / airframe.reaction
        self._levers = [(0.25 / y, -0.25 / x, copysign(1.0, turning)) for x, y, turning in airframe.rotors]

    def thrusts(
        self, axes: Axes, velocity: Sequence[float], rates: Sequence[float], command: Sequence[float]
    ) -> list[float]:
        """(4,) N, of velocity in the world's frame, body rates, and the command: forward, turn, climb."""
        forward, turn, climb = command
        level = max(hypot(axes.forward[0], axes.forward[1]), 1e-9)
        pull_x = (forward * axes.forward[0] / level - velocity[0]) / self._lag
        pull_y = (forward * axes.forward[1] / level - velocity[1]) / self._lag
        ease = min(1.0, self._most_pull / max(hypot(pull_x, pull_y), 1e-12))
        lift = max(GRAVITY + (climb - velocity[2]) / self._climb_lag, LEAST_LIFT)
        asked = (ease * pull_x, ease * pull_y, lift)
        force = self._mass * lift / max(axes.up[2], LEAST_UPRIGHT)

        eager = ATTITUDE_GAIN / sqrt(_dot(asked, asked))
        about_x = self._inertia[0] * RATE_GAIN * (-eager * _dot(axes.left, asked) - rates[0])
        about_y = self._inertia[1] * RATE_GAIN * (eager * _dot(axes.forward, asked) - rates[1])
        about_z = self._inertia[2] * (turn - axes.yaw_rate) / self._turn_lag
        return self._mixed(force, about_x, about_y, about_z)

    def _mixed(self, force: float, about_x: float, about_y: float, about_z: float) -> list[float]:
        """Thrusts (4,) of which the force comes first, for it carries, then turning, then tilting."""
        share = min(force / 4, self._most)
        room = min(share, self._most - share)
        turning = min(max(self._turning * about_z, -room), room)
        tilting = [x * about_x + y * about_y for x, y, _ in self._levers]
        ease = min(1.0, (room - abs(turning)) / max(*tilting, 1e-12))  # opposite rotors differ oppositely
        return [
            share + ease * tilt + sense * turning
            for tilt, (_, _, sense) in zip(tilting, self._levers, strict=True)
        ]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
