"""TD3 (Fujimoto 2018), and imitation before it: four networks that learn from windows.

    td3 = TD3(network, settings, device)
    td3.imitate(windows)        towards a teacher's actions
    td3.end_imitation()         critics and targets begin with what the actor sees by
    td3.learn(windows)          critics, and the actor when it is its turn

Letters: B batch, K frames, C H W image, D_v its features, D_s state, A action.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from wayscan.fly.config import PilotConfig
from wayscan.fly.model import Networks
from wayscan.fly.replay import Windows
from wayscan.fly.streams import clipped_apart
from wayscan.fly.train_config import FlyTrainConfig
from wayscan.train.checkpoint import put_weights
from wayscan.train.determinism import seed_of
from wayscan.train.optim import clip, gradient_norms
from wayscan.train.task import TrainingFailedError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class TD3:
    """Four networks, their optimisers, and the updates.

    Args:
        network: what the networks look like.
        settings: how they learn, with all that the preset says filled in.
        device: where they are.
    """

    def __init__(self, network: PilotConfig, settings: FlyTrainConfig, device: torch.device) -> None:
        self.settings, self.device = settings, device
        with self._randomness("weights"):
            self.networks = Networks(network, recompute=settings.gradient_checkpointing).to(device)
        policy, judge = self.networks.policy, self.networks.judge
        self.actor_optimizer = self._adam(policy, settings.actor_lr)
        self.critic_optimizer = self._adam(judge, settings.critic_lr)
        scaled = settings.precision == "fp16"
        self._scalers = {
            name: torch.amp.GradScaler(device.type, enabled=scaled) for name in ("actor", "critic")
        }
        self._clipped = {
            "actor": clipped_apart(policy.stream, policy.actor),
            "critic": clipped_apart(judge.stream, judge.critic),
        }
        self.updates, self.imitations = 0, 0
        self.metrics: dict[str, float] = {"actor_loss": 0.0, "critic_loss": 0.0}
        """Of the last update that gave each: an actor is updated every `policy_freq`-th time."""

    @property
    def version(self) -> int:
        """Another number whenever what sees a frame is another."""
        return 0 if self.networks.frozen else self.updates + self.imitations

    # ---- learning -----------------------------------------------------------------------------------------

    def learn(self, windows: Windows) -> None:
        """Learn from B transitions: the critics, and the actor when it is its turn."""
        settings = self.settings
        self.updates += 1
        base, depth, next_base, next_depth = self.moments(windows)
        with self._randomness("update", self.updates):
            target, acted = self.target(windows, next_base, next_depth), self._tensor(windows.actions)
            self._update_critic(base, depth, acted, target)
            if self.updates % (settings.policy_freq or 1) == 0:
                if self.updates > settings.policy_starts:
                    meant = self._tensor(windows.meant)
                    self._update_actor(base, depth, torch.where(meant.isfinite(), meant, acted))
                self.networks.follow(settings.tau or 0.0)

    def imitate(self, windows: Windows) -> None:
        """One update of the actor towards what a teacher would do in B moments (behaviour cloning)."""
        self.imitations += 1
        policy = self.networks.policy
        base, depth, _, _ = self.moments(windows)
        with self._randomness("imitation", self.imitations), self._learning(policy):
            with self._autocast():
                loss = mse_loss(policy(base, depth).float(), self._tensor(windows.meant))
            self._step("actor", self.actor_optimizer, loss)
        self.metrics["imitation_loss"] = loss.item()

    def end_imitation(self) -> None:
        """TD3 begins: the critics see as the actor has learnt to, and all targets are copies."""
        self.networks.judge.stream.load_state_dict(self.networks.policy.stream.state_dict())
        self.networks.match_targets()
        self.networks.freeze_encoders(self.settings.freeze_encoder)

    @torch.no_grad()
    def look(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the networks see in frames, once they all see alike: (N, C, H, W) → (N, D_v)."""
        return self.networks.looked_at(self._tensor(frames)[:, None])[:, 0].float().cpu().numpy()

    def moments(self, windows: Windows) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """base, depth, next_base, next_depth."""
        states = self._tensor(windows.states)
        if windows.frames is None:
            return states[:, :-1], None, states[:, 1:], None
        with self._autocast():
            frames = self.networks.looked_at(self._tensor(windows.frames))
        return states[:, :-1], frames[:, :-1], states[:, 1:], frames[:, 1:]

    @torch.no_grad()
    def target(self, windows: Windows, base: Tensor, depth: Tensor | None) -> Tensor:
        """(B, 1): reward + γ · the smaller critic's value of a smoothed target action."""
        settings, nets = self.settings, self.networks
        reward, done = self._tensor(windows.rewards), self._tensor(windows.dones)
        with self._autocast():
            action = nets.policy_target(base, depth).float()
            noise = (settings.policy_noise or 0.0) * torch.randn_like(action)
            bound = settings.noise_clip or 0.0
            action = (action + noise.clamp(-bound, bound)).clamp(-1, 1)
            smaller = torch.minimum(*nets.judge_target(base, depth, action)).float()
        # (B,) against (B, 1) would broadcast to (B, B) and learn nonsense.
        assert reward.shape == done.shape == smaller.shape == (len(reward), 1), (reward.shape, smaller.shape)
        return reward + (1 - done) * (settings.gamma or 0.0) * smaller

    def _update_critic(self, base: Tensor, depth: Tensor | None, action: Tensor, target: Tensor) -> None:
        judge = self.networks.judge
        with self._learning(judge):
            with self._autocast():
                q1, q2 = (q.float() for q in judge(base, depth, action))
                loss = mse_loss(q1, target) + mse_loss(q2, target)
            self._step("critic", self.critic_optimizer, loss)
        self.metrics |= {"critic_loss": loss.item(), "q": q1.mean().item(), "target_q": target.mean().item()}

    def _update_actor(self, base: Tensor, depth: Tensor | None, meant: Tensor) -> None:
        """Through the critic's head into the actor; the critic's stream is looked through, not trained.

        Args:
            meant: (B, A). Actions with their noise would do for TD3+BC, but that noise is clipped at the
                limits: whoever is held to it is drawn inwards, a little more with every round.
        """
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
                        loss = loss / q.detach().abs().mean() + weight * mse_loss(action.float(), meant)
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
                f"update {self.updates}: the {who}'s loss is {loss.item()}, its gradients {norms}; expected "
                f"finite numbers: look at rewards and states, or lower {who}_lr"
            )
        share = clip(groups, norms, self.settings.grad_clip)
        scaler.step(optimiser)
        scaler.update()
        self.metrics[f"clipped/{who}"] = share
        self.metrics |= {f"gradient_norm/{who}.{g.name}": n for g, n in zip(groups, norms, strict=True)}

    # ---- saving -------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.networks.state_dict(),
            "actor_optimizer": self.actor_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "scalers": {name: scaler.state_dict() for name, scaler in self._scalers.items()},
            "counts": {"total_it": self.updates, "imitations": self.imitations},
            "metrics": dict(self.metrics),
        }

    def load_state_dict(self, state: dict[str, Any], path: Path) -> None:
        """The inverse, of a state that was read from `path`."""
        put_weights(self.networks, state["model"], path)
        self.actor_optimizer.load_state_dict(state["actor_optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
        for name, scaler in self._scalers.items():
            scaler.load_state_dict(state["scalers"][name])
        self.updates, self.imitations = state["counts"]["total_it"], state["counts"]["imitations"]
        self.metrics = dict(state["metrics"])
        if self.updates:
            self.networks.freeze_encoders(self.settings.freeze_encoder)

    # ---- parts --------------------------------------------------------------------------------------------

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
