"""A pilot as one ONNX graph that a robot calls once a frame; how far it is from torch.

Encoders look at each frame alone, and so does the fusion of image and state. What a decision needs of the
frames before is therefore their K - 1 fused vectors: the graph takes them in, puts the newest one after them
and gives them back, so that nothing grows and no frame is looked at twice. (Where frames are stacked, such a
vector is the frame itself and its state's features.) `wayscan.fly.onnx` says what goes in and out.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wayscan.fly.config import PilotConfig
from wayscan.fly.model import Policy
from wayscan.fly.observations import Seen
from wayscan.fly.onnx import METADATA, OnnxPilot
from wayscan.fly.open import made_folder, opened
from wayscan.fly.recording import Flight, plain, record
from wayscan.fly.run import Pilot
from wayscan.ops.onnx_graph import count_nodes, expect_onnx, write_graph
from wayscan.train.determinism import deterministic
from wayscan.world.splits import TUNING

STEPS = 30  # of a made-up flight
SAME = 1e-4  # of actions in [-1, 1]


class ActorGraph(nn.Module):
    """One decision; shapes as in `wayscan.fly.onnx`. Inputs that a pilot has no use for are None."""

    low: Tensor
    high: Tensor

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy
        self.register_buffer("low", torch.tensor(policy.config.action_low))
        self.register_buffer("high", torch.tensor(policy.config.action_high))

    def forward(
        self, image: Tensor | None, state: Tensor, memory: Tensor | None, first: Tensor | None
    ) -> tuple[Tensor, ...]:
        stream = self.policy.stream
        visual = None if image is None else stream.see(image[:, None])
        newest = stream.mamba.fusion(visual, stream.state_encoder(state[:, None]))
        if memory is None or first is None:
            return self._decide(newest)
        before = torch.where(first[:, None, None], newest, memory)
        fused = torch.cat([before, newest], dim=1)
        return (*self._decide(fused), fused[:, 1:])

    def _decide(self, fused: Tensor) -> tuple[Tensor, Tensor]:
        share = self.policy.actor(self.policy.stream.mamba.mix(fused))
        return self.low + (share.clamp(-1, 1) + 1) / 2 * (self.high - self.low), share


def export_pilot(pilot: Pilot, path: str | Path) -> dict[str, int]:
    """Write the graph; its size in bytes and number of nodes."""
    expect_onnx()
    import onnx

    path, config = Path(path), pilot.config
    if path.is_dir():
        raise ValueError(f"out is {path}, a folder; expected a file, such as {path / 'actor.onnx'}")
    made_folder(path.parent)
    image = None if config.image is None else torch.zeros(1, *config.image, dtype=torch.uint8)
    carried = config.seq_len > 1
    memory = torch.zeros(1, config.seq_len - 1, config.moment_dim) if carried else None
    first = torch.ones(1, dtype=torch.bool) if carried else None
    given = {"image": image, "state": torch.zeros(1, config.state_dim), "memory": memory, "first": first}
    write_graph(
        ActorGraph(deepcopy(pilot.policy).cpu()), tuple(given.values()), path,
        takes=[name for name, value in given.items() if value is not None],
        gives=["action", "share", *(["memory_out"] if carried else [])],
        metadata={METADATA: json.dumps(config.as_dict())},
    )  # fmt: skip
    return {"bytes": path.stat().st_size, "nodes": count_nodes(onnx.load(str(path)).graph)}


def made_up(config: PilotConfig, steps: int = STEPS, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Observations that fit a pilot and mean nothing: noise whose coarseness changes, random states."""
    rng = np.random.default_rng(seed)
    for step in range(steps):
        state = rng.uniform(-1, 1, config.state_dim).astype(np.float32)
        if config.image is None:
            yield {"state": state}
            continue
        (channels, height, width), coarse = config.image, 2 ** (step % 5)
        small = rng.integers(0, 256, (channels, -(-height // coarse), -(-width // coarse)), dtype=np.uint8)
        frame = small.repeat(coarse, axis=1).repeat(coarse, axis=2)[:, :height, :width]
        yield {"image": frame, "state": state}


def parity(pilot: Pilot, exported: OnnxPilot, flights: Iterable[Iterable[Any]]) -> dict[str, float]:
    """Fly through the same observations with both.

    Returns:
        the largest difference of actions in [-1, 1]; median milliseconds of a decision of each.
    """
    apart, seconds = 0.0, ([], [])
    for flight in flights:
        pilot.reset()
        exported.reset()
        for observation in flight:
            shares = []
            for each, spent in zip((pilot, exported), seconds, strict=True):
                began = time.perf_counter()
                shares.append(each.step(observation).share)
                spent.append(time.perf_counter() - began)
            apart = max(apart, float(np.abs(shares[0] - shares[1]).max()))
    torch_ms, onnx_ms = (1e3 * float(np.median(spent)) for spent in seconds)
    return {"difference": apart, "torch_ms": torch_ms, "onnx_ms": onnx_ms}


def compare(
    model: str, path: str | Path, env_name: str | None = None, env_options: Mapping[str, Any] | None = None,
    *, seed: int = TUNING.start,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """`parity` of a model and its graph, by what was flown.

    Returns:
        random: two made-up flights. flight: an episode of the environment, flown by the model; absent where
        none was named and the model fits neither its own nor Forest-v0.
    """
    pilot, exported = Pilot.from_pretrained(model), OnnxPilot(path)
    with deterministic(threads=1):
        made = [made_up(pilot.config, seed=number) for number in range(2)]
        found = {"random": parity(pilot, exported, made)}
        try:
            with opened(model, env_name, env_options) as (_, env, _, _):
                flight = record(pilot, env, seed)
        except (ValueError, ModuleNotFoundError):
            if env_name:
                raise
            return found
        return {**found, "flight": parity(pilot, exported, [_observations(flight)])}


def _observations(flight: Flight) -> list[dict[str, Any]]:
    frames = [None] * (len(flight) + 1) if flight.frames is None else flight.frames
    return [plain(Seen(*moment)) for moment in zip(frames, flight.states, strict=True)]
