"""A Vision-Mamba (Vim) checkpoint as the beginning of a tracker.

Vim's layers become our blocks, its patch embedding our stem, its positions ours (without the class token's,
and resized to the search grid), its last norm ours. A Vim layer has a second set of convolution, projections
and rates for the way back (`*_b`); where both directions share weights it is averaged with the first, or
dropped. What Vim has no counterpart of (words, heads, the local convolutions) starts as in a new tracker.
"""

import json
import re
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from wayscan.data.atomic import write_atomically
from wayscan.nn import merge_directions
from wayscan.pretrained import convert as convert_file
from wayscan.track.config import Preset, preset
from wayscan.track.model import TrackModel
from wayscan.track.run import Tracker

REPORT = "conversion.json"
LAYER = re.compile(r"layers\.(\d+)\.(.*)")
RENAMED = {
    "norm_f.weight": "norm.weight",
    "patch_embed.proj.weight": "stem.patches.weight",
    "patch_embed.proj.bias": "stem.patches.bias",
    "pos_embed": "position",
}


@dataclass(frozen=True, kw_only=True)
class VimReport:
    """What became of a checkpoint; also written as conversion.json.

    Attributes:
        matched: our names, of which the checkpoint had the weights. fresh: ours that it had not.
        unused: the checkpoint's names that have no place here. backward: what became of its `*_b` tensors.
    """

    source: str
    output: str
    backward: str
    matched: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{self.source} → {self.output}: {len(self.matched)} tensors taken over",
                f"  second direction (*_b): {self.backward}",
                f"  new, still to be learnt ({len(self.fresh)}): {_shortened(self.fresh)}",
                f"  of no use here ({len(self.unused)}): {_shortened(self.unused)}",
            ]
        )


def convert_vim(
    source: Path,
    folder: Path,
    *,
    preset_name: Preset = "base",
    backward: Literal["drop", "average"] = "average",
    seed: int = 0,
) -> VimReport:
    """Build a tracker around a Vim checkpoint and save it.

    Args:
        source: a .pth file of tensors, or .safetensors.
        preset_name: the tracker; width, depth and states are the checkpoint's.
        backward: "average" both directions, or "drop" the second.
        seed: of the weights that the checkpoint does not have.
    """
    theirs = _read(Path(source))
    merged = merge_directions(theirs, backward)
    two_ways = len(theirs) - len(merged)
    config = replace(preset(preset_name), **_sizes(merged, Path(source)))
    torch.manual_seed(seed)
    model = TrackModel(config)
    ours = model.state_dict()
    taken, unused = {}, []
    for name, weight in merged.items():
        new = _renamed(name)
        if new == "position" and "cls_token" in merged:
            weight = _without_class_token(weight)
        if new == "position":
            weight = _resized(weight, config.search_grid)
        if new in ours and ours[new].shape == weight.shape:
            taken[new] = weight.float()
        else:
            unused.append(name)
    # Last of all, so that no initialiser (the zero output projections!) touches what was loaded.
    model.load_state_dict({**ours, **taken})
    Tracker(model).save_pretrained(folder)
    report = VimReport(
        source=str(source),
        output=str(folder),
        backward=f"{two_ways} tensors {'averaged in' if backward == 'average' else 'dropped'}",
        matched=tuple(sorted(taken)),
        fresh=tuple(sorted(set(ours) - set(taken))),
        unused=tuple(sorted(unused)),
    )
    write_atomically(Path(folder) / REPORT, [(json.dumps(asdict(report), indent=1) + "\n").encode()])
    return report


def _read(source: Path) -> dict[str, Tensor]:
    if source.suffix == ".safetensors":
        if not source.is_file():
            raise ValueError(f"{source} does not exist; expected a Vim checkpoint; check the path")
        return load_file(source)
    with tempfile.TemporaryDirectory() as place:
        return load_file(convert_file(source, place).output)


def _sizes(weights: dict[str, Tensor], source: Path) -> dict[str, int]:
    """Width, depth and states of a checkpoint."""
    layers = {int(match[1]) for match in map(LAYER.fullmatch, weights) if match}
    first = weights.get("layers.0.mixer.in_proj.weight")
    rates = weights.get("layers.0.mixer.A_log")
    if first is None or rates is None:
        raise ValueError(
            f"{source} is no Vim checkpoint: expected layers.0.mixer.in_proj.weight and …A_log, got "
            f"{_shortened(tuple(weights))}"
        )
    if layers != set(range(len(layers))):
        raise ValueError(f"{source} lacks layers: it has {sorted(layers)}; expected 0 to {max(layers)}")
    return {"width": first.shape[1], "depth": len(layers), "states": rates.shape[1]}


def _renamed(name: str) -> str:
    """Our name of a Vim tensor.

    >>> _renamed("layers.3.mixer.A_log"), _renamed("norm_f.weight"), _renamed("head.bias")
    ('blocks.3.mixer.A_log', 'norm.weight', 'head.bias')
    """
    if match := LAYER.fullmatch(name):
        return f"blocks.{match[1]}.{match[2]}"
    return RENAMED.get(name, name)


def _without_class_token(positions: Tensor) -> Tensor:
    """(1, n² + 1, D) → (1, n², D): Vim's class token stands in the middle of the sequence."""
    middle = positions.shape[1] // 2
    return torch.cat([positions[:, :middle], positions[:, middle + 1 :]], dim=1)


def _resized(positions: Tensor, grid: int) -> Tensor:
    """(1, n², D) → (1, grid², D), smoothly; what is no square stays as it is."""
    side = round(positions.shape[1] ** 0.5)
    if side * side != positions.shape[1] or side == grid:
        return positions
    image = positions.float().transpose(1, 2).unflatten(2, (side, side))
    image = F.interpolate(image, (grid, grid), mode="bicubic", align_corners=False)
    return image.flatten(2).transpose(1, 2)


def _shortened(names: tuple[str, ...], most: int = 6) -> str:
    if not names:
        return "none"
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
