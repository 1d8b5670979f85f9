"""`wayscan track VERB`: each verb is a function whose parameters are its flags."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wayscan.track.train_config import TrackTrainConfig

if TYPE_CHECKING:
    from wayscan.track.evaluate import Peer
    from wayscan.track.play import Moment

DONE, FAILED, INTERRUPTED = 0, 1, 130
MODEL = "track-nano"


def train(config: TrackTrainConfig) -> int:
    """Train a tracker on generated pairs and clips, or on data sets; the best weights are RUN/model."""
    from wayscan.track.train import train as train_tracker

    return train_tracker(config)


def run(
    source: str,
    /,
    *,
    box: str | None = None,
    select: bool = False,
    model: str = MODEL,
    out: Path | None = None,
    video: bool = True,
    frames: int | None = None,
    device: str = "cpu",
    threads: int = 1,
    json: bool = False,
) -> int:
    """Follow a target through a video, a folder of images, a camera or a stream.

    Writes boxes.csv (frame, time, x, y, w, h, score, lost), tracked.mp4 with the box drawn into it, and
    summary.json. Ctrl-C ends a camera in order.

    Args:
        source: a video, a folder, a camera's number (0 is the first) or a stream's address.
        box: the target in the first frame, x,y,w,h in pixels from the top-left corner.
        select: choose it with the mouse in a window instead.
        model: a bundled model, a folder, a training run, an exported folder, or a hub id.
        out: where the files go; wayscan-track/NAME if not given.
        video: write the annotated video.
        frames: stop after so many.
        device: "cpu", "cuda", …
        threads: of the network on the CPU; a small one is fastest on one.
        json: print the summary as one JSON object, the last line of standard output.
    """
    from dataclasses import asdict

    from wayscan.data.sources import open_source
    from wayscan.track.frames import box_from_words
    from wayscan.track.open import open_tracker
    from wayscan.track.play import play
    from wayscan.track.select import select_box
    from wayscan.train.interruption import Interruption

    if (box is None) == (not select):
        raise ValueError("expected either --box x,y,w,h or --select, to know what to follow")
    if frames is not None and frames < 1:
        raise ValueError(f"frames is {frames}; expected 1 or more")
    first_box = select_box if box is None else box_from_words(box)
    tracker = open_tracker(model, device=device, threads=threads)
    with open_source(source) as opened, Interruption() as interruption:
        folder = out or Path("wayscan-track") / (Path(opened.name).stem.replace(" ", "-") or "source")
        with _following(opened.count if frames is None else frames) as on_moment:
            summary = play(
                tracker, opened, first_box, folder,
                video=video, most=frames, stopped=lambda: bool(interruption.signal), on_moment=on_moment,
            )  # fmt: skip
    for note in summary.notes:
        print(f"wayscan: {note}", file=sys.stderr)
    if json:
        _print_json({"system": "track", "model": model, "out": str(folder), **asdict(summary)})
    else:
        print(
            f"{summary.frames} frames of {summary.source}, {summary.fps:.0f} a second, mean score "
            f"{summary.mean_score:.2f}; lost {summary.lost} times, {summary.lost_frames} frames; "
            f"{summary.ended}\n{folder}"
        )
    return {"interrupted": INTERRUPTED, "broke off": FAILED}.get(summary.ended, DONE)


def evaluate(
    *,
    model: str = MODEL,
    data: str = "clips",
    format: str = "auto",
    split: str | None = None,
    count: int | None = None,
    purpose: Literal["judging", "tuning"] = "judging",
    seed: int = 0,
    starts: int = 1,
    skip_bad: bool = False,
    against: str = "",
    checkpoints: Literal["all"] | None = None,
    submit: Literal["got10k", "lasot", "otb", "trackingnet"] | None = None,
    out: Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    json: bool = False,
) -> int:
    """Measure a tracker beside the box that never moves, and beside other trackers in the same run.

    Args:
        model: a bundled model, a folder, a training run, an exported folder, or a hub id.
        data: OTB, VOT, GOT-10k, LaSOT or TrackingNet: a folder, or a name below $WAYSCAN_DATA; or generated:
            "sprites", "films" of the 3-D world, or "clips", both in turn.
        format: of the folder; found out by itself if not given.
        split: of the data set, where it has several.
        count: use only so many sequences; 20 generated ones if not given.
        purpose: which seeds of generated clips. Choose settings on "tuning", report "judging".
        seed: of generated clips, counted from that purpose's first; and of the starts beside the truth.
        starts: 1 starts from the true first box, as the benchmarks do; more add slightly wrong ones.
        skip_bad: leave broken sequences out, and say so at the end, instead of stopping at the first.
        against: OpenCV's trackers to measure in the same run, such as csrt,kcf,mil.
        checkpoints: "all" measures every checkpoint of the training run that `model` names.
        submit: also write the result files that this benchmark takes.
        out: folder for report.json, the figures and the result files.
        device: "cpu", "cuda", …
        threads: of the network on the CPU; a small one is fastest on one.
        json: print one JSON object as the last line of standard output.
    """
    from rich.console import Console

    from wayscan.track.judge import judge
    from wayscan.track.sequences import EMBEDDED, embedded_clips, sequences

    if data in EMBEDDED:
        chosen = embedded_clips(data, 20 if count is None else count, purpose, seed)
    else:
        chosen = sequences(data, format=format, split=split, count=count, skip_bad=skip_bad)
    with _evaluating() as on_run:
        evaluation = judge(
            model, chosen, starts=starts, seed=seed, against=_peers(against), device=device,
            threads=threads, all_checkpoints=checkpoints == "all", on_run=on_run,
        )  # fmt: skip
    console = Console(stderr=json, width=None if sys.stderr.isatty() else 140)
    console.print(evaluation.table())
    written = evaluation.keep(out, submit) if out or submit else []
    for path in written:
        console.print(str(path), highlight=False)
    if json:
        _print_json(evaluation.to_json())
    return DONE


def show(folder: Path, /, *, out: Path | None = None, language: Literal["en", "zh"] = "en") -> int:
    """Draw what `evaluate --out` or `run` has left in a folder, or a training run's curves.

    Args:
        folder: with report.json, or boxes.csv, or a training run.
        out: where the figures go; into the folder if not given.
        language: of the labels.
    """
    from wayscan.track.show import draw

    for path in draw(folder, out or folder, language):
        print(path)
    return DONE


def export(folder: Path, /, *, model: str = MODEL, check: bool = True, json: bool = False) -> int:
    """Write a tracker as two ONNX graphs, which run without torch.

    Args:
        folder: where template.onnx, search.onnx and track.json go.
        model: a bundled model, a folder, or a hub id.
        check: compare with torch afterwards, on random pictures and on a clip.
        json: print what was compared as one JSON object, the last line of standard output.
    """
    from wayscan.track.export import export_tracker, parity

    written = export_tracker(model, folder)
    report: dict[str, Any] = {"system": "track", "model": model, "out": str(folder), **written}
    if check:
        report["parity"] = parity(model, folder)
    if json:
        _print_json(report)
    else:
        print(f"{folder}: {written['bytes'] / 1e6:.1f} MB, {written['nodes']} nodes")
        for name, difference in report.get("parity", {}).items():
            print(f"  {name}: largest difference {difference:.1e}")
    return DONE if not check or max(report["parity"].values()) < 1e-4 else FAILED


def convert(
    source: Path,
    folder: Path,
    /,
    *,
    preset: Literal["base", "small", "tiny", "nano"] = "base",
    backward: Literal["drop", "average"] = "average",
) -> int:
    """Start a tracker from someone's Vision-Mamba checkpoint: its blocks become our encoder.

    Args:
        source: a .pth file of tensors.
        folder: where the tracker goes; train from it with --init FOLDER.
        preset: the tracker; width, depth and states are those of the checkpoint.
        backward: what the checkpoint's second direction (`*_b`) becomes where both share their weights.
    """
    from wayscan.track.convert import convert_vim

    print(convert_vim(source, folder, preset_name=preset, backward=backward))
    return DONE


VERBS: dict[str, Callable[..., int]] = {
    verb.__name__: verb for verb in (train, run, evaluate, show, export, convert)
}


def _print_json(value: object) -> None:
    """One line, the last of standard output."""
    print(dumps(value, ensure_ascii=False, allow_nan=False))


def _peers(against: str) -> "list[Peer]":
    return [name.strip() for name in against.split(",") if name.strip()]  # type: ignore[misc]


@contextmanager
def _following(count: int | None) -> "Iterator[Callable[[Moment], None]]":
    """A bar on standard error: where the run is, and how sure the tracker is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("following", total=count)

        def advance(moment: "Moment") -> None:
            words = "lost, searching" if moment.track.lost else f"score {moment.track.score:.2f}"
            progress.update(task, advance=1, description=words)

        yield advance


@contextmanager
def _evaluating() -> Iterator[Callable[[str, str], None]]:
    """A line on standard error that says which clip and which tracker are running."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed} runs  {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=None)
        yield lambda clip, follower: progress.update(task, advance=1, description=f"{clip}: {follower}")
