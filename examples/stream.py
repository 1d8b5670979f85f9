"""A Mamba block over a stream: whole, in pieces, step by step; all the same.

python examples/stream.py
"""

import torch

from wayscan.nn import Mamba

torch.manual_seed(0)
mixer = Mamba(64).eval()
frames = torch.randn(1, 40, 64)  # batch, length, channels

with torch.no_grad():
    whole = mixer(frames)

    state = mixer.initial_state(1)
    first, state = mixer(frames[:, :25], state)
    second, state = mixer(frames[:, 25:], state)

    state = mixer.initial_state(1)
    steps = []
    for frame in frames.unbind(1):
        y, state = mixer.step(frame, state)
        steps.append(y)

in_pieces = torch.cat([first, second], dim=1)
in_steps = torch.stack(steps, dim=1)
print(f"whole against pieces: {(whole - in_pieces).abs().max():.1e}")
print(f"whole against steps:  {(whole - in_steps).abs().max():.1e}")
