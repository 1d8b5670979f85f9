"""What training minimises. Boxes are corners (x1, y1, x2, y2) in units of the search crop, in float32."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from wayscan.track.attention import to_patches
from wayscan.track.config import LossConfig
from wayscan.track.coordinates import HIGH, LOW, expected_values, soft_labels
from wayscan.track.dense import cell_centres
from wayscan.track.model import TrackModel, TrackOutput

THETA = 4  # the power of SIoU's shape cost
LEAST = 1e-4  # side of the smallest box, in crops


class Overlap(NamedTuple):
    """IoU (…) of two boxes, the sides (…, 2) of the box around both, its share (…) that neither covers."""

    iou: Tensor
    enclosing: Tensor
    spare: Tensor


def overlap(first: Tensor, second: Tensor) -> Overlap:
    """Compare boxes (…, 4) one by one; a box that is turned inside out has the least size."""
    a, b = _upright(first), _upright(second)
    shared = (torch.minimum(a[1], b[1]) - torch.maximum(a[0], b[0])).clamp(min=0).prod(-1)
    union = (a[1] - a[0]).prod(-1) + (b[1] - b[0]).prod(-1) - shared
    enclosing = torch.maximum(a[1], b[1]) - torch.minimum(a[0], b[0])
    area = enclosing.prod(-1)
    return Overlap(shared / union, enclosing, (area - union) / area)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (…, 4), one by one."""
    return overlap(first, second).iou


def giou_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """1 - IoU + the share of the enclosing box that neither covers: (…)."""
    both = overlap(predicted, truth)
    return 1 - both.iou + both.spare


def siou_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """1 - IoU + (distance cost + shape cost) / 2: (…).

    With (dx, dy) from centre to centre and the angle α between them and the nearer axis, the angle cost is
    Λ = sin 2α; the distance cost Σ 1 - exp(-(2 - Λ) ρ²), ρ the distance over the enclosing box's side along
    each axis; the shape cost Σ (1 - exp(-|difference| / larger side))^θ over width and height.
    """
    both = overlap(predicted, truth)
    (a_low, a_high), (b_low, b_high) = _upright(predicted), _upright(truth)
    between = (b_low + b_high - a_low - a_high) / 2
    square = between.square()
    # sin 2α = 2 sin α cos α, whichever of the two axes is nearer
    angle = 2 * between.abs().prod(-1) / square.sum(-1).clamp(min=1e-12)
    distance = (1 - torch.exp((angle[..., None] - 2) * square / both.enclosing.square())).sum(-1)
    a_size, b_size = a_high - a_low, b_high - b_low
    differs = (a_size - b_size).abs() / torch.maximum(a_size, b_size)
    shape = (1 - torch.exp(-differs)).pow(THETA).sum(-1)
    return 1 - both.iou + (distance + shape) / 2


def heat_targets(boxes: Tensor, height: int, width: int) -> Tensor:
    """A bump (B, h, w) around each box's centre, exactly 1 in the cell that holds it."""
    centres = cell_centres(height, width, boxes)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    spread = (0.15 * (boxes[:, 2:] - boxes[:, :2])).clamp(min=0.6 / width)
    away = (centres - middle[..., None, None]) / spread[..., None, None]
    bump = torch.exp(-0.5 * away.square().sum(1))
    cell = (middle * torch.tensor([width, height], device=boxes.device)).floor().long()
    inside = ((cell >= 0) & (cell < torch.tensor([width, height], device=boxes.device))).all(-1)
    place = cell[:, 1].clamp(0, height - 1) * width + cell[:, 0].clamp(0, width - 1)
    peak = F.one_hot(place, height * width).bool().unflatten(1, (height, width)) & inside[:, None, None]
    return torch.where(peak, 1.0, bump.clamp(max=0.99))


def focal_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The centre map's loss (B,): cross-entropy that forgives cells near the centre and forgets the easy
    ones.
    """
    chance = logits.sigmoid()
    hit = -F.logsigmoid(logits) * (1 - chance).square() * (targets == 1)
    miss = -F.logsigmoid(-logits) * chance.square() * (1 - targets).pow(4)
    return (hit + miss).flatten(1).sum(-1)


def losses(
    model: TrackModel, output: TrackOutput, batch: dict[str, Tensor], weights: LossConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted sum, and every part before its weight (detached).

    Args:
        batch: box (B, 4), present (B,): where it is 0 only heat map and score learn, that nothing is there.
            With a mask decoder also dynamic (B, 3, S, S).
    """
    present = batch["present"]
    truth = batch["box"].float().clamp(LOW, HIGH)
    parts: dict[str, Tensor] = {}
    logits = output.logits.float()
    labels = soft_labels(truth, logits.shape[-1], weights.label_spread)
    parts["coordinates"] = _mean(-(labels * logits.log_softmax(-1)).sum(-1).mean(-1), present)
    expected = expected_values(logits)
    box_loss = siou_loss if weights.box_loss == "siou" else giou_loss
    parts["box"] = _mean(box_loss(expected, truth), present)
    parts["l1"] = _mean((expected - truth).abs().mean(-1), present)

    reached = iou(model.boxes(output).detach(), truth) * present
    score = output.score.float()
    if weights.score_loss == "bce":
        parts["score"] = F.binary_cross_entropy_with_logits(score, reached)
    else:
        parts["score"] = (score.sigmoid() - reached).abs().mean()
    if output.heat is not None:
        parts |= _dense_parts(output, truth, present)
    if output.patches is not None and output.hidden is not None:
        wrong = (output.patches.float() - to_patches(batch["dynamic"].float())).square().mean(-1)
        parts["reconstruction"] = _mean(wrong.flatten(), output.hidden.flatten().float())
    total = torch.stack([getattr(weights, name) * part for name, part in parts.items()]).sum()
    return total, {name: part.detach() for name, part in parts.items()}


def _dense_parts(output: TrackOutput, truth: Tensor, present: Tensor) -> dict[str, Tensor]:
    assert output.heat is not None
    assert output.dense is not None
    height, width = output.heat.shape[1:]
    targets = heat_targets(truth, height, width)
    heat = focal_loss(output.heat, targets * present[:, None, None])
    # Boxes learn near the centre, where one of them will be read off.
    near = (targets * (targets > 0.3) * present[:, None, None]).flatten(1)
    boxes = output.dense.flatten(2).transpose(1, 2)
    wanted = truth[:, None].expand_as(boxes)
    return {
        "heat": heat.mean(),
        "dense_box": _mean(giou_loss(boxes, wanted), near),
        "dense_l1": _mean((boxes - wanted).abs().mean(-1), near),
    }


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)


def _upright(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high corners (…, 2); high at least LEAST above low."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return low, torch.maximum(high, low + LEAST)
