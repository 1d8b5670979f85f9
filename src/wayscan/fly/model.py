"""The four networks of TD3: actor, twin critics, and the target of each.

Letters: B batch, K frames, C H W image, D_s state, A action.
"""

import copy

import torch
from torch import Tensor, nn

from wayscan.fly.config import PilotConfig
from wayscan.fly.streams import Stream
from wayscan.nn import MLPHead, TanhHead


class Policy(nn.Module):
    """A stream and the actor: what is seen → actions in [-1, 1]."""

    def __init__(self, config: PilotConfig, *, recompute: bool = False) -> None:
        super().__init__()
        width = config.hidden_dim
        self.config = config
        self.stream = Stream(config, recompute=recompute)
        self.actor = TanhHead(width, config.action_dim, 1.0, hidden=(width, width), norm="all")

    def forward(self, base: Tensor, depth: Tensor | None) -> Tensor:
        """(B, K, D_s), (B, K, C, H, W) → (B, A)."""
        return self.actor(self.stream(base, depth))


class TwinQ(nn.Module):
    """Two critics on one context: (B, D_h), (B, A) → (B, 1), (B, 1)."""

    def __init__(self, width: int, action_dim: int) -> None:
        super().__init__()
        self.q1 = MLPHead(width + action_dim, 1, (width, width), norm="all")
        self.q2 = MLPHead(width + action_dim, 1, (width, width), norm="all")

    def forward(self, context: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.cat([context, action], dim=-1)
        return self.q1(both), self.q2(both)


class Judge(nn.Module):
    """A stream of its own and the twin critics."""

    def __init__(self, config: PilotConfig, *, recompute: bool = False) -> None:
        super().__init__()
        self.stream = Stream(config, recompute=recompute)
        self.critic = TwinQ(config.hidden_dim, config.action_dim)

    def forward(self, base: Tensor, depth: Tensor | None, action: Tensor) -> tuple[Tensor, Tensor]:
        return self.critic(self.stream(base, depth), action)


class Networks(nn.Module):
    """All that a TD3 agent learns, and the slow copies. In evaluation mode but for updates."""

    def __init__(self, config: PilotConfig, *, recompute: bool = False) -> None:
        super().__init__()
        self.config = config
        self.policy, self.judge = Policy(config, recompute=recompute), Judge(config, recompute=recompute)
        self.policy_target = Policy(config).requires_grad_(False)
        self.judge_target = Judge(config).requires_grad_(False)
        self.match_targets()
        self.frozen = False
        self.eval()

    def match_targets(self) -> None:
        """The targets become copies of what learns."""
        self.policy_target.load_state_dict(copy.deepcopy(self.policy.state_dict()))
        self.judge_target.load_state_dict(copy.deepcopy(self.judge.state_dict()))

    def freeze_encoders(self, frozen: bool) -> None:
        """Whether what sees a frame stays as it is, the same in all four networks."""
        self.frozen = frozen
        for stream in (self.policy.stream, self.judge.stream):
            if stream.visual_encoder is not None:
                stream.visual_encoder.requires_grad_(not frozen)

    @torch.no_grad()
    def looked_at(self, frames: Tensor) -> Tensor:
        """Frames as they are; when all networks see alike, their features, made once for all."""
        seen = self.policy.stream.see(frames) if self.frozen else None
        return frames if seen is None else seen

    @torch.no_grad()
    def follow(self, tau: float) -> None:
        """The targets move by a share `tau` towards what learns."""
        for live, slow in ((self.policy, self.policy_target), (self.judge, self.judge_target)):
            torch._foreach_lerp_(list(slow.parameters()), list(live.parameters()), tau)  # type: ignore[attr-defined]
