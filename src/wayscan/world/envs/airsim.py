"""`AirSimEnv-v42`: Forest-v0's task in AirSim: the same observations, actions, reward and length of a step.

    env = gymnasium.make("AirSimEnv-v42", address="airsim://127.0.0.1:41451", goals=((35.0, 0.0, 1.5),))

Start AirSim first, with a multirotor and a camera whose depth image has a 90° view. Positions here are as in
the forest: metres, x north, y west (left), z up, yaw counter-clockwise; the client's are AirSim's. What
AirSim does not tell is estimated: `clearance`, and with it the reward's closeness, from the nearest pixel of
the depth image. Tested against a stand-in that speaks the protocol; it has not met a real AirSim.
"""

from collections import deque
from typing import Any, ClassVar
from urllib.parse import urlsplit

import cv2
import gymnasium
import numpy as np
from numpy.typing import NDArray

from wayscan.world.envs.airsim_client import AirSimClient, State
from wayscan.world.envs.forest import FRAMES_PER_SECOND, action_space, observation_space
from wayscan.world.envs.forest_worlds import (
    ForestConfig,
    Observation,
    base_of,
    checked_actions,
    configure,
    shown,
)

Point = tuple[float, float, float]
MIRROR = np.array([1.0, -1.0, -1.0])  # north, east, down ↔ north, west, up
GOALS: tuple[Point, ...] = ((35.0, 0.0, 1.5), (32.0, 12.0, 1.5), (32.0, -12.0, 1.5))


class AirSim(gymnasium.Env):
    """One multirotor of AirSim.

    Args:
        address: airsim://host:port.
        goals: places in metres, of which each episode draws one.
        start: where each episode begins; the nose points to the goal.
        options: fields of ForestConfig and its parts; those of forests, wind and faults do nothing here.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": FRAMES_PER_SECOND}

    def __init__(
        self,
        address: str = "airsim://127.0.0.1:41451",
        *,
        config: ForestConfig | None = None,
        goals: tuple[Point, ...] = GOALS,
        start: Point = (0.0, 0.0, 1.5),
        camera: str = "0",
        vehicle: str = "",
        retries: int = 3,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}; expected None or 'rgb_array'")
        self.config, self.render_mode = configure(config, **options), render_mode
        self.observation_space, self.action_space = observation_space(self.config), action_space()
        self.goals, self.start, self.camera = (
            np.asarray(goals, float).reshape(-1, 3),
            np.asarray(start, float),
            camera,
        )
        host, port = _host_and_port(address)
        self.client = AirSimClient(host, port, vehicle=vehicle, retries=retries)
        self._goal, self._straight, self._way, self._steps = self.goals[0], 0.0, 0.0, 0
        self._place = self.start
        self._frames: deque[tuple[NDArray[Any], NDArray[np.float32]]] = deque(maxlen=self.config.stack)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        self._goal = self.goals[self.np_random.integers(len(self.goals))]
        ahead = self._goal - self.start
        self.client.take_over()
        self.client.put(self.start * MIRROR, -float(np.arctan2(ahead[1], ahead[0])))
        self.client.collided()  # what taking off and being set down has touched
        self._steps, self._way, self._place = 0, 0.0, self.start
        self._straight = max(float(np.linalg.norm(ahead)) - self.config.goal_radius, 0.0)
        state, depth = self.client.state(), self.client.depth(self.camera)
        self._frames.extend([self._frame(state, depth)] * self.config.stack)
        return self._observation(), self._info(state, self._clearance(depth))

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        config = self.config
        actions, clipped = checked_actions(np.asarray(action, dtype=np.float64)[None], 1)
        forward, turn, climb = (actions[0] * config.drone.scale).tolist()
        before = self._distance()
        self.client.fly(forward, -climb, -float(np.degrees(turn)), config.seconds)
        state, depth = self.client.state(), self.client.depth(self.camera)
        place = state.position * MIRROR
        self._steps, self._way = self._steps + 1, self._way + float(np.linalg.norm(place - self._place))
        self._place = place
        self._frames.append(self._frame(state, depth))

        after, clearance = self._distance(), self._clearance(depth)
        crashed = self.client.collided() or bool(place[2] > config.forest.ceiling)
        arrived = after < config.goal_radius and not crashed
        late = self._steps >= config.steps and not (crashed or arrived)
        metres = np.array([[before], [after], [clearance]])
        flags = np.array([[arrived], [crashed], [late]])
        reward = config.rewards(metres[0], metres[1], metres[2], actions, flags[0], flags[1], flags[2]).item()
        info = self._info(state, clearance) | {"success": arrived, "collision": crashed, "timeout": late}
        info["clipped"] = bool(clipped[0])
        return self._observation(), reward, arrived or crashed, late, info

    def render(self) -> NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The newest depth image in grey (H, W, 3)."""
        if self.render_mode is None:
            return None
        share = self._frames[-1][0][0] / (255 if self.config.depth == "uint8" else 1)
        return np.repeat((255 * share).astype(np.uint8)[:, :, None], 3, axis=2)

    def close(self) -> None:
        self.client.close()

    def _frame(self, state: State, depth: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Depth (1, H, W) and base (BASE,) of one moment."""
        config, side = self.config, self.config.image
        if depth.shape != (side, side):
            depth = np.asarray(cv2.resize(depth, (side, side), interpolation=cv2.INTER_NEAREST), np.float32)
        base = base_of(
            (self._goal - state.position * MIRROR)[None],
            (state.velocity * MIRROR)[None],
            np.array([-state.yaw]),
            np.array([-state.yaw_rate]),
            np.array([-state.position[2]]),
            config.drone,
            config.forest.ceiling,
        )
        return shown(depth, config.far, config.depth)[None], base[0]

    def _observation(self) -> Observation:
        if self.config.stack == 1:
            return {"depth": self._frames[0][0].copy(), "base": self._frames[0][1].copy()}
        return {
            "depth": np.stack([depth for depth, _ in self._frames]),
            "base": np.stack([base for _, base in self._frames]),
        }

    def _distance(self) -> float:
        return float(np.linalg.norm(self._goal - self._place))

    def _clearance(self, depth: NDArray[np.float32]) -> float:
        return float(depth.min()) - self.config.drone.radius

    def _info(self, state: State, clearance: float) -> dict[str, Any]:
        """The same names as Forest-v0's."""
        return {
            "success": False,
            "collision": False,
            "timeout": False,
            "clipped": False,
            "path_length": self._way,
            "straight_length": self._straight,
            "distance": self._distance(),
            "speed": float(np.linalg.norm(state.velocity)),
            "clearance": clearance,
            "steps": self._steps,
            "unplaced": 0,
        }


def _host_and_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    if parts.scheme != "airsim" or not parts.hostname:
        raise ValueError(f"address is {address!r}; expected airsim://host:port, as airsim://127.0.0.1:41451")
    return parts.hostname, parts.port or 41451
