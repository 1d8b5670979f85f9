"""One MuJoCo model: a quadrotor, and solids around it as geoms that are touched and seen."""

# pyright: reportAttributeAccessIssue=false
# MuJoCo's names come from compiled code that has no stubs.

from math import atan2, cos, inf, sin
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.world.flight import GRAVITY
from wayscan.world.scene import Shape, Solids
from wayscan.world.twin.airframe import Airframe

MISSED = -1.0  # what MuJoCo says of a ray that hits nothing
SEEN = np.array([1, 0, 0, 0, 0, 0], dtype=np.uint8)  # groups of geoms; the ceiling is in group 1
Array = NDArray[np.float64]


class Arena:
    """A drone among solids.

    Args:
        solids: (P,) of SOLID.
        moving: rows of solids that `carry` moves.
        floor, ceiling: heights of planes; ±inf for none. Only the floor is seen.
    """

    def __init__(
        self,
        airframe: Airframe,
        radius: float,
        solids: Solids,
        moving: NDArray[np.int64],
        floor: float = -inf,
        ceiling: float = inf,
    ) -> None:
        self.model = mujoco.MjModel.from_xml_string(
            arena_mjcf(airframe, radius, solids, moving, floor, ceiling)
        )
        self.data = mujoco.MjData(self.model)
        self._weight, self._body = airframe.weight, self.model.body("drone").id
        self._moving = np.sort(moving)  # as their bodies are
        self._lift = _lifts(solids[self._moving])
        # Views: making them anew for each millisecond of flight would cost as much as the physics.
        self.qpos, self.qvel, self.ctrl = self.data.qpos, self.data.qvel, self.data.ctrl
        self.push = self.data.xfrc_applied[self._body, :3]  # N on the body, in the world's frame

    def put(self, position: ArrayLike, yaw: float) -> None:
        """The drone hovers here."""
        mujoco.mj_resetData(self.model, self.data)
        self.qpos[:3], self.qpos[3:7] = position, (cos(yaw / 2), 0, 0, sin(yaw / 2))
        self.data.act[:] = self.ctrl[:] = self._weight / 4
        self.settle()

    def carry(self, solids: Solids) -> None:
        """Put what moves where its rows of solids (P,) say."""
        self.data.mocap_pos[:] = solids["a"][self._moving] + self._lift

    def settle(self) -> None:
        """Work out where everything is and what touches, without a step of time."""
        mujoco.mj_fwdPosition(self.model, self.data)

    def step(self) -> None:
        mujoco.mj_step(self.model, self.data)

    @property
    def touching(self) -> bool:
        """Whether the hull touched anything when last looked at: by `settle`, or before a step."""
        return self.data.ncon > 0

    def rays(self, origin: Array, directions: Array) -> Array:
        """Metres to what each ray meets first (R,), inf for nothing; directions (R, 3) of length 1."""
        count = len(directions)
        distance, which = np.empty(count), np.empty(count, dtype=np.int32)
        mujoco.mj_multiRay(
            self.model, self.data, origin, directions.reshape(-1), SEEN, 1, self._body, which, distance, None,
            count, mujoco.mjMAXVAL,
        )  # fmt: skip
        distance[distance == MISSED] = inf
        return distance


def arena_mjcf(
    airframe: Airframe,
    radius: float,
    solids: Solids,
    moving: NDArray[np.int64],
    floor: float = -inf,
    ceiling: float = inf,
) -> str:
    """The model as MJCF. Obstacles touch the hull and nothing else."""
    body, motors = airframe.mjcf(radius)
    swinging = set(moving.tolist())
    planes = ""
    if floor > -inf:
        planes += f'<geom type="plane" size="0 0 1" pos="0 0 {floor!r}"/>'
    if ceiling < inf:
        planes += f'<geom type="plane" size="0 0 1" pos="0 0 {ceiling!r}" euler="180 0 0" group="1"/>'
    geoms = []
    for number, row in enumerate(solids):
        if row["shape"] == Shape.NOTHING:
            continue
        place, form = _geom(row)
        geoms.append(
            f'<body mocap="true" {place}><geom {form}/></body>'
            if number in swinging
            else f"<geom {place} {form}/>"
        )
    return (
        f'<mujoco><option gravity="0 0 {-GRAVITY!r}"/><default><geom contype="0" conaffinity="1"/></default>'
        f"<worldbody>{planes}{''.join(geoms)}{body}</worldbody><actuator>{motors}</actuator></mujoco>"
    )


def _geom(row: Any) -> tuple[str, str]:
    """Where a solid is, and what: attributes of MJCF. Forests have no other shapes."""
    (x, y, z), half, radius = row["a"].tolist(), row["b"].tolist(), float(row["radius"])
    if row["shape"] == Shape.BOX:
        yaw = atan2(float(row["turn"][1]), float(row["turn"][0]))
        return (
            f'pos="{x!r} {y!r} {z!r}" quat="{cos(yaw / 2)!r} 0 0 {sin(yaw / 2)!r}"',
            f'type="box" size="{half[0]!r} {half[1]!r} {half[2]!r}"',
        )
    if row["shape"] == Shape.SPHERE:
        return f'pos="{x!r} {y!r} {z!r}"', f'type="sphere" size="{radius!r}"'
    if row["shape"] == Shape.CYLINDER:
        return f'pos="{x!r} {y!r} {z + half[2] / 2!r}"', f'type="cylinder" size="{radius!r} {half[2] / 2!r}"'
    raise ValueError(
        f"a solid is a {Shape(int(row['shape'])).name.lower()}; expected a box, sphere or cylinder"
    )


def _lifts(solids: Solids) -> Array:
    """(M, 3) from a solid's `a` to its geom's middle: a cylinder's `a` is its foot."""
    lift = np.zeros((len(solids), 3))
    lift[:, 2] = np.where(solids["shape"] == Shape.CYLINDER, solids["b"][:, 2] / 2, 0)
    return lift
