"""W quadrotors in MuJoCo that are flown as wayscan.world.drone's are: the same commands, the same answers."""

from math import asin, atan2, ceil, inf, pi

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world.drone import MOVER, PIECES, Drones, DroneSpec, Moved
from wayscan.world.scene import SOLID, Solids
from wayscan.world.twin.airframe import Airframe
from wayscan.world.twin.arena import Arena
from wayscan.world.twin.autopilot import Autopilot, axes_of

STEP = 0.004  # s of physics and of the autopilot, at most

Array = NDArray[np.float64]


class TwinDrones(Drones):
    """Drones whose `states` are read off rigid bodies. Until it is surrounded a drone flies in the open."""

    def __init__(self, count: int, spec: DroneSpec | None = None, airframe: Airframe | None = None) -> None:
        super().__init__(count, spec)
        self.airframe = airframe or Airframe().within(self.spec.radius)
        self._autopilot = Autopilot(self.spec, self.airframe)
        nothing, nobody = np.zeros(0, dtype=SOLID), np.zeros(0, dtype=MOVER)
        self.arenas = [self._arena(nothing, nobody, -inf, inf) for _ in range(count)]
        for index in range(count):
            self.put(index, (0, 0, 0))

    def surround(
        self,
        index: int,
        solids: Solids,
        movers: NDArray[np.void] | None = None,
        *,
        floor: float = -inf,
        ceiling: float = inf,
    ) -> None:
        """Drone `index` flies among solids (P,), of which movers (M,) move some, from where it hovers."""
        movers = np.zeros(0, dtype=MOVER) if movers is None else movers
        self.arenas[index] = self._arena(solids, movers, floor, ceiling)
        self.put(index, self.position[index].copy(), float(self.yaw[index]))

    def put(self, index: int, position: ArrayLike, yaw: float = 0.0) -> None:
        super().put(index, position, yaw)
        self.arenas[index].put(position, yaw)

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
        """As Drones do, but a crash is a contact with what `surround` was given, looked for in each step.

        `solids`, `floor` and `ceiling` are what clearances are measured to, five times an action.
        """
        count = len(self.states)
        piece = seconds / PIECES
        crashed, arrived = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
        self._clearance[:], self._way[:] = inf, 0
        for w in range(count):
            command, wind = commands[w].tolist(), winds[w].tolist()
            for _ in range(PIECES):
                before = self.position[w].copy()
                crashed[w] = self._glide(w, command, wind, piece, solids[w], movers[w], times[w])
                times[w] += piece
                x, y, z = self.position[w].tolist()
                self._way[w] += np.linalg.norm(self.position[w] - before)
                room = self._flight.clearance(solids[w], x, y, z, floor, ceiling) - self.spec.radius
                self._clearance[w] = min(self._clearance[w], room)
                arrived[w] = not crashed[w] and np.linalg.norm(self.position[w] - goals[w]) < near
                if crashed[w] or arrived[w]:
                    break
        return Moved(crashed, arrived, self._clearance.copy(), self._way.copy())

    def _glide(
        self,
        index: int,
        command: list[float],
        wind: list[float],
        seconds: float,
        solids: Solids,
        movers: NDArray[np.void],
        time: float,
    ) -> bool:
        """Fly one drone for a piece of time and read its state; whether it touched anything on the way."""
        arena, thrusts = self.arenas[index], self._autopilot.thrusts
        steps = ceil(seconds / STEP - 1e-9)
        arena.model.opt.timestep = step = seconds / steps
        drag = self.airframe.mass / self.spec.drag
        touched = False
        for k in range(steps):
            velocity = arena.qvel.tolist()
            rates = velocity[3:]
            arena.ctrl[:] = thrusts(axes_of(arena.qpos[3:].tolist(), rates), velocity, rates, command)
            arena.push[:] = [drag * (air - own) for air, own in zip(wind, velocity, strict=False)]
            arena.step()
            if len(movers):
                self._flight.place_movers(solids, movers, time + (k + 1) * step)
                arena.carry(solids)
            touched = arena.touching
            if touched:
                break
        arena.settle()
        self._read(index)
        return touched or arena.touching

    def _read(self, index: int) -> None:
        """The state of the embedded world's drone from the body's."""
        arena, state = self.arenas[index], self.states[index]
        axes = axes_of(arena.qpos[3:].tolist(), arena.qvel[3:].tolist())
        state[:3], state[3:6] = arena.qpos[:3], arena.qvel[:3]
        turned = atan2(axes.forward[1], axes.forward[0]) - state[6]
        state[6] += (turned + pi) % (2 * pi) - pi
        state[7] = axes.yaw_rate
        state[8], state[9] = asin(max(-1.0, min(1.0, axes.forward[2]))), atan2(axes.left[2], axes.up[2])

    def _arena(self, solids: Solids, movers: NDArray[np.void], floor: float, ceiling: float) -> Arena:
        rows = movers["row"][movers["period"] > 0]
        return Arena(self.airframe, self.spec.radius, solids, rows, floor, ceiling)
