"""Results as tables for people; every row of a model stands above those of the baselines."""

from collections.abc import Mapping
from typing import Any

_COLUMNS = ("mse", "rmse", "mae", "r2", "skill", "skill_best", "rmse_own", "mae_own")


def evaluation_table(result: Mapping[str, Any]) -> str:
    """One model and the baselines."""
    low, high = result["intervals"]["skill"]
    rows = [(result["model"], _cells(result["metrics"]))]
    rows += [(label, _cells(metrics)) for label, metrics in result["baselines"].items()]
    return "\n".join(
        [_heading(result), _table(rows), f"95 % interval of the skill over time: {low:.3f} to {high:.3f}"]
    )


def comparison_table(result: Mapping[str, Any]) -> str:
    """All models, mean ± spread over seeds, and the baselines."""
    rows = []
    for model, about in result["models"].items():
        if "metrics" in about:
            rows.append((model, _cells(about["metrics"], about["spread"])))
        rows += [(f"{model}: {reason}", []) for reason in about["failed"]]
    rows += [(label, _cells(metrics)) for label, metrics in result["baselines"].items()]
    return "\n".join([_heading(result), _table(rows)])


def _heading(result: Mapping[str, Any]) -> str:
    data = result["data"]
    mark = "SYNTHETIC data\n" if result["synthetic"] else ""
    unit = data["unit"] or data["target"]
    return (
        f"{mark}{data['name']}: {result['n']} rows of the {data['part']} part ({data['source']})\n"
        f"mse, rmse, mae scaled to [0, 1]; rmse_own, mae_own in {unit}; skill against the last value, "
        "skill_best against the better of last value and seasonal"
    )


def _cells(metrics: Mapping[str, float], spread: Mapping[str, float] | None = None) -> list[str]:
    if spread is None:
        return [f"{metrics[name]:.4g}" for name in _COLUMNS]
    return [f"{metrics[name]:.4g} ± {spread[name]:.2g}" for name in _COLUMNS]


def _table(rows: list[tuple[str, list[str]]]) -> str:
    lines = [("", list(_COLUMNS)), *rows]
    first = max(len(label) for label, cells in lines if cells)
    widths = [max(len(cells[n]) for _, cells in lines if cells) for n in range(len(_COLUMNS))]
    return "\n".join(
        f"{label:<{first}}  "
        + "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))
        for label, cells in lines
    )
