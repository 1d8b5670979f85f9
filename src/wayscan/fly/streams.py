"""From K frames to one vector: fusion of image and state, mixing over time, gathering.

Letters: B batch, K frames, C H W image, D_s state, D_v and D_sf features of image and state, D_h hidden.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wayscan.fly.config import PilotConfig
from wayscan.fly.encoders import NatureCNN, StateMLP, scaled, visual_encoder
from wayscan.nn import AttentionPool, MinGRU
from wayscan.nn.temporal import TemporalMamba, Variant
from wayscan.train.optim import ClipGroup


class SideBySide(nn.Module):
    """(B, K, D_v) and (B, K, D_sf) → (B, K, D_v + D_sf)."""

    def forward(self, visual: Tensor | None, state: Tensor) -> Tensor:
        return state if visual is None else torch.cat([visual, state], dim=-1)


class FusionMLP(SideBySide):
    """(B, K, D_v) and (B, K, D_sf) → (B, K, D_h): side by side, linear, LayerNorm, ReLU."""

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_features, hidden), nn.LayerNorm(hidden), nn.ReLU())

    def forward(self, visual: Tensor | None, state: Tensor) -> Tensor:
        return self.layers(super().forward(visual, state))


class Remembered(SideBySide):
    """Frames as they are beside their states' features; pixels become shares, to be numbers of one kind."""

    def forward(self, visual: Tensor | None, state: Tensor) -> Tensor:
        return super().forward(None if visual is None else scaled(visual), state)


class CrossAttention(nn.Module):
    """The last frame asks, all frames answer: (B, K, D_h) → (B, D_h)."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.pool = AttentionPool(hidden, heads)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(x)[0]

    def get_attention_weights(self, x: Tensor) -> Tensor:
        """(B, heads, K): how much each head listens to each frame; sums to one over K."""
        return self.pool(x)[1]


class SequenceEncoder(nn.Module):
    """Features of K frames → (B, D_h): each frame's image and state are fused, then the frames are mixed."""

    def __init__(self, config: PilotConfig, fusion: SideBySide | None = None) -> None:
        super().__init__()
        visual = config.feature_dim if config.image else 0
        self.fusion = fusion or FusionMLP(visual + config.state_feature_dim, config.hidden_dim)

    def forward(self, visual: Tensor | None, state: Tensor) -> Tensor:
        return self.mix(self.fusion(visual, state))

    def mix(self, fused: Tensor) -> Tensor:
        """What `fusion` gives, (B, K, D_h) → (B, D_h)."""
        raise NotImplementedError

    def seen(self, visual: Tensor) -> Tensor:
        """What of the images goes into a decision, to be shown: (B, K, D_v) → (B, D_v)."""
        return visual.mean(dim=1)


class MambaSequenceEncoder(SequenceEncoder):
    """Fusion, then TemporalMamba, then cross attention."""

    VARIANTS: Mapping[str, Variant] = {"mamba": "ss2d", "lean": "lean", "none": "none"}

    def __init__(self, config: PilotConfig) -> None:
        super().__init__(config)
        hidden = config.hidden_dim
        self.temporal = TemporalMamba(
            hidden, config.vmamba_temporal_layers, self.VARIANTS[config.temporal],
            d_state=config.vmamba_ssm_d_state, expand=config.vmamba_ssm_ratio,
        )  # fmt: skip
        self.cross_attn = CrossAttention(hidden, config.vmamba_num_heads)

    def mix(self, fused: Tensor) -> Tensor:
        return self.cross_attn(self.temporal(fused))


class RecurrentSequenceEncoder(SequenceEncoder):
    """Fusion, then an LSTM, GRU or minGRU; what it gives at the last frame."""

    def __init__(self, config: PilotConfig) -> None:
        super().__init__(config)
        hidden = config.hidden_dim
        if config.encoder == "mingru":
            self.recurrence: nn.Module = MinGRU(hidden)
        else:
            kind = nn.LSTM if config.encoder == "lstm" else nn.GRU
            self.recurrence = kind(hidden, hidden, batch_first=True)

    def mix(self, fused: Tensor) -> Tensor:
        out = self.recurrence(fused)
        return (out[0] if isinstance(out, tuple) else out)[:, -1]


class FlatSequenceEncoder(SequenceEncoder):
    """Fusion, then all frames side by side through a linear layer and a ReLU."""

    def __init__(self, config: PilotConfig) -> None:
        super().__init__(config)
        hidden = config.hidden_dim
        self.gather = nn.Sequential(nn.Linear(config.seq_len * hidden, hidden), nn.ReLU())

    def mix(self, fused: Tensor) -> Tensor:
        return self.gather(fused.flatten(1))


class StackedSequenceEncoder(SequenceEncoder):
    """NatureCNN on all frames as the channels of one image; what it gives and all states are fused.

    A moment is remembered as its pixels beside its state's features: D_m = C · H · W + D_sf.
    """

    def __init__(self, config: PilotConfig) -> None:
        super().__init__(config, Remembered())
        self.image, self.pixels = config.image, config.pixels
        self.cnn = None if config.image is None else NatureCNN(config, config.seq_len)
        visual = config.feature_dim if config.image else 0
        self.joint = FusionMLP(visual + config.seq_len * config.state_feature_dim, config.hidden_dim)

    def forward(self, visual: Tensor | None, state: Tensor) -> Tensor:
        """(B, K, C · H · W), (B, K, D_sf) → (B, D_h)."""
        return self.joint(None if visual is None else self.seen(visual), state.flatten(1))

    def mix(self, fused: Tensor) -> Tensor:
        """(B, K, D_m) → (B, D_h)."""
        visual, state = fused[..., : self.pixels], fused[..., self.pixels :]
        return self(visual if self.pixels else None, state)

    def seen(self, visual: Tensor) -> Tensor:
        """(B, K, C · H · W) → (B, D_v)."""
        assert self.image is not None
        assert self.cnn is not None
        return self.cnn(visual.unflatten(2, self.image).flatten(1, 2))


def sequence_encoder(config: PilotConfig) -> SequenceEncoder:
    """What gathers the frames."""
    if config.stacked:
        return StackedSequenceEncoder(config)
    kinds = {"vmamba": MambaSequenceEncoder, "cnn": MambaSequenceEncoder, "mlp": FlatSequenceEncoder}
    return kinds.get(config.encoder, RecurrentSequenceEncoder)(config)


class Stream(nn.Module):
    """All that comes before a head; actor and critic have one each.

    Args:
        recompute: see `visual_encoder`.
    """

    def __init__(self, config: PilotConfig, *, recompute: bool = False) -> None:
        super().__init__()
        self.visual_encoder = visual_encoder(config, recompute=recompute)
        self.state_encoder = StateMLP(config.state_dim, config.state_feature_dim)
        self.mamba = sequence_encoder(config)

    def forward(self, base: Tensor, depth: Tensor | None) -> Tensor:
        """base (B, K, D_s), depth (B, K, C, H, W) → (B, D_h)."""
        return self.gather(base, self.see(depth))

    def see(self, depth: Tensor | None) -> Tensor | None:
        """(B, K, C, H, W) → (B, K, D_v), all frames at once; what are features already stay as they are."""
        if depth is None or self.visual_encoder is None:
            return None
        if depth.ndim == 3:
            return depth
        return self.visual_encoder(depth.flatten(0, 1)).unflatten(0, depth.shape[:2])

    def gather(self, base: Tensor, visual: Tensor | None) -> Tensor:
        """base (B, K, D_s), features (B, K, D_v) → (B, D_h)."""
        return self.mamba(visual, self.state_encoder(base))


def clipped_apart(stream: Stream, head: nn.Module) -> list[ClipGroup]:
    """The stream's parts and the head: each is clipped on its own."""
    parts = {**dict(stream.named_children()), "head": head}
    groups = [ClipGroup(name, list(part.parameters())) for name, part in parts.items()]
    return [group for group in groups if group.parameters]
