"""What goes on inside of a policy along a flight: features, and how much each frame was listened to.

Letters: T decisions, K frames, C H W image, D_s state, D_v D_sf D_h features of image, state and both.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayscan.fly.model import Policy
from wayscan.fly.streams import MambaSequenceEncoder

Floats = NDArray[np.float32]
AT_ONCE = 64  # frames


class Insight(NamedTuple):
    """Features are means over the K frames of each decision's window, as the seed shows them; a CNN that sees
    these frames as one image has one for them all."""

    visual: Floats | None  # (T, D_v)
    state: Floats  # (T, D_sf)
    context: Floats  # (T, D_h)
    attention: Floats | None  # (T, heads, K); None where nothing attends


@torch.no_grad()
def look_inside(policy: Policy, frames: NDArray[np.uint8] | None, states: Floats) -> Insight:
    """Of one flight: frames (T, C, H, W) or None, states (T, D_s)."""
    stream, device = policy.stream, next(policy.parameters()).device
    state = stream.state_encoder(torch.from_numpy(states).to(device))
    visual = None
    if frames is not None and stream.visual_encoder is not None:
        pieces = [
            stream.visual_encoder(torch.from_numpy(frames[k : k + AT_ONCE]).to(device))
            for k in range(0, len(frames), AT_ONCE)
        ]
        visual = torch.cat(pieces)
    past = torch.arange(policy.config.seq_len, device=device).flip(0)
    windows = (torch.arange(len(states), device=device)[:, None] - past).clamp(min=0)  # (T, K)
    fused = stream.mamba.fusion(visual, state)[windows]
    attention = None
    if isinstance(stream.mamba, MambaSequenceEncoder):
        attention = _plain(stream.mamba.cross_attn.get_attention_weights(stream.mamba.temporal(fused)))
    return Insight(
        visual=None if visual is None else _plain(stream.mamba.seen(visual[windows])),
        state=_plain(state[windows].mean(dim=1)),
        context=_plain(stream.mamba.mix(fused)),
        attention=attention,
    )


def _plain(x: Tensor) -> Floats:
    return x.float().cpu().numpy()
