"""A tracker from exported graphs: onnxruntime, no torch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.track.config import EXPORTED, LoopConfig, TrackConfig, TrackerConfig
from wayscan.track.loop import Sight, TrackingLoop

TEMPLATE, SEARCH = "template.onnx", "search.onnx"


class OnnxTracker(TrackingLoop):
    """Follows as `Tracker` does, in the same loop; only the network runs elsewhere.

    Args:
        folder: written by `wayscan track export`.
        threads: of onnxruntime. providers: its devices, in order of preference.
    """

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        *,
        loop: LoopConfig | None = None,
        threads: int = 1,
        providers: tuple[str, ...] = ("CPUExecutionProvider",),
    ) -> "OnnxTracker":
        folder = Path(folder)
        if not (folder / EXPORTED).is_file():
            raise ValueError(
                f"{folder} has no {EXPORTED}; expected a folder that `wayscan track export` has written"
            )
        config = TrackerConfig.from_dict(json.loads((folder / EXPORTED).read_text(encoding="utf-8")))
        network = _OnnxNetwork(folder, config.model, threads, providers)
        return cls(network, loop or config.loop)


class _OnnxNetwork:
    """Two graphs, from arrays to arrays: they normalise the pictures themselves."""

    def __init__(self, folder: Path, config: TrackConfig, threads: int, providers: tuple[str, ...]) -> None:
        try:
            import onnxruntime
        except ImportError as fault:
            raise ModuleNotFoundError(
                'exported trackers run in onnxruntime, which is not installed: pip install "wayscan[onnx]"'
            ) from fault
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.config = config
        self._template, self._search = (
            onnxruntime.InferenceSession(str(folder / name), options, providers=list(providers))
            for name in (TEMPLATE, SEARCH)
        )
        self._names = [each.name for each in self._template.get_outputs()]

    def remember(
        self, pictures: NDArray[np.uint8], boxes: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """What the search graph is to be given of the templates, by name."""
        found: Any = self._template.run(None, {"pictures": pictures, "boxes": boxes})
        return dict(zip(self._names, found, strict=True))

    def look(
        self, templates: dict[str, NDArray[np.float32]], crop: NDArray[np.uint8], past: NDArray[np.float32]
    ) -> Sight:
        found: Any = self._search.run(None, {**templates, "crop": crop, "past": past})
        boxes, chance, score = found
        return Sight(boxes.astype(np.float64), chance.astype(np.float64), float(score[0]))
