"""The last K frames of W flights, each looked at once.

A frame's features do not depend on the frames around it, so that a decision encodes the newest alone and has
the others' features from the decisions before. When the weights change, all are computed again.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayscan.fly.model import Policy

Floats = NDArray[np.float32]


class FrameMemory:
    """Decides for W flights.

    Args:
        policy: what decides; on any device.
        lanes: W.
    """

    def __init__(self, policy: Policy, lanes: int = 1) -> None:
        self._policy, self._lanes = policy, lanes
        self._fresh = np.ones(lanes, dtype=np.bool_)
        self._states: Floats | None = None  # (W, K, D_s)
        self._frames: NDArray[np.uint8] | None = None  # (W, K, C, H, W)
        self._features: Tensor | None = None  # (W, K, D_v)
        self._version: int | None = None

    def reset(self, lane: int | None = None) -> None:
        """An episode begins, in one flight or in all: its first frame will stand for those before it."""
        if lane is None:
            self._states = self._frames = self._features = None
        self._fresh[slice(None) if lane is None else lane] = True

    @torch.no_grad()
    def act(self, frames: NDArray[np.uint8] | None, states: Floats, version: int = 0) -> Floats:
        """Take in the newest moment, images (W, C, H, W) and states (W, D_s); actions (W, A) in [-1, 1].

        Args:
            version: of the weights that see; another one than at the last call makes all features anew.
        """
        stream = self._policy.stream
        self._states = self._pushed(self._states, states)
        visual = None
        if frames is not None and stream.visual_encoder is not None:
            self._frames = self._pushed(self._frames, frames)
            visual = self._features = self._seen(self._frames, version)
        self._fresh[:] = False
        context = stream.gather(self._tensor(self._states), visual)
        return self._policy.actor(context).float().cpu().numpy()

    @property
    def newest(self) -> Floats | None:
        """(W, D_v): features of the frames that the last decisions took in."""
        return None if self._features is None else self._features[:, -1].float().cpu().numpy()

    def _pushed(self, window: NDArray | None, newest: NDArray) -> NDArray:
        count = self._policy.config.seq_len
        full = np.repeat(newest[:, None], count, axis=1)
        if window is None:
            return full
        moved = np.concatenate([window[:, 1:], newest[:, None]], axis=1)
        moved[self._fresh] = full[self._fresh]
        return moved

    def _seen(self, frames: NDArray[np.uint8], version: int) -> Tensor:
        stream = self._policy.stream
        known, self._version = version == self._version, version
        if self._features is None or not known:
            seen = stream.see(self._tensor(frames))
            assert seen is not None
            return seen
        assert stream.visual_encoder is not None
        newest = stream.visual_encoder(self._tensor(frames[:, -1]))[:, None]
        moved = torch.cat([self._features[:, 1:], newest], dim=1)
        fresh = torch.from_numpy(self._fresh).to(moved.device)[:, None, None]
        return torch.where(fresh, newest, moved)

    def _tensor(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(next(self._policy.parameters()).device)
