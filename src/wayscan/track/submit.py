"""Result files as the benchmarks' servers and toolkits read them. Needs no torch.

- got10k: `<sequence>/<sequence>_001.txt` (x,y,w,h a line, three decimals) and `<sequence>_time.txt` (seconds
  a frame), all in one zip.
- trackingnet: `<sequence>.txt` with commas, in one zip.
- lasot, otb: `<sequence>.txt` with tabs, in a folder.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from wayscan.names import expect_one_of
from wayscan.track.evaluate import Journey

Benchmark = Literal["got10k", "lasot", "otb", "trackingnet"]


def write_submission(journeys: Mapping[str, Journey], benchmark: Benchmark, folder: Path | str) -> Path:
    """Write the result files of one tracker; the zip, or the folder where the benchmark takes no zip."""
    expect_one_of("benchmark", benchmark, get_args(Benchmark))
    files: dict[str, str] = {}
    for name, journey in journeys.items():
        if benchmark == "got10k":
            files[f"{name}/{name}_001.txt"] = _rows(journey.boxes, ",", "%.3f")
            files[f"{name}/{name}_time.txt"] = _rows(journey.times[:, None], ",", "%.8f")
        else:
            separator = "," if benchmark == "trackingnet" else "\t"
            files[f"{name}.txt"] = _rows(journey.boxes, separator, "%.3f")
    folder = Path(folder) / benchmark
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    if benchmark in ("lasot", "otb"):
        return folder
    packed = folder.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed


def _rows(values: np.ndarray, separator: str, form: str) -> str:
    return "".join(separator.join(form % value for value in row) + "\n" for row in values)
