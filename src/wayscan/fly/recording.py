"""One flight, kept whole: what was seen, done and paid, and where the drone was if the world tells.

    flight = record(pilot, env, seed=7)
    flight.outcome, flight.rewards.sum(), flight.way.positions

Needs no torch.

Letters: T decisions, C H W image, D_s state, A action.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from wayscan.fly.actions import Command, to_environment
from wayscan.fly.config import PilotConfig
from wayscan.fly.observations import Reader, Seen

Outcome = str  # success, collision, timeout; ended or cut where the environment names none of them
NAMED = ("success", "collision", "timeout")
MOST = 10_000  # decisions of a flight that its environment does not end


class Flies(Protocol):
    """What flies: `Pilot`, `OnnxPilot`, `RandomPilot`."""

    def reset(self) -> None: ...
    def step(self, observation: Any) -> Command: ...


class RandomPilot:
    """The trivial baseline: actions drawn evenly between their limits."""

    def __init__(self, space: Any, seed: int) -> None:
        self._low, self._high = space.low, space.high
        self._rng = np.random.default_rng(seed)

    def reset(self) -> None:
        """Nothing is remembered."""

    def step(self, observation: Any) -> Command:
        share = self._rng.uniform(-1, 1, self._low.shape).astype(np.float32)
        return Command(to_environment(share, self._low, self._high), share)


class Way(NamedTuple):
    """Where the drone was at each moment, in the world's frame."""

    forest: Any  # wayscan.world.forests.Forest
    positions: NDArray[np.float64]  # (T + 1, 3)
    yaws: NDArray[np.float64]  # (T + 1,)
    speeds: NDArray[np.float64]  # (T + 1,) m/s
    movers: NDArray[np.float64]  # (T + 1, M, 2) where the forest's movers were


@dataclass(frozen=True, kw_only=True, eq=False)
class Flight:
    """An episode: T decisions, and T + 1 moments that were seen, the last of them at the end."""

    seed: int
    frames: NDArray[np.uint8] | None  # (T + 1, C, H, W)
    states: NDArray[np.float32]  # (T + 1, D_s)
    shares: NDArray[np.float32]  # (T, A) in [-1, 1]
    rewards: NDArray[np.float64]  # (T,)
    outcome: Outcome
    way: Way | None
    far: float | None  # metres that the brightest pixel of a depth image stands for
    view: float | None  # angle across an image
    seconds: float | None  # of an action

    def __len__(self) -> int:
        return len(self.rewards)

    def summary(self) -> dict[str, Any]:
        """What `--json` tells."""
        return {
            "seed": self.seed, "outcome": self.outcome, "return": float(self.rewards.sum()),
            "length": len(self),
        }  # fmt: skip


def record(pilot: Flies, env: Any, seed: int) -> Flight:
    """Fly one episode."""
    reader, worlds = Reader(env.observation_space), getattr(env.unwrapped, "worlds", None)
    observation, info = env.reset(seed=seed)
    seen, shares, rewards = [reader(observation)], [], []
    poses, movers = [_pose(worlds)], [_movers(worlds)]
    pilot.reset()
    over = cut = False
    while not (over or cut or len(rewards) == MOST):
        command = pilot.step(plain(seen[-1]))
        observation, reward, over, cut, info = env.step(command.action)
        seen.append(reader(observation))
        shares.append(command.share)
        rewards.append(float(reward))
        poses.append(_pose(worlds))
        movers.append(_movers(worlds))
    settings = getattr(env.unwrapped, "config", None)
    return Flight(
        seed=seed,
        frames=None if reader.image is None else np.stack([each.frame for each in seen]),  # type: ignore[arg-type]
        states=np.stack([each.state for each in seen]),
        shares=np.stack(shares),
        rewards=np.array(rewards),
        outcome=next((name for name in NAMED if info.get(name)), "ended" if over else "cut"),
        way=None if worlds is None else _way(worlds, np.array(poses), np.array(movers)),
        far=getattr(settings, "far", None),
        view=getattr(settings, "view", None),
        seconds=getattr(settings, "seconds", None),
    )


def plain(seen: Seen) -> dict[str, Any]:
    """A moment as pilots take it."""
    return {"state": seen.state} if seen.frame is None else {"image": seen.frame, "state": seen.state}


def expect_fit(config: PilotConfig, env: Any, model: str, env_name: str) -> None:
    """Refuse an environment that shows or takes something else than a pilot knows."""
    reader, actions = Reader(env.observation_space), env.action_space.shape
    knows = (config.image, config.state_dim, config.action_dim)
    if knows != (reader.image, reader.state_dim, *actions):
        raise ValueError(
            f"{model} sees images {config.image} and {config.state_dim} states and gives {config.action_dim} "
            f"actions; {env_name} shows {reader.image} and {reader.state_dim} and takes {actions}: choose "
            f"another environment, or its options to fit, such as --env-options image 64"
        )


def _pose(worlds: Any) -> tuple[float, ...]:
    if worlds is None:
        return ()
    drones = worlds.drones
    return (*drones.position[0].tolist(), float(drones.yaw[0]), float(np.linalg.norm(drones.velocity[0])))


def _movers(worlds: Any) -> NDArray[np.float64]:
    if worlds is None:
        return np.zeros((0, 2))
    rows = worlds.forests[0].movers["row"]
    return np.array(worlds.solids["a"][0, rows, :2], dtype=np.float64)


def _way(worlds: Any, poses: NDArray[np.float64], movers: NDArray[np.float64]) -> Way:
    return Way(worlds.forests[0], poses[:, :3], poses[:, 3], poses[:, 4], movers)
