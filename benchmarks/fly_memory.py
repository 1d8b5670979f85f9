"""Peak memory of one update of the seed's presets, on a CPU, beside the GPUs that it announces.

python -m benchmarks.fly_memory [--presets light standard heavy]      measures and records (minutes)

Each measurement is a process of its own: networks, an update of one transition, which loads what has to be
loaded, then one of the batch that counts; an update here is the critics' and the actor's. The seed's batches
would take minutes and more memory than a small machine has: two small ones give a line, by which the claims
are reckoned, and they say so. Resident memory on a CPU is not a GPU's, whose libraries and allocator differ.
"""

import argparse
import json
import subprocess
import sys
from typing import NamedTuple

from .claims import Claim, record

GPUS = {"light": 4, "standard": 8, "heavy": 16}  # GB that the seed announces
GIGABYTE = 1e9
SMALL = {"light": (8, 16), "standard": (8, 16), "heavy": (4, 8)}  # smaller, the gradients decide the peak


class Peak(NamedTuple):
    """Bytes: of networks, optimisers and libraries before the update, and what the update took above them."""

    standing: int
    extra: int


def one_update(preset: str, batch: int, checkpointing: bool) -> Peak:
    """Of this process; to be called once."""
    import numpy as np
    import torch
    from gymnasium import spaces

    from wayscan.fly.agent import VMambaTD3Agent
    from wayscan.fly.replay import Windows
    from wayscan.fly.train_config import FlyTrainConfig

    from .memory import peak_extra_bytes, resident_bytes

    torch.set_num_threads(1)
    config = FlyTrainConfig(
        preset=preset,
        gradient_checkpointing=checkpointing,
        policy_freq=1,
        buffer_size=2_000,  # type: ignore[arg-type]
    )
    agent = VMambaTD3Agent(10, (1, 128, 128), spaces.Box(-1, 1, (3,)), config)
    moments = agent.config.seq_len + 1

    def update(count: int) -> None:
        rng = np.random.default_rng(0)
        states = rng.standard_normal((count, moments, 10)).astype(np.float32)
        acted = rng.uniform(-1, 1, (count, 3)).astype(np.float32)
        frames = rng.integers(0, 256, (count, moments, 1, 128, 128), np.uint8)
        zeros = np.zeros((count, 1), np.float32)
        agent.learn(Windows(frames, states, acted, zeros, zeros, acted))

    update(1)
    standing = resident_bytes()
    return Peak(standing, peak_extra_bytes(lambda: update(batch)))


def measured(preset: str, batch: int, checkpointing: bool) -> Peak:
    """`one_update` in a process of its own."""
    words = ["-m", "benchmarks.fly_memory", "--one", preset, str(batch), str(int(checkpointing))]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    return Peak(*json.loads(done.stdout.splitlines()[-1]))


def line_through(batches: tuple[int, int], peaks: tuple[Peak, Peak], batch: int) -> tuple[float, float]:
    """Bytes that a batch would take, and bytes a transition, by the line through two measurements.

    >>> line_through((1, 2), (Peak(100, 20), Peak(100, 30)), 10)
    (210.0, 10.0)
    """
    slope = (peaks[1].extra - peaks[0].extra) / (batches[1] - batches[0])
    return peaks[0].standing + peaks[0].extra + slope * (batch - batches[0]), slope


def claims_of(preset: str) -> list[Claim]:
    from wayscan.fly.train_config import PRESETS

    batch, claims = PRESETS[preset]["batch_size"], []  # type: ignore[index]
    for checkpointing in (False, True):
        first, second = (measured(preset, size, checkpointing) for size in SMALL[preset])
        total, slope = line_through(SMALL[preset], (first, second), batch)
        how = "with gradient checkpointing" if checkpointing else "all activations kept"
        claims.append(
            Claim(
                name=f"{preset}, batch {batch}, {how}: memory of an update",
                value=total / GIGABYTE,
                unit="GB",
                better="lower",
                against=f"the seed announces {GPUS[preset]} GB of GPU; reckoned on a CPU from batches of "
                f"{SMALL[preset][0]} and {SMALL[preset][1]}: {first.standing / GIGABYTE:.2f} GB standing, "
                f"{slope / 1e6:.0f} MB a transition",
            )
        )
        print(claims[-1].name, f"{claims[-1].value:.2f} GB;", claims[-1].against, flush=True)
    return claims


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", default=list(GPUS), choices=list(GPUS))
    parser.add_argument("--one", nargs=3, metavar=("PRESET", "BATCH", "CHECKPOINTING"), help="measure, print")
    arguments = parser.parse_args(words)
    if arguments.one:
        preset, batch, checkpointing = arguments.one
        print(json.dumps(one_update(preset, int(batch), bool(int(checkpointing)))))
        return
    for preset in arguments.presets:
        print(record("fly", f"memory-{preset}", claims_of(preset)))


if __name__ == "__main__":
    main(sys.argv[1:])
