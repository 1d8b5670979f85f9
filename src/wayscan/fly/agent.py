"""The agent: TD3 (Fujimoto 2018) with a stream for the actor and one for the critics.

    agent = make_agent(env, observation, get_config("cpu"))
    action = agent.select_action(observation["base"], observation["depth"])
    agent.replay_buffer.add(base, depth, action, reward, next_base, next_depth, terminated)
    losses = agent.train(progress_ratio=0.1)

Letters: B batch, K frames, C H W image, D_s state, A action.
"""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from wayscan.fly.actions import limits, to_environment
from wayscan.fly.exploration import GaussianNoise, OUNoise
from wayscan.fly.model import Networks
from wayscan.fly.observations import NotFiniteError, Reader, all_frames
from wayscan.fly.replay import SequenceReplay, Windows
from wayscan.fly.shift import randomly_shifted
from wayscan.fly.streams import clipped_apart
from wayscan.fly.train_config import settings_of
from wayscan.pretrained.folder import replace_file
from wayscan.train.checkpoint import load_state, put_weights, take_apart
from wayscan.train.determinism import generator, seed_of
from wayscan.train.optim import clip, gradient_norms
from wayscan.train.task import TrainingFailedError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class VMambaTD3Agent:
    """Acts, remembers, learns.

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
        self.settings = config = settings_of(args).resolved()
        low, high = limits(action_space)
        image = None if depth_shape is None else tuple(map(int, depth_shape[-3:]))
        self.config = config.network(image, base_dim, low, high)  # type: ignore[arg-type]
        self.device = torch.device(device or config.device)
        self.min_action, self.max_action = np.asarray(low, np.float32), np.asarray(high, np.float32)
        self.action_scale = (self.max_action - self.min_action) / 2
        self.action_bias = (self.max_action + self.min_action) / 2
        self.action_dim, self.lanes = len(low), lanes

        with self._randomness("weights"):
            self.networks = Networks(self.config, recompute=config.gradient_checkpointing).to(self.device)
        policy, judge = self.networks.policy, self.networks.judge
        self.actor_optimizer = self._adam(policy, config.actor_lr)
        self.critic_optimizer = self._adam(judge, config.critic_lr)
        scaled = config.precision == "fp16"
        self._scalers = {
            name: torch.amp.GradScaler(self.device.type, enabled=scaled) for name in ("actor", "critic")
        }
        self._clipped = {
            "actor": clipped_apart(policy.stream, policy.actor),
            "critic": clipped_apart(judge.stream, judge.critic),
        }
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
        self.total_it = 0
        """Updates so far."""
        self.imitations = 0
        self.metrics: dict[str, float] = {"actor_loss": 0.0, "critic_loss": 0.0}
        """Of the last update that gave each: an actor is updated every `policy_freq`-th time."""

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
            self.total_it += 1
            self.learn(self._sampled("replay", self.total_it))
        return dict(self.metrics)

    def learn(self, windows: Windows) -> None:
        """Learn from B transitions: the critics, and the actor when it is its turn."""
        config = self.settings
        base, depth, next_base, next_depth = self._moments(windows)
        with self._randomness("update", self.total_it):
            target, acted = self._target(windows, next_base, next_depth), self._tensor(windows.actions)
            self._update_critic(base, depth, acted, target)
            if self.total_it % (config.policy_freq or 1) == 0:
                if self.total_it > config.policy_starts:
                    self._update_actor(base, depth, acted)
                self.networks.follow(config.tau or 0.0)

    def imitate(self) -> dict[str, float]:
        """One update of the actor towards its teacher's actions (behaviour cloning)."""
        self.imitations += 1
        windows = self._sampled("imitate", self.imitations, labelled=True)
        policy = self.networks.policy
        base, depth, _, _ = self._moments(windows)
        with self._randomness("imitation", self.imitations), self._learning(policy):
            with self._autocast():
                loss = mse_loss(policy(base, depth).float(), self._tensor(windows.labels))
            self._step("actor", self.actor_optimizer, loss)
        self.metrics["imitation_loss"] = loss.item()
        return dict(self.metrics)

    def end_imitation(self) -> None:
        """TD3 begins: the critics see as the actor has learnt to, and all targets are copies."""
        self.networks.judge.stream.load_state_dict(self.networks.policy.stream.state_dict())
        self.networks.match_targets()
        self.networks.freeze_encoders(self.settings.freeze_encoder)

    @torch.no_grad()
    def _target(self, windows: Windows, base: Tensor, depth: Tensor | None) -> Tensor:
        """(B, 1): reward + γ · the smaller critic's value of a smoothed target action."""
        config, nets = self.settings, self.networks
        reward, done = self._tensor(windows.rewards), self._tensor(windows.dones)
        with self._autocast():
            action = nets.policy_target(base, depth).float()
            noise = (config.policy_noise or 0.0) * torch.randn_like(action)
            bound = config.noise_clip or 0.0
            action = (action + noise.clamp(-bound, bound)).clamp(-1, 1)
            smaller = torch.minimum(*nets.judge_target(base, depth, action)).float()
        # (B,) against (B, 1) would broadcast to (B, B) and learn nonsense.
        assert reward.shape == done.shape == smaller.shape == (len(reward), 1), (reward.shape, smaller.shape)
        return reward + (1 - done) * (config.gamma or 0.0) * smaller

    def _update_critic(self, base: Tensor, depth: Tensor | None, action: Tensor, target: Tensor) -> None:
        judge = self.networks.judge
        with self._learning(judge):
            with self._autocast():
                q1, q2 = (q.float() for q in judge(base, depth, action))
                loss = mse_loss(q1, target) + mse_loss(q2, target)
            self._step("critic", self.critic_optimizer, loss)
        self.metrics |= {"critic_loss": loss.item(), "q": q1.mean().item(), "target_q": target.mean().item()}

    def _update_actor(self, base: Tensor, depth: Tensor | None, acted: Tensor) -> None:
        """Through the critic's head into the actor; the critic's stream is looked through, not trained."""
        policy, judge = self.networks.policy, self.networks.judge
        with self._autocast(), torch.no_grad():
            context = judge.stream(base, depth)
        judge.critic.requires_grad_(False)
        try:
            with self._learning(policy):
                with self._autocast():
                    action = policy(base, depth)
                    q = judge.critic(context, action)[0].float()
                    loss = -q.mean()
                    if weight := self.settings.behaviour_weight:  # Fujimoto 2021
                        loss = loss / q.detach().abs().mean() + weight * mse_loss(action.float(), acted)
                self._step("actor", self.actor_optimizer, loss)
        finally:
            judge.critic.requires_grad_(True)
        self.metrics["actor_loss"] = loss.item()

    def _step(self, who: str, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        """Backward, each module clipped on its own, and a step."""
        scaler, groups = self._scalers[who], self._clipped[who]
        optimiser.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(optimiser)
        norms = gradient_norms(groups).tolist()
        if not scaler.is_enabled() and not np.isfinite([loss.item(), *norms]).all():
            raise TrainingFailedError(
                f"update {self.total_it}: the {who}'s loss is {loss.item()}, its gradients {norms}; expected "
                f"finite numbers: look at rewards and states, or lower {who}_lr"
            )
        share = clip(groups, norms, self.settings.grad_clip)
        scaler.step(optimiser)
        scaler.update()
        self.metrics[f"clipped/{who}"] = share
        self.metrics |= {f"gradient_norm/{who}.{g.name}": n for g, n in zip(groups, norms, strict=True)}

    # ---- the seed's names ---------------------------------------------------------------------------------

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
        return {
            "model": self.networks.state_dict(),
            "actor_optimizer": self.actor_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "scalers": {name: scaler.state_dict() for name, scaler in self._scalers.items()},
            "noise": self.ou_noise.state_dict(),
            "counts": {"total_it": self.total_it, "imitations": self.imitations},
            "metrics": dict(self.metrics),
        }

    def load_state_dict(self, state: dict[str, Any], path: Path) -> None:
        """As `load`, of a state that was read from `path`."""
        put_weights(self.networks, state["model"], path)
        self.actor_optimizer.load_state_dict(state["actor_optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
        for name, scaler in self._scalers.items():
            scaler.load_state_dict(state["scalers"][name])
        self.ou_noise.load_state_dict(state["noise"])
        self.total_it, self.imitations = state["counts"]["total_it"], state["counts"]["imitations"]
        self.metrics = dict(state["metrics"])
        self.networks.freeze_encoders(self.settings.freeze_encoder and self.total_it > 0)

    # ---- parts --------------------------------------------------------------------------------------------

    @property
    def version(self) -> int:
        """Another number whenever the weights are others."""
        return self.total_it + self.imitations

    def _sampled(self, what: str, number: int, *, labelled: bool = False) -> Windows:
        rng = generator(self.settings.seed, what, number)
        windows = self.replay_buffer.sample(self.settings.batch_size or 1, rng, labelled=labelled)
        if windows.frames is not None and self.settings.random_shift:
            shifted = randomly_shifted(windows.frames, self.settings.random_shift, rng)
            return windows._replace(frames=shifted)
        return windows

    def _moments(self, windows: Windows) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """base, depth, next_base, next_depth."""
        states = self._tensor(windows.states)
        if windows.frames is None:
            return states[:, :-1], None, states[:, 1:], None
        with self._autocast():
            frames = self.networks.looked_at(self._tensor(windows.frames))
        return states[:, :-1], frames[:, :-1], states[:, 1:], frames[:, 1:]

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _adam(self, module: nn.Module, rate: float | None) -> torch.optim.Adam:
        fused = self.device.type in ("cpu", "cuda")
        return torch.optim.Adam(module.parameters(), lr=rate or 0.0, fused=fused)

    def _autocast(self) -> torch.autocast:
        precision = self.settings.precision
        return torch.autocast(self.device.type, PRECISIONS[precision], enabled=precision != "fp32")

    @contextmanager
    def _learning(self, module: nn.Module) -> Iterator[None]:
        """Drop paths are dropped inside of this block only, backward pass included."""
        module.train()
        try:
            yield
        finally:
            module.eval()

    @contextmanager
    def _randomness(self, what: str, number: int = 0) -> Iterator[None]:
        """Torch draws what belongs to this purpose and place, and goes on afterwards as if it had not."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed_of(self.settings.seed, what, number) & 0x7FFFFFFFFFFFFFFF)
            yield


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
