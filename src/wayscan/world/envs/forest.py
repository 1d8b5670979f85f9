"""`wayscan/Forest-v0`: a drone flies to a goal through a forest by depth images; alone, or W at once.

    env = gymnasium.make("wayscan/Forest-v0", density=4.8, image=128)
    envs = gymnasium.make_vec("wayscan/Forest-v0", 16, vectorization_mode="vector_entry_point", stack=1)

Action: forward, turn (left), climb in [-1, 1], of 2 m/s, π/3 rad/s and 0.3 m/s, held for 0.15 s. Observation:
{"depth": (K, 1, H, W), "base": (K, 10)}, the newest frame last; (1, H, W) and (10,) with `stack=1`
(wayscan.world.envs.forest_worlds explains the numbers, forest_reward the reward). An episode ends within 1 m
of the goal or by a crash; after 300 actions it is truncated. What can be chosen are the fields of
ForestConfig and of its parts ForestSpec, DroneSpec, Faults and Rewards, all given flat.
`reset(options={"curriculum": 0.3})` sets the level of the forests from then on.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from wayscan.world.envs.forest_view import behind
from wayscan.world.envs.forest_worlds import BASE, ForestConfig, ForestWorlds, Observation, configure

Flags = NDArray[np.bool_]
FRAMES_PER_SECOND = 7  # 1 / 0.15 s, as whole as metadata wants it


def observation_space(config: ForestConfig) -> spaces.Dict:
    """What one drone sees."""
    stack = () if config.stack == 1 else (config.stack,)
    top = 255 if config.depth == "uint8" else 1
    return spaces.Dict(
        {
            "depth": spaces.Box(0, top, (*stack, 1, config.image, config.image), np.dtype(config.depth).type),
            "base": spaces.Box(-1, 1, (*stack, BASE), np.float32),
        }
    )


def action_space() -> spaces.Box:
    """Forward, turn, climb."""
    return spaces.Box(-1, 1, (3,), np.float32)


class Forest(gymnasium.Env):
    """One drone."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": FRAMES_PER_SECOND}
    make_worlds: ClassVar[type[ForestWorlds]] = ForestWorlds

    def __init__(
        self, config: ForestConfig | None = None, *, render_mode: str | None = None, **options: Any
    ) -> None:
        check_render_mode(render_mode)
        self.config, self.render_mode = configure(config, **options), render_mode
        self.worlds = self.make_worlds(self.config, 1)
        self.observation_space, self.action_space = observation_space(self.config), action_space()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        take_level(self.worlds, options)
        self.worlds.reset(0, self.np_random)
        self.worlds.look(first=True)
        return _of_one(self.worlds)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        done = self.worlds.step(np.asarray(action, dtype=np.float64)[None])
        self.worlds.look()
        seen, info = _of_one(self.worlds)
        return seen, float(done.reward[0]), bool(done.terminated[0]), bool(done.truncated[0]), info

    def render(self) -> NDArray[np.uint8] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """(240, 320, 3): the drone from behind."""
        return None if self.render_mode is None else behind(self.worlds, 0)


class ForestVector(VectorEnv):
    """`num_envs` drones in one process, step for step what as many `Forest` are, and faster.

    Args:
        autoreset_mode: SAME_STEP (a finished world starts anew at once; its last observation and info are
            `final_obs` and `final_info`), or DISABLED (reset it by `options={"reset_mask": …}`). NEXT_STEP is
            refused:
            its steps that only reset would enter a replay memory as transitions.
    """

    metadata: ClassVar[dict[str, Any]] = Forest.metadata | {"autoreset_mode": AutoresetMode.SAME_STEP}  # pyright: ignore[reportIncompatibleVariableOverride]
    make_worlds: ClassVar[type[ForestWorlds]] = ForestWorlds

    def __init__(
        self,
        num_envs: int = 16,
        config: ForestConfig | None = None,
        *,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        **options: Any,
    ) -> None:
        check_render_mode(render_mode)
        mode = AutoresetMode(autoreset_mode)
        if mode == AutoresetMode.NEXT_STEP:
            raise ValueError(
                f"autoreset_mode is {mode.value!r}; expected 'SameStep' or 'Disabled': steps that only reset "
                f"must not be learnt from"
            )
        self.num_envs, self.render_mode, self.autoreset_mode = num_envs, render_mode, mode
        self.metadata = self.metadata | {"autoreset_mode": mode}  # pyright: ignore[reportAttributeAccessIssue]
        self.config = configure(config, **options)
        self.worlds = self.make_worlds(self.config, num_envs)
        self.single_observation_space, self.single_action_space = (
            observation_space(self.config),
            action_space(),
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rngs = [seeding.np_random(None)[0] for _ in range(num_envs)]
        self._finished = np.ones(num_envs, dtype=np.bool_)

    def reset(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A new forest each, or for those of `options["reset_mask"]`; world i of seed s is that of s + i."""
        options = dict(options or {})
        chosen = _mask(options.pop("reset_mask", None), self.num_envs)
        take_level(self.worlds, options)
        seeds = _seeds(seed, self.num_envs)
        for index in np.flatnonzero(chosen).tolist():
            if seeds[index] is not None:
                self._rngs[index] = seeding.np_random(seeds[index])[0]
        self._begin(np.flatnonzero(chosen))
        return self.worlds.observation(), _infos(self.worlds.facts(), chosen)

    def step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, actions: Any
    ) -> tuple[Observation, NDArray[np.float64], Flags, Flags, dict[str, Any]]:
        if self._finished.any():
            raise RuntimeError(
                f"worlds {np.flatnonzero(self._finished).tolist()} have finished or never begun; reset them"
            )
        done = self.worlds.step(actions)
        self.worlds.look()
        over = done.terminated | done.truncated
        last: dict[str, Any] = {}
        if over.any() and self.autoreset_mode == AutoresetMode.SAME_STEP:
            last = _last(self.worlds, over)
            self._begin(np.flatnonzero(over))
        elif over.any():
            self._finished = over
        everyone = np.ones(self.num_envs, dtype=np.bool_)
        infos = _infos(self.worlds.facts(), everyone) | last
        return self.worlds.observation(), done.reward, done.terminated, done.truncated, infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A picture from behind each drone."""
        if self.render_mode is None:
            return None
        return tuple(behind(self.worlds, index) for index in range(self.num_envs))

    def _begin(self, which: NDArray[np.int64]) -> None:
        for index in which.tolist():
            self.worlds.reset(index, self._rngs[index])
        self.worlds.look(which, first=True)
        self._finished[which] = False


def check_render_mode(mode: str | None) -> None:
    if mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode is {mode!r}; expected None or 'rgb_array'")


def take_level(worlds: ForestWorlds, options: dict[str, Any] | None) -> None:
    """Obey reset's options: {"curriculum": level}."""
    options = options or {}
    unknown = set(options) - {"curriculum"}
    level = options.get("curriculum", worlds.level)
    if unknown or not 0 <= level <= 1:
        raise ValueError(f"reset's options are {options}; expected at most a 'curriculum' from 0 to 1")
    worlds.level = float(level)


def _of_one(worlds: ForestWorlds) -> tuple[Observation, dict[str, Any]]:
    seen = {name: array[0] for name, array in worlds.observation().items()}
    return seen, {name: fact[0].item() for name, fact in worlds.facts().items()}


def _infos(facts: dict[str, NDArray[Any]], which: Flags) -> dict[str, Any]:
    """Facts (W,) as Gymnasium's vector infos: each with a mask, 0 where it does not hold."""
    infos: dict[str, Any] = {}
    for name, fact in facts.items():
        infos[name] = fact if which.all() else np.where(which, fact, fact.dtype.type(0))
        infos[f"_{name}"] = which.copy()
    return infos


def _last(worlds: ForestWorlds, over: Flags) -> dict[str, Any]:
    seen = worlds.observation()
    final = np.full(len(over), None, dtype=object)
    for index in np.flatnonzero(over).tolist():
        final[index] = {name: array[index] for name, array in seen.items()}
    return {
        "final_obs": final,
        "_final_obs": over.copy(),
        "final_info": _infos(worlds.facts(), over),
        "_final_info": over.copy(),
    }


def _mask(mask: Any, count: int) -> Flags:
    if mask is None:
        return np.ones(count, dtype=np.bool_)
    mask = np.asarray(mask)
    if mask.shape != (count,) or mask.dtype != np.bool_ or not mask.any():
        raise ValueError(
            f"reset_mask is {mask.dtype} {mask.shape} with {int(mask.sum())} set; expected bool ({count},) "
            f"with at least one set"
        )
    return mask


def _seeds(seed: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    if seed is None:
        return [None] * count
    seeds: list[int | None] = list(seed) if isinstance(seed, Sequence) else [seed + k for k in range(count)]
    if len(seeds) != count:
        raise ValueError(f"{len(seeds)} seeds for {count} worlds; expected one each, or one number for all")
    return seeds
