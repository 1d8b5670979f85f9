"""Peak memory of one update of the seed's presets, on a CPU, beside the GPUs that it announces; and with
what the seed advises where memory is short.

python -m benchmarks.fly_memory [--presets light standard heavy] [--tips]      measures and records (minutes)

Each measurement is a process of its own: networks, an update of one transition, which loads what has to be
loaded, then one of the preset's batch; an update here is the critics' and the actor's. Resident memory on a
CPU is not a GPU's, whose libraries and allocator differ.
"""

import argparse
import json
import subprocess
import sys
from typing import Any, NamedTuple

from .claims import Claim, record

GPUS = {"light": 4, "standard": 8, "heavy": 16}  # GB that the seed announces
GIGABYTE = 1e9

TIPS: list[dict[str, Any]] = [
    {"vmamba_hidden_dim": 32},
    {"vmamba_num_vss_blocks": (2, 2, 2, 2)},
    {"batch_size": 64},
    {"seq_len": 2},
    {"precision": "bf16"},
]


class Peak(NamedTuple):
    """Bytes: of networks, optimisers and libraries before the update, and what the update took above them."""

    standing: int
    extra: int


def one_update(settings: dict[str, Any], batch: int) -> Peak:
    """Of this process; to be called once."""
    import numpy as np
    import torch
    from gymnasium import spaces

    from wayscan.fly.agent import VMambaTD3Agent
    from wayscan.fly.replay import Windows
    from wayscan.fly.train_config import FlyTrainConfig

    from .memory import peak_extra_bytes, resident_bytes

    torch.set_num_threads(1)
    config = FlyTrainConfig(**settings, policy_freq=1, buffer_size=2_000)
    agent = VMambaTD3Agent(10, (1, 128, 128), spaces.Box(-1, 1, (3,)), config)
    moments = agent.config.seq_len + 1

    def update(count: int) -> None:
        rng = np.random.default_rng(0)
        states = rng.standard_normal((count, moments, 10)).astype(np.float32)
        acted = rng.uniform(-1, 1, (count, 3)).astype(np.float32)
        frames = rng.integers(0, 256, (count, moments, 1, 128, 128), np.uint8)
        zeros = np.zeros((count, 1), np.float32)
        agent.td3.learn(Windows(frames, states, acted, zeros, zeros, acted))

    update(1)
    standing = resident_bytes()
    return Peak(standing, peak_extra_bytes(lambda: update(batch)))


def measured(settings: dict[str, Any], batch: int) -> Peak:
    """`one_update` in a process of its own."""
    words = ["-m", "benchmarks.fly_memory", "--one", json.dumps(settings), str(batch)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return Peak(*json.loads(done.stdout.splitlines()[-1]))


def claim_of(name: str, against: str, settings: dict[str, Any]) -> Claim:
    """Of these settings and their batch."""
    from wayscan.fly.train_config import FlyTrainConfig

    batch = FlyTrainConfig(**settings).resolved().batch_size or 1
    peak = measured(settings, batch)
    claim = Claim(
        name=f"{name}, batch {batch}: memory of an update",
        value=(peak.standing + peak.extra) / GIGABYTE,
        unit="GB",
        better="lower",
        against=f"{against}on a CPU, {peak.standing / GIGABYTE:.2f} GB of it before the update",
    )
    print(claim.name, f"{claim.value:.2f} GB;", claim.against, flush=True)
    return claim


def preset_claims(preset: str) -> list[Claim]:
    """All activations kept, and computed again."""
    announced = f"the seed announces {GPUS[preset]} GB of GPU; "
    return [
        claim_of(preset, announced, {"preset": preset}),
        claim_of(
            f"{preset}, gradient checkpointing", announced, {"preset": preset, "gradient_checkpointing": True}
        ),
    ]


def tip_claims() -> list[Claim]:
    """Each of the seed's tips alone, from its defaults."""
    return [
        claim_of(
            f"light with {', '.join(f'{name} {value}' for name, value in tip.items())}",
            "",
            {"preset": "light", **tip},
        )
        for tip in TIPS
    ]


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="*", default=list(GPUS), choices=list(GPUS))
    parser.add_argument("--tips", action="store_true", help="what saves memory, too")
    parser.add_argument("--one", nargs=2, metavar=("SETTINGS", "BATCH"), help="measure, print")
    arguments = parser.parse_args(words)
    if arguments.one:
        settings, batch = arguments.one
        print(json.dumps(one_update(json.loads(settings), int(batch))))
        return
    for preset in arguments.presets:
        print(record("fly", f"memory-{preset}", preset_claims(preset)))
    if arguments.tips:
        print(record("fly", "memory-tips", tip_claims()))


if __name__ == "__main__":
    main(sys.argv[1:])
