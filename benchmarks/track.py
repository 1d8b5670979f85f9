"""The tracker: speed on one CPU thread, overlap on unseen clips beside OpenCV's, what its score is worth.

    wayscan bench track [--json]        python -m benchmarks.track [--json]

Live claims take some minutes. Clips come from the judging seeds, on which nothing was learnt or tuned. Real
sequences (OTB's Crossing, VOT's bag) are measured where $WAYSCAN_DATA names a folder with track/Crossing and
track/bag in it. What training needs hours for is recorded.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from wayscan import warmup
from wayscan.data.records import Clip
from wayscan.nn import BidirectionalMamba
from wayscan.pretrained import bundled_models, find_pretrained
from wayscan.pretrained.locate import WEIGHTS
from wayscan.track.config import JUDGING_SEEDS, Preset, preset
from wayscan.track.evaluate import Follower, OpenCvTracker, Peer, Result, StaticBox, evaluate
from wayscan.track.model import TrackModel
from wayscan.track.run import Tracker
from wayscan.track.sequences import embedded_clips
from wayscan.world.sprites.clips import ClipSpec, make_clip
from wayscan.world.sprites.library import library_for

from .claims import Findings, Report, recorded_claims, show
from .sections import run_all
from .timing import medians, seconds_of, take_turns

MODEL = "track-nano"
MODELS = tuple(name for name in bundled_models() if name.startswith("track-"))
NANO_GOAL, CSRT_GOAL, TINY_GOAL = 150, 3.0, 40
AO_GOAL, STATIC_GOAL, AUROC_GOAL = 0.65, 2.0, 0.85
REAL_GOAL, SHARED_GOAL, WEIGHTS_GOAL, PARITY_GOAL = 0.62, 1.5, 6.0, 1e-4
CLIPS, ABSENT_CLIPS, ABSENT_SEED = 60, 12, 1
TIMED_FRAMES, TURN, FRAME = 101, 10, (480, 640)
REPEATS = 20
MEGABYTE = 1e6


def run(*, json: bool = False) -> int:
    """Measure and print; the exit code."""
    return show(measure(), json_line=json)


def measure() -> Report:
    """All claims, live."""
    findings, threads = Findings(), torch.get_num_threads()
    findings.claims += recorded_claims("track")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        warmup()
        run_all(
            findings,
            {
                "frames a second": measure_speed,
                "one set of weights, once or twice": measure_shared,
                "unseen clips": measure_clips,
                "clips with absences": measure_absences,
                "real sequences": measure_real,
                "exported graphs": measure_export,
                "size of the weights": measure_weights,
            },
        )
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(-1)
    return findings.report("track")


# ---- speed ----------------------------------------------------------------------------------------------


def measure_speed(findings: Findings) -> None:
    """From a whole frame to a box: crop, network, choice. Reading the frame is not on the clock."""
    (clip,) = sprite_like_clips(1, height=FRAME[0], width=FRAME[1], frames=TIMED_FRAMES)
    trackers: dict[str, Follower] = {
        "nano": Tracker.from_pretrained(MODEL),
        "tiny": Tracker(_random_model("tiny")),
        "csrt": OpenCvTracker("csrt"),
        "kcf": OpenCvTracker("kcf"),
    }
    if why := _does_not_repeat(trackers["nano"], clip):
        findings.fail("nano: frames a second", why)
        return
    rates = {name: 1 / seconds for name, seconds in seconds_a_step(trackers, clip).items()}
    about = f"{clip.frame(0).shape[1]} x {clip.frame(0).shape[0]} frames, CPU time of one thread"
    findings.claim("nano: frames a second", rates["nano"], unit="1/s", goal=NANO_GOAL, against=about)
    findings.claim(
        "nano: faster than CSRT", rates["nano"] / rates["csrt"], unit="×", goal=CSRT_GOAL,
        against=f"OpenCV {cv2.__version__}, {rates['csrt']:.0f} a second in the same run",
    )  # fmt: skip
    findings.claim(
        "nano: faster than KCF", rates["nano"] / rates["kcf"], unit="×", against=f"OpenCV {cv2.__version__}"
    )
    findings.claim(
        "tiny: frames a second", rates["tiny"], unit="1/s", goal=TINY_GOAL, against=f"{about}, random weights"
    )


def seconds_a_step(trackers: Mapping[str, Follower], clip: Clip) -> dict[str, float]:
    """Median CPU seconds of a step. Trackers take turns of some frames, so that a slow minute slows all.

    The first step of a turn is not timed: it pays for the caches that the neighbour filled.
    """
    samples: dict[str, list[float]] = {name: [] for name in trackers}
    for tracker in trackers.values():
        tracker.start(clip.frame(0), clip.boxes[0])
    for first in range(1, len(clip) - TURN + 1, TURN):
        for name, tracker in trackers.items():
            steps = [partial(tracker.step, clip.frame(k)) for k in range(first, first + TURN)]
            samples[name] += [seconds_of(step) for step in steps][1:]
    return medians(samples)


def _does_not_repeat(tracker: Follower, clip: Clip) -> str:
    """What is wrong with two runs over the same frames, if anything."""
    runs = []
    for _ in range(2):
        boxes = [tracker.start(clip.frame(0), clip.boxes[0]).box]
        boxes += [tracker.step(clip.frame(k)).box for k in range(1, 10)]
        runs.append(np.stack(boxes))
    if not np.isfinite(runs[0]).all():
        return "a box is not finite"
    return "" if (runs[0] == runs[1]).all() else "two runs over the same frames give different boxes"


def measure_shared(findings: Findings) -> None:
    """A mixer of `base` with one set of weights: projections once for both directions, or all of it twice."""
    config = preset("base")
    torch.manual_seed(0)
    mixer = BidirectionalMamba(config.width, "shared", d_state=config.states).eval()
    x = torch.randn(1, config.tokens, config.width)

    def once() -> Tensor:
        return mixer(x)

    def twice() -> Tensor:
        return (_one_way(mixer, x) + _one_way(mixer, x.flip(1)).flip(1)) / 2

    title = "base: shared weights run once, faster than run twice"
    with torch.inference_mode():
        apart = float((once() - twice()).abs().max())
        if apart > 1e-4:
            findings.fail(title, f"the two differ by {apart:.1e}")
            return
        repeats = {"once": REPEATS, "twice": REPEATS}
        seconds = medians(take_turns({"once": once, "twice": twice}, repeats))
    findings.claim(
        title, seconds["twice"] / seconds["once"], unit="×", goal=SHARED_GOAL,
        against=f"the same mixer and scan, naively; {config.tokens} tokens, {1e3 * seconds['once']:.0f} ms",
    )  # fmt: skip


def _one_way(mixer: BidirectionalMamba, x: Tensor) -> Tensor:
    """A plain Mamba's forward with the mixer's weights."""
    u, z = mixer.in_proj(x).chunk(2, dim=-1)
    return mixer.out_proj(mixer.travel(u, z)[0])


# ---- how well it follows --------------------------------------------------------------------------------


def measure_clips(findings: Findings) -> None:
    """Sprites and films in turn, from the true first box."""
    chosen = embedded_clips("clips", CLIPS, "judging")
    results = _evaluated(chosen.clips, ("csrt", "kcf"))
    static = results["static"].metrics["ao"]
    for name in MODELS:
        found, (low, high) = results[name].metrics["ao"], results[name].intervals["ao"]
        findings.claim(
            f"{name}, unseen sprites and films: AO", found, goal=AO_GOAL,
            against=f"{CLIPS} clips, {chosen.name}; 95 %: {low:.2f}–{high:.2f}",
        )  # fmt: skip
        findings.claim(
            f"{name}, unseen sprites and films: AO over the static box's", found / static, unit="×",
            goal=STATIC_GOAL, against=f"static box {static:.3f}",
        )  # fmt: skip
    for name in ("csrt", "kcf"):
        findings.claim(f"{name}, the same clips: AO", results[name].metrics["ao"], against=cv2.__version__)


def measure_absences(findings: Findings) -> None:
    """Clips in which the target leaves: the score should tell frames that are followed from the others."""
    clips = sprite_like_clips(ABSENT_CLIPS, seed=ABSENT_SEED, leaving_share=1.0, frames=90)
    results = _evaluated(clips, ())
    for name in MODELS:
        findings.claim(
            f"{name}, targets that leave: AUROC of the score for IoU > 0.3", results[name].metrics["auroc"],
            goal=AUROC_GOAL, against=f"a score that says nothing has 0.5; {ABSENT_CLIPS} clips",
        )  # fmt: skip


def measure_real(findings: Findings) -> None:
    """Crossing and bag, from the true first box and two that are a little off."""
    title = "Crossing and bag: success AUC"
    root = os.environ.get("WAYSCAN_DATA")
    folders = [Path(root) / "track" / name for name in ("Crossing", "bag")] if root else []
    if not folders or not all(folder.is_dir() for folder in folders):
        findings.skip(title, "$WAYSCAN_DATA names no folder with track/Crossing (OTB) and track/bag (VOT)")
        return
    from wayscan.data.formats.otb_vot import read_sequence

    results = _evaluated([read_sequence(folder) for folder in folders], ("csrt", "kcf", "mil"), starts=3)
    aucs = {name: result.metrics["auc"] for name, result in results.items()}
    others = ", ".join(f"{name} {aucs[name]:.3f}" for name in ("csrt", "kcf", "mil", "static"))
    for name in MODELS:
        goal = REAL_GOAL if name == "track-tiny" else None
        findings.claim(f"{name}, {title}", aucs[name], goal=goal, against=others)


def sprite_like_clips(count: int, seed: int = 0, **changes: Any) -> list[Clip]:
    """Clips of a judging seed that look otherwise than the standard ones."""
    spec = ClipSpec(**changes)
    library = library_for(spec.sources)
    return [make_clip(JUDGING_SEEDS[seed], index, spec, library) for index in range(count)]


def _evaluated(clips: Iterable[Clip], peers: tuple[Peer, ...], starts: int = 1) -> dict[str, Result]:
    followers: dict[str, Callable[[], Follower]] = {name: partial(OpenCvTracker, name) for name in peers}
    followers |= {name: partial(Tracker.from_pretrained, name) for name in MODELS}
    return evaluate(clips, {**followers, "static": StaticBox}, starts=starts)


# ---- what is shipped ------------------------------------------------------------------------------------


def measure_export(findings: Findings) -> None:
    title = "nano in ONNX: largest difference from torch"
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        findings.skip(title, f"{', '.join(missing)} is not installed; pip install 'wayscan[onnx]'")
        return
    from wayscan.track.export import export_tracker, parity
    from wayscan.track.onnx import OnnxTracker

    (clip,) = sprite_like_clips(1, height=FRAME[0], width=FRAME[1], frames=TIMED_FRAMES)
    with tempfile.TemporaryDirectory() as place:
        written = export_tracker(MODEL, place)
        apart = max(parity(MODEL, place).values())
        seconds = seconds_a_step(
            {"onnx": OnnxTracker.from_folder(place), "torch": Tracker.from_pretrained(MODEL)}, clip
        )
    findings.claim(
        title, apart, goal=PARITY_GOAL, better="lower", against="random pictures and a clip; boxes in crops"
    )
    findings.claim(
        "nano in ONNX: frames a second", 1 / seconds["onnx"], unit="1/s",
        against=f"onnxruntime, one thread; in torch {1 / seconds['torch']:.0f} in the same run",
    )  # fmt: skip
    findings.claim("nano in ONNX: nodes", written["nodes"], better="lower")


def measure_weights(findings: Findings) -> None:
    files = [find_pretrained(name) / WEIGHTS for name in MODELS]
    size = max(file.stat().st_size for file in files) / MEGABYTE
    names = ", ".join(file.parent.name for file in files)
    findings.claim(
        "bundled weights, the largest", size, unit="MB", goal=WEIGHTS_GOAL, better="lower", against=names
    )


def _random_model(name: Preset) -> TrackModel:
    torch.manual_seed(0)
    return TrackModel(preset(name))


if __name__ == "__main__":
    sys.exit(run(json="--json" in sys.argv[1:]))
