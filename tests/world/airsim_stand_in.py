"""A stand-in for AirSim: its msgpack-rpc protocol on loopback, with one of our forests behind it."""

import socket
import threading
from math import cos, sin
from typing import Any

import msgpack
import numpy as np

from wayscan.world.envs.forest_worlds import ForestConfig, ForestWorlds
from wayscan.world.render import depth_images


class StandIn:
    """AirSim's frame: the start is the origin, the way the drone looks at first is north; height is kept."""

    def __init__(self, config: ForestConfig, seed: int, *, empty_images: int = 0) -> None:
        self.worlds, self.seed, self.empty = ForestWorlds(config, 1), seed, empty_images
        self.calls: list[str] = []
        self.paused, self.touched, self.command = False, True, np.zeros(3)
        self._waiting: list[int] = []
        self._begin()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def goal(self) -> tuple[float, float, float]:
        """In the environment's frame: x north, y west, z up."""
        x, y = self._local(self.worlds.goals[0, :2] - self._origin)
        return float(x), float(y), float(self.worlds.goals[0, 2])

    def close(self) -> None:
        self._door.close()
        self._thread.join(timeout=5)

    def _begin(self) -> None:
        self.worlds.reset(0, np.random.default_rng(self.seed))
        drones = self.worlds.drones
        self._origin, self._yaw = drones.position[0, :2].copy(), float(drones.yaw[0])

    def _local(self, vector: np.ndarray) -> np.ndarray:
        c, s = cos(self._yaw), sin(self._yaw)
        return np.array([c * vector[0] + s * vector[1], c * vector[1] - s * vector[0]])

    def _serve(self) -> None:
        try:
            link, _ = self._door.accept()
        except OSError:
            return
        unpacker = msgpack.Unpacker()
        with link:
            while piece := link.recv(1 << 16):
                unpacker.feed(piece)
                for _, number, method, arguments in unpacker:
                    self.calls.append(method)
                    if method == "moveByVelocityBodyFrame":
                        self._waiting.append(number)  # its reply comes when the time has passed
                    answer = getattr(self, f"do_{method}", None)
                    error = None if answer else f"method {method} not found"
                    result = answer(*arguments) if answer else None
                    if method != "moveByVelocityBodyFrame":
                        link.sendall(msgpack.packb([1, number, error, result]))
                    if method == "simContinueForTime":
                        for each in self._waiting:
                            link.sendall(msgpack.packb([1, each, None, True]))
                        self._waiting.clear()

    def do_reset(self) -> None:
        self._begin()
        self.touched = True  # the sticky flag of an earlier touch

    def do_enableApiControl(self, on: bool, vehicle: str) -> None: ...  # noqa: N802

    def do_armDisarm(self, on: bool, vehicle: str) -> bool:  # noqa: N802
        return True

    def do_takeoff(self, patience: float, vehicle: str) -> bool:
        return True

    def do_simPause(self, pause: bool) -> None:  # noqa: N802
        self.paused = pause

    def do_simIsPause(self) -> bool:  # noqa: N802
        return self.paused

    def do_simSetVehiclePose(self, pose: dict, ignore: bool, vehicle: str) -> None:  # noqa: N802
        place, turn = pose["position"], pose["orientation"]
        yaw = -2 * np.arctan2(turn["z_val"], turn["w_val"])
        c, s = cos(self._yaw), sin(self._yaw)
        x, y = place["x_val"], -place["y_val"]
        ground = self._origin + np.array([c * x - s * y, s * x + c * y])
        self.worlds.drones.put(0, (*ground, -place["z_val"]), yaw + self._yaw)

    def do_moveByVelocityBodyFrame(self, vx, vy, vz, duration, drivetrain, yaw_mode, vehicle) -> None:  # noqa: N802
        assert yaw_mode["is_rate"]
        self.command = np.array([vx, -np.radians(yaw_mode["yaw_or_rate"]), -vz])

    def do_simContinueForTime(self, seconds: float) -> None:  # noqa: N802
        assert self.paused
        assert seconds == self.worlds.config.seconds
        self.worlds.step((self.command / self.worlds.config.drone.scale)[None])
        self.touched |= bool(self.worlds.facts()["collision"][0])

    def do_getMultirotorState(self, vehicle: str) -> dict[str, Any]:  # noqa: N802
        drones = self.worlds.drones
        (north, west), (vn, vw) = (
            self._local(drones.position[0, :2] - self._origin),
            self._local(drones.velocity[0, :2]),
        )
        yaw = -(float(drones.yaw[0]) - self._yaw)

        def vector(x: float, y: float, z: float) -> dict[str, float]:
            return {"x_val": float(x), "y_val": float(y), "z_val": float(z)}

        return {
            "kinematics_estimated": {
                "position": vector(north, -west, -drones.position[0, 2]),
                "linear_velocity": vector(vn, -vw, -drones.velocity[0, 2]),
                "angular_velocity": vector(0, 0, -drones.yaw_rate[0]),
                "orientation": vector(0, 0, np.sin(yaw / 2)) | {"w_val": float(np.cos(yaw / 2))},
            }
        }

    def do_simGetCollisionInfo(self, vehicle: str) -> dict[str, Any]:  # noqa: N802
        touched, self.touched = self.touched, False
        return {"has_collided": touched}

    def do_simGetImages(self, requests: list, vehicle: str, external: bool) -> list[dict[str, Any]]:  # noqa: N802
        (request,) = requests
        assert (request["image_type"], request["pixels_as_float"]) == (1, True)
        if self.empty:
            self.empty -= 1
            return [{"width": 0, "height": 0, "image_data_float": [0.0]}]
        side = self.worlds.config.image
        depth = depth_images(self.worlds.solids, self.worlds.cameras(), side, side, far=1000.0)[0]
        return [{"width": side, "height": side, "image_data_float": depth.ravel().tolist()}]
