"""The pair stage: learn where the target of two templates is in a search crop.

Letters: B samples.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from wayscan.track.config import LossConfig
from wayscan.track.coordinates import decode
from wayscan.track.data import prepare
from wayscan.track.dense import best_box
from wayscan.track.losses import iou, losses
from wayscan.track.metrics import auroc
from wayscan.track.model import TrackModel, TrackOutput
from wayscan.train.task import Observer, Outcome, StepReport

INPUTS = ("first", "dynamic", "search", "template_boxes", "past")
FOUND = 0.3  # overlap that a good score should announce


class LossCourse(Observer):
    """The weights of the losses in the course of a run, by how much of it is done.

    Args:
        phases: weights, each with the share of the run from which they hold; the first from 0.
        steps: of the whole run.
    """

    def __init__(self, phases: tuple[tuple[float, LossConfig], ...], steps: int) -> None:
        self.phases, self.steps, self.done = phases, steps, 0

    @property
    def weights(self) -> LossConfig:
        """Those of the next step."""
        return [weights for start, weights in self.phases if start <= self.done / self.steps][-1]

    def after_step(self, report: StepReport, model: nn.Module) -> str | None:
        self.done = report.step
        return None

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state: dict[str, int], /) -> None:
        self.done = state["done"]

    def on_checkpoint(self, step: int, /) -> None:
        """Nothing: all of it is in `state_dict`."""


class PairTask:
    """The loss of a batch of samples as `wayscan.world.sprites.training_batch` describes them.

    Args:
        course: weights of the losses.
        light: share by which brightness and contrast of a sample vary in training.
    """

    def __init__(self, course: LossCourse, light: float = 0.0) -> None:
        self.course, self.light = course, light

    def __call__(self, model: TrackModel, batch: dict[str, Tensor]) -> Outcome:
        prepared = prepare(batch, self.light if model.training else 0.0)
        output = predict(model, prepared)
        return outcome(model, output, prepared, self.course.weights)


def predict(model: TrackModel, prepared: Mapping[str, Tensor]) -> TrackOutput:
    """The network's answers to a prepared batch."""
    return model(*(prepared[name] for name in INPUTS))


def outcome(model: TrackModel, output: TrackOutput, batch: dict[str, Tensor], weights: LossConfig) -> Outcome:
    """The loss with its parts, and how well the final boxes overlap the truth where there is one."""
    total, parts = losses(model, output, batch, weights)
    boxes, present = model.boxes(output).detach(), batch["present"]
    overlap = (iou(boxes, batch["box"]) * present).sum() / present.sum().clamp(min=1)
    return Outcome(total, {**parts, "iou": overlap}, boxes, batch["box"])


@torch.no_grad()
def examine(
    model: TrackModel,
    batches: Iterable[dict[str, Tensor]],
    autocast: AbstractContextManager[None] | None = None,
) -> dict[str, float]:
    """How good a model is on held-out samples, in evaluation mode.

    Returns:
        iou: of the final boxes, where there is something to find; iou_tokens, iou_dense: of either head;
        iou_past: of the trivial answer, the last box; success: share with IoU > 0.5; auroc: how well the
        score tells samples whose box is right (IoU > 0.3) from the others, absent targets among them.
    """
    model.eval()
    rows: list[dict[str, Tensor]] = []
    for batch in batches:
        prepared = prepare(batch)
        with autocast or nullcontext():
            output = predict(model, prepared)
        found = {"": model.boxes(output), "_tokens": decode(output.logits), "_past": batch["past"][:, -1]}
        if output.heat is not None and output.dense is not None:
            found["_dense"] = best_box(output.heat, output.dense)
        overlaps = {f"iou{name}": iou(boxes, batch["box"]) for name, boxes in found.items()}
        rows.append({**overlaps, "score": output.score.float(), "present": batch["present"]})
    if not rows:
        raise ValueError("there is nothing to examine a model on; expected at least one batch")
    whole = {name: torch.cat([row[name] for row in rows]).cpu().numpy() for name in rows[0]}
    there = whole.pop("present") > 0
    scores = whole.pop("score")
    return {
        **{name: float(overlaps[there].mean()) for name, overlaps in whole.items()},
        "success": float((whole["iou"][there] > 0.5).mean()),
        "auroc": auroc(scores, there & (whole["iou"] > FOUND)),
    }
