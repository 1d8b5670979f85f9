"""Forecaster: fit a series, forecast its next values, follow a stream, save and load."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayscan.data.runs.settings import build_settings
from wayscan.forecast.cells.layer import State
from wayscan.forecast.config import ForecastConfig, preset
from wayscan.forecast.data import Scaling, Series, prepare
from wayscan.forecast.evaluate import forecasts
from wayscan.forecast.model import Network
from wayscan.forecast.series.table import Table, hash_values
from wayscan.forecast.train import Learner
from wayscan.pretrained import load_pretrained, save_pretrained

Values = NDArray[np.float64]

_LEVEL = 0.9  # share of validation errors that lie between low and high


class Forecast(NamedTuple):
    """The value that comes next, and a range that held nine tenths of the validation rows."""

    value: float
    low: float
    high: float


class Forecaster:
    """A network with the scaling and the last rows of the series that it was fitted on.

    >>> t = np.arange(120)
    >>> forecaster = Forecaster(n_epochs=2, hidden_size=4, seq_len=8).fit(np.sin(t / 5))
    >>> forecaster.predict(3).shape
    (3,)

    Args:
        config: all settings; the default preset if not given.
        changes: settings that differ from it.
    """

    def __init__(self, config: ForecastConfig | None = None, **changes: Any) -> None:
        self.config = replace(config, **changes) if config else preset("default", **changes)
        self.columns: tuple[str, ...] = ()
        self.about: dict[str, Any] = {}
        self._network: Network | None = None
        self._scaling: Scaling | None = None
        self._tail: Values = np.empty((0, 1))
        self._range = (0.0, 0.0)
        self._state: list[State] = []
        self._before: Values | None = None

    # ---- fitting --------------------------------------------------------------------------------------

    def fit(self, y: ArrayLike, features: ArrayLike | None = None) -> "Forecaster":
        """Learn from a series (T,), and columns beside it (T, columns) if there are some.

        The last part of the rows is not learnt from: it decides when to stop.
        """
        values = _as_columns(y, features)
        names = ("y", *(f"feature {n}" for n in range(1, values.shape[1])))
        table = Table(
            name="series",
            values=values,
            columns=names,
            dates=tuple(map(str, range(len(values)))),
            source="the array given to fit",
            target="y",
            sha256=hash_values(values),
        )
        self.config = replace(self.config, column="y", features=names[1:], test_share=0.0, gap=0)
        learner = Learner(prepare(table, self.config), self.config)
        learner.fit()
        return self.take(learner.network, learner.series)

    def take(self, network: Network, series: Series) -> "Forecaster":
        """Take over a network that was trained on a series."""
        self._network, self._scaling, self.columns = network, series.scaling, series.columns
        self._tail = series.values[-self.config.seq_len - 1 :]
        self.about = series.table.about()
        part = series.validation
        errors = part.level - forecasts(network, series, part)
        low, high = np.quantile(errors, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
        self._range = (float(low), float(high))
        self.reset()
        return self

    # ---- forecasting ----------------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        if self._network is None:
            raise ValueError("this Forecaster has learnt nothing; call fit(y) or Forecaster.from_pretrained")
        return self._network

    @property
    def scaling(self) -> Scaling:
        assert self._scaling is not None, "a network comes with its scaling"
        return self._scaling

    def predict(self, h: int = 1, past: ArrayLike | None = None) -> Values:
        """The next h values (h,), each forecast from those before it.

        Args:
            past: the last rows of another stretch of the series, (T,) or (T, columns); those of the fitted
                series if not given.
        """
        network, L = self.network, self.config.seq_len
        if h < 1:
            raise ValueError(f"h is {h}; expected 1 or more values to forecast")
        if h > 1 and len(self.columns) > 1:
            raise ValueError(
                f"h is {h} and the model reads {len(self.columns)} columns; expected h = 1, for nobody knows "
                "the others' next values: fit the target alone to look further"
            )
        rows = self._tail if past is None else _as_columns(past, None)
        if rows.shape[1] != len(self.columns) or len(rows) < L:
            raise ValueError(
                f"past is {rows.shape}; expected {L} rows or more of the {len(self.columns)} columns "
                f"{', '.join(self.columns)}"
            )
        found: list[float] = []
        for _ in range(h):
            rows = rows[-L - 1 :]
            x = self.scaling.read(rows)[-L:]
            given = network.predict(x[:, :, None]).astype(np.float64)
            found.append(float(self.scaling.level(given, rows[-1:, 0])[0]))
            if len(self.columns) == 1:
                rows = np.concatenate([rows, [[found[-1]]]])
        return np.array(found)

    def reset(self) -> None:
        """Forget the stream: the next `step` is its first."""
        self._state = self.network.initial_state()
        self._before = None

    def step(self, observation: float | Sequence[float]) -> Forecast:
        """Take the stream's next value (or row of columns), and forecast the one after it.

        The first seq_len steps after `reset` give what `predict` gives for that many rows; later ones
        remember more than a window.
        """
        network = self.network
        row = np.atleast_1d(np.asarray(observation, np.float64))
        if row.shape != (len(self.columns),) or not np.isfinite(row).all():
            raise ValueError(
                f"observation is {observation!r}; expected {len(self.columns)} finite numbers: "
                f"{', '.join(self.columns)}"
            )
        rows = row[None] if self._before is None else np.stack([self._before, row])
        given, self._state = network.step(self.scaling.read(rows)[-1:], self._state)
        self._before = row
        value = float(self.scaling.level(given.astype(np.float64), row[:1])[0])
        return Forecast(value, value + self._range[0], value + self._range[1])

    # ---- folders --------------------------------------------------------------------------------------

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write config.json and model.safetensors."""
        stored = {
            "system": "forecast",
            "config": asdict(self.config),
            "columns": self.columns,
            "scaling": self.scaling.as_dict(),
            "range": self._range,
            "tail": self._tail.tolist(),
            "data": self.about,
        }
        return save_pretrained(folder, self.network.weights, stored)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> "Forecaster":
        """Read a folder, a model of the package by name, or one from the hub; see wayscan.pretrained."""
        stored, weights = load_pretrained(source, framework="numpy", precision="stored")
        if stored.get("system") != "forecast":
            raise ValueError(
                f"the model in {source} is of system {stored.get('system')!r}; expected 'forecast'"
            )
        config = build_settings(ForecastConfig, stored["config"], str(source))
        forecaster = cls(config)
        forecaster.columns = tuple(stored["columns"])
        forecaster.about = stored["data"]
        forecaster._scaling = Scaling.from_dict(stored["scaling"])
        forecaster._network = Network(config, forecaster.scaling.features, np.random.default_rng(config.seed))
        forecaster._network.load(weights)
        forecaster._range = (stored["range"][0], stored["range"][1])
        forecaster._tail = np.array(stored["tail"])
        forecaster.reset()
        return forecaster


def _as_columns(y: ArrayLike, features: ArrayLike | None) -> Values:
    """(T, columns), all finite; the target is the first."""
    values = np.asarray(y, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if features is not None:
        beside = np.asarray(features, np.float64)
        values = np.concatenate([values, beside[:, None] if beside.ndim == 1 else beside], axis=1)
    if values.ndim != 2 or not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(values))
        place = f"row {bad[0][0]}, column {bad[0][1]} is {values[tuple(bad[0])]}" if len(bad) else "it is not"
        raise ValueError(f"the series is {values.shape}; expected (T,) of finite numbers: {place}")
    return values
