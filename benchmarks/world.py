"""The embedded world: rendering beside MuJoCo, speed of environments and clips; difficulty as recorded.

wayscan bench world [--json]
python -m benchmarks.world_forest          the forest's difficulty: pilots that learn nothing, the expert
python -m benchmarks.world_follow expert   the following's; `others` for the agents beside it
python -m benchmarks.world_drives          what drives are, and how far trivial predictors come
"""

import time
from statistics import median

import cv2
import numpy as np

from wayscan.data.records import Clip
from wayscan.world.films import make_film
from wayscan.world.sprites.clips import ClipSpec, make_clip

from .claims import Findings, recorded_claims, show
from .sections import run_all
from .world_follow import measure_speed
from .world_forest import measure_steps
from .world_render import measure_closed_forms, measure_depth, measure_pictures

CLIPS, SEED = 6, 1
CLIP_GOAL = 150


def run(*, json: bool = False) -> int:
    """Measure what takes minutes, add what was recorded, print; the exit code."""
    findings, threads = Findings(), cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        run_all(
            findings,
            {
                "closed forms": measure_closed_forms,
                "depth": measure_depth,
                "pictures": measure_pictures,
                "Forest-v0": measure_steps,
                "Follow-v0": lambda found: found.claims.append(measure_speed()),
                "clips": measure_clips,
            },
        )
    finally:
        cv2.setNumThreads(threads)
    findings.claims += recorded_claims("world")
    return show(findings.report("world"), json_line=json)


def measure_clips(findings: Findings) -> None:
    """Frames a second of the two kinds of tracking clips, drawing and damage included."""
    makers = {
        "sprite clips, 192 × 192 pixels": (lambda k: make_clip(SEED, k, ClipSpec(width=192)), CLIP_GOAL),
        "films of the 3-D world, 192 × 256 pixels": (lambda k: make_film(SEED, k), None),
    }
    for name, (make, goal) in makers.items():
        if not _same(make(0), make(0)):
            findings.fail(name, "the same seed and index gave two different clips")
            continue
        rates = []
        for index in range(CLIPS):
            began = time.process_time()
            clip = make(index)
            rates.append(len(clip) / (time.process_time() - began))
        findings.claim(
            f"{name}, one core", median(rates), unit="frames/s", goal=goal, against="processor time"
        )


def _same(one: Clip, other: Clip) -> bool:
    return np.array_equal(np.asarray(one.frames), np.asarray(other.frames)) and np.array_equal(
        one.boxes, other.boxes, equal_nan=True
    )
