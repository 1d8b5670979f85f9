"""AirSim over msgpack-rpc with `msgpack` alone: requests [0, id, method, arguments], replies [1, id, error,
result].

    client = AirSimClient("127.0.0.1", 41451)
    depth = client.depth("0")  # (H, W) planar metres

Everything here is AirSim's: its frame is north, east, down, its angles turn clockwise seen from above, its
turning speeds are degrees a second. Tested against a stand-in that speaks the protocol; it has not met a real
AirSim.
"""

import socket
import time
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DEPTH_PLANAR = 1
ANY_DIRECTION = 0  # drivetrain: the nose need not point where it flies
PIECE = 1 << 16  # bytes


class State(NamedTuple):
    """Of a multirotor: metres, metres a second, radians; north, east, down."""

    position: NDArray[np.float64]  # (3,)
    velocity: NDArray[np.float64]  # (3,)
    yaw: float
    yaw_rate: float


class AirSimClient:
    """One connection.

    Args:
        retries: how often connecting, and asking for an image that comes back empty, are tried again.
        patience: seconds that one call may take.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 41451,
        *,
        vehicle: str = "",
        retries: int = 3,
        pause: float = 0.5,
        patience: float = 20.0,
    ) -> None:
        try:
            import msgpack
        except ModuleNotFoundError as missing:
            raise ModuleNotFoundError(
                'AirSim needs msgpack, which is not installed; run: pip install "wayscan[airsim]"',
                name="msgpack",
            ) from missing
        self.host, self.port, self.vehicle = host, port, vehicle
        self._retries, self._pause, self._patience = retries, pause, patience
        self._pack, self._unpacker = msgpack.packb, msgpack.Unpacker(raw=False, strict_map_key=False)
        self._numbers, self._unheard = count(1), set[int]()
        self._socket = self._connect()

    def _connect(self) -> socket.socket:
        link = self._try_to_connect()
        for _ in range(self._retries):
            if isinstance(link, socket.socket):
                break
            time.sleep(self._pause)
            link = self._try_to_connect()
        if isinstance(link, OSError):
            raise ConnectionError(
                f"airsim://{self.host}:{self.port} does not answer after {self._retries + 1} tries ({link}); "
                f"expected AirSim; start it, or give its address"
            )
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def _try_to_connect(self) -> socket.socket | OSError:
        try:
            return socket.create_connection((self.host, self.port), timeout=self._patience)
        except OSError as error:
            return error

    def close(self) -> None:
        self._socket.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """Ask and wait for the result."""
        return self._wait(self._send(method, arguments), method)

    def begin(self, method: str, *arguments: Any) -> None:
        """Ask for something that takes simulated time; nobody waits for its result."""
        self._unheard.add(self._send(method, arguments))

    def _send(self, method: str, arguments: tuple[Any, ...]) -> int:
        number = next(self._numbers)
        packed: Any = self._pack([0, number, method, list(arguments)])
        try:
            self._socket.sendall(packed)
        except OSError as error:
            raise self._lost(method, str(error)) from error
        return number

    def _wait(self, number: int, method: str) -> Any:
        while True:
            for reply in self._unpacker:
                _, answered, error, result = reply
                if answered in self._unheard:
                    self._unheard.discard(answered)
                elif answered == number:
                    if error is not None:
                        raise RuntimeError(f"AirSim refuses {method}: {error}")
                    return result
            try:
                piece = self._socket.recv(PIECE)
            except OSError as error:
                raise self._lost(
                    method,
                    f"no answer in {self._patience:g} s" if isinstance(error, TimeoutError) else str(error),
                ) from error
            if not piece:
                raise self._lost(method, "it closed the connection")
            self._unpacker.feed(piece)

    def _lost(self, method: str, why: str) -> ConnectionError:
        return ConnectionError(
            f"airsim://{self.host}:{self.port} was lost in {method} ({why}); start AirSim again, then make a "
            f"new environment"
        )

    # ---- what flying needs ------------------------------------------------------------------------------

    def take_over(self) -> None:
        """Everything to its beginning, motors on, under our control, time standing still."""
        self.call("simPause", False)
        self.call("reset")
        self.call("enableApiControl", True, self.vehicle)
        self.call("armDisarm", True, self.vehicle)
        self.call("takeoff", self._patience, self.vehicle)
        self.call("simPause", True)

    def put(self, position: NDArray[np.float64], yaw: float) -> None:
        """Set the vehicle down in the air."""
        place = dict(zip(("x_val", "y_val", "z_val"), map(float, position), strict=True))
        turn = {"w_val": float(np.cos(yaw / 2)), "x_val": 0.0, "y_val": 0.0, "z_val": float(np.sin(yaw / 2))}
        self.call("simSetVehiclePose", {"position": place, "orientation": turn}, True, self.vehicle)

    def fly(self, forward: float, down: float, clockwise: float, seconds: float) -> None:
        """Hold speeds (m/s, and degrees a second) for so many simulated seconds, then stand still."""
        turning = {"is_rate": True, "yaw_or_rate": float(clockwise)}
        self.begin(
            "moveByVelocityBodyFrame",
            float(forward),
            0.0,
            float(down),
            2 * float(seconds),  # longer than it is let: it must not end before
            ANY_DIRECTION,
            turning,
            self.vehicle,
        )
        self.call("simContinueForTime", float(seconds))
        late = time.monotonic() + self._patience
        while not self.call("simIsPause"):
            if time.monotonic() > late:
                raise self._lost("simContinueForTime", f"still running after {self._patience:g} s")
            time.sleep(0.001)

    def state(self) -> State:
        kinematics = self.call("getMultirotorState", self.vehicle)["kinematics_estimated"]
        turn = kinematics["orientation"]
        w, x, y, z = (turn[name] for name in ("w_val", "x_val", "y_val", "z_val"))
        yaw = float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))
        spin = _vector(kinematics["angular_velocity"])
        return State(
            _vector(kinematics["position"]), _vector(kinematics["linear_velocity"]), yaw, float(spin[2])
        )

    def collided(self) -> bool:
        """Whether it has touched anything since this was last asked: the flag is sticky, asking clears it."""
        return bool(self.call("simGetCollisionInfo", self.vehicle)["has_collided"])

    def depth(self, camera: str) -> NDArray[np.float32]:
        """Planar depth (H, W) in metres."""
        wanted = {
            "camera_name": camera,
            "image_type": DEPTH_PLANAR,
            "pixels_as_float": True,
            "compress": False,
        }
        for trial in range(self._retries + 1):
            found = self.call("simGetImages", [wanted], self.vehicle, False)
            if found and found[0]["width"] and len(found[0]["image_data_float"]) > 1:
                image = np.asarray(found[0]["image_data_float"], dtype=np.float32)
                return image.reshape(found[0]["height"], found[0]["width"])
            if trial < self._retries:
                time.sleep(self._pause)
        raise ConnectionError(
            f"airsim://{self.host}:{self.port} sends empty images of camera {camera!r}, {self._retries + 1} "
            f"times; expected planar depth; check the camera's name and image type 1 in its settings.json"
        )


def _vector(named: dict[str, float]) -> NDArray[np.float64]:
    return np.array([named["x_val"], named["y_val"], named["z_val"]])
