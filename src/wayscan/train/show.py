"""`wayscan show RUN`: the curves of a run as one picture. Needs no torch."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wayscan.data.fonts import Language, font_settings
from wayscan.data.runs.folder import Run, RunState

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = tuple[list[float], list[float]]

_COLOURS = ("#3b6fb6", "#d1662a", "#3c8d5a", "#8a5aa8", "#a6862c", "#5f6b77")
_TRAINING, _VALIDATION, _MARK = _COLOURS[0], _COLOURS[1], "#2a2a2a"
_WORDS: dict[str, dict[str, str]] = {
    "en": {},
    "zh": {
        "loss": "损失", "accuracy": "准确率", "gradient norm": "梯度范数", "learning rate": "学习率",
        "clipped": "裁剪比例", "training": "训练", "validation": "验证", "step": "步数", "best": "最佳",
        "skipped": "跳过的步", "running": "运行中", "finished": "已完成", "stopped": "已停止",
        "interrupted": "已中断", "failed": "失败", "killed": "被终止",
    },
}  # fmt: skip


class Panel(NamedTuple):
    """One axes: its title, and its curves by label."""

    title: str
    curves: dict[str, Curve]


def draw_curves(run: str | Path, out_png: str | Path, language: Language = "en") -> Path:
    """Draw what a run has measured so far, also while it is running; return the picture's path."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    opened = Run.open(Path(run))
    lines = opened.metrics.read()
    if not lines:
        raise ValueError(
            f"{run} has measured nothing yet: its metrics.jsonl is empty; wait for its first line"
        )
    panels, state = panels_of(lines), opened.state()
    with matplotlib.rc_context({"font.size": 9, "axes.unicode_minus": False, **font_settings(language)}):  # type: ignore[arg-type]
        columns = min(3, math.ceil(math.sqrt(len(panels))))
        rows = math.ceil(len(panels) / columns)
        figure = Figure(figsize=(4.6 * columns, 2.9 * rows + 0.6), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(_heading(Path(run).resolve().name, state, language), fontsize=11)
        for number, panel in enumerate(panels):
            axes = figure.add_subplot(rows, columns, number + 1)
            _draw(axes, panel, language)
            _mark_best(axes, panel, state.best, language)
            _mark_skipped(axes, lines, language if number == 0 else None)
            if panel.curves.keys() != {""} or number == 0:
                axes.legend(fontsize=8, frameon=False)
        out = Path(out_png)
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=130)
    return out


def panels_of(lines: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Sort the metrics into panels: training beside validation, all rates together, all norms together."""
    curves: dict[str, Curve] = {}
    for line in lines:
        for name, value in line.items():
            if name not in ("step", "epoch") and isinstance(value, (int, float)):
                steps, values = curves.setdefault(name, ([], []))
                steps.append(float(line["step"]))
                values.append(float(value))
    panels: dict[str, dict[str, Curve]] = {}
    for name, curve in curves.items():
        title, label = _place(name)
        panels.setdefault(title, {})[label] = curve
    order = sorted(panels, key=lambda title: (title != "loss", title in _LAST, title))
    return [Panel(title, panels[title]) for title in order]


_LAST = ("gradient norm", "learning rate", "clipped")


def _place(name: str) -> tuple[str, str]:
    """The panel and the label of a metric."""
    first, _, rest = name.partition("/")
    if first in ("validation", "parts") and rest:
        return rest, "validation" if first == "validation" else "training"
    if first == "rate":
        return "learning rate", rest
    if first == "gradient_norm":
        return "gradient norm", rest
    return name, "training" if name == "loss" else ""


def _draw(axes: "Axes", panel: Panel, language: Language) -> None:
    for number, (label, (steps, values)) in enumerate(panel.curves.items()):
        colour = {"training": _TRAINING, "validation": _VALIDATION}.get(
            label, _COLOURS[number % len(_COLOURS)]
        )
        shown = _word(label, language) or None
        if len(values) > 150 and panel.title != "learning rate":
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
            axes.plot(steps, _smooth(values), color=colour, linewidth=1.4, label=shown)
        else:
            axes.plot(
                steps,
                values,
                "o-" if len(steps) < 25 else "-",
                color=colour,
                linewidth=1.2,
                markersize=3,
                label=shown,
            )
    if panel.title == "clipped":
        axes.set_ylim(-0.05, 1.05)
    elif panel.title != "learning rate" and _spans_magnitudes(panel):
        axes.set_yscale("log")
    axes.set_title(_word(panel.title, language), fontsize=10, loc="left")
    axes.set_xlabel(_word("step", language))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _mark_best(axes: "Axes", panel: Panel, best: Mapping[str, Any] | None, language: Language) -> None:
    if best and _place(best["metric"])[0] == panel.title:
        text = f"{_word('best', language)} {best['value']:.4g}"
        axes.plot([best["step"]], [best["value"]], "*", color=_MARK, markersize=9, label=text, zorder=5)


def _mark_skipped(axes: "Axes", lines: Sequence[Mapping[str, Any]], language: Language | None) -> None:
    steps = [line["step"] for line in lines if line.get("skipped_records")]
    for number, step in enumerate(steps):
        label = _word("skipped", language) if language and number == 0 else None
        axes.axvline(step, color="#b03030", linewidth=0.8, linestyle=":", label=label)


def _heading(name: str, state: RunState, language: Language) -> str:
    steps = f"{state.step}/{state.steps}" if state.steps else str(state.step)
    return f"{name}   {_word(state.state, language)}   {_word('step', language)} {steps}"


def _spans_magnitudes(panel: Panel) -> bool:
    values = [value for _, values in panel.curves.values() for value in values if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > 30 * min(values)


def _smooth(values: Sequence[float]) -> list[float]:
    """A centred mean over a fiftieth of the curve, of what is finite."""
    reach = max(1, len(values) // 100)
    smooth = []
    for place in range(len(values)):
        near = [value for value in values[max(0, place - reach) : place + reach + 1] if math.isfinite(value)]
        smooth.append(sum(near) / len(near) if near else math.nan)
    return smooth


def _word(text: str, language: Language) -> str:
    return _WORDS[language].get(text, text)
