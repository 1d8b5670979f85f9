"""A pilot from an exported graph: onnxruntime and NumPy, no torch.

    pilot = OnnxPilot("actor.onnx")
    pilot.reset()
    env.step(pilot.step(observation).action)

The graph decides on one moment and carries what it knows of those before:

    image   uint8 (1, C, H, W)      the newest frame; absent where there are none
    state   float (1, D_s)          the newest state
    memory  float (1, K - 1, D_m)   what the call before gave as `memory_out`, or anything on the first call
    first   bool (1,)               an episode begins: this moment stands for those before it, too
    →
    action  float (1, A)            in the environment's units
    share   float (1, A)            the same in [-1, 1]
    memory_out                      to be given to the next call

With K = 1 nothing is carried: `memory`, `first` and `memory_out` are absent. The file's metadata holds the
pilot's configuration as JSON under "wayscan": limits of actions, K, sizes.

Letters: K frames, C H W image, D_s state, D_m what a moment is remembered by, A action.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayscan.fly.actions import Command
from wayscan.fly.config import PilotConfig
from wayscan.fly.observations import newest_of

METADATA = "wayscan"


class OnnxPilot:
    """Flies as `Pilot` does.

    Args:
        path: written by `wayscan fly export`.
        threads: of onnxruntime. providers: its devices, in order of preference.
    """

    def __init__(
        self, path: str | Path, *, threads: int = 1, providers: tuple[str, ...] = ("CPUExecutionProvider",)
    ) -> None:
        self._session = _session(Path(path), threads, providers)
        described = self._session.get_modelmeta().custom_metadata_map.get(METADATA)
        if described is None:
            raise ValueError(
                f"{path} says nothing of a pilot; expected a graph that `wayscan fly export` wrote"
            )
        self.config = PilotConfig.from_dict(json.loads(described))
        self._memory = np.zeros((1, self.config.seq_len - 1, self.config.moment_dim), np.float32)
        self._first = True

    def reset(self) -> None:
        """A flight begins."""
        self._first = True

    def step(self, observation: Any) -> Command:
        """Decide; see `Pilot.step`."""
        frame, state = newest_of(observation, self.config.image, self.config.state_dim)
        given: dict[str, NDArray[Any]] = {"state": state[None]}
        if frame is not None:
            given["image"] = frame[None]
        if self.config.seq_len > 1:
            given |= {"memory": self._memory, "first": np.array([self._first])}
        found: Any = self._session.run(None, given)
        if self.config.seq_len > 1:
            self._memory = found[2]
        self._first = False
        return Command(found[0][0], found[1][0])


def _session(path: Path, threads: int, providers: tuple[str, ...]) -> Any:
    try:
        import onnxruntime
    except ImportError as fault:
        raise ModuleNotFoundError(
            'exported pilots run in onnxruntime, which is not installed: pip install "wayscan[onnx]"'
        ) from fault
    if not path.is_file():
        raise ValueError(f"{path} is no file; expected a graph that `wayscan fly export` wrote")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as fault:  # onnxruntime has a class of its own for each reason, and no common one
        raise ValueError(
            f"{path} cannot be read as a graph ({str(fault).splitlines()[0]}); expected one that `wayscan "
            f"fly export` wrote"
        ) from fault
