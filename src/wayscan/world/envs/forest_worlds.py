"""W flights through W forests, batched: what Forest-v0, its vector form and the pilots share.

An observation is {"depth", "base"}. Depth is planar, 0 at the lens and 255 (1.0 as float32) at `far` and
beyond. Base holds BASE = 10 numbers in [−1, 1]:

    0-2  goal − drone: forward, left (by 40 m), up (by the ceiling); level frame turned by the yaw
    3-5  velocity forward, left (by the forward speed of action 1), up (by the climb of action 1), same frame
    6    yaw rate (by that of action 1)       7  yaw (by π), of the world's frame
    8    bearing of the goal off the nose, to the left positive (by π)
    9    altitude (by the ceiling)
"""

from dataclasses import dataclass, field, fields, replace
from math import exp, inf, pi, sqrt, tan
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wayscan.names import nearest
from wayscan.world import kernels
from wayscan.world.cameras import CAMERA
from wayscan.world.drone import MOVER, Drones, DroneSpec
from wayscan.world.envs.forest_reward import Rewards
from wayscan.world.faults import Faults, ImageFaults
from wayscan.world.forests import Forest, ForestSpec, make_forest
from wayscan.world.render.picture import depth_images
from wayscan.world.scene import SOLID

FOREST_VERSION = 1  # any change of what (options, seed, actions) give needs a new one
BASE = 10
SPAN = 40.0  # m that base shows as 1

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Observation = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class ForestConfig:
    """Everything that can be chosen about Forest-v0. `configure` takes all the options flat."""

    image: int = 64  # pixels, height and width
    view: float = pi / 2  # angle of view, across and up
    far: float = 20.0  # m
    stack: int = 4  # frames an observation shows, the newest last
    depth: Literal["uint8", "float32"] = "uint8"
    steps: int = 300
    seconds: float = 0.15  # of an action
    goal_radius: float = 1.0
    wind: float = 1.5  # m/s, the strongest mean wind
    gusts: float = 0.5  # m/s, standard deviation about the mean
    gust_time: float = 1.0  # s in which gusts forget
    gimbal: bool = True  # the camera stays level; else it tilts with the drone
    curriculum: float = 1.0  # level in [0, 1] of forests
    forest: ForestSpec = field(default_factory=ForestSpec)
    drone: DroneSpec = field(default_factory=DroneSpec)
    faults: Faults = field(default_factory=Faults)
    rewards: Rewards = field(default_factory=Rewards)

    def __post_init__(self) -> None:
        if self.depth not in ("uint8", "float32"):
            raise ValueError(f"depth is {self.depth!r}; expected 'uint8' or 'float32'")
        for name, least in (("image", 8), ("stack", 1), ("steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected at least {least}")
        for name in ("far", "seconds", "goal_radius", "gust_time"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a finite number above 0")
        if not 0 <= self.curriculum <= 1 or not 0 < self.view < pi or min(self.wind, self.gusts) < 0:
            raise ValueError(
                f"curriculum, view, wind, gusts are {(self.curriculum, self.view, self.wind, self.gusts)}; "
                f"expected a level in [0, 1], an angle between 0 and π, speeds of at least 0"
            )


PARTS = {"forest": ForestSpec, "drone": DroneSpec, "faults": Faults, "rewards": Rewards}


def configure(config: ForestConfig | None = None, **options: Any) -> ForestConfig:
    """A config with options changed, those of its parts too.

    >>> config = configure(density=4.8, image=128, noise=0.01)
    >>> config.forest.density, config.image, config.faults.noise
    (4.8, 128, 0.01)
    """
    config = config or ForestConfig()
    homes = {each.name: "" for each in fields(ForestConfig)}
    homes |= {each.name: part for part, kind in PARTS.items() for each in fields(kind)}
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        if name not in homes:
            raise ValueError(f"Forest has no option {name!r}; {nearest(name, homes)}")
        if homes[name]:
            inner.setdefault(homes[name], {})[name] = value
        else:
            own[name] = value
    config = replace(config, **own)
    return replace(config, **{part: replace(getattr(config, part), **some) for part, some in inner.items()})


class Stepped(NamedTuple):
    """What an action led to, in each of W worlds."""

    reward: Array
    terminated: Flags
    truncated: Flags


class ForestWorlds:
    """W drones in W forests. Nothing resets by itself."""

    def __init__(self, config: ForestConfig, count: int) -> None:
        if count < 1:
            raise ValueError(f"forest worlds: count is {count}; expected at least 1")
        self.config, self.count, self.level = config, count, config.curriculum
        self.drones = self._make_drones()
        self.forests: list[Forest | None] = [None] * count
        self.solids, self.movers = np.zeros((count, 0), dtype=SOLID), np.zeros((count, 0), dtype=MOVER)
        self.times, self.goals = np.zeros(count), np.zeros((count, 3))
        self.steps = np.zeros(count, dtype=np.int64)
        self.winds = np.zeros((count, 3))
        self._mean, self._draws = np.zeros((count, 2)), np.zeros((count, config.steps + 1, 2))
        self._faults = ImageFaults(config.faults, count, config.far)
        self._cameras = np.zeros(count, dtype=CAMERA)
        self._cameras["focal"] = config.image / (2 * tan(config.view / 2))
        side, frames = config.image, config.stack
        self._depth = np.zeros((count, frames, 1, side, side), dtype=config.depth)
        self._base = np.zeros((count, frames, BASE), dtype=np.float32)
        self._facts: dict[str, NDArray[Any]] = {
            name: np.zeros(count, dtype=kind) for name, kind in FACTS.items()
        }

    def _make_drones(self) -> Drones:
        return Drones(self.count, self.config.drone)

    # ---- an episode -------------------------------------------------------------------------------------

    def reset(self, index: int, rng: np.random.Generator) -> None:
        """World `index` gets a new forest; what it sees is there after `look([index], first=True)`."""
        config = self.config
        forest = make_forest(rng, config.forest, self.level)
        self.forests[index] = forest
        self.solids = _fitted(self.solids, index, forest.solids)
        self.movers = _fitted(self.movers, index, forest.movers)
        self.drones.put(index, forest.start, forest.yaw)
        self.times[index], self.steps[index], self.goals[index] = 0, 0, forest.goal
        angle, strength = rng.uniform(-pi, pi), rng.uniform(0, 1) * config.wind
        self._mean[index] = strength * np.cos(angle), strength * np.sin(angle)
        self._draws[index] = rng.standard_normal((config.steps + 1, 2))
        self.winds[index, :2] = self._mean[index] + config.gusts * self._draws[index, 0]
        self._faults.reset(index, rng)
        kernels.compiled("flight").place_movers(self.solids[index], self.movers[index], 0.0)
        facts = self._facts
        for fact in facts.values():
            fact[index] = 0
        facts["straight_length"][index] = max(forest.straight - config.goal_radius, 0.0)
        facts["distance"][index] = forest.straight
        facts["unplaced"][index] = forest.wanted - forest.placed

    def step(self, actions: Any) -> Stepped:
        """Fly one action (W, 3) of forward, turn, climb in [−1, 1] in every world."""
        config = self.config
        actions, clipped = checked_actions(actions, self.count)
        before = self._distances()
        self._blow()
        moved = self.drones.fly(
            actions * config.drone.scale,
            config.seconds,
            winds=self.winds,
            solids=self.solids,
            movers=self.movers,
            times=self.times,
            goals=self.goals,
            near=config.goal_radius,
            floor=0.0,
            ceiling=config.forest.ceiling,
        )
        self.steps += 1
        after = self._distances()
        terminated = moved.crashed | moved.arrived
        late = (self.steps >= config.steps) & ~terminated
        reward = config.rewards(before, after, moved.clearance, actions, moved.arrived, moved.crashed, late)
        facts = self._facts
        facts["success"], facts["collision"], facts["timeout"] = moved.arrived, moved.crashed, late.copy()
        facts["clipped"], facts["clearance"], facts["distance"] = clipped, moved.clearance, after
        facts["path_length"] = facts["path_length"] + moved.way
        facts["speed"] = np.linalg.norm(self.drones.velocity, axis=-1)
        facts["steps"] = self.steps.copy()
        return Stepped(reward, terminated, late)

    def facts(self) -> dict[str, NDArray[Any]]:
        """What infos say: a (W,) array each (FACTS)."""
        return {name: fact.copy() for name, fact in self._facts.items()}

    # ---- what is seen -----------------------------------------------------------------------------------

    def look(self, which: NDArray[np.int64] | None = None, *, first: bool = False) -> None:
        """Take the next frame of all worlds, or of `which`; the first frame of an episode fills the stack."""
        some = np.arange(self.count) if which is None else which
        frames, base = self._frames(some), self.base()[some]
        if first:
            self._depth[some], self._base[some] = frames[:, None, None], base[:, None]
            return
        if self.config.stack > 1:
            self._depth[some, :-1], self._base[some, :-1] = self._depth[some, 1:], self._base[some, 1:]
        self._depth[some, -1, 0], self._base[some, -1] = frames, base

    def observation(self) -> Observation:
        """{"depth": (W, K, 1, H, W'), "base": (W, K, 10)}; (W, 1, H, W') and (W, 10) with a stack of 1."""
        if self.config.stack == 1:
            return {"depth": self._depth[:, 0].copy(), "base": self._base[:, 0].copy()}
        return {"depth": self._depth.copy(), "base": self._base.copy()}

    def base(self) -> NDArray[np.float32]:
        """(W, BASE), as this module's head says."""
        drones = self.drones
        return base_of(
            self.goals - drones.position,
            drones.velocity,
            drones.yaw,
            drones.yaw_rate,
            drones.position[:, 2],
            drones.spec,
            self.config.forest.ceiling,
        )

    def cameras(self) -> NDArray[np.void]:
        """(W,) of CAMERA: the drones' eyes."""
        yaw, pitch, roll = self.drones.yaw, 0.0, 0.0
        if not self.config.gimbal:
            pitch, roll = self.drones.attitude.T
        cy, sy, cp, sp, cr, sr = *_turns(yaw), *_turns(pitch), *_turns(roll)
        zero = np.zeros(self.count)
        forward = np.stack([cy * cp, sy * cp, sp + zero], axis=-1)
        level = np.stack([sy, -cy, zero], axis=-1)
        below = np.stack([cy * sp, sy * sp, -cp + zero], axis=-1)
        self._cameras["position"], self._cameras["forward"] = self.drones.position, forward
        cr, sr = np.reshape(cr, (-1, 1)), np.reshape(sr, (-1, 1))
        self._cameras["right"], self._cameras["down"] = cr * level + sr * below, cr * below - sr * level
        return self._cameras

    def _frames(self, some: NDArray[np.int64]) -> NDArray[Any]:
        """(len(some), H, W') as observations hold depth."""
        config, depth = self.config, self._see(some)
        if config.faults.any:
            depth = self._faults.apply(depth, some)
        return shown(depth, config.far, config.depth)

    def _see(self, some: NDArray[np.int64]) -> NDArray[np.float32]:
        """Planar depth (len(some), H, W') in metres, `far` at most."""
        config, everything = self.config, len(some) == self.count
        tables, cameras = self.solids, self.cameras()
        if not everything:
            tables, cameras = tables[some], cameras[some]
        return depth_images(tables, cameras, config.image, config.image, far=config.far)

    def _distances(self) -> Array:
        return np.linalg.norm(self.goals - self.drones.position, axis=-1)

    def _blow(self) -> None:
        """The next wind: a mean and gusts that forget."""
        config = self.config
        keep = exp(-config.seconds / config.gust_time)
        draws = self._draws[np.arange(self.count), np.minimum(self.steps + 1, config.steps)]
        gust = keep * (self.winds[:, :2] - self._mean) + config.gusts * sqrt(1 - keep * keep) * draws
        self.winds[:, :2] = self._mean + gust


FACTS: dict[str, Any] = {
    "success": np.bool_,
    "collision": np.bool_,
    "timeout": np.bool_,
    "clipped": np.bool_,  # the action was outside [−1, 1]
    "path_length": np.float64,  # m flown
    "straight_length": np.float64,  # m from the start to where the goal begins
    "distance": np.float64,  # m to the goal
    "speed": np.float64,  # m/s
    "clearance": np.float64,  # m, least of the hull during the action
    "steps": np.int64,
    "unplaced": np.int64,  # obstacles that found no place
}
"""What infos say."""


def checked_actions(actions: Any, count: int) -> tuple[Array, Flags]:
    """Actions (count, 3) within [−1, 1], and where they had to be clipped (count,)."""
    actions = np.asarray(actions, dtype=np.float64)
    if actions.shape != (count, 3):
        raise ValueError(
            f"actions have shape {actions.shape}; expected {(count, 3)}: forward, turn, climb in [-1, 1]"
        )
    if not np.isfinite(actions).all():
        bad = np.flatnonzero(~np.isfinite(actions).all(axis=1)).tolist()
        raise ValueError(f"actions of worlds {bad} are not finite: {actions[bad].tolist()}; expected [-1, 1]")
    return np.clip(actions, -1, 1), (np.abs(actions) > 1).any(axis=1)


def base_of(
    to_goal: Array,
    velocity: Array,
    yaw: Array,
    yaw_rate: Array,
    altitude: Array,
    drone: DroneSpec,
    ceiling: float,
) -> NDArray[np.float32]:
    """(W, BASE) from to_goal and velocity (W, 3) in the world's frame, the others (W,)."""
    c, s = np.cos(yaw), np.sin(yaw)
    bearing = np.arctan2(to_goal[:, 1], to_goal[:, 0]) - yaw
    base = np.stack(
        [
            (c * to_goal[:, 0] + s * to_goal[:, 1]) / SPAN,
            (c * to_goal[:, 1] - s * to_goal[:, 0]) / SPAN,
            to_goal[:, 2] / ceiling,
            (c * velocity[:, 0] + s * velocity[:, 1]) / drone.forward,
            (c * velocity[:, 1] - s * velocity[:, 0]) / drone.forward,
            velocity[:, 2] / drone.climb,
            yaw_rate / drone.turn,
            wrapped(yaw) / pi,
            wrapped(bearing) / pi,
            altitude / ceiling,
        ],
        axis=-1,
    )
    return np.clip(base, -1, 1).astype(np.float32)


def shown(depth: NDArray[np.float32], far: float, kind: str) -> NDArray[Any]:
    """Metres → what observations hold: [0, 1] as float32, 0 … 255 as uint8."""
    if kind == "uint8":
        return (np.minimum(depth, np.float32(far)) * np.float32(255 / far) + np.float32(0.5)).astype(np.uint8)
    return np.minimum(depth / np.float32(far), np.float32(1))


def wrapped(angle: Array) -> Array:
    """Angles in [−π, π)."""
    return np.mod(angle + pi, 2 * pi) - pi


def _turns(angle: Any) -> tuple[Any, Any]:
    return np.cos(angle), np.sin(angle)


def _fitted(tables: NDArray[np.void], index: int, rows: NDArray[np.void]) -> NDArray[np.void]:
    """Tables (W, P) whose row `index` is `rows`, widened if they must be."""
    more = len(rows) - tables.shape[1]
    if more > 0:
        empty = np.zeros((len(tables), more), dtype=tables.dtype)
        tables = np.concatenate([tables, empty], axis=1)
    tables[index, len(rows) :] = np.zeros((), dtype=tables.dtype)
    tables[index, : len(rows)] = rows
    return tables
