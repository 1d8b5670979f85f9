"""Figures of an evaluation, and of a run over a video. Needs no torch."""

import csv
import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wayscan.data.fonts import Language, font_settings
from wayscan.track.evaluate import BASELINE
from wayscan.track.metrics import (
    NORMALISED_THRESHOLDS,
    PIXEL_THRESHOLDS,
    PRECISE_PIXELS,
    PRECISE_SHARE,
    SUCCESS_THRESHOLDS,
)
from wayscan.track.play import BOXES
from wayscan.train.show import draw_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#3b6fb6", "#d1662a", "#3c8d5a", "#8a5aa8", "#a6862c", "#5f6b77")
GREY = "#9a9a9a"
REPORT = "report.json"  # of an evaluation
MOST_BARS = 40
WORDS = {
    "success": "成功率", "precision": "精度", "normalised precision": "归一化精度",
    "share of frames": "帧的比例", "overlap threshold": "重叠阈值",
    "centre error (pixels)": "中心误差（像素）",
    "centre error (share of the target)": "中心误差（目标的比例）",
    "success AUC of each sequence": "每个序列的成功率 AUC", "static box": "静止框", "score": "置信度",
    "lost": "丢失", "time (s)": "时间（秒）", "width and height (pixels)": "宽和高（像素）", "width": "宽",
    "height": "高",
}  # fmt: skip


def draw(folder: Path | str, out: Path | str, language: Language = "en") -> list[Path]:
    """Draw whatever a folder holds: an evaluation, a run over a video, or a training run."""
    folder, out = Path(folder), Path(out)
    if (folder / REPORT).is_file():
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return [
            _save(_curves, report, out / "curves.png", language),
            _save(_bars, report, out / "sequences.png", language),
        ]
    if (folder / BOXES).is_file():
        return [_save(_course, _read_boxes(folder / BOXES), out / "course.png", language)]
    if (folder / "metrics.jsonl").is_file():
        return [draw_curves(folder, out / "figures" / "curves.png", language)]
    raise ValueError(
        f"{folder} holds neither {REPORT} (of `evaluate --out`), nor {BOXES} (of `run`), nor a training run; "
        "check the path"
    )


def _save(paint: Any, content: Any, path: Path, language: Language) -> Path:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9, "axes.unicode_minus": False, **font_settings(language)}):  # type: ignore[arg-type]
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure, content, language)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
    return path


def _curves(figure: "Figure", report: Mapping[str, Any], language: Language) -> None:
    """Success, precision and normalised precision over their thresholds, a line for each tracker."""
    figure.set_size_inches(12, 4)
    figure.suptitle(_heading(report, 140), fontsize=10)
    panels = (
        ("success", SUCCESS_THRESHOLDS, "success", "overlap threshold", "auc", None),
        ("precision", PIXEL_THRESHOLDS, "precision", "centre error (pixels)", "precision", PRECISE_PIXELS),
        ("norm_precision", NORMALISED_THRESHOLDS, "normalised precision",
         "centre error (share of the target)", "norm_precision", PRECISE_SHARE),
    )  # fmt: skip
    for number, (curve, thresholds, title, label, metric, read_at) in enumerate(panels):
        axes = figure.add_subplot(1, 3, number + 1)
        for name, colour, each in _trackers(report):
            if each["curves"]:
                words = f"{each['metrics'][metric]:.3f}  {_word(name, language)}"
                style = "--" if name == BASELINE else "-"
                axes.plot(thresholds, each["curves"][curve], style, color=colour, label=words)
        if read_at is not None:
            axes.axvline(read_at, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(xlim=(0, thresholds[-1]), ylim=(0, 1.02), xlabel=_word(label, language))
        axes.set_title(_word(title, language), fontsize=10, loc="left")
        axes.set_ylabel(_word("share of frames", language) if number == 0 else "")
        axes.legend(
            fontsize=8, edgecolor="none", framealpha=0.85, loc="upper right" if number == 0 else "lower right"
        )
        _plain(axes)


def _bars(figure: "Figure", report: Mapping[str, Any], language: Language) -> None:
    """The success AUC of each sequence, worst first, a bar for each tracker."""
    trackers = list(_trackers(report))
    first = trackers[0][2]["clips"]
    worst = sorted(first, key=lambda clip: first[clip]["auc"])[:MOST_BARS]
    figure.set_size_inches(8, 1.4 + max(len(worst) * (0.14 * len(trackers) + 0.12), 1.0))
    figure.suptitle(_heading(report, 90), fontsize=10)
    axes = figure.add_subplot()
    height = 0.8 / len(trackers)
    for number, (name, colour, each) in enumerate(trackers):
        places = np.arange(len(worst)) + (number - (len(trackers) - 1) / 2) * height
        values = [each["clips"][clip]["auc"] for clip in worst]
        axes.barh(places, values, height, color=colour, label=_word(name, language))
    axes.set_yticks(np.arange(len(worst)), worst)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel=_word("success AUC of each sequence", language))
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    _plain(axes)


def _course(figure: "Figure", boxes: Mapping[str, np.ndarray], language: Language) -> None:
    """Score and size along a video; where the target was lost the ground is grey."""
    figure.set_size_inches(9, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    time = boxes["time"]
    upper.plot(time, boxes["score"], color=COLOURS[0], linewidth=1.2)
    upper.set(ylim=(0, 1.02), ylabel=_word("score", language))
    lower.plot(time, boxes["w"], color=COLOURS[1], label=_word("width", language))
    lower.plot(time, boxes["h"], color=COLOURS[2], label=_word("height", language))
    lower.set(ylim=(0, None), xlabel=_word("time (s)", language))
    lower.set_ylabel(_word("width and height (pixels)", language))
    lower.legend(fontsize=8, frameon=False)
    for axes in (upper, lower):
        lost = boxes["lost"] > 0
        if lost.any():
            axes.fill_between(
                time, 0, 1, where=lost, step="mid", color=GREY, alpha=0.35, linewidth=0,
                transform=axes.get_xaxis_transform(), label=_word("lost", language),
            )  # fmt: skip
        _plain(axes)


def _read_boxes(path: Path) -> dict[str, np.ndarray]:
    with path.open(encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"{path} has no line below its head; expected one a frame")
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def _trackers(report: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Name, colour and numbers; the trivial baseline is grey."""
    named = report["trackers"].items()
    colours = iter(COLOURS * (1 + len(named) // len(COLOURS)))
    return [(name, GREY if name == BASELINE else next(colours), each) for name, each in named]


def _heading(report: Mapping[str, Any], width: int) -> str:
    return "\n".join(textwrap.wrap(f"{report['data']}   (n = {report['n']})", width))


def _plain(axes: "Axes") -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _word(text: str, language: Language) -> str:
    return WORDS.get(text, text) if language == "zh" else text
