"""How well boxes follow the truth, by the formulas of the benchmarks. NumPy only.

K frames; boxes are (x, y, w, h) in pixels, a row of NaN in the truth says that no box is known.

- Success AUC (OTB, LaSOT): mean over 21 thresholds 0, 0.05 … 1 of the share of frames with IoU above it.
- AO, SR (GOT-10k): mean IoU, and the share of frames with IoU > 0.5 and > 0.75, after both boxes are cut at
  the image's edges; the first frame and those where nothing of the target is visible do not count.
- Precision: the share of frames whose centre is at most 20 pixels off. Normalised precision divides the
  centre's error by the true width and height; `norm_precision` is the share with at most 0.20,
  `norm_precision_area` the mean of that share over the 51 thresholds 0, 0.01 … 0.5. Toolkits call either of
  them "normalised precision".
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.geometry.boxes import Boxes, iou

SUCCESS_THRESHOLDS = np.linspace(0, 1, 21)
NORMALISED_THRESHOLDS = np.linspace(0, 0.5, 51)
PIXEL_THRESHOLDS = np.arange(51.0)
PRECISE_PIXELS = 20.0
PRECISE_SHARE = 0.20


def success_curve(overlaps: ArrayLike) -> NDArray[np.float64]:
    """The share (21,) of overlaps (K,) above each threshold."""
    return (np.asarray(overlaps)[:, None] > SUCCESS_THRESHOLDS).mean(axis=0)


def centre_errors(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Distance of the centres (K,) in pixels."""
    return np.linalg.norm(_centres(predicted) - _centres(truth), axis=-1)


def normalised_centre_errors(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Distance of the centres (K,) in units of the true width and height."""
    sizes = np.maximum(np.asarray(truth, dtype=np.float64)[..., 2:], 1e-9)
    return np.linalg.norm((_centres(predicted) - _centres(truth)) / sizes, axis=-1)


def bounded_iou(predicted: ArrayLike, truth: ArrayLike, width: float, height: float) -> NDArray[np.float64]:
    """IoU (K,) after both boxes are cut as GOT-10k's toolkit cuts them."""
    return np.clip(iou(_bounded(predicted, width, height), _bounded(truth, width, height)), 0, 1)


def _bounded(boxes: ArrayLike, width: float, height: float) -> Boxes:
    """A corner outside moves to the edge, and the size stays unless it then reaches over the other edge."""
    boxes = np.asarray(boxes, dtype=np.float64)
    limits = np.array([width, height])
    corners = np.clip(boxes[..., :2], 0, limits)
    return np.concatenate([corners, np.clip(boxes[..., 2:], 0, limits - corners)], axis=-1)


def sequence_metrics(predicted: ArrayLike, truth: ArrayLike) -> dict[str, float]:
    """Success AUC and precisions of one sequence; frames without a known box do not count."""
    predicted, truth = _known(predicted, truth)
    normalised = normalised_centre_errors(predicted, truth)
    return {
        "auc": float(success_curve(iou(predicted, truth)).mean()),
        "precision": float((centre_errors(predicted, truth) <= PRECISE_PIXELS).mean()),
        "norm_precision": float((normalised <= PRECISE_SHARE).mean()),
        "norm_precision_area": float((normalised[:, None] <= NORMALISED_THRESHOLDS).mean()),
    }


def sequence_curves(predicted: ArrayLike, truth: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """What one sequence's metrics are read from: success (21,), precision (51,), norm_precision (51,)."""
    predicted, truth = _known(predicted, truth)
    errors, normalised = centre_errors(predicted, truth), normalised_centre_errors(predicted, truth)
    return {
        "success": success_curve(iou(predicted, truth)),
        "precision": (errors[:, None] <= PIXEL_THRESHOLDS).mean(axis=0),
        "norm_precision": (normalised[:, None] <= NORMALISED_THRESHOLDS).mean(axis=0),
    }


def _known(predicted: ArrayLike, truth: ArrayLike) -> tuple[Boxes, Boxes]:
    """The rows (k, 4) of both where the truth is known."""
    truth = np.asarray(truth, dtype=np.float64)
    known = np.isfinite(truth).all(axis=1)
    return np.asarray(predicted, dtype=np.float64)[known], truth[known]


def got10k_overlaps(
    predicted: ArrayLike, truth: ArrayLike, visible: ArrayLike, width: float, height: float
) -> NDArray[np.float64]:
    """The overlaps of one sequence that AO and SR are made of; those of all sequences are joined first."""
    truth = np.asarray(truth, dtype=np.float64)
    counts = np.isfinite(truth).all(axis=1) & (np.asarray(visible) > 0)
    counts[0] = False
    return bounded_iou(np.asarray(predicted, dtype=np.float64)[counts], truth[counts], width, height)


def got10k_metrics(overlaps: ArrayLike) -> dict[str, float]:
    """AO and SR of the joined overlaps of all sequences."""
    overlaps = np.asarray(overlaps, dtype=np.float64)
    return {
        "ao": float(overlaps.mean()),
        "sr50": float((overlaps > 0.5).mean()),
        "sr75": float((overlaps > 0.75).mean()),
    }


def auroc(scores: ArrayLike, positive: ArrayLike) -> float:
    """The chance that a positive scores above a negative, a tie half; NaN where one kind is missing."""
    scores, positive = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    hits, misses = int(positive.sum()), int((~positive).sum())
    if hits == 0 or misses == 0:
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def _centres(boxes: ArrayLike) -> NDArray[np.float64]:
    boxes = np.asarray(boxes, dtype=np.float64)
    return boxes[..., :2] + boxes[..., 2:] / 2
