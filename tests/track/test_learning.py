"""A small tracker learns to find what moved: it beats keeping the last box."""

import numpy as np
import torch

from wayscan.track.config import LossConfig, TrackConfig
from wayscan.track.data import prepare, to_tensors
from wayscan.track.losses import iou, losses
from wayscan.track.model import TrackModel
from wayscan.train.config import OptimConfig
from wayscan.train.optim import adamw

CONFIG = TrackConfig(
    width=48,
    depth=2,
    states=4,
    template_size=32,
    search_size=64,
    stem="conv",
    stem_width=32,
    correlation=True,
    mask_decoder=False,
    dense_head=True,
    dense_width=16,
    box_from="dense",
    past=2,
    bins=40,
)
NAMES = ("first", "dynamic", "search", "template_boxes", "past")


def easy_batch(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Plain coloured rectangles on grey; the last box is the crop's middle, the target is somewhere near."""
    noise = rng.integers(90, 130, (count, 64, 64, 3)).astype(np.uint8)
    search, template = noise, noise[:, :32, :32].copy()
    boxes = np.empty((count, 4), dtype=np.float32)
    for k in range(count):
        colour = rng.choice([20, 235], 3)
        w, h = rng.integers(12, 24, 2)
        x, y = rng.integers(2, 62 - w), rng.integers(2, 62 - h)
        search[k, y : y + h, x : x + w] = colour
        template[k, 16 - h // 2 : 16 + h // 2, 16 - w // 2 : 16 + w // 2] = colour
        boxes[k] = np.array([x, y, x + w, y + h]) / 64
    return {
        "first": template,
        "dynamic": template.copy(),
        "search": search,
        "template_boxes": np.tile(np.float32([0.25, 0.25, 0.75, 0.75]), (count, 2, 1)),
        "past": np.tile(np.float32([0.36, 0.36, 0.64, 0.64]), (count, 7, 1)),
        "box": boxes,
        "present": np.ones(count, dtype=np.float32),
    }


def test_it_learns():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = TrackModel(CONFIG)
    optimiser = adamw(model, OptimConfig(learning_rate=3e-3))
    steps = 120
    for k in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1.0, (k + 1) / 10, 2 * (1 - k / steps))
        batch = prepare(to_tensors(easy_batch(rng, 32)))
        total, _ = losses(model, model(*(batch[name] for name in NAMES)), batch, LossConfig())
        optimiser.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    model.eval()
    batch = prepare(to_tensors(easy_batch(np.random.default_rng(1), 128)))
    with torch.no_grad():
        output = model(*(batch[name] for name in NAMES))
    overlap = iou(model.boxes(output), batch["box"]).mean()
    kept = iou(batch["past"][:, -1], batch["box"]).mean()
    assert overlap > 2 * kept, f"{overlap:.3f} against {kept:.3f} for the last box"
    assert overlap > 0.5
