"""`wayscan/Follow-v0`: a ground robot follows a person who is described in words.

    env = gymnasium.make("wayscan/Follow-v0", split="ambiguous", render_mode="rgb_array")
    observation, info = env.reset(seed=0)
    observation["image"], observation["velocity"], observation["instruction"]

Action: forward, left, turning in [-1, 1], of 1.6 m/s, 0.8 m/s and 1.6 rad/s; the robot's accelerations are
limited too. A step is 0.1 s. The reward is 1 on each step on which the robot follows. An episode ends with a
collision, when the target is lost, when it has arrived and stays, or (truncated) after 300 steps;
wayscan.world.following.rules says what these words mean.
"""

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from wayscan.world.following.pursuit import DT, LIMITS, Pursuit
from wayscan.world.following.tasks import FollowSpec, check_split, draw_task

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.:"


class Follow(gymnasium.Env):
    """One robot, one target, and those who look like it.

    Args:
        split: "single" (nobody else), "distracted" (3 to 6 others in other colours) or "ambiguous" (others
            share the shirt's or the trousers' colour).
        size: side of the square image in pixels.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": round(1 / DT)}

    def __init__(self, split: str = "single", size: int = 128, render_mode: str | None = None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is {render_mode!r}; expected None or 'rgb_array'")
        self.split = check_split(split)
        self.follow_spec = FollowSpec(width=size, height=size)
        self.render_mode = render_mode
        limits = LIMITS.astype(np.float32)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (size, size, 3), np.uint8),
                "velocity": spaces.Box(-limits, limits, dtype=np.float32),
                "instruction": spaces.Text(200, charset=LETTERS),
            }
        )
        self.action_space = spaces.Box(-1, 1, (3,), np.float32)
        self._pursuit: Pursuit | None = None

    @property
    def pursuit(self) -> Pursuit:
        """The episode that runs: for experts, who may know everything."""
        if self._pursuit is None:
            raise RuntimeError("no episode has begun; call reset first")
        return self._pursuit

    @property
    def instruction(self) -> str:
        return self.pursuit.task.instruction

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed)
        rng = np.random.default_rng(self.np_random.integers(2**63))
        self._pursuit = Pursuit(draw_task(rng, self.split), self.follow_spec)
        return self._observation(), self._info()

    def step(self, action: NDArray) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        asked = np.asarray(action, dtype=np.float64)
        if asked.shape != (3,) or not np.isfinite(asked).all():
            raise ValueError(
                f"action is {action!r}; expected 3 finite numbers: forward, left, turning, in [-1, 1]"
            )
        cut = np.clip(asked, -1, 1)
        status = self.pursuit.step(cut * LIMITS)
        info = self._info() | {"clipped": bool((cut != asked).any())}
        terminated = status in ("arrived", "collision", "lost")
        return self._observation(), float(info["following"]), terminated, status == "time", info

    def render(self) -> NDArray[np.uint8] | None:
        """The robot's view, with the view from above in its upper right corner."""
        if self.render_mode is None:
            return None
        image = self.pursuit.look().image.copy()
        side = max(image.shape[0] // 3, 16)
        image[:side, -side:] = self.pursuit.look_down(side)
        return image

    def _observation(self) -> dict[str, Any]:
        return {
            "image": self.pursuit.look().image.copy(),
            "velocity": self.pursuit.velocity.astype(np.float32),
            "instruction": self.instruction,
        }

    def _info(self) -> dict[str, Any]:
        pursuit = self.pursuit
        return {
            "instruction": self.instruction,
            "split": self.split,
            "distance": pursuit.distance,
            "bearing": pursuit.bearing,
            "mask": pursuit.look().mask,
            "following": pursuit.following,
            "status": pursuit.status,
            "success": pursuit.step_count > 0 and pursuit.outcome().success,
            "clipped": False,
        }
