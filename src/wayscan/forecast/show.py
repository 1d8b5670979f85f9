"""Pictures: a comparison, and forecasts beside what came; labels in English or Chinese."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wayscan.data.fonts import Language, font_settings
from wayscan.forecast.baselines import LAST
from wayscan.forecast.compare import Comparison
from wayscan.forecast.data import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


_COLOURS = {
    "gru": "#8a5aa8", "min_gru": "#8a5aa8", "mingru": "#3b6fb6", "mingru_log": "#6fa8dc",
    "mamba_simple": "#e0a030", "mamba": "#d1662a",
}  # fmt: skip
_PLAIN, _ACTUAL = "#7d8790", "#2a2a2a"
_CHINESE = {
    "validation error: best so far, mean; faint: each seed": "验证误差：至今最优的均值；浅色：各种子",
    "epoch": "轮次", "MSE of what the network gives": "网络输出的均方误差",
    "error on the test part": "测试段误差", "error on the validation part": "验证段误差",
    "scaled MSE, mean over seeds; line: all seeds": "归一化均方误差（各种子均值；横线：全部种子）",
    "forecast and what came": "预测与真实值", "what came": "真实值",
    "last value": "最后值", "seasonal": "季节",
    "mean": "均值", "AR": "自回归", "ridge on differences": "差分岭回归", "one row ahead": "单步预测",
    "Mamba and MinGRU": "Mamba 与 MinGRU", "seeds": "个种子", "seed": "个种子", "forecast": "预测",
    "the rows after the last": "最后一行之后", "row": "行",
}  # fmt: skip


def draw_comparison(comparison: Comparison, out: Path, language: Language = "en") -> Path:
    """Three panels: validation error by epoch, error beside the baselines, the best models' forecasts."""
    with _settings(language):
        figure = _figure(13, 4.6)
        axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.25])
        _draw_curves(axes[0], comparison, language)
        _draw_errors(axes[1], comparison, language)
        _draw_forecasts(axes[2], comparison, language)
        seeds = len({trial.seed for trial in comparison.trials})
        count = f"{seeds} {_word('seed' if seeds == 1 else 'seeds', language)}"
        title = f"{_word('Mamba and MinGRU', language)}   {_name(comparison.series)}   {count}"
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
        return _save(figure, out)


def draw_forecast(
    series: Series, forecast: "NDArray[np.float64]", ahead: "NDArray[np.float64]", model: str, out: Path,
    language: Language = "en",
) -> Path:  # fmt: skip
    """Forecasts of the judged part beside what came, and the values after the last row.

    Args:
        forecast: (W,) of the judged part. ahead: (h,) after the last row.
    """
    part = series.part(series.judged)
    with _settings(language):
        figure = _figure(11, 4.2)
        axes = figure.subplots()
        before = np.arange(max(0, part.rows[0] - 2 * len(part)), len(series.levels))
        axes.plot(
            before, series.levels[before], color=_ACTUAL, linewidth=1, label=_word("what came", language)
        )
        axes.axvspan(part.rows[0] - 0.5, part.rows[-1] + 0.5, color="#f1ede4", zorder=0)
        label = f"{model}, {_word('one row ahead', language)}"
        axes.plot(part.rows, forecast, color=_COLOURS["mamba"], linewidth=1.4, label=label)
        later = len(series.levels) + np.arange(len(ahead))
        label = f"{model}, {_word('the rows after the last', language)}"
        axes.plot(later, ahead, "o--", color=_COLOURS["mingru"], markersize=3, linewidth=1, label=label)
        ticks = np.linspace(before[0], len(series.levels) - 1, 7).astype(int)
        axes.set_xticks(ticks, [series.table.dates[tick] for tick in ticks])
        axes.set_ylabel(_unit(series))
        axes.set_title(
            f"{_name(series)}   {_word('forecast and what came', language)}", loc="left", fontsize=11
        )
        _tidy(axes)
        axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=3)
        axes.margins(y=0.18)
        return _save(figure, out)


def _draw_curves(axes: "Axes", comparison: Comparison, language: Language) -> None:
    """Every seed faintly, and the mean over seeds of the best error so far."""
    from matplotlib.ticker import MaxNLocator

    longest = max((len(trial.history) for trial in comparison.trials), default=0)
    for model in comparison.models:
        best = []
        for trial in comparison.of(model):
            losses = np.array([each.validation_loss for each in trial.history])
            axes.plot(range(1, len(losses) + 1), losses, color=_COLOURS[model], linewidth=0.7, alpha=0.25)
            best.append(np.minimum.accumulate(np.pad(losses, (0, longest - len(losses)), mode="edge")))
        if best:
            mean = np.mean(best, axis=0)
            axes.plot(range(1, longest + 1), mean, color=_COLOURS[model], linewidth=2, label=model)
    axes.set_yscale("log")
    axes.set_xlabel(_word("epoch", language))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(_word("MSE of what the network gives", language))
    axes.set_title(
        _word("validation error: best so far, mean; faint: each seed", language), loc="left", fontsize=10
    )
    axes.legend(fontsize=8, frameon=False)
    _tidy(axes)


def _draw_errors(axes: "Axes", comparison: Comparison, language: Language) -> None:
    rows: list[tuple[str, list[float], str]] = [
        (_word(label, language), [own["mse"]], _PLAIN) for label, own in comparison.baselines.items()
    ]
    rows += [
        (model, [trial.metrics["mse"] for trial in comparison.of(model)], _COLOURS[model])
        for model in comparison.models
        if comparison.of(model)
    ]
    rows.sort(key=lambda row: -np.mean(row[1]))
    for place, (label, values, colour) in enumerate(rows):
        middle = float(np.mean(values))
        axes.plot([min(values), max(values)], [place, place], color=colour, linewidth=2)
        axes.plot(middle, place, "o", color=colour, markersize=6)
        axes.annotate(f"{middle:.2g}", (max(values), place), (7, -3), textcoords="offset points", fontsize=8)
        if label == _word(LAST, language):
            axes.axvline(middle, color=_PLAIN, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_xscale("log")
    axes.margins(x=0.18)
    axes.set_xlabel(_word("scaled MSE, mean over seeds; line: all seeds", language), fontsize=8)
    axes.set_title(_word(f"error on the {comparison.series.judged} part", language), loc="left", fontsize=10)
    _tidy(axes)


def _draw_forecasts(axes: "Axes", comparison: Comparison, language: Language) -> None:
    """The last hundred judged rows: what came, the last value, each model's best seed by validation."""
    series = comparison.series
    part = series.part(series.judged)
    shown = slice(-100, None)
    axes.plot(
        part.rows[shown], part.level[shown], color=_ACTUAL, linewidth=1.6, label=_word("what came", language)
    )
    last = _word("last value", language)
    axes.plot(part.rows[shown], part.last[shown], color=_PLAIN, linewidth=1, linestyle=":", label=last)
    for model in comparison.models:
        if trials := comparison.of(model):
            best = min(trials, key=lambda trial: min(each.validation_loss for each in trial.history))
            axes.plot(part.rows[shown], best.forecast[shown], color=_COLOURS[model], linewidth=1, label=model)
    ticks = np.linspace(part.rows[shown][0], part.rows[-1], 5).astype(int)
    axes.set_xticks(ticks, [series.table.dates[tick] for tick in ticks], fontsize=8)
    axes.set_ylabel(_unit(series))
    axes.set_title(_word("forecast and what came", language), loc="left", fontsize=10)
    axes.set_ylim(top=axes.get_ylim()[1] + 0.3 * np.ptp(axes.get_ylim()))  # room for the legend
    axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper left")
    _tidy(axes)


def _unit(series: Series) -> str:
    return series.table.unit or series.target


def _name(series: Series) -> str:
    """A synthetic series says so, for its name begins with SYNTHETIC."""
    return (
        f"{series.table.name}: {series.target}" if series.target != series.table.name else series.table.name
    )


def _tidy(axes: "Axes") -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _word(text: str, language: Language) -> str:
    return _CHINESE.get(text, text) if language == "zh" else text


def _settings(language: Language) -> Any:
    import matplotlib

    return matplotlib.rc_context({"font.size": 9, "axes.unicode_minus": False, **font_settings(language)})  # type: ignore[arg-type]


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: "Figure", out: Path) -> Path:
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    return out
