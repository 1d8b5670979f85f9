"""The pilot: a trained policy that flies.

pilot = Pilot.from_pretrained("runs/fly/model")
pilot.reset()
command = pilot.step(observation)
env.step(command.action)
"""

from pathlib import Path
from typing import Any

import torch

from wayscan.fly.actions import Command, to_environment
from wayscan.fly.config import PilotConfig
from wayscan.fly.memory import FrameMemory
from wayscan.fly.model import Policy
from wayscan.fly.observations import newest_of
from wayscan.pretrained import load_pretrained, save_pretrained
from wayscan.train.checkpoint import put_weights


class Pilot:
    """Flies one drone; it remembers the last K frames' features and looks at the newest frame only.

    >>> import numpy as np
    >>> pilot = Pilot(Policy(PilotConfig(image=(1, 64, 64), encoder="mlp")))
    >>> frame, state = np.zeros((1, 64, 64), np.uint8), np.zeros(10, np.float32)
    >>> pilot.step({"depth": frame, "base": state}).action.shape
    (3,)
    """

    def __init__(self, policy: Policy) -> None:
        self.policy, self.config = policy.eval(), policy.config
        self._memory = FrameMemory(policy)

    @classmethod
    def from_pretrained(cls, source: str | Path, *, device: str | torch.device = "cpu") -> "Pilot":
        """A saved pilot: a folder, a model in the package by name, a hub id, or a training run."""
        inside = Path(source) / "model"
        source = inside if (inside / "config.json").is_file() else source
        stored, weights = load_pretrained(source)
        policy = Policy(PilotConfig.from_dict(stored))
        put_weights(policy, weights, Path(source))
        return cls(policy.to(device))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write config.json and model.safetensors."""
        weights = {name: weight.detach().cpu() for name, weight in self.policy.state_dict().items()}
        return save_pretrained(folder, weights, self.config.as_dict())

    def reset(self) -> None:
        """A flight begins."""
        self._memory.reset()

    def step(self, observation: Any) -> Command:
        """Decide.

        Args:
            observation: {"depth": (C, H, W) uint8 or floats in [0, 1], "base": (D_s,)} or other names, or a
                window of such moments, of which the newest is taken; (D_s,) for a pilot without images.
        """
        frame, state = newest_of(observation, self.config.image, self.config.state_dim)
        share = self._memory.act(None if frame is None else frame[None], state[None])[0]
        return Command(to_environment(share, self.config.action_low, self.config.action_high), share)
