"""The agent: acts, remembers, learns. The seed's names for what it is made of.

    agent = make_agent(env, observation, get_config("cpu"))
    action = agent.select_action(observation["base"], observation["depth"])
    agent.replay_buffer.add(base, depth, action, reward, next_base, next_depth, terminated)
    losses = agent.train(progress_ratio=0.1)

Letters: B batch, K frames, C H W image, D_s state, A action.
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from wayscan.fly.actions import limits, to_environment
from wayscan.fly.exploration import GaussianNoise, OUNoise
from wayscan.fly.model import Networks
from wayscan.fly.observations import NotFiniteError, Reader, all_frames
from wayscan.fly.replay import SequenceReplay, Windows
from wayscan.fly.shift import randomly_shifted
from wayscan.fly.td3 import TD3
from wayscan.fly.train_config import FlyTrainConfig, settings_of
from wayscan.pretrained.folder import replace_file
from wayscan.train.checkpoint import load_state, take_apart
from wayscan.train.determinism import generator


class VMambaTD3Agent:
    """A TD3, a replay and a noise, for the windows that the seed's loops hold.

    Args:
        base_dim: D_s.
        depth_shape: (C, H, W), or with frames before it as the seed gives it; None where there are no images.
        action_space: a Box.
        args: a FlyTrainConfig, or names and values of one (`get_config`).
        device: where the networks are; what `args` says if not given.
        lanes: environments that are flown side by side.
        replay_folder: where the replay's files go; None keeps it in memory.
        slack: see `SequenceReplay`.
    """

    def __init__(
        self,
        base_dim: int,
        depth_shape: Sequence[int] | None,
        action_space: Any,
        args: Any,
        device: str | torch.device | None = None,
        *,
        lanes: int = 1,
        replay_folder: Path | None = None,
        slack: int = 0,
    ) -> None:
        config = settings_of(args).resolved()
        low, high = limits(action_space)
        image = None if depth_shape is None else tuple(map(int, depth_shape[-3:]))
        self.config = config.network(image, base_dim, low, high)  # type: ignore[arg-type]
        self.device = torch.device(device or config.device)
        self.min_action, self.max_action = np.asarray(low, np.float32), np.asarray(high, np.float32)
        self.action_scale = (self.max_action - self.min_action) / 2
        self.action_bias = (self.max_action + self.min_action) / 2
        self.action_dim, self.lanes = len(low), lanes

        self.td3 = TD3(self.config, config, self.device)
        self.replay_buffer = SequenceReplay(
            config.buffer_size or 0, self.config.seq_len, image=self.config.image, state_dim=base_dim,
            low=self.min_action, high=self.max_action, lanes=lanes, folder=replay_folder, slack=slack,
        )  # fmt: skip
        shape, sigmas = (lanes, self.action_dim), (config.ou_sigma or 0.0, config.ou_sigma_min or 0.0)
        self.ou_noise: GaussianNoise = (
            OUNoise(shape, *sigmas, config.seed, theta=config.ou_theta or 0.0)
            if config.exploration == "ou"
            else GaussianNoise(shape, *sigmas, config.seed)
        )

    @property
    def settings(self) -> FlyTrainConfig:
        """How it learns, with all that the preset says filled in."""
        return self.td3.settings

    # ---- acting -------------------------------------------------------------------------------------------

    @torch.no_grad()
    def select_action(self, base_seq: Any, depth_seq: Any = None, noise: bool = True) -> NDArray[np.float32]:
        """The environment's action for windows base (K, D_s) and depth (K, C, H, W)."""
        base, depth = self._window(base_seq, depth_seq)
        action = self.networks.policy(base, depth).float().cpu().numpy()[0]
        if noise:
            action = action + self.ou_noise.sample()[0]
        return to_environment(action, self.min_action, self.max_action)

    def begin_episode(self) -> None:
        """The noise of the episode before is forgotten; call it after each reset."""
        self.ou_noise.reset()

    @torch.no_grad()
    def get_attention_weights(self, base_seq: Any, depth_seq: Any = None) -> NDArray[np.float32]:
        """(heads, K): how much the actor's heads listen to each frame."""
        base, depth = self._window(base_seq, depth_seq)
        stream, gather = self.networks.policy.stream, self.actor_mamba
        if not hasattr(gather, "cross_attn"):
            raise ValueError(
                f"encoder {self.config.encoder!r} with temporal {self.config.temporal!r} has no attention; "
                f"expected vmamba, or a cnn with temporal mamba, lean or none"
            )
        fused = gather.fusion(stream.see(depth), stream.state_encoder(base))
        return gather.cross_attn.get_attention_weights(gather.temporal(fused))[0].float().cpu().numpy()

    def _window(self, base_seq: Any, depth_seq: Any) -> tuple[Tensor, Tensor | None]:
        count = self.config.seq_len
        base = np.asarray(base_seq, np.float32)
        base = np.repeat(base[None], count, axis=0) if base.ndim == 1 and count == 1 else base
        if base.ndim != 2 or base.shape[-1] != self.config.state_dim or len(base) < count:
            raise ValueError(
                f"the states are {base.shape}; expected at least {count} rows of {self.config.state_dim}: "
                f"give the last {count} moments, or fly with wayscan.fly.Pilot, which remembers them"
            )
        if not np.isfinite(base).all():
            raise NotFiniteError("the states hold NaN or inf; expected finite numbers: mend the environment")
        depth = None
        if self.config.image is not None:
            depth = torch.from_numpy(all_frames(depth_seq, self.config.image, count))[None].to(self.device)
        return torch.from_numpy(base[-count:])[None].to(self.device), depth

    # ---- learning -----------------------------------------------------------------------------------------

    def train(self, progress_ratio: float = 0.0) -> dict[str, float]:
        """One update; `actor_loss` and `critic_loss` are always there, 0 before the first."""
        self.ou_noise.scale_sigma(progress_ratio)
        if self.replay_buffer.size >= (self.settings.batch_size or 1):
            self.td3.learn(self.sampled("replay", self.td3.updates + 1))
        return dict(self.td3.metrics)

    def imitate(self) -> dict[str, float]:
        """One update of the actor towards its teacher's actions."""
        self.td3.imitate(self.sampled("imitate", self.td3.imitations + 1, taught=True))
        return dict(self.td3.metrics)

    def end_imitation(self) -> None:
        """From here on `train` goes on from what the actor has learnt."""
        self.td3.end_imitation()
        self._look_once()

    def sampled(self, what: str, number: int, *, taught: bool = False) -> Windows:
        """The transitions of one update."""
        rng = generator(self.settings.seed, what, number)
        windows = self.replay_buffer.sample(self.settings.batch_size or 1, rng, taught=taught)
        if windows.frames is not None and self.settings.random_shift:
            shifted = randomly_shifted(windows.frames, self.settings.random_shift, rng)
            return windows._replace(frames=shifted)
        return windows

    def _look_once(self) -> None:
        """Where what sees stays as it is, each frame is looked at once, unless it is shifted at random."""
        if self.networks.frozen and self.config.image is not None and not self.settings.random_shift:
            self.replay_buffer.look_once(self.td3.look, self.config.feature_dim)

    # ---- the seed's names ---------------------------------------------------------------------------------

    @property
    def networks(self) -> Networks:
        return self.td3.networks

    @property
    def total_it(self) -> int:
        """Updates so far."""
        return self.td3.updates

    @property
    def actor(self) -> nn.Module:
        return self.networks.policy.actor

    @property
    def actor_visual_encoder(self) -> nn.Module | None:
        return self.networks.policy.stream.visual_encoder

    @property
    def actor_state_encoder(self) -> nn.Module:
        return self.networks.policy.stream.state_encoder

    @property
    def actor_mamba(self) -> Any:
        return self.networks.policy.stream.mamba

    @property
    def critic(self) -> nn.Module:
        return self.networks.judge.critic

    @property
    def critic_visual_encoder(self) -> nn.Module | None:
        return self.networks.judge.stream.visual_encoder

    @property
    def critic_state_encoder(self) -> nn.Module:
        return self.networks.judge.stream.state_encoder

    @property
    def critic_mamba(self) -> Any:
        return self.networks.judge.stream.mamba

    @property
    def actor_target(self) -> nn.Module:
        return self.networks.policy_target.actor

    @property
    def critic_target(self) -> nn.Module:
        return self.networks.judge_target.critic

    # ---- saving -------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Networks, optimisers and counters as one safetensors file, whatever its suffix; not the replay."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        skeleton, tensors = take_apart(self.state_dict())
        about = {"step": str(self.total_it), "state": json.dumps(skeleton)}
        contents = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        replace_file(path, lambda where: save_file(contents, where, about))
        return path

    def load(self, path: str | Path) -> None:
        """The inverse of `save`; networks that differ are shown side by side, and nothing is loaded."""
        self.load_state_dict(load_state(Path(path)), Path(path))

    def state_dict(self) -> dict[str, Any]:
        """All but the replay."""
        return {**self.td3.state_dict(), "noise": self.ou_noise.state_dict()}

    def load_state_dict(self, state: dict[str, Any], path: Path) -> None:
        """As `load`, of a state that was read from `path`."""
        self.td3.load_state_dict(state, path)
        self.ou_noise.load_state_dict(state["noise"])
        self._look_once()


def make_agent(env: Any, obs: Any, args: Any, device: str | torch.device | None = None) -> VMambaTD3Agent:
    """An agent for a Gymnasium environment.

    Args:
        env: with a Box action, and image + state or a state to see.
        obs: one observation, to be compared with what the environment's space says; None leaves that out.
        args: see `VMambaTD3Agent`.
    """
    reader = Reader(env.observation_space)
    if obs is not None:
        reader(obs[0] if isinstance(obs, tuple) else obs)
    agent = VMambaTD3Agent(reader.state_dim, reader.image, env.action_space, args, device)
    if complaint := agent.config.complaint():
        warnings.warn(complaint, stacklevel=2)
    return agent
