"""What an evaluation says: the object that machines read, a table for people, and the files beside it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wayscan.track.evaluate import Result
from wayscan.track.show import REPORT, draw
from wayscan.track.submit import Benchmark, write_submission

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = {
    "auc": "AUC",
    "ao": "AO",
    "sr50": "SR.50",
    "sr75": "SR.75",
    "precision": "precision",
    "norm_precision": "norm. at .20",
    "norm_precision_area": "norm. area",
    "auroc": "AUROC",
    "fps": "frames/s",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Results by name: of the model, of its baselines, and of other software.

    Attributes:
        model, data: what was evaluated, and on what. seed: of the data or the starts.
        others: further models of the same run, such as the checkpoints of a training.
    """

    model: str
    data: str
    synthetic: bool
    seed: int
    seconds: float
    result: Result
    baselines: Mapping[str, Result] = field(default_factory=dict)
    peers: Mapping[str, Result] = field(default_factory=dict)
    others: Mapping[str, Result] = field(default_factory=dict)

    @property
    def all(self) -> dict[str, Result]:
        return {self.model: self.result, **self.others, **self.peers, **self.baselines}

    def to_json(self) -> dict[str, Any]:
        """The object of `--json`; a number that cannot be had is null."""
        spoken = {
            "system": "track",
            "model": self.model,
            "data": self.data,
            "synthetic": self.synthetic,
            "n": len(self.result.journeys),
            "seed": self.seed,
            "metrics": self.result.metrics,
            "intervals": {name: list(ends) for name, ends in self.result.intervals.items()},
            "baselines": {name: each.metrics for name, each in self.baselines.items()},
            "peers": {name: each.metrics for name, each in self.peers.items()},
            "references": {},
            "seconds": round(self.seconds, 3),
        }
        if self.others:
            spoken["checkpoints"] = {name: each.metrics for name, each in self.others.items()}
        return _without_nan(spoken)

    def write(self, folder: Path | str) -> Path:
        """Keep everything that `wayscan track show` draws: report.json."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        trackers = {
            name: {"metrics": each.metrics, "clips": each.clips, "curves": each.curves}
            for name, each in self.all.items()
        }
        path = folder / REPORT
        content = {**self.to_json(), "trackers": _without_nan(trackers)}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def keep(self, folder: Path | str | None, benchmark: Benchmark | None = None) -> list[Path]:
        """Write report.json, the figures, and the result files of a benchmark; what was written."""
        folder = Path(folder or "wayscan-evaluation")
        written = [self.write(folder)]
        if self.result.curves:
            written += draw(folder, folder)
        if benchmark is not None:
            written.append(write_submission(self.result.journeys, benchmark, folder))
        return written

    def table(self) -> "Table":
        """A row for each tracker, the model first, the trivial baseline last."""
        from rich.table import Table

        table = Table(title=f"{self.data}: {len(self.result.journeys)} sequences", title_justify="left")
        table.add_column("tracker", no_wrap=True)
        for title in COLUMNS.values():
            table.add_column(title, justify="right", no_wrap=True)
        for name, each in self.all.items():
            table.add_row(name, *(_cell(key, each.metrics.get(key, math.nan)) for key in COLUMNS))
        if intervals := self.result.intervals:
            ends = (intervals.get(key, (math.nan, math.nan)) for key in COLUMNS)
            cells = [
                "–".join(_cell(key, end) for end in pair) for key, pair in zip(COLUMNS, ends, strict=True)
            ]
            table.add_row("  95 % interval", *cells, style="dim")
        return table


def _cell(key: str, value: float) -> str:
    """
    >>> _cell("auc", 0.5031), _cell("fps", 213.4), _cell("ao", float("nan"))
    ('.503', '213', '')
    """
    if not math.isfinite(value):
        return ""
    return f"{value:.0f}" if key == "fps" else f"{value:.3f}".removeprefix("0")


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null stands for it."""
    if isinstance(value, Mapping):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(each) for each in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
