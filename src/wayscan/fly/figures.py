"""Figures of a pilot: what it attends to, its features, its flights from above, what it was paid.

Letters: T decisions, K frames, D features.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wayscan.data.drawing import paint_depth
from wayscan.data.fonts import Language, font_settings
from wayscan.data.footage import Image
from wayscan.fly.recording import Flight

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (
    "#3b6fb6", "#d1662a", "#3c8d5a", "#8a5aa8", "#a6862c", "#5f6b77", "#b0436e", "#2b9a9a", "#7a5230",
    "#94a03a",
)  # fmt: skip
GREY, DARK = "#9a9a9a", "#2a2a2a"
OUTCOMES = {"success": "#2f7d4a", "collision": "#b03030", "timeout": "#a6862c"}
SLOW_TO_FAST = ("#b03030", "#e59b2f", "#3b6fb6")
MOMENTS = 4  # single decisions whose attention is shown
WORDY = 4  # frames of a window that can be named in words
WORDS = {
    "success": "到达目标", "collision": "碰撞", "timeout": "超时", "ended": "结束", "cut": "步数用尽",
    "how much each head listens to each frame": "每个注意力头对各帧的权重", "head": "头", "now": "当前帧",
    "mean of the flight": "整段飞行的平均", "{} decisions": "{} 次决策", "{} before": "前 {} 帧",
    "weight of the newest frame": "当前帧的权重", "equal weights": "均等权重",
    "the newest frame": "当前帧画面",
    "time (s)": "时间（秒）", "step": "步", "step {}": "第 {} 步", "{:.1f} s": "{:.1f} 秒",
    "visual features": "视觉特征", "state features": "状态特征", "context": "上下文特征",
    "first {} of {} dimensions": "{1} 维中的前 {0} 维", "dimension": "维度", "value": "数值",
    "features along the flights, each the mean over the frames of a decision":
        "飞行中的特征（每次决策所见各帧的平均）",
    "an episode begins": "新一回合开始", "speed (m/s)": "速度（米/秒）",
    "{} of {} reached the goal": "{1} 次飞行中 {0} 次到达目标", "seed {}": "种子 {}", "m": "米",
    "return so far": "累计回报", "return {:.1f}": "回报 {:.1f}", "time {:.1f} s": "时间 {:.1f} 秒",
    "goal in {:.1f} m": "距目标 {:.1f} 米", "speed {:.1f} m/s": "速度 {:.1f} 米/秒",
    "height {:.1f} m": "高度 {:.1f} 米", "commands": "指令", "action {}": "动作 {}", "forward": "前进",
    "back": "后退", "left": "左转", "right": "右转", "up": "上升", "down": "下降",
    "start": "起点", "goal": "目标", "where things swing": "移动物体的往复范围",
    "random actions": "随机动作", "mean return {:.1f}": "平均回报 {:.1f}",
}  # fmt: skip


def word(text: str, language: Language, *values: Any) -> str:
    """The text, or its translation, with values put in."""
    chosen = WORDS.get(text, text) if language == "zh" else text
    return chosen.format(*values) if values else chosen


def save_figure(path: Path, language: Language, paint: Callable[["Figure"], None]) -> Path:
    """Paint on a new figure and write it as PNG."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9, "axes.unicode_minus": False, **font_settings(language)}):  # type: ignore[arg-type]
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=130)
    return path


def paint_attention(
    figure: "Figure", flight: Flight, attention: NDArray[np.float32], model: str, language: Language
) -> None:
    """Heads × frames: the mean of a flight and single decisions; below, the newest frame's weight over time.

    Args:
        attention: (T, heads, K).
    """
    shown, seen = _moments(len(flight)), flight.frames is not None
    wide = max(2.0, 0.3 * attention.shape[2] + 0.2)
    figure.set_size_inches(wide * (1 + len(shown)) + 0.6, 5.8 if seen else 4.4)
    which = f"{word('seed {}', language, flight.seed)}   {word(flight.outcome, language)}"
    _head(figure, model, f"{word('how much each head listens to each frame', language)}   {which}")
    heights = [*([1.15] if seen else []), 0.2 + 0.22 * attention.shape[1], 1.15]
    grid = figure.add_gridspec(len(heights), 1 + len(shown), height_ratios=heights)
    if seen:
        axes = figure.add_subplot(grid[0, 0])
        axes.set_axis_off()
        axes.text(1, 0.5, word("the newest frame", language), ha="right", va="center")
        for column, step in enumerate(shown):
            axes = figure.add_subplot(grid[0, 1 + column])
            axes.imshow(picture(flight.frames[step], flight.far), interpolation="nearest")  # type: ignore[index]
            axes.set_axis_off()
    means = f"{word('mean of the flight', language)}\n{word('{} decisions', language, len(flight))}"
    panels = [(attention.mean(axis=0), means)]
    panels += [(attention[step], _when(flight, step, language)) for step in shown]
    for column, (weights, heading) in enumerate(panels):
        axes = figure.add_subplot(grid[-2, column])
        _paint_weights(axes, weights, language, named=column == 0)
        axes.set_title(heading, fontsize=9)
    axes = figure.add_subplot(grid[-1, :])
    _paint_newest(axes, flight, attention, language)
    for step in shown:
        axes.axvline(times(flight, language)[0][step], color=GREY, linewidth=0.8, linestyle=":")


def _paint_weights(axes: "Axes", weights: NDArray[np.float32], language: Language, *, named: bool) -> None:
    """A heat map (heads, K) with its numbers."""
    heads, frames = weights.shape
    axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), weight in np.ndenumerate(weights):
        colour = "white" if weight > 0.6 else DARK
        digits = f"{weight:.2f}" if frames <= WORDY else f"{100 * weight:.0f}%"
        axes.text(column, row, digits, ha="center", va="center", color=colour, fontsize=8)
    back = [frames - 1 - k for k in range(frames - 1)]
    if frames <= WORDY:
        names = [*(word("{} before", language, k) for k in back), word("now", language)]
    else:
        names = [*(f"−{k}" for k in back), "0"]
    axes.set_xticks(range(frames), names, fontsize=8)
    names = [f"{word('head', language)} {n + 1}" for n in range(heads)]
    axes.set_yticks(range(heads), names if named else [""] * heads)
    axes.tick_params(length=0)


def _paint_newest(axes: "Axes", flight: Flight, attention: NDArray[np.float32], language: Language) -> None:
    time, label = times(flight, language)
    for number in range(attention.shape[1]):
        name, colour = f"{word('head', language)} {number + 1}", COLOURS[number % len(COLOURS)]
        axes.plot(time, attention[:, number, -1], color=colour, linewidth=1.3, label=name)
    equal = 1 / attention.shape[2]
    name = f"{word('equal weights', language)} {equal:.2f}"
    axes.axhline(equal, color=GREY, linestyle="--", linewidth=1, label=name)
    axes.set(ylim=(-0.03, 1.03), xlim=(0, max(time[-1], 1e-3)), xlabel=label)
    axes.set_title(word("weight of the newest frame", language), loc="left", fontsize=9)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    tidy(axes)


def paint_features(
    figure: "Figure", panels: dict[str, NDArray[np.float32]], begins: Sequence[int], model: str,
    language: Language, dims: int = 10,
) -> None:  # fmt: skip
    """One panel for each kind of features (T, D): the first `dims` dimensions, a line each.

    Args:
        begins: steps at which a new episode begins.
    """
    figure.set_size_inches(11, 0.8 + 2.3 * len(panels))
    about = "features along the flights, each the mean over the frames of a decision"
    _head(figure, model, word(about, language))
    for number, (name, values) in enumerate(panels.items()):
        axes = figure.add_subplot(len(panels), 1, number + 1)
        kept = values[:, :dims]
        for dim, line in enumerate(kept.T):
            axes.plot(line, color=COLOURS[dim % len(COLOURS)], linewidth=1.1, label=str(dim + 1))
        for begin in begins:
            axes.axvline(begin, color=DARK, linewidth=0.9, linestyle="--")
            if number == 0:
                axes.annotate(
                    word("an episode begins", language), (begin, 1), xycoords=("data", "axes fraction"),
                    xytext=(3, 3), textcoords="offset points", fontsize=8,
                )  # fmt: skip
        of = word("first {} of {} dimensions", language, kept.shape[1], values.shape[1])
        axes.set_title(f"{word(name, language)}   {of}", loc="left", fontsize=10)
        axes.set(xlim=(0, max(len(values) - 1, 1)), ylabel=word("value", language))
        tidy(axes)
    figure.axes[-1].set_xlabel(word("step", language))
    most = max((axes.get_legend_handles_labels() for axes in figure.axes), key=lambda both: len(both[0]))
    figure.axes[0].legend(
        *most, fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1.05),
        title=word("dimension", language), title_fontsize=8,
    )  # fmt: skip


def paint_flights(figure: "Figure", flights: Sequence[Flight], model: str, language: Language) -> None:
    """Each flight from above over its obstacles, the trail coloured by speed. All have a `way`."""
    from matplotlib.cm import ScalarMappable

    columns = 2 if len(flights) in (2, 4) else min(3, len(flights))
    rows = -(-len(flights) // columns)
    figure.set_size_inches(4.4 * columns + 0.9, 2.55 * rows + 0.45)
    arrived = sum(flight.outcome == "success" for flight in flights)
    ways = [flight.way for flight in flights if flight.way is not None]
    legend = f"●  {word('start', language)}   ★  {word('goal', language)}"
    if any(len(way.forest.movers) for way in ways):
        legend += f"   ▬  {word('where things swing', language)}"
    reached = word("{} of {} reached the goal", language, arrived, len(flights))
    _head(figure, model, f"{reached}   {legend}")
    speeds = speed_scale(max(float(way.speeds.max()) for way in ways))
    longest, widest = max(way.forest.length for way in ways), max(way.forest.width for way in ways)
    panels = []
    for number, flight in enumerate(flights):
        axes = figure.add_subplot(rows, columns, number + 1)
        panels.append(axes)
        paint_way(axes, flight, *speeds)
        lasted = word("{:.1f} s", language, len(flight) * (flight.seconds or 0))
        axes.set_title(
            f"{word(flight.outcome, language)}   {lasted}   {word('seed {}', language, flight.seed)}",
            fontsize=10, color=OUTCOMES.get(flight.outcome, DARK), loc="left",
        )  # fmt: skip
        axes.set(xlim=(-1, longest + 1), ylim=(-1, widest + 1), xlabel="", ylabel="")
        axes.tick_params(labelsize=8)
        if number % columns == 0:
            axes.set_ylabel(word("m", language))
        if number + columns >= len(flights):
            axes.set_xlabel(word("m", language))
    scale = ScalarMappable(speeds[0], speeds[1])
    figure.colorbar(scale, ax=panels, fraction=0.02, pad=0.01, label=word("speed (m/s)", language))


def speed_scale(top: float) -> tuple[Any, Any]:
    """Matplotlib's norm and colour map of speeds."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    return Normalize(0, max(top, 1e-3)), LinearSegmentedColormap.from_list("slow to fast", SLOW_TO_FAST)


def paint_way(axes: "Axes", flight: Flight, norm: Any, colours: Any) -> None:
    """A forest from above and the trail through it; a ring where it did not end at the goal."""
    from matplotlib.collections import LineCollection

    from wayscan.world.envs.forest_view import draw_map

    way = flight.way
    assert way is not None
    draw_map(axes, way.forest, {})
    inside = way.forest.inside(way.positions[:, :2])
    pieces = np.stack([inside[:-1], inside[1:]], axis=1)
    trail = LineCollection(list(pieces), cmap=colours, norm=norm, linewidth=2.2, capstyle="round", zorder=4)
    trail.set_array(way.speeds[1:])
    axes.add_collection(trail)
    if flight.outcome != "success":
        colour = OUTCOMES.get(flight.outcome, GREY)
        axes.plot(*inside[-1], "o", color=colour, markersize=13, markerfacecolor="none", markeredgewidth=2)


def paint_returns(
    figure: "Figure", flights: Sequence[Flight], idle: Sequence[Flight], model: str, language: Language
) -> None:
    """What was paid, added up along each flight, beside that of random actions on the same seeds."""
    figure.set_size_inches(9, 4.2)
    _head(figure, model, word("return so far", language))
    axes = figure.add_subplot()
    ends = set()
    random = word("random actions", language)
    for flown, colour, name in ((flights, COLOURS[0], model), (idle, GREY, random)):
        mean = float(np.mean([flight.rewards.sum() for flight in flown]))
        label = f"{name}   {word('mean return {:.1f}', language, mean)}"
        for number, flight in enumerate(flown):
            total = np.concatenate([[0.0], np.cumsum(flight.rewards)])
            axes.plot(total, color=colour, linewidth=1.2, alpha=0.8, label=None if number else label)
            if flight.outcome in OUTCOMES:
                named = None if flight.outcome in ends else word(flight.outcome, language)
                ends.add(flight.outcome)
                axes.plot(len(flight), total[-1], "o", color=OUTCOMES[flight.outcome], ms=5, label=named)
    axes.set(xlabel=word("step", language), ylabel=word("return so far", language))
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    tidy(axes)


def picture(frame: NDArray[np.uint8], far: float | None) -> Image:
    """A frame (C, H, W) for people: depth by colour (near is bright), else as it is."""
    if len(frame) >= 3:
        return np.ascontiguousarray(np.moveaxis(frame[:3], 0, -1))
    if far is None:
        return np.repeat(frame[0][..., None], 3, axis=-1)
    metres = np.where(frame[0] < 255, frame[0] * (far / 255), np.inf)
    return paint_depth(metres.astype(np.float32), far)


def times(flight: Flight, language: Language) -> tuple[NDArray[np.float64], str]:
    """When each decision was made, and in what unit."""
    steps = np.arange(len(flight), dtype=np.float64)
    if flight.seconds is None:
        return steps, word("step", language)
    return steps * flight.seconds, word("time (s)", language)


def tidy(axes: "Axes") -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _head(figure: "Figure", model: str, about: str) -> None:
    figure.suptitle(f"{model}   {about}", fontsize=11, x=0.01, ha="left")


def _moments(count: int) -> list[int]:
    """Decisions that stand for a flight: the middles of its quarters."""
    some = min(MOMENTS, count)
    return [int((k + 0.5) * count / some) for k in range(some)]


def _when(flight: Flight, step: int, language: Language) -> str:
    if flight.seconds is None:
        return word("step {}", language, step)
    return word("{:.1f} s", language, step * flight.seconds)
