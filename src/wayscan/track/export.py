"""A tracker as two ONNX graphs, one for the templates and one for each frame; how far they are from torch.

The graphs take pictures as uint8 and normalise them. Their size does not depend on the video: a sequence has
a fixed length (`config.tokens`), and each scan along it is one Scan operator.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wayscan.data.atomic import write_atomically
from wayscan.ops.onnx_graph import count_nodes, expect_onnx, write_graph
from wayscan.track.config import EXPORTED, TrackerConfig
from wayscan.track.data import normalise
from wayscan.track.embed import Matches
from wayscan.track.evaluate import follow
from wayscan.track.loop import Network, Sight, TrackingLoop
from wayscan.track.model import Templates, TrackModel
from wayscan.track.onnx import SEARCH, TEMPLATE, OnnxTracker
from wayscan.track.run import Tracker
from wayscan.track.sequences import embedded_clips

CLIP = 2  # of the first tuning seed: what the graphs are compared on


class TemplateGraph(nn.Module):
    """Pictures uint8 (2, S, S, 3) and the target in each (2, 4) → what the search is to know of them."""

    def __init__(self, model: TrackModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor, boxes: Tensor) -> tuple[Tensor, ...]:
        templates = self.model.remember(normalise(pictures[None]), boxes[None])
        return (templates.tokens, *(templates.matches or ()))


class SearchGraph(nn.Module):
    """Templates, a crop uint8 (X, X, 3) and past boxes (T, 4) → boxes (4, P), chance (h, w), score (1,)."""

    def __init__(self, model: TrackModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, templates: tuple[Tensor, ...], crop: Tensor, past: Tensor) -> tuple[Tensor, ...]:
        tokens, *matches = templates
        known = Templates(tokens, Matches(*matches) if matches else None)
        output = self.model.look(known, normalise(crop[None]), past[None])
        score = output.score.sigmoid()
        if output.heat is None or output.dense is None or self.model.config.box_from == "tokens":
            return self.model.boxes(output).mT, torch.ones_like(score)[None], score
        return output.dense[0].flatten(1), output.heat[0].sigmoid(), score


def export_tracker(model: str | Path, folder: str | Path) -> dict[str, int]:
    """Write template.onnx, search.onnx and track.json; their size in bytes and number of nodes."""
    expect_onnx()
    import onnx

    folder, tracker = Path(folder), Tracker.from_pretrained(model)
    config = tracker.model.config
    network = deepcopy(tracker.model).to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    S, X = config.template_size, config.search_size
    pictures, boxes = torch.zeros(2, S, S, 3, dtype=torch.uint8), torch.rand(2, 4)
    with torch.no_grad():
        known = TemplateGraph(network)(pictures, boxes)
    names = ["tokens", "keys", "values"][: len(known)]
    crop, past = torch.zeros(X, X, 3, dtype=torch.uint8), torch.rand(max(config.past, 1), 4)
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(
        TemplateGraph(network), (pictures, boxes), folder / TEMPLATE, takes=["pictures", "boxes"], gives=names
    )
    write_graph(
        SearchGraph(network), (known, crop, past), folder / SEARCH,
        takes=[*names, "crop", "past"], gives=["boxes", "chance", "score"],
    )  # fmt: skip
    described = TrackerConfig(model=config, loop=tracker.loop).as_dict()
    write_atomically(folder / EXPORTED, [json.dumps(described, indent=1).encode()])
    graphs = [folder / TEMPLATE, folder / SEARCH]
    return {
        "bytes": sum(path.stat().st_size for path in graphs),
        "nodes": sum(count_nodes(onnx.load(str(path)).graph) for path in graphs),
    }


def parity(model: str | Path, folder: str | Path, pictures: int = 8, frames: int = 30) -> dict[str, float]:
    """Largest differences between torch and the exported graphs: of boxes (in crops), chances and scores.

    Returns:
        random: on random pictures. clip: on what the tracker looks at while it follows a generated clip.
    """
    both = _Both(Tracker.from_pretrained(model).network, OnnxTracker.from_folder(folder).network)
    rng, config = np.random.default_rng(0), both.config
    S, X = config.template_size, config.search_size
    for _ in range(pictures):
        shown = rng.integers(0, 256, (2, S, S, 3), dtype=np.uint8)
        crop = rng.integers(0, 256, (X, X, 3), dtype=np.uint8)
        low, past = rng.uniform(0, 0.4, (2, 2)), rng.uniform(-0.5, 1.5, (max(config.past, 1), 4))
        boxes = np.concatenate([low, low + 0.5], axis=1).astype(np.float32)
        both.look(both.remember(shown, boxes), crop, past.astype(np.float32))
    on_random, both.apart = both.apart, 0.0
    *_, clip = embedded_clips("sprites", CLIP + 1, "tuning", frames=frames, packaged=False, textures=8).clips
    follow(TrackingLoop(both), clip, clip.boxes[0])
    return {"random": on_random, "clip": both.apart}


class _Both:
    """The first network's answers; notes how far the second's are from them."""

    def __init__(self, first: Network, second: Network) -> None:
        self.networks, self.config, self.apart = (first, second), first.config, 0.0

    def remember(self, pictures: NDArray[np.uint8], boxes: NDArray[np.float32]) -> list[Any]:
        return [network.remember(pictures, boxes) for network in self.networks]

    def look(self, templates: list[Any], crop: NDArray[np.uint8], past: NDArray[np.float32]) -> Sight:
        first, second = (
            network.look(each, crop, past) for network, each in zip(self.networks, templates, strict=True)
        )
        for a, b in zip(first, second, strict=True):
            self.apart = max(self.apart, float(np.abs(np.asarray(a) - np.asarray(b)).max()))
        return first
