"""How large gradients are with and without LayerScale and gated fusion, and what a clip of 0.1 does to them.

    python recipes/track_gradients.py --out OUT      (a few minutes on one core)

Small networks learn from the same samples for a few hundred steps, at the seed's rate and at the rate that it
reports to explode. Writes gradients.json and gradients.md: quantiles of the norm before clipping, its largest
value, the share of steps that were clipped, and the loss. The clip is 0.1, in the last two rows 1.0 and none.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from wayscan.track.config import TRAINING_SEEDS, TrackConfig, preset
from wayscan.track.data import prepare, to_tensors
from wayscan.track.model import TrackModel
from wayscan.track.pair_stage import outcome, predict
from wayscan.track.train_config import TrackTrainConfig
from wayscan.train.config import OptimConfig
from wayscan.train.optim import adamw, clip, clip_groups, gradient_norms
from wayscan.world.sprites.library import Sources, library_for
from wayscan.world.sprites.pairs import PairSpec, training_batch

SWITCHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "LayerScale 1e-4": {"layer_scale": 1e-4},
    "LayerScale 1": {"layer_scale": 1.0},
    "gated fusion": {"fusion": "gated"},
    "both": {"layer_scale": 1e-4, "fusion": "gated"},
}
RATES = (5e-5, 4e-4)
WARMUP = 0.1  # share of the steps


@dataclass(frozen=True)
class Course:
    """What a short run gave: norms before clipping, losses."""

    norms: np.ndarray
    losses: np.ndarray

    def row(self, longest: float | None) -> dict[str, float]:
        late = len(self.losses) // 4
        low, middle, high = np.quantile(self.norms, [0.05, 0.5, 0.95]).tolist()
        return {
            "norm_05": low, "norm_50": middle, "norm_95": high, "norm_max": float(self.norms.max()),
            "clipped": float((self.norms > longest).mean()) if longest is not None else 0.0,
            "loss_first": float(self.losses[:late].mean()), "loss_last": float(self.losses[-late:].mean()),
        }  # fmt: skip


def learn(
    config: TrackConfig, batches: Iterable[dict[str, Tensor]], steps: int, rate: float, longest: float | None,
    decay: float = 1e-4, seed: int = 0,
) -> Course:  # fmt: skip
    """A short run with the seed's losses; the rate rises over the first tenth, and stays."""
    torch.manual_seed(seed)
    model = TrackModel(config).train()
    optimiser = adamw(model, OptimConfig(learning_rate=rate, weight_decay=decay))
    groups = clip_groups(model, ())
    ((_, weights),) = TrackTrainConfig(preset="seed").resolved().loss_phases()
    norms, losses = [], []
    for step, batch in zip(range(1, steps + 1), batches, strict=False):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, step / (WARMUP * steps))
        prepared = prepare(batch)
        learnt = outcome(model, predict(model, prepared), prepared, weights)
        optimiser.zero_grad()
        learnt.loss.backward()
        norm = gradient_norms(groups).tolist()
        clip(groups, norm, longest)
        optimiser.step()
        norms.append(norm[0])
        losses.append(learnt.loss.item())
    return Course(np.array(norms), np.array(losses))


def table(rows: dict[str, dict[str, float]]) -> str:
    lines = [
        "| | norm 5 / 50 / 95 % | largest | clipped | loss, first and last quarter |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        norms = " / ".join(f"{row[f'norm_{part}']:.1f}" for part in ("05", "50", "95"))
        losses = f"{row['loss_first']:.2f}, {row['loss_last']:.2f}"
        lines.append(f"| {name} | {norms} | {row['norm_max']:.0f} | {row['clipped']:.0%} | {losses} |")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--cache", type=Path, help="file for the sprite library")
    arguments = parser.parse_args(words)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    spec = PairSpec(template_size=32, search_size=64, sources=Sources(cache=arguments.cache))
    library = library_for(spec.sources)
    batches = [
        to_tensors(training_batch(TRAINING_SEEDS[0], k * arguments.batch, arguments.batch, spec, library))
        for k in range(arguments.steps)
    ]
    # The seed's network in small: patches, no correlation, boxes from tokens.
    plain = {
        "width": arguments.width, "depth": arguments.depth, "template_size": 32, "search_size": 64,
        "mask_decoder": False,
    }  # fmt: skip
    runs = [(f"{name}, {rate:g}", changes, rate, 0.1) for rate in RATES for name, changes in SWITCHES.items()]
    runs += [(f"plain, 0.0004, clip {longest}", {}, 4e-4, longest) for longest in (1.0, None)]
    rows: dict[str, dict[str, float]] = {}
    for name, changes, rate, longest in runs:
        network = preset("base", **plain, **changes)
        rows[name] = learn(network, batches, arguments.steps, rate, longest).row(longest)
        (arguments.out / "gradients.json").write_text(json.dumps(rows, indent=1))
        (arguments.out / "gradients.md").write_text(table(rows) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main(sys.argv[1:])
