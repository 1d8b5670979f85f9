"""Forecasting a series with GRU, minGRU and Mamba in NumPy alone, beside honest baselines. Needs no torch.

Rooms: config (settings, presets); series (where numbers come from), data (windows, scaler, target); cells,
model and optimisers, which are forward, backward and update; train, compare, baselines, metrics and evaluate;
run (Forecaster), show, export, commands.
"""

from typing import TYPE_CHECKING

from wayscan.lazy import lazy_names

if TYPE_CHECKING:
    from wayscan.forecast.config import PRESETS as PRESETS
    from wayscan.forecast.config import ForecastConfig as ForecastConfig
    from wayscan.forecast.model import Network as Network
    from wayscan.forecast.run import Forecast as Forecast
    from wayscan.forecast.run import Forecaster as Forecaster
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "PRESETS": ".config",
            "Forecast": ".run",
            "ForecastConfig": ".config",
            "Forecaster": ".run",
            "Network": ".model",
        },
    )
