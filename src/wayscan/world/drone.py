"""A velocity-controlled drone: lags, a limit of tilt, drag and wind; W of them at once.

A command is forward speed, yaw rate and climb. The flight controller pulls the velocity v towards the
commanded u and the air pulls it towards the wind w:

    v' = limited((u − v) / lag) + (w − v) / drag          |limited| ≤ g tan(tilt), level part
    r' = (turn − r) / yaw_lag

so in still air and within the tilt's limit v(t) = v∞ + (v₀ − v∞) exp(−(1/lag + 1/drag) t), of terminal
speed v∞ = (u drag + w lag) / (drag + lag): a drone of drag 5 s and lag 0.25 s reaches 95 % of what it is
told, and drifts with 5 % of the wind.
"""

from dataclasses import dataclass
from math import inf, pi, radians, tan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world import kernels
from wayscan.world.scene import SOLID

PIECES = 5  # of time in an action: how finely contact is looked for

MOVER = np.dtype(
    [
        ("row", np.int64),  # of the solid that moves
        ("start", np.float64, 3),  # its `a` at one end of the way
        ("end", np.float64, 3),
        ("period", np.float64),  # s there and back; 0: an empty row
        ("phase", np.float64),  # share of the period
    ]
)
"""A solid that swings between two places."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DroneSpec:
    """A make of drone. Speeds are what actions of 1 ask for."""

    forward: float = 2.0  # m/s
    turn: float = pi / 3  # rad/s
    climb: float = 0.3  # m/s
    radius: float = 0.25  # m, of the hull: a sphere
    lag: float = 0.25  # s
    climb_lag: float = 0.25
    turn_lag: float = 0.15
    drag: float = 5.0  # s in which the air takes a free drone along
    tilt: float = radians(20)

    def __post_init__(self) -> None:
        for name in ("forward", "turn", "climb", "radius", "lag", "climb_lag", "turn_lag", "drag", "tilt"):
            value = getattr(self, name)
            if not 0 < value < (pi / 2 if name == "tilt" else inf):
                expected = "an angle between 0 and π/2" if name == "tilt" else "a finite number above 0"
                raise ValueError(f"drone: {name} is {value!r}; expected {expected}")

    @property
    def scale(self) -> Array:
        """(3,): what an action of 1 asks for."""
        return np.array([self.forward, self.turn, self.climb])

    @property
    def make(self) -> Array:
        """(MAKE,) as kernels read it."""
        most = 9.81 * tan(self.tilt)
        return np.array([self.lag, self.climb_lag, self.turn_lag, self.drag, most, self.radius])


@dataclass(frozen=True, eq=False)
class Moved:
    """What an action did, for each of W drones."""

    crashed: NDArray[np.bool_]
    arrived: NDArray[np.bool_]
    clearance: Array  # m, the least of the hull on the way
    way: Array  # m flown


class Drones:
    """W drones with W worlds of solids around them."""

    def __init__(self, count: int, spec: DroneSpec | None = None) -> None:
        self.spec = spec or DroneSpec()
        self._flight = kernels.compiled("flight")
        self.states = np.zeros((count, self._flight.STATE))
        self._make = self.spec.make
        self._outcomes = np.zeros(count, dtype=np.int64)
        self._clearance, self._way = np.zeros(count), np.zeros(count)

    @property
    def position(self) -> Array:
        """(W, 3) in the world's frame, a view."""
        return self.states[:, 0:3]

    @property
    def velocity(self) -> Array:
        """(W, 3) in the world's frame, a view."""
        return self.states[:, 3:6]

    @property
    def yaw(self) -> Array:
        """(W,) not wrapped, a view."""
        return self.states[:, 6]

    @property
    def yaw_rate(self) -> Array:
        return self.states[:, 7]

    @property
    def attitude(self) -> Array:
        """(W, 2) pitch (nose up is positive) and roll (to the right is positive), a view."""
        return self.states[:, 8:10]

    def put(self, index: int, position: ArrayLike, yaw: float = 0.0) -> None:
        """Drone `index` hovers here."""
        self.states[index] = 0
        self.states[index, :3], self.states[index, 6] = position, yaw

    def fly(
        self,
        commands: Array,
        seconds: float,
        *,
        winds: Array | None = None,
        solids: NDArray[np.void] | None = None,
        movers: NDArray[np.void] | None = None,
        times: Array | None = None,
        goals: Array | None = None,
        near: float = 0.0,
        floor: float = -inf,
        ceiling: float = inf,
    ) -> Moved:
        """One action: commands (W, 3) of m/s, rad/s, m/s are held for so many seconds.

        Args:
            winds: (W, 3), m/s of the air.
            solids: (W, P) of SOLID; rows of movers are changed in place.
            movers: (W, M) of MOVER, at `times` (W,) seconds, which advance in place.
            goals: (W, 3); a drone nearer than `near` stops there.
            floor, ceiling: heights; touching them is a crash, as touching a solid is.
        """
        count = len(self.states)
        return self._move(
            np.ascontiguousarray(commands, dtype=np.float64),
            seconds,
            np.zeros((count, 3)) if winds is None else winds,
            np.zeros((count, 0), dtype=SOLID) if solids is None else solids,
            np.zeros((count, 0), dtype=MOVER) if movers is None else movers,
            np.zeros(count) if times is None else times,
            np.full((count, 3), inf) if goals is None else goals,
            near,
            floor,
            ceiling,
        )

    def _move(
        self,
        commands: Array,
        seconds: float,
        winds: Array,
        solids: NDArray[np.void],
        movers: NDArray[np.void],
        times: Array,
        goals: Array,
        near: float,
        floor: float,
        ceiling: float,
    ) -> Moved:
        """`fly` with nothing left out: what another kind of drone does in its own way."""
        self._flight.fly(
            self.states, self._make, commands, winds, seconds, PIECES, solids, movers, times, goals, near,
            floor, ceiling, self._outcomes, self._clearance, self._way,
        )  # fmt: skip
        crashed, arrived = self._outcomes == self._flight.CRASHED, self._outcomes == self._flight.ARRIVED
        return Moved(crashed, arrived, self._clearance.copy(), self._way.copy())
